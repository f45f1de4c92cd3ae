"""Quantities that carry their uncertainty by cause, to first order (JCGM 100 "GUM", 5.1 and 5.2).

A part is what one standard uncertainty of a cause does to the value, with its sign: the same cause
in numerator and denominator cancels, in the terms of a sum it adds up. Different causes are
independent, and so are different columns of the same cause.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Parts = Mapping[str, Floats]


@dataclass(frozen=True, slots=True)
class Uncertain:
    """value: float64[w, n]. parts[cause]: float64[w, n], each column its own cause; or, where the
    value is one column made of many, float64[w, m] with a column for each of the m causes."""

    value: Floats
    parts: Parts

    def __add__(self, other: Uncertain) -> Uncertain:
        return Uncertain(self.value + other.value, _joined(self.parts, other.parts))

    def __mul__(self, other: Uncertain) -> Uncertain:
        parts = _joined(_scaled(self.parts, other.value), _scaled(other.parts, self.value))
        return Uncertain(self.value * other.value, parts)

    def __truediv__(self, other: Uncertain) -> Uncertain:
        value = self.value / other.value
        parts = _joined(
            _scaled(self.parts, 1 / other.value), _scaled(other.parts, -value / other.value)
        )
        return Uncertain(value, parts)

    def times(self, exact: Floats | float) -> Uncertain:
        """Multiplied by what has no uncertainty."""
        return Uncertain(self.value * exact, _scaled(self.parts, exact))

    def at(self, value: Floats) -> Uncertain:
        """The same relative uncertainty at another value: a figure and the quotient that explains
        it differ where their inputs have different gaps."""
        by = np.divide(value, self.value, where=value != self.value, out=np.ones_like(value))
        return Uncertain(value, _scaled(self.parts, by))  # nothing stays nothing: 0 of 0 is 1

    def besides(self, cause: str, part: Floats) -> Uncertain:
        """With one cause more."""
        return Uncertain(self.value, _joined(self.parts, {cause: part}))


def relative(value: Floats, causes: Parts) -> Uncertain:
    """A measured or configured quantity. causes: relative standard uncertainties."""
    return Uncertain(value, {cause: value * part for cause, part in causes.items()})


def summed(terms: Uncertain, common: str) -> Uncertain:
    """The sum over the columns that are known, float64[w, 1]. Causes whose names begin with
    `common` act on all columns at once and add; the others keep their columns."""
    known = ~np.isnan(terms.value)
    parts = {}
    for cause, part in terms.parts.items():
        of_known = np.where(known, part, 0.0)
        alike = cause.startswith(common)
        parts[cause] = of_known.sum(axis=1, keepdims=True) if alike else of_known
    value = np.where(known, terms.value, 0.0).sum(axis=1, keepdims=True)
    return Uncertain(np.where(known.any(axis=1, keepdims=True), value, np.nan), parts)


def variance(quantity: Uncertain, out: Floats) -> Floats:
    """Square of the standard uncertainty into out, float64[w, n]; NaN where a cause is unknown."""
    out[:] = 0.0
    for part in quantity.parts.values():
        out += squared(part, quantity.value)
    return out


def squared(part: Floats, value: Floats) -> Floats:
    """What a cause adds to the variance, as wide as the value."""
    square = part * part
    return square if square.shape[-1] == value.shape[-1] else square.sum(axis=-1, keepdims=True)


def _scaled(parts: Parts, by: Floats | float) -> dict[str, Floats]:
    return {cause: part * by for cause, part in parts.items()}


def _joined(one: Parts, other: Parts) -> dict[str, Floats]:
    both = dict(one)
    for cause, part in other.items():
        both[cause] = both[cause] + part if cause in both else part
    return both
