"""File source: follows CSV files as they grow, and takes Parquet files as they appear."""

from __future__ import annotations

import asyncio
import glob
import io
from collections import Counter
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass
from pathlib import Path

import structlog

from collector.export import (
    SAMPLE_BYTES,
    Dialect,
    ExportReader,
    Part,
    layout_of,
    read_csv,
    read_parquet,
)
from collector.link import LinkState
from collector.source import Delivery
from plant.batch import Batch
from plant.model import Plant, Source

BLOCK = 8 << 20
"""Bytes of a CSV file taken in one go."""

log = structlog.get_logger()


@dataclass(slots=True)
class Followed:
    """How far a file has been taken. size: of a Parquet file when last seen."""

    offset: int = 0
    size: int = -1
    taken: bool = False


class FileReader:
    """Samples from the files that match a pattern. A file is taken again after a restart; what is
    stored already is then refused as duplicate."""

    def __init__(self, source: Source, plant: Plant) -> None:
        self._source = source
        self._pattern: str = source.options["path"]
        self._link = LinkState(source.id, self._pattern)
        self.health = self._link.health
        self._layout = layout_of(source.options)
        self._export = ExportReader(plant, self._layout, source.id)
        self._followed: dict[Path, Followed] = {}

    async def deliveries(self) -> AsyncGenerator[Delivery, None]:
        while True:
            paths = [Path(p) for p in sorted(glob.glob(self._pattern))]  # noqa: PTH207  absolute
            if paths:
                if self.health.link != "connected":
                    self._link.connected()
            else:
                self._link.lost(FileNotFoundError(f"no file matches {self._pattern}"))
            for path in paths:
                parts = self._news(path)
                while (part := await asyncio.to_thread(next, parts, None)) is not None:
                    batch, refused = part
                    if len(batch) or refused:
                        yield Delivery(self._source.id, batch, refused)
            await asyncio.sleep(self._source.options.get("poll_s", 5.0))

    def _news(self, path: Path) -> Iterator[Part]:
        """What a file holds beyond what was taken; a file that cannot be read counts as one."""
        followed = self._followed.setdefault(path, Followed())
        try:
            if path.suffix == ".parquet":
                yield from self._parquet(path, followed)
            else:
                yield from self._csv(path, followed)
        except Exception as error:  # whatever it holds, the others go on
            if not followed.taken:
                log.warning("file not taken", source=self._source.id, reason=str(error))
                yield Batch.empty(), Counter(unreadable_file=1)
            followed.taken = True
            self.health.last_error = str(error)

    def _parquet(self, path: Path, followed: Followed) -> Iterator[Part]:
        size = path.stat().st_size
        complete, followed.size = size == followed.size, size
        if complete and not followed.taken:
            for batch, refused, _ in read_parquet(path, self._export):
                yield batch, refused
            followed.taken = True

    def _csv(self, path: Path, followed: Followed) -> Iterator[Part]:
        """The complete lines beyond the offset, each block with the header line before it."""
        if path.stat().st_size < followed.offset:
            followed.offset = 0
        with path.open("rb") as stream:
            dialect = Dialect.of(stream.read(SAMPLE_BYTES), self._layout)
            if dialect is None:
                return
            followed.offset = max(followed.offset, len(dialect.header))
            while True:
                stream.seek(followed.offset)
                block = stream.read(BLOCK)
                block = block[: block.rfind(b"\n") + 1]
                if not block:
                    return
                yield from read_csv(
                    io.BytesIO(dialect.header + block), dialect, self._export, str(path)
                )
                followed.offset += len(block)
