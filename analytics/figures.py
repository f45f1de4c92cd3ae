"""The table of figures: one row each. Field names, API schema, labels and docs come from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Literal

from analytics.assessment import SCOPES, Scope

Window = Literal["beat", "minute", "hour", "shift", "day"]
WINDOWS: tuple[Window, ...] = ("minute", "hour", "shift", "day")
"""Calendar windows in the site's time zone, from their start to the beat."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A derived number. `name` ends in its window unless that is the beat."""

    name: str
    scope: Scope
    window: Window
    unit: str
    formula: str
    inputs: tuple[
        str, ...
    ]  # signals (dotted: "cell.voltage"), figures, or plant keys ("line.current_efficiency")
    factors: tuple[str, ...]  # prefixes of plant.factors that it uses
    method: str
    source: str
    coverage: str  # the figure of the same scope that tells how much of the window is known
    decimals: int
    label: str
    label_zh: str


@cache
def figures() -> Mapping[Scope, tuple[Figure, ...]]:
    """Rows by scope, in the order of the assessment's arrays."""
    from analytics.figure_rows import rows  # the rows are written with Figure

    table = rows()
    return {scope: tuple(f for f in table if f.scope == scope) for scope in SCOPES}


@cache
def index(scope: Scope, name: str) -> int:
    """Row of a figure in its scope's array. KeyError names the figure."""
    for i, figure in enumerate(figures()[scope]):
        if figure.name == name:
            return i
    raise KeyError(f"no figure {scope}.{name}")
