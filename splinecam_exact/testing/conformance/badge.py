"""A badge for a README: a small SVG picture that says in how many problems a tool was right."""

from __future__ import annotations

from html import escape

from splinecam_exact.testing.conformance.card import Card

_LABEL = "splinecam_exact"
_GREEN, _YELLOW, _RED = "#3c8c1e", "#b07d00", "#c0392b"
_LETTER = 6.6
"""About the width of a letter of 11 pixels; `textLength` makes it exact."""


def badge(card: Card) -> str:
    """The badge as SVG: green where all is right, yellow where something was refused, red where anything is wrong."""
    text = f"{card.totals['right']} of {len(card.outcomes)} right"
    color = _RED if not card.passed else _YELLOW if card.totals["refused"] else _GREEN
    left, right = (round(_LETTER * len(word)) + 12 for word in (_LABEL, text))
    title = escape(f"{_LABEL} conformance: {card.line()}")
    words = "".join(
        f'<text x="{x}" y="14" textLength="{width - 12}" fill="#fff">{escape(word)}</text>'
        for x, width, word in ((6, left, _LABEL), (left + 6, right, text))
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="20" role="img" aria-label="{title}">'
        f'<title>{title}</title><rect width="{left + right}" height="20" rx="3" fill="#444"/>'
        f'<path d="M{left} 0h{right - 3}q3 0 3 3v14q0 3 -3 3h-{right - 3}z" fill="{color}"/>'
        f'<g font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">{words}</g></svg>\n'
    )
