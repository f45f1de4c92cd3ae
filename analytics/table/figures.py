"""The table of figures: one row each. Field names, API schema, labels and docs come from it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from analytics.beat.assessment import SCOPES, Scope
from analytics.table.book_rows import BOOK
from analytics.table.figure import Figure
from analytics.table.figure_rows import rows


@cache
def beat_figures() -> Mapping[Scope, tuple[Figure, ...]]:
    """Rows of the beat layer by scope, in the order of the assessment's arrays."""
    table = rows()
    return {scope: tuple(f for f in table if f.scope == scope) for scope in SCOPES}


@cache
def figures() -> Mapping[Scope, tuple[Figure, ...]]:
    """Every row by scope: those of the beat layer, then those of the book."""
    return {scope: beat_figures()[scope] + BOOK.get(scope, ()) for scope in SCOPES}


@cache
def index(scope: Scope, name: str) -> int:
    """Row of a figure in its scope's array. KeyError names the figure."""
    for i, figure in enumerate(figures()[scope]):
        if figure.name == name:
            return i
    raise KeyError(f"no figure {scope}.{name}")
