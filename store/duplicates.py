"""Which samples are there already: of two with the same (tag, time), the first received wins."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from plant.batch import SECOND, Batch

NEAR_NS = 60 * SECOND
SPAN_NS = 3600 * SECOND

Samples = Callable[[Sequence[int], int, int], Batch]
"""samples(tags, start, end), as Store.samples."""


def order_once(batch: Batch) -> NDArray[np.intp]:
    """The rows by (tag, time); of rows with the same both, the first."""
    order = np.lexsort((batch.times, batch.tags))
    tags, times = batch.tags[order], batch.times[order]
    once = np.ones(len(order), np.bool_)
    once[1:] = (tags[1:] != tags[:-1]) | (times[1:] != times[:-1])
    return order[once]


def known(samples: Samples, batch: Batch) -> NDArray[np.bool_]:
    """bool[n]: rows whose (tag, time) `samples` has. Asks only for the stretches of time in which
    the batch has rows, so that one old row does not make it read all since."""
    found = np.zeros(len(batch), np.bool_)
    order = np.argsort(batch.times, kind="stable")
    times = batch.times[order]
    new_stretch = np.diff(times, prepend=times[:1]) > NEAR_NS
    new_stretch |= np.diff((times - times[:1]) // SPAN_NS, prepend=0) > 0
    for rows in np.split(order, np.nonzero(new_stretch)[0]):
        if len(rows):
            part = batch.take(rows)
            tags = np.unique(part.tags).tolist()
            there = samples(tags, int(part.times.min()), int(part.times.max()) + 1)
            found[rows] = among(part, there)
    return found


def among(batch: Batch, others: Batch) -> NDArray[np.bool_]:
    """bool[n]: rows of `batch` whose (tag, time) is in `others`."""
    keys = Batch.concat([others, batch])
    order = np.lexsort((keys.times, keys.tags))
    tags, times = keys.tags[order], keys.times[order]
    first = np.ones(len(order), np.bool_)
    first[1:] = (tags[1:] != tags[:-1]) | (times[1:] != times[:-1])
    # The sort is stable, so the first row of a key is one of `others` if they have it.
    leader = order[first][np.cumsum(first) - 1]
    found = np.empty(len(order), np.bool_)
    found[order] = leader < len(others)
    return found[len(others) :]
