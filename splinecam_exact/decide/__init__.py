"""Exact decisions in bulk: what float64 could not certify, first with about 110 bits, then in integers.

Both stages are one algorithm. A program's integers are cut into digits of some 22 bits, few enough that float64 matrix
products of digits are exact; the exact stage keeps all digits, the wide stage the highest ones and a bound on the rest.
The proof is in `proofs/decide.md`.
"""

from splinecam_exact.decide.decider import Decider, Enclosure, Signs, Stages
from splinecam_exact.decide.maps import RELATIVE, Maps
from splinecam_exact.decide.rows import Windows

__all__ = ["RELATIVE", "Decider", "Enclosure", "Maps", "Signs", "Stages", "Windows"]
