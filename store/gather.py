"""All samples of a stretch of time from the files of the raw shelf, in order, at memory speed.

Each file is in the order of (tag, time) and files follow each other in time: what a file has of a
tag, a run, is copied as a whole behind what earlier files had of it. Where late samples overlap, a
full sort puts them in order.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from plant.batch import Batch
from store.lineprotocol import compiled

COLUMNS = ["tag", "time", "value", "quality"]


class Part(NamedTuple):
    """Rows of a file."""

    runs: NDArray[np.int64]  # [k, 3]: tag number, first row and one behind the last of each run
    time: NDArray[np.int64]
    value: NDArray[np.float64]
    mark: NDArray[np.uint8]


def gather(files: Sequence[str], start: int, end: int, column: NDArray[np.int32]) -> Batch:
    """Samples of [start, end) of files given in the order of their first time, by (tag, time).

    column: int32[numbers], the plant's column of each tag number in the files, -1 for none.
    """
    tags = int(column.max(initial=-1)) + 1
    counts = np.zeros(tags, np.int64)
    parts = []
    for file in files:
        for part in _read(file):
            own = part.runs.copy()
            found = _choose(column, part.time, start, end, counts, own)
            parts.append(part._replace(runs=own[:found]))
    total = int(counts.sum())
    batch = Batch(
        np.empty(total, np.int32), np.empty(total, np.int64), np.empty(total),
        np.empty(total, np.uint8),
    )  # fmt: skip
    place = np.cumsum(counts) - counts
    newest = np.full(tags, np.iinfo(np.int64).min)
    ordered = True
    for part in parts:
        ordered &= _place(
            *part, place, newest, batch.tags, batch.times, batch.values, batch.quality
        )
    return batch if ordered else batch.take(np.lexsort((batch.times, batch.tags)))


@lru_cache(maxsize=1)
def _read(file: str) -> list[Part]:
    """A file's rows; who reads on in stretches of time finds the one at the edge still there. No
    file changes once it has a name."""
    parts = []
    for rows in pq.read_table(file, columns=COLUMNS, memory_map=True).to_batches():
        tag, time, value, mark = (rows[name].to_numpy() for name in COLUMNS)
        runs = np.empty((len(tag), 3), np.int64)  # pages that are not touched cost nothing
        parts.append(Part(runs[: _runs(tag, time, runs)].copy(), time, value, mark))
    return parts


@compiled
def _runs(tag: NDArray[np.int32], time: NDArray[np.int64], runs: NDArray[np.int64]) -> int:
    """Fill in the runs: rows of one tag in the order of time. -> how many"""
    found = 0
    last = 0
    while last < len(tag):
        first = last
        last += 1
        while last < len(tag) and tag[last] == tag[first] and time[last] >= time[last - 1]:
            last += 1
        runs[found, 0], runs[found, 1], runs[found, 2] = tag[first], first, last
        found += 1
    return found


@compiled
def _choose(
    column: NDArray[np.int32],
    time: NDArray[np.int64],
    start: int,
    end: int,
    counts: NDArray[np.int64],
    runs: NDArray[np.int64],
) -> int:
    """Keep of the runs what lies in [start, end) and belongs to a tag of the plant, under its
    column. -> how many; counts[column] += their rows."""
    found = 0
    for k in range(len(runs)):
        c, first, last = column[runs[k, 0]], runs[k, 1], runs[k, 2]
        if c < 0 or time[first] >= end or time[last - 1] < start:
            continue
        own = time[first:last]
        last = first + np.searchsorted(own, end)
        first += np.searchsorted(own, start)
        if first < last:
            runs[found, 0], runs[found, 1], runs[found, 2] = c, first, last
            counts[c] += last - first
            found += 1
    return found


@compiled
def _place(
    runs: NDArray[np.int64],
    time: NDArray[np.int64],
    value: NDArray[np.float64],
    mark: NDArray[np.uint8],
    place: NDArray[np.int64],
    newest: NDArray[np.int64],
    tags: NDArray[np.int32],
    times: NDArray[np.int64],
    values: NDArray[np.float64],
    quality: NDArray[np.uint8],
) -> bool:
    """Append each run to its column's rows; are they in the order of time so far?"""
    ordered = True
    for k in range(len(runs)):
        c, first, last = runs[k]
        at, stop = place[c], place[c] + last - first
        ordered &= newest[c] <= time[first]
        tags[at:stop] = c
        times[at:stop] = time[first:last]
        values[at:stop] = value[first:last]
        quality[at:stop] = mark[first:last]
        place[c], newest[c] = stop, time[last - 1]
    return ordered
