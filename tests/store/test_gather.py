"""Files to one batch in order, whatever they hold and however they overlap."""

import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st

from store.gather import COLUMNS, gather

TYPES = (np.int32, np.int64, np.float64, np.uint8)
sample = st.tuples(st.integers(0, 4), st.integers(0, 60))


def write(folder: Path, files, group):
    """Parquet files of (number, time) in the order of their first time; value and quality tell
    them apart."""
    paths = []
    for k, rows in enumerate(sorted((f for f in files if f), key=lambda f: min(t for _, t in f))):
        rows = sorted(rows)
        values = [number + time / 100 for number, time in rows]
        columns = [*zip(*rows, strict=True), values, [time % 3 for _, time in rows]]
        table = {n: np.array(c, t) for n, c, t in zip(COLUMNS, columns, TYPES, strict=True)}
        paths.append(str(folder / f"{k}.parquet"))
        pq.write_table(pa.table(table), paths[-1], row_group_size=group)
    return paths


@settings(deadline=None, max_examples=60)
@given(
    rows=st.sets(sample, max_size=60),
    cuts=st.lists(st.integers(0, 60), max_size=3),
    late=st.floats(0, 1),
    group=st.integers(1, 7),
    span=st.tuples(st.integers(0, 61), st.integers(0, 61)),
)
def test_equals_a_sort_of_all_rows(rows, cuts, late, group, span):
    column = np.array([2, -1, 0, 1, 3], np.int32)
    edges = [*sorted(set(cuts)), 61]
    files = [[] for _ in edges]
    for k, (number, time) in enumerate(sorted(rows)):
        own = next(i for i, edge in enumerate(edges) if time < edge)
        files[own if k % 10 >= 10 * late else k % len(files)].append((number, time))
    with tempfile.TemporaryDirectory() as folder:
        batch = gather(write(Path(folder), files, group), *span, column)
    expected = sorted(
        (int(column[number]), time, number + time / 100, time % 3)
        for number, time in rows
        if column[number] >= 0 and span[0] <= time < span[1]
    )
    found = zip(batch.tags, batch.times, batch.values, batch.quality, strict=True)
    assert [tuple(row) for row in found] == expected
    assert [a.dtype for a in (batch.tags, batch.times, batch.values, batch.quality)] == list(TYPES)


def test_no_files_and_no_tags():
    assert len(gather([], 0, 10, np.array([0], np.int32))) == 0
    assert len(gather([], 0, 10, np.array([], np.int32))) == 0
