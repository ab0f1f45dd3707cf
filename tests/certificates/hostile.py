"""Texts that are no certificates, each made from the text of a certificate of `CROSS` on `SQUARE`."""

from __future__ import annotations

import json
from collections.abc import Callable

from certificates.forge import CROSS, SQUARE

ORIGIN = '["0", "0", "1"]'
MANY = "1" * 10**5

HOSTILE: dict[str, Callable[[str], str]] = {
    "empty": lambda t: "",
    "white space": lambda t: " \n",
    "other JSON": lambda t: "[]",
    "a string": lambda t: json.dumps(t),
    "a number": lambda t: "1",
    "null": lambda t: "null",
    "an empty object": lambda t: "{}",
    "a list around it": lambda t: f"[{t}]",
    "two certificates": lambda t: t + t,
    "trailing data": lambda t: t + "0",
    "a trailing NUL": lambda t: t + "\0",
    "a byte order mark": lambda t: "\ufeff" + t,
    "a comment": lambda t: t.replace("\n", "\n// so\n", 1),
    "single quotes": lambda t: t.replace('"', "'"),
    "a trailing comma": lambda t: t.replace("]]\n]}", "]],\n]}"),
    "no comma": lambda t: t.replace(',\n"version"', '\n"version"'),
    "a key twice": lambda t: t.replace('"version": 1', '"version": 1, "version": 1'),
    "a count twice": lambda t: t.replace('"A": 4', '"A": 4, "A": 4'),
    "a key twice, once escaped": lambda t: t.replace('"version": 1', '"version": 1, "\\u0076ersion": 1'),
    "a float version": lambda t: t.replace('"version": 1', '"version": 1.0'),
    "a true version": lambda t: t.replace('"version": 1', '"version": true'),
    "version 1e0": lambda t: t.replace('"version": 1', '"version": 1e0'),
    "upper-case digest": lambda t: t.replace(SQUARE.digest, SQUARE.digest.upper()),
    "unicode digest": lambda t: t.replace(SQUARE.digest, SQUARE.digest[:-1] + "\u0661"),
    "long digest": lambda t: t.replace(SQUARE.digest, SQUARE.digest + "0"),
    "short digest": lambda t: t.replace(SQUARE.digest, SQUARE.digest[1:]),
    "digest and a newline": lambda t: t.replace(SQUARE.digest, SQUARE.digest + "\\n"),
    "no corners": lambda t: t.replace("[0,1,2,3]]", "[]]"),
    "two corners": lambda t: t.replace("[0,1,2,3]]", "[0,1]]"),
    "changes in another order": lambda t: t.replace("[[0,2]]", "[[1,0],[0,2]]", 1),
    "unit twice": lambda t: t.replace("[[0,2]]", "[[0,2],[0,2]]", 1),
    "unit in two states": lambda t: t.replace("[[0,2]]", "[[0,1],[0,2]]", 1),
    "lone surrogate in a digest": lambda t: t.replace(SQUARE.digest, SQUARE.digest[:-1] + "\\ud800"),
    "lone surrogate as a key": lambda t: t.replace('"version"', '"\\ud800"'),
    "lone surrogate as a coordinate": lambda t: t.replace(ORIGIN, '["0", "\\ud800", "1"]'),
    **{
        f"count {text}": lambda t, text=text: t.replace('"A": 4', f'"A": {text}')
        for text in (
            *(
                "NaN",
                "Infinity",
                "-Infinity",
                "1e5",
                "4.0",
                "4e0",
                "-4",
                "01",
                "+4",
                "0x4",
                "4_0",
                "\u0664",
                "1" * 10**5,
            ),
            *("true", "null", '"4"', "[4]", "{}", ".5", "4.", "-", "1e", "nan", "1e400", "-1e400"),
        )
    },
    **{
        f"corner {text}": lambda t, text=text: t.replace("[0,1,2,3]]", f"[{text},1,2,3]]")
        for text in (
            "NaN",
            "0.0",
            "0e0",
            "00",
            "+0",
            "false",
            "null",
            '"0"',
            "[0]",
            "{}",
            "1",
            "9",
            "-1",
            "9" * 10**5,
            "\u0660",
        )
    },
    **{
        f"base {text}": lambda t, text=text: t.replace("[0,[[0,2]]", f"[{text},[[0,2]]")
        for text in ("-2", "1", "0.0", "false", "null", '"0"', "[]", MANY)
    },
    **{
        f"coordinate {text[:20]!r}": lambda t, text=text: t.replace(
            '["0", "0", "1"]', f'[{json.dumps(text)}, "0", "1"]'
        )
        for text in (
            *(
                "+1",
                " 1",
                "1 ",
                "1_000",
                "0x1",
                "01",
                "00",
                "-0",
                "--1",
                "1.0",
                "1e0",
                "1/1",
                "",
                "-",
                "\u0661",
                "\uff11",
            ),
            *("1\n", "\n1", "1\u200b", "NaN", "inf", "\0", "1" * 10**5 + "x", "-" * 10**5, "\u2212" + "1"),
        )
    },
    **{
        f"point {text}": lambda t, text=text: t.replace(ORIGIN, text)
        for text in (
            *(
                '["0", "0", "0"]',
                '["1", "0", "0"]',
                '["0", "0", "-1"]',
                '["0", "0", "2"]',
                '["0", "0"]',
                '["0", "0", "1", "1"]',
                "[]",
                "null",
            ),
            *('"001"', "[0, 0, 1]", '[["0"], "0", "1"]', '{"0": 1}', '["0", "0", null]', '["0", "0", true]', "0"),
        )
    },
    **{
        f"{depth} brackets": lambda t, depth=depth, where=where: t.replace(where, "[" * depth + "]" * depth, 1)
        for depth in (10, 100, 990, 1000, 10**5)
        for where in ("[0,1,2,3]", '"0"', "[]", "-1")
    },
    "many unclosed brackets": lambda t: "[" * 10**6,
    "many unclosed objects": lambda t: '{"a":' * 10**5,
    "a network of brackets": lambda t: t.replace(f'"{CROSS.digest}"', "[" * 900 + "]" * 900),
}
