"""Kubernetes quantities (`500m`, `10Gi`, `1e3`): their value, and the canonical form that the API server stores.

The rules are those of `k8s.io/apimachinery/pkg/api/resource`, whose doc comment is the specification, with the rounding
of `k8s.io/kubernetes/pkg/apis/core/v1/defaults.go`: the quantities of pods and PVCs have at most three decimals.
"""

from __future__ import annotations

import re
from decimal import ROUND_UP, Decimal, localcontext

PATTERN = r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]{1,3})?"
"""The syntax of a quantity, for both RE2 and Python's `re`."""

_WHOLE = re.compile(PATTERN, re.ASCII)
_SUFFIX = re.compile(r"([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]+)?$", re.ASCII)
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_DECIMAL_SUFFIX = {exponent: suffix for suffix, exponent in _DECIMAL.items()}
_BINARY = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
_LARGEST = Decimal(2**63 - 1)
_SMALLEST = Decimal("0.001")
_DIGITS = 64  # more than 2**63 with three decimals needs


def value(quantity: str | int) -> Decimal:
    """Return the value of a quantity in its base unit (bytes, cores).

    As in the API server it has at most three decimals, rounded away from zero, and is at most 2**63 - 1.

    Raises:
        ValueError: it is not a quantity.
    """
    number, suffix = _split(str(quantity))
    with localcontext() as context:
        context.prec = _DIGITS
        if suffix in _BINARY:
            exact = number * (1 << 10 * _BINARY.index(suffix))
        else:
            exact = number.scaleb(_DECIMAL[suffix] if suffix in _DECIMAL else int(suffix[1:]))
        return max(min(exact, _LARGEST), -_LARGEST).quantize(_SMALLEST, rounding=ROUND_UP)


def canonical(quantity: str | int) -> str:
    """Return a quantity in the canonical form that the API server stores: `1000m` is `1`, `1.5Gi` is `1536Mi`.

    The mantissa is an integer, the suffix the largest one possible, and of the same family as before.

    Raises:
        ValueError: it is not a quantity.
    """
    _, suffix = _split(str(quantity))
    exact = value(quantity)
    if not exact:
        return "0"
    if suffix.endswith("i") and exact == exact.to_integral_value() and abs(exact) >= 1024:  # noqa: PLR2004 - one Ki
        return _binary(int(exact))
    return _decimal(int(exact.scaleb(3)), by_suffix=not suffix or suffix[:1] not in "eE" or suffix == "E")


def same(one: str | int, other: str | int) -> bool:
    """Return whether two quantities have the same value, however they are written."""
    return value(one) == value(other)


def _binary(whole: int) -> str:
    power = 0
    while whole % 1024 == 0 and power + 1 < len(_BINARY):
        whole, power = whole // 1024, power + 1
    return f"{whole}{_BINARY[power]}"


def _decimal(thousandths: int, *, by_suffix: bool) -> str:
    whole, exponent = thousandths, -3
    while whole % 1000 == 0:
        whole, exponent = whole // 1000, exponent + 3
    if by_suffix:
        return f"{whole}{_DECIMAL_SUFFIX[exponent]}"
    return f"{whole}e{exponent}" if exponent else str(whole)


def _split(text: str) -> tuple[Decimal, str]:
    if not _WHOLE.fullmatch(text):
        raise ValueError(f"{text!r} is not a quantity such as 10Gi or 500m")
    found = _SUFFIX.search(text)
    suffix = found.group() if found else ""
    return Decimal(text.removesuffix(suffix)), suffix
