"""Kubernetes quantities: ``4000m``, ``16Gi``, ``1.5``, ``1e3``.

The grammar is Kubernetes' own (apimachinery, ``pkg/api/resource/quantity.go``).
"""

import re
from decimal import ROUND_HALF_UP, ROUND_UP, Decimal

LONGEST = 32  # characters of a quantity in a request
# For schemas: what ``amount`` accepts, as a pattern that is also valid in ECMA-262.
PATTERN = r"^\+?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,2}|[KMGTPE]i|[numkMGTPE]?)$"

_BINARY: dict[str, int] = {f"{prefix}i": 1024**power for power, prefix in enumerate("KMGTPE", start=1)}
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_LARGEST, _FINEST = Decimal(2**63 - 1), Decimal("1e-9")
# No digit matches in two places, or a long number would be tried at each of its digits.
_QUANTITY = re.compile(r"([+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+))([eE][+-]?[0-9]{1,2}|[KMGTPE]i|[numkMGTPE]?)")


def parse(quantity: str) -> Decimal:
    """Return the number of a quantity: CPUs, bytes or pieces.

    Raises:
        ValueError: it is not a quantity.
    """
    match = _QUANTITY.fullmatch(quantity)
    if match is None:
        raise ValueError(f"{quantity[:LONGEST]!r} is not a Kubernetes quantity such as 4000m, 16Gi or 1.5.")
    number, suffix = Decimal(match[1]), match[2]
    if suffix in _BINARY:
        number *= _BINARY[suffix]
    else:
        number = number.scaleb(_DECIMAL[suffix] if suffix in _DECIMAL else int(suffix[1:]))
    # As Kubernetes does: at most what fits into 64 bits, and nothing finer than a billionth.
    return max(-_LARGEST, min(number, _LARGEST)).quantize(_FINEST, ROUND_UP).normalize()


def amount(quantity: str) -> Decimal:
    """Return the number of a quantity that must not be negative.

    Raises:
        ValueError: it is not a quantity, or negative.
    """
    number = parse(quantity)
    if number < 0:
        raise ValueError("Must not be negative.")
    return number


def render(number: Decimal) -> str:
    """Return the shortest quantity of a number: ``2500m``, ``16Gi``, ``100G``; no suffix below a million."""
    if number != number.to_integral_value():
        return f"{(number * 1000).to_integral_value(ROUND_HALF_UP)}m"
    whole = int(number)
    texts = [str(whole)]
    if abs(whole) >= 10**6:
        sizes = _BINARY | {suffix: 10**power for suffix, power in _DECIMAL.items() if power > 0}
        texts += [f"{whole // size}{suffix}" for suffix, size in sizes.items() if whole % size == 0]
    return min(texts, key=len)
