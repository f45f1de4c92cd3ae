"""All samples of a stretch of time from the files of the raw shelf, in order, at memory speed.

Each file is in the order of (tag, time) and files follow each other in time, so that one stable
counting sort by tag orders them all; where late samples overlap, a full sort does.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from plant.batch import Batch
from store.lineprotocol import compiled

COLUMNS = ["tag", "time", "value", "quality"]


def gather(files: Sequence[str], start: int, end: int, column: NDArray[np.int32]) -> Batch:
    """Samples of [start, end) of files given in the order of their first time, by (tag, time).

    column: int32[numbers], the plant's column of each tag number in the files, -1 for none.
    """
    tables = [pq.read_table(file, columns=COLUMNS, memory_map=True) for file in files]
    parts = [[table[name].to_numpy() for name in COLUMNS] for table in tables]
    tags = int(column.max(initial=-1)) + 1
    offsets = np.zeros(tags + 1, np.int64)
    for tag, time, _, _ in parts:
        _count(column, tag, time, start, end, offsets)
    offsets = np.cumsum(offsets)
    rows = int(offsets[-1])
    times, values = np.empty(rows, np.int64), np.empty(rows, np.float64)
    quality = np.empty(rows, np.uint8)
    place = offsets[:-1].copy()
    ordered = True
    for tag, time, value, mark in parts:
        ordered &= _place(
            column, tag, time, value, mark, start, end, offsets, place, times, values, quality
        )
    batch = Batch(
        np.repeat(np.arange(tags, dtype=np.int32), np.diff(offsets)), times, values, quality
    )
    return batch if ordered else batch.take(np.lexsort((batch.times, batch.tags)))


@compiled
def _count(
    column: NDArray[np.int32],
    tag: NDArray[np.int32],
    time: NDArray[np.int64],
    start: int,
    end: int,
    counts: NDArray[np.int64],
) -> None:
    """counts[c + 1] += samples of column c in [start, end)."""
    for i in range(len(tag)):
        c = column[tag[i]]
        if c >= 0 and start <= time[i] < end:
            counts[c + 1] += 1


@compiled
def _place(
    column: NDArray[np.int32],
    tag: NDArray[np.int32],
    time: NDArray[np.int64],
    value: NDArray[np.float64],
    mark: NDArray[np.uint8],
    start: int,
    end: int,
    offsets: NDArray[np.int64],
    place: NDArray[np.int64],
    times: NDArray[np.int64],
    values: NDArray[np.float64],
    quality: NDArray[np.uint8],
) -> bool:
    """Append each sample to its column's rows; are they in the order of time so far?"""
    ordered = True
    for i in range(len(tag)):
        c = column[tag[i]]
        if c < 0 or time[i] < start or time[i] >= end:
            continue
        at = place[c]
        if at > offsets[c] and times[at - 1] > time[i]:
            ordered = False
        times[at] = time[i]
        values[at] = value[i]
        quality[at] = mark[i]
        place[c] = at + 1
    return ordered
