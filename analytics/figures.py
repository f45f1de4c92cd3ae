"""The table of figures: one row each. Field names, API schema, labels and docs come from it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from analytics.assessment import SCOPES, Scope
from analytics.figure import Figure
from analytics.figure_rows import rows


@cache
def figures() -> Mapping[Scope, tuple[Figure, ...]]:
    """Rows by scope, in the order of the assessment's arrays."""
    table = rows()
    return {scope: tuple(f for f in table if f.scope == scope) for scope in SCOPES}


@cache
def index(scope: Scope, name: str) -> int:
    """Row of a figure in its scope's array. KeyError names the figure."""
    for i, figure in enumerate(figures()[scope]):
        if figure.name == name:
            return i
    raise KeyError(f"no figure {scope}.{name}")
