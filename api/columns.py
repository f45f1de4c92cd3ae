"""Figures and standing signals as named columns: rounded, compared, and only what changed named."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from analytics.beat.assessment import SCOPES, Scope
from analytics.table.figures import beat_figures
from plant.model import EntityKind, Plant

KINDS: tuple[EntityKind, ...] = ("line", "cell", "rectifier", "meter", "boiler")
SIGNAL_DECIMALS = 4
EXTRA_DECIMALS = 1
"""Figures go out with one digit more than they are shown with: trends stay smooth, deltas small."""
MOSTLY = 0.4
"""A column of which more than this share has changed is sent whole."""

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Columns:
    """The named columns of one kind of entity."""

    names: tuple[str, ...]
    powers: Values  # [names, 1], 10**decimals

    @classmethod
    def of(cls, names: Sequence[str], decimals: Sequence[int]) -> Self:
        return cls(tuple(names), 10.0 ** np.array(decimals, np.float64)[:, None])

    def rounded(self, values: Values) -> Values:
        return np.rint(values * self.powers) / self.powers + 0.0  # + 0.0 makes -0.0 a 0.0

    def whole(self, values: Values) -> dict[str, Values]:
        return dict(zip(self.names, values, strict=True))

    def changed(self, new: Values, old: Values) -> dict[str, Any]:
        """What `new` has that `old` has not: a column, or its changed places."""
        differs = (new != old) & ~(np.isnan(new) & np.isnan(old))
        counts = differs.sum(axis=1)
        columns: dict[str, Any] = {}
        for row in np.flatnonzero(counts):
            if counts[row] > MOSTLY * new.shape[1]:
                columns[self.names[row]] = new[row]
            else:
                places = np.flatnonzero(differs[row])
                columns[self.names[row]] = {"i": places, "v": new[row, places]}
        return columns


@dataclass(frozen=True)
class Layout:
    """Which columns a plant has: figures by scope, signals by the kind of entity that has tags."""

    figures: Mapping[Scope, Columns]
    signals: Mapping[str, Columns]
    tags: Mapping[str, NDArray[np.int32]]  # [signals, entities] columns of the plant's tags

    @classmethod
    def of(cls, plant: Plant) -> Self:
        signals: dict[str, Columns] = {}
        tags: dict[str, NDArray[np.int32]] = {}
        for kind in KINDS:
            found = {
                s.name: columns
                for s in plant.signals.values()
                if s.entity == kind and ((columns := plant.columns(kind, s.name)) >= 0).any()
            }
            if found:
                signals[kind] = Columns.of(list(found), [SIGNAL_DECIMALS] * len(found))
                tags[kind] = np.stack(list(found.values()))
        return cls(
            {
                scope: Columns.of(
                    [f.name for f in beat_figures()[scope]],
                    [f.decimals + EXTRA_DECIMALS for f in beat_figures()[scope]],
                )
                for scope in SCOPES
            },
            signals,
            tags,
        )

    def unknown(self, plant: Plant) -> Tables:
        """Before the first beat."""
        values = {
            scope: np.full((len(c.names), len(plant.entities(scope))), np.nan)
            for scope, c in self.figures.items()
        }
        return Tables(self, values, lambda: np.full(len(plant.tags), np.nan))


@dataclass(frozen=True)
class Tables:
    """All columns at one beat, made when somebody asks for them.

    values: as of an assessment; last: gives float64[tags], standing at the end of its frame.
    """

    layout: Layout
    values: Mapping[Scope, Values]
    last: Callable[[], Values]

    @cached_property
    def figures(self) -> dict[Scope, Values]:
        return {s: c.rounded(self.values[s]) for s, c in self.layout.figures.items()}

    @cached_property
    def signals(self) -> dict[str, Values]:
        known = np.append(self.last(), np.nan)  # the tag -1: there is none
        tags = self.layout.tags
        return {kind: c.rounded(known[tags[kind]]) for kind, c in self.layout.signals.items()}

    def whole(self) -> dict[str, Any]:
        return {
            "figures": {s: c.whole(self.figures[s]) for s, c in self.layout.figures.items()},
            "signals": {k: c.whole(self.signals[k]) for k, c in self.layout.signals.items()},
        }

    def changed(self, old: Tables) -> dict[str, Any]:
        return {
            "figures": {
                s: c.changed(self.figures[s], old.figures[s])
                for s, c in self.layout.figures.items()
            },
            "signals": {
                k: c.changed(self.signals[k], old.signals[k])
                for k, c in self.layout.signals.items()
            },
        }
