"""The store that needs no server: Parquet files under one folder, read by DuckDB.

Any number of processes may read while one writes. What was written can be read at once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import orjson
import pyarrow as pa
from numpy.typing import NDArray

from plant.batch import Batch
from plant.model import EntityKind, Plant
from store.blocks import block_of, merged
from store.contract import FigureBlock, Written
from store.duplicates import known, order_once
from store.gather import gather
from store.refusals import refusals
from store.shelf import DAY, Shelf, disk_errors, replace_file, words

NEVER = np.iinfo(np.int64).min
TIDY_S = 3600.0
MOST_NAMED = 1000
"""A query names so many tags at most; with more it reads all and the others are dropped."""
ENCODING = {"time": "DELTA_BINARY_PACKED", "value": "BYTE_STREAM_SPLIT"}
"""Of samples: half the size and half the time to read of a dictionary."""


class EmbeddedStore:
    """Three shelves: raw (samples), figures, events. A tag is kept by a number that `tags.json`
    gives to its id, so a plant file with other columns reads the same samples."""

    def __init__(self, path: Path, plant: Plant) -> None:
        self.path = path
        self._plant = plant
        self._raw = Shelf(path / "raw", ("tag", "time"), latest=False, encoding=ENCODING)
        self._figures = Shelf(path / "figures", ("scope", "figure", "entity", "time"), latest=True)
        self._events = Shelf(path / "events", ("kind", "key", "time"), latest=True)
        self._newest: NDArray[np.int64] | None = None
        self._numbered = -1, np.empty(0, np.int32)  # of a tags.json of so many bytes
        self._tidied = -np.inf
        self._lock = threading.Lock()

    def open(self) -> None:
        self.path.mkdir(parents=True, exist_ok=True)

    def close(self) -> None: ...

    # -- samples

    def write_samples(self, batch: Batch) -> Written:
        with self._lock:
            self._tidy()
            rejected = refusals(batch, self._plant.store.raw_days)
            take = np.ones(len(batch), np.bool_)
            take[[row for row, _ in rejected]] = False
            fresh = batch.take(take)
            fresh = fresh.take(order_once(fresh))
            newest = self._newest_times()
            # Only a sample that is not newer than all before it of its tag can be there already.
            late = np.nonzero(fresh.times <= newest[fresh.tags])[0]
            if len(late):
                there = np.zeros(len(fresh), np.bool_)
                there[late] = known(self.samples, fresh.take(late))
                fresh = fresh.take(~there)
            if len(fresh):
                self._raw.append(self._table(fresh))
                np.maximum.at(newest, fresh.tags, fresh.times)
            return Written(len(batch) - len(rejected), rejected)

    def samples(self, tags: Sequence[int] | None, start: int, end: int) -> Batch:
        ids = self._tag_ids()
        column = self._columns(ids)
        if tags is None:
            with disk_errors(self.path):
                return gather(self._raw.files(start, end), start, end, column)
        wanted = np.zeros(len(self._plant.tags), np.bool_)
        wanted[list(tags)] = True
        column = np.where((column >= 0) & wanted[column], column, -1)
        numbers = np.nonzero(column >= 0)[0]
        if not len(numbers):
            return Batch.empty()
        many = len(numbers) > MOST_NAMED
        some = "" if many else f"WHERE tag IN ({', '.join(map(str, numbers))})"
        found = self._raw.query(
            f"SELECT tag, time, value, quality FROM {{rows}} {some} ORDER BY tag, time", start, end
        )
        if found is None:
            return Batch.empty()
        rows = found.fetchnumpy()
        batch = Batch.of(column[rows["tag"]], rows["time"], rows["value"], rows["quality"])
        if many:
            batch = batch.take(batch.tags >= 0)
        if np.all(np.diff(column[numbers]) > 0):
            return batch
        return batch.take(np.argsort(batch.tags, kind="stable"))

    def count(self, start: int, end: int) -> NDArray[np.int64]:
        counts = np.zeros(len(self._plant.tags), np.int64)
        found = self._raw.query("SELECT tag, count(*) AS n FROM {rows} GROUP BY tag", start, end)
        if found is not None:
            rows = found.fetchnumpy()
            column = self._columns(self._tag_ids())[rows["tag"]]
            counts[column[column >= 0]] = rows["n"][column >= 0]
        return counts

    def extent(self) -> tuple[int, int] | None:
        return self._raw.extent()

    # -- figures

    def write_figures(self, block: FigureBlock) -> int:
        t, f, e = np.nonzero(block.stated)
        if len(t):
            with self._lock:
                self._tidy()
                self._figures.append(
                    pa.table(
                        {
                            "scope": words(np.zeros(len(t), np.int32), [block.scope]),
                            "figure": words(f, block.names),
                            "entity": words(e, block.entities),
                            "time": block.times[t],
                            "value": block.values[t, f, e],
                        }
                    )
                )
        return int(np.isfinite(block.values).sum())

    def figures(
        self, scope: str, names: Sequence[str], entities: Sequence[str] | None, start: int, end: int
    ) -> FigureBlock:
        if entities is None:
            entities = self._plant.entities(cast(EntityKind, scope))
        found = self._figures.query(
            """SELECT list_position($names, figure) - 1 AS figure,
                      list_position($entities, entity) - 1 AS entity, time, value FROM {rows}
               WHERE scope = $scope AND list_contains($names, figure)
                 AND list_contains($entities, entity) ORDER BY sequence""",
            start,
            end,
            {"scope": scope, "names": list(names), "entities": list(entities)},
        )
        if found is None:
            return merged(scope, names, entities, [], start, end)
        rows = found.fetchnumpy()
        columns = rows["time"], rows["figure"], rows["entity"], rows["value"]
        return block_of(scope, names, entities, *columns)

    # -- events

    def write_events(self, kind: str, rows: Sequence[dict[str, Any]]) -> int:
        if rows:
            latest = {(row["key"], row["time"]): row for row in rows}
            with self._lock:
                self._tidy()
                self._events.append(
                    pa.table(
                        {
                            "kind": [kind] * len(latest),
                            "key": [key for key, _ in latest],
                            "time": pa.array([at for _, at in latest], pa.int64()),
                            "row": [orjson.dumps(row).decode() for row in latest.values()],
                        }
                    )
                )
        return len(rows)

    def events(self, kind: str, start: int, end: int) -> list[dict[str, Any]]:
        found = self._events.query(
            """SELECT arg_max(row, sequence) FROM {rows} WHERE kind = $kind
               GROUP BY key, time ORDER BY time, key""",
            start,
            end,
            {"kind": kind},
        )
        return [] if found is None else [orjson.loads(row) for (row,) in found.fetchall()]

    # -- inside

    def _newest_times(self) -> NDArray[np.int64]:
        """int64[tags]: no sample of the tag is newer."""
        if self._newest is None:
            extent = self.extent()
            self._newest = np.full(len(self._plant.tags), extent[1] if extent else NEVER)
        return self._newest

    def _tag_ids(self) -> list[str]:
        try:
            ids: list[str] = orjson.loads((self.path / "tags.json").read_bytes())
        except FileNotFoundError:
            return []
        return ids

    def _columns(self, ids: Sequence[str]) -> NDArray[np.int32]:
        """int32[numbers]: the plant's column of each tag number, -1 for a tag it has not."""
        return np.array([self._plant.column_of.get(i, -1) for i in ids], np.int32)

    def _numbers(self) -> NDArray[np.int32]:
        """int32[tags]: under what number the files have each tag; new ones are given one."""
        file = self.path / "tags.json"
        size = file.stat().st_size if file.exists() else 0
        if size != self._numbered[0]:  # it only ever grows
            ids = self._tag_ids()
            number = {tag: n for n, tag in enumerate(ids)}
            new = [t.id for t in self._plant.tags if t.id not in number]
            if new:
                self.path.mkdir(parents=True, exist_ok=True)
                ids += new
                replace_file(file, orjson.dumps(ids))
                number = {tag: n for n, tag in enumerate(ids)}
            found = np.array([number[t.id] for t in self._plant.tags], np.int32)
            self._numbered = file.stat().st_size, found
        return self._numbered[1]

    def _table(self, batch: Batch) -> pa.Table:
        return pa.table(
            {
                "tag": self._numbers()[batch.tags],
                "time": batch.times,
                "value": batch.values,
                "quality": batch.quality,
            }
        )

    def _tidy(self) -> None:
        if time.monotonic() - self._tidied < TIDY_S:
            return
        self._tidied = time.monotonic()
        now, keep = time.time_ns(), self._plant.store
        days = keep.raw_days, keep.figures_days, keep.alarms_days
        for shelf, most in zip((self._raw, self._figures, self._events), days, strict=True):
            if most:
                shelf.expire(now - most * DAY)
            shelf.settle(now - DAY)
