"""Blocks of figures from rows, and several blocks as one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from store.contract import FigureBlock


def block_of(
    scope: str,
    names: Sequence[str],
    entities: Sequence[str],
    times: NDArray[np.int64],
    figure: NDArray[np.intp],
    entity: NDArray[np.intp],
    values: NDArray[np.float64],
) -> FigureBlock:
    """A block from n rows of (time, index of figure, index of entity, value); of rows with the same
    key the last stands, and a NaN makes it unknown. Only the times at which something is known."""
    at, row = np.unique(times, return_inverse=True)
    cube = np.full((len(at), len(names), len(entities)), np.nan)
    cube[row, figure, entity] = values
    some = ~np.isnan(cube).all(axis=(1, 2))
    return FigureBlock(scope, tuple(names), tuple(entities), at[some], cube[some])


def merged(
    scope: str,
    names: Sequence[str],
    entities: Sequence[str],
    blocks: Sequence[FigureBlock],
    start: int,
    end: int,
) -> FigureBlock:
    """What the blocks know of these figures and entities in [start, end); a later one replaces."""
    columns = []
    for block in blocks:
        figure, entity = indices(block.names, names), indices(block.entities, entities)
        row = (block.times >= start) & (block.times < end)
        t, f, e = np.nonzero(
            block.stated & row[:, None, None] & (figure >= 0)[:, None] & (entity >= 0)
        )
        columns.append((block.times[t], figure[f], entity[e], block.values[t, f, e]))
    if not columns:
        nothing, none = np.empty(0, np.intp), np.empty(0)
        return block_of(scope, names, entities, none.astype(np.int64), nothing, nothing, none)
    times, figures, rows, values = (np.concatenate(c) for c in zip(*columns, strict=True))
    return block_of(scope, names, entities, times, figures, rows, values)


def indices(names: Sequence[str], wanted: Sequence[str]) -> NDArray[np.intp]:
    """Where each name stands in `wanted`, -1 if it does not."""
    place = {name: i for i, name in enumerate(wanted)}
    return np.array([place.get(name, -1) for name in names], np.intp)
