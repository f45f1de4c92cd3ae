"""A shelf of Parquet files: a folder a UTC day, a manifest in each, small files merged as they
gather.

The manifest is replaced atomically and names the files that count; a file it does not name is
removed after a grace time, so that who has read the old manifest can still read its files. Readers
in other processes need nothing else. One process writes.
"""

from __future__ import annotations

import os
import shutil
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from plant.batch import SECOND
from store.contract import StoreUnavailable

DAY = 86400 * SECOND
FAN = 8
"""So many files of a level are merged into one of the next."""
FINAL_ROWS = 1_000_000
"""A file of so many rows is not merged again."""
GRACE_S = 600.0
ROW_GROUP = 131_072
FINAL = 99


@dataclass(frozen=True, slots=True)
class File:
    name: str
    level: int
    rows: int
    first: int
    last: int


@dataclass(slots=True)
class Manifest:
    sequence: int = 0
    files: list[File] = field(default_factory=list)


class Shelf:
    """Rows with a column `time` (int64 ns), merged in the order of `key`.

    latest: of rows with the same key the one appended last stands, by a column `sequence` that the
    shelf adds; otherwise the caller appends no key twice.
    """

    def __init__(
        self,
        path: Path,
        key: Sequence[str],
        *,
        latest: bool,
        encoding: Mapping[str, str] = {},
    ) -> None:
        """encoding: Parquet's encoding of some columns, the others get a dictionary."""
        self.path = path
        self._encoding = encoding
        self._key = ", ".join(key)
        self._latest = latest
        self._lock = threading.Lock()

    def append(self, table: pa.Table) -> None:
        """Keep rows; durable on return, each day's all or none."""
        days = table["time"].to_numpy() // DAY
        with self._lock, disk_errors(self.path):
            for day in np.unique(days):
                self._append_day(self._folder(int(day)), table.filter(pa.array(days == day)))

    def files(self, start: int, end: int) -> list[str]:
        """Paths of the files that may have rows in [start, end), by the first time in each."""
        found = [
            (file.first, str(folder / file.name))
            for folder in self._folders(start // DAY, (end - 1) // DAY)
            for file in _read(folder).files
            if file.first < end and file.last >= start
        ]
        return [path for _, path in sorted(found)]

    def query(
        self, sql: str, start: int, end: int, parameters: Mapping[str, object] | None = None
    ) -> Any | None:
        """DuckDB's result of `sql`, in which `{rows}` stands for the rows of [start, end); None
        when no file has any."""
        files = self.files(start, end)
        if not files:
            return None
        rows = "(FROM read_parquet($files) WHERE time >= $start AND time < $end)"
        given = {"files": files, "start": start, "end": end, **(parameters or {})}
        with disk_errors(self.path):
            return self._duckdb.cursor().execute(sql.format(rows=rows), given)

    def extent(self) -> tuple[int, int] | None:
        """First and last time kept."""
        folders = [f for f in self._folders() if _read(f).files]
        if not folders:
            return None
        first = min(file.first for file in _read(folders[0]).files)
        return first, max(file.last for file in _read(folders[-1]).files)

    def expire(self, before: int) -> None:
        """Remove the days that end before this time."""
        with self._lock:
            for folder in self._folders(last=before // DAY - 1):
                shutil.rmtree(folder)

    def settle(self, before: int) -> None:
        """Merge what is left over in the days that end before this time."""
        with self._lock, disk_errors(self.path):
            for folder in self._folders(last=before // DAY - 1):
                manifest = _read(folder)
                small = [f for f in manifest.files if f.level < FINAL]
                if len(small) > 1:
                    self._merge(folder, manifest, small)
                _sweep(folder, manifest)

    @cached_property
    def _duckdb(self) -> duckdb.DuckDBPyConnection:
        return duckdb.connect(config={"memory_limit": "1GB", "temp_directory": ""})

    def _folder(self, day: int) -> Path:
        return self.path / str(np.datetime64(day, "D"))

    def _folders(self, first: int | None = None, last: int | None = None) -> list[Path]:
        """Folders of the days numbered first … last (None: no bound), in order."""
        if not self.path.is_dir():
            return []
        found = []
        for folder in sorted(p for p in self.path.iterdir() if p.is_dir()):
            day = int(np.datetime64(folder.name, "D").astype(np.int64))
            if (first is None or day >= first) and (last is None or day <= last):
                found.append(folder)
        return found

    def _append_day(self, folder: Path, table: pa.Table) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        manifest = _read(folder)
        manifest.sequence += 1
        if self._latest:
            sequence = pa.array(np.full(len(table), manifest.sequence, np.int64))
            table = table.append_column("sequence", sequence)
        name = f"{uuid.uuid4().hex}.parquet"
        pq.write_table(
            table,
            folder / name,
            compression="zstd",
            row_group_size=ROW_GROUP,
            use_dictionary=[c for c in table.column_names if c not in self._encoding],
            column_encoding=self._encoding or None,
        )
        _sync(folder / name)
        times = table["time"].to_numpy()
        level = FINAL if len(table) >= FINAL_ROWS else 0
        manifest.files.append(File(name, level, len(table), int(times.min()), int(times.max())))
        _write(folder, manifest)
        for level in sorted({f.level for f in manifest.files} - {FINAL}):
            peers = [f for f in manifest.files if f.level == level]
            if len(peers) >= FAN:
                self._merge(folder, manifest, peers)
                _sweep(folder, manifest)

    def _merge(self, folder: Path, manifest: Manifest, parts: Sequence[File]) -> None:
        name = f"{uuid.uuid4().hex}.parquet"
        once = (
            f"QUALIFY row_number() OVER (PARTITION BY {self._key} ORDER BY sequence DESC) = 1"
            if self._latest
            else ""
        )
        target = str(folder / name).replace("'", "''")
        self._duckdb.cursor().execute(
            f"""COPY (FROM read_parquet($files) {once} ORDER BY {self._key}) TO '{target}'
                (FORMAT parquet, PARQUET_VERSION V2, COMPRESSION zstd,
                 ROW_GROUP_SIZE {ROW_GROUP})""",
            {"files": [str(folder / f.name) for f in parts]},
        )
        _sync(folder / name)
        rows = pq.read_metadata(folder / name).num_rows
        level = FINAL if rows >= FINAL_ROWS else 1 + max(f.level for f in parts)
        first, last = min(f.first for f in parts), max(f.last for f in parts)
        manifest.files = [f for f in manifest.files if f not in parts]
        manifest.files.append(File(name, level, rows, first, last))
        _write(folder, manifest)
        for part in parts:
            os.utime(folder / part.name)  # the grace time begins now


class disk_errors:
    """Makes a failing disk StoreUnavailable."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError | duckdb.IOException | duckdb.OutOfMemoryException):
            raise StoreUnavailable(f"{self._path}: {error}; see to the disk") from error


def _read(folder: Path) -> Manifest:
    try:
        found = orjson.loads((folder / "manifest.json").read_bytes())
    except FileNotFoundError:
        return Manifest()
    return Manifest(found["sequence"], [File(**file) for file in found["files"]])


def _write(folder: Path, manifest: Manifest) -> None:
    replace_file(
        folder / "manifest.json", orjson.dumps(asdict(manifest), option=orjson.OPT_INDENT_2)
    )


def replace_file(path: Path, content: bytes) -> None:
    """Give a file new content, atomically and durably."""
    fresh = path.with_suffix(".tmp")
    fresh.write_bytes(content)
    _sync(fresh)
    fresh.replace(path)
    _sync(path.parent)


def words(index: NDArray[Any], choices: Sequence[str]) -> pa.DictionaryArray:
    """A column of words: index[i] into choices."""
    return pa.DictionaryArray.from_arrays(index.astype(np.int32), pa.array(list(choices)))


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sweep(folder: Path, manifest: Manifest) -> None:
    named = {file.name for file in manifest.files}
    for path in folder.glob("*.parquet"):
        if path.name not in named and path.stat().st_mtime < time.time() - GRACE_S:
            path.unlink()
