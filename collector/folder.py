"""Folder source: takes each file of a drop directory, and moves it away when its samples are
durable."""

from __future__ import annotations

import asyncio
import gzip
import os
import time
from collections import Counter
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from fnmatch import fnmatchcase
from pathlib import Path
from typing import BinaryIO, cast

import structlog

from collector.channel import Put, channel
from collector.export import (
    ExportReader,
    Part,
    layout_of,
    read_parquet,
    read_whole_csv,
)
from collector.link import LinkState
from collector.source import Delivery
from plant.batch import Batch
from plant.model import Plant, Source

REASON = ".reason.txt"

log = structlog.get_logger()

Stamp = tuple[int, int]
"""Size [bytes] and time of the last change [ns]."""


class FolderReader:
    """Samples of the files that come into a directory. A file that could not be moved before the
    process ended is read again; what is stored already is then refused as duplicate."""

    def __init__(self, source: Source, plant: Plant) -> None:
        options = source.options
        self._source = source
        self._path = Path(options["path"])
        self._archive = self._path / options["archive_dir"]
        self._failed = self._path / options["failed_dir"]
        self._link = LinkState(source.id, str(self._path))
        self.health = self._link.health
        self._layout = layout_of(options)
        self._export = ExportReader(plant, self._layout, source.id)
        self._seen: dict[Path, tuple[Stamp, float]] = {}  # and since when it stands still
        self._unmoved: dict[Path, tuple[Stamp, str]] = {}  # taken already, and why it failed

    async def deliveries(self) -> AsyncGenerator[Delivery, None]:
        async with aclosing(channel(self._run)) as samples:
            async for delivery in samples:
                yield delivery

    async def _run(self, put: Put) -> None:
        while True:
            try:
                ready = await asyncio.to_thread(self._ready)
                if self.health.link != "connected":
                    self._link.connected()
                for path in ready:
                    await self._take(path, put)
            except OSError as error:
                self._link.lost(error)
            await asyncio.sleep(self._source.options["poll_s"])

    def _ready(self) -> list[Path]:
        """The complete files, in the order to take them. OSError without the directory"""
        options = self._source.options
        marker = options["marker"]
        seen, found = self._seen, []
        self._seen = {}
        with os.scandir(self._path) as entries:
            for entry in entries:
                wanted = fnmatchcase(entry.name, options["pattern"])
                of_others = entry.name.startswith(".") or (marker and entry.name.endswith(marker))
                if wanted and not of_others and (stamp := _stamp(entry)):
                    path = self._path / entry.name
                    since = time.monotonic()
                    if path in seen and seen[path][0] == stamp:
                        since = seen[path][1]
                    self._seen[path] = stamp, since
                    if self._complete(path, marker):
                        found.append(path)
        by_time = options["order"] == "time"
        return sorted(found, key=lambda p: (self._seen[p][0][1] if by_time else 0, p.name))

    def _complete(self, path: Path, marker: str) -> bool:
        (_, changed), since = self._seen[path]
        if not marker:
            return time.monotonic() - since >= float(self._source.options["settle_s"])
        try:  # an older marker is the one of a file that had the same name
            return path.with_name(path.name + marker).stat().st_mtime_ns >= changed
        except FileNotFoundError:
            return False

    async def _take(self, path: Path, put: Put) -> None:
        stamp = self._seen[path][0]
        taken, reason = self._unmoved.get(path, (None, ""))
        if taken != stamp:
            try:
                reason = await self._deliver(path, put)
            except OSError as error:  # a share that is away, or a right that is missing
                self._tell(f"{path}: not read: {error.strerror or error}; it is tried again")
                return
        try:
            await asyncio.to_thread(self._move, path, stamp, reason)
            self._unmoved.pop(path, None)
        except OSError as error:
            self._unmoved[path] = stamp, reason
            self._tell(
                f"{path}: taken, but it cannot be moved: {error.strerror or error}; archive_dir "
                "and failed_dir must be writable and on the same file system"
            )

    async def _deliver(self, path: Path, put: Put) -> str:
        """Returns when all of the file is durable. -> why it failed, "" when it did not"""
        parts = self._parts(path)
        kept, refused, reason = 0, Counter[str](), ""
        durable = asyncio.Event()
        durable.set()
        while True:
            try:
                part = await asyncio.to_thread(next, parts, None)
            except Exception as error:
                if isinstance(error, OSError) and not isinstance(error, gzip.BadGzipFile):
                    raise  # not the file's fault: it is tried again
                told = " ".join(str(error).split())
                reason = told if told.startswith(str(path)) else f"{path}: {told}"
                part = Batch.empty(), Counter(unreadable_file=1)
            if part is not None and (len(part[0]) or part[1]):
                kept += len(part[0])
                refused += part[1]
                durable = asyncio.Event()  # deliveries become so in their order
                await put(Delivery(self._source.id, *part, durable=durable.set))
            if part is None or reason:
                break
        await durable.wait()
        if refused and not kept and not reason:
            faults = ", ".join(f"{count} {name}" for name, count in refused.items())
            reason = f"{path}: nothing in it could be read: {faults}; look at the source's keys"
        elif kept and reason:
            reason += f" (the {kept} samples before that are kept)"
        if reason:
            self._tell(reason)
        log.info(
            "file taken",
            source=self._source.id,
            file=path.name,
            samples=kept,
            refused=dict(refused),
        )
        return reason

    def _parts(self, path: Path) -> Iterator[Part]:
        with path.open("rb") as file:
            if path.suffix == ".parquet":
                for batch, refused, _ in read_parquet(path, self._export):
                    yield batch, refused
            elif path.suffix == ".gz":
                with gzip.open(file) as unpacked:
                    stream = cast(BinaryIO, unpacked)
                    yield from read_whole_csv(stream, self._export, str(path), self._layout)
            else:
                yield from read_whole_csv(file, self._export, str(path), self._layout)

    def _move(self, path: Path, stamp: Stamp, reason: str) -> None:
        """To the archive, or with its reason to the failed ones; never over another file. What has
        changed since was not complete: it stays, and is read again."""
        status = path.stat()
        if (status.st_size, status.st_mtime_ns) != stamp:
            return
        folder = self._failed if reason else self._archive
        folder.mkdir(parents=True, exist_ok=True)
        target, number = folder / path.name, 0
        while target.exists():
            number += 1
            target = folder / f"{path.stem}.{number}{path.suffix}"
        if reason:
            target.with_name(target.name + REASON).write_text(reason + "\n", encoding="utf-8")
        path.rename(target)
        if marker := self._source.options["marker"]:
            path.with_name(path.name + marker).unlink(missing_ok=True)

    def _tell(self, error: str) -> None:
        """Once, until another one comes."""
        if error != self.health.last_error:
            log.warning("file source", source=self._source.id, reason=error)
        self.health.last_error = error


def _stamp(entry: os.DirEntry[str]) -> Stamp | None:
    """None of what is no file, is empty still or has gone."""
    try:
        status = entry.stat()
        return (status.st_size, status.st_mtime_ns) if entry.is_file() and status.st_size else None
    except FileNotFoundError:
        return None
