"""Every sample sent, in one Parquet file, written as it goes."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa
import pyarrow.parquet as pq

from plant.batch import Batch
from plant.model import Plant

_ROWS = 500_000  # held before they go to disk


class SampleLog:
    """Every sample sent, as samples.parquet (time, tag, value), written as it goes."""

    def __init__(self, plant: Plant, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._ids = pa.array([tag.id for tag in plant.tags], pa.string())
        schema = pa.schema([
            ("time", pa.int64()),
            ("tag", pa.dictionary(pa.int32(), pa.string())),
            ("value", pa.float64()),
        ])  # fmt: skip
        self._writer = pq.ParquetWriter(directory / "samples.parquet", schema)
        self._held: list[Batch] = []
        self._rows = 0

    def add(self, batch: Batch) -> None:
        self._held.append(batch)
        self._rows += len(batch)
        if self._rows >= _ROWS:
            self._flush()

    def _flush(self) -> None:
        batch = Batch.concat(self._held)
        tags = pa.DictionaryArray.from_arrays(pa.array(batch.tags), self._ids)
        columns = [pa.array(batch.times), tags, pa.array(batch.values)]
        self._writer.write_table(pa.table(columns, schema=self._writer.schema))
        self._held, self._rows = [], 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._flush()
        self._writer.close()
