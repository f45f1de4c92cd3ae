"""Flux queries and their answers: CSV without annotations, parsed in columns."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import csv

from store.blocks import indices

LATEST = np.iinfo(np.int64).max - 1
"""The last time that InfluxDB knows, ns."""


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("${", "\\${") + '"'


def source(bucket: str, start: int, end: int | None) -> str:
    """The rows of [start, end), None: all later ones."""
    stop = LATEST if end is None else min(end, LATEST)
    return f"from(bucket: {quoted(bucket)}) |> range(start: {moment(start)}, stop: {moment(stop)})"


def any_of(column: str, values: Sequence[str]) -> str:
    tests = " or ".join(f"r[{quoted(column)}] == {quoted(value)}" for value in values)
    return f"|> filter(fn: (r) => {tests})"


def only(kind: str) -> str:
    """Leaves out the values of any other type; slow. Needs `import "types"` before the query."""
    return f"|> filter(fn: (r) => types.isType(v: r._value, type: {quoted(kind)}))"


def moment(ns: int) -> str:
    """A time as Flux and the API read it."""
    return f"{np.datetime64(max(ns, 0), 'ns')}Z"


@dataclass(frozen=True, slots=True)
class Rows:
    """An answer of n rows: times int64[n] ns, values of the type asked for, and words in
    dictionaries."""

    times: NDArray[np.int64]
    values: NDArray[np.generic]
    table: pa.Table

    @classmethod
    def none(cls) -> Rows:
        return cls(np.empty(0, np.int64), np.empty(0), pa.table({}))

    @classmethod
    def parse(cls, answer: bytes, dtype: np.dtype[np.generic] | None) -> Rows:
        """dtype: of the column _value; None when it was not asked for."""
        if not answer.strip():
            return cls.none()
        types: dict[str, pa.DataType] = {"_time": pa.timestamp("ns", "UTC")}
        if dtype is not None:
            types["_value"] = pa.string() if dtype.kind == "U" else pa.from_numpy_dtype(dtype)
        head = answer[: answer.index(b"\n")].decode().strip().split(",")
        if dtype is not None and "_value" not in head:
            raise pa.ArrowInvalid(answer.decode(errors="replace")[:300])
        words = [c for c in head if c not in ("", "result", "table", "_start", "_stop", *types)]
        types |= {word: pa.dictionary(pa.int32(), pa.string()) for word in words}
        table = csv.read_csv(
            io.BytesIO(answer),
            parse_options=csv.ParseOptions(
                newlines_in_values=dtype is not None and dtype.kind == "U"
            ),
            convert_options=csv.ConvertOptions(
                include_columns=[c for c in head if c in types], column_types=types
            ),
        ).combine_chunks()
        times = np.empty(0, np.int64)
        if "_time" in head:
            times = table["_time"].cast(pa.int64()).to_numpy()
        values = table["_value"].to_numpy() if dtype is not None else np.empty(0)
        return cls(times, values, table)

    def words(self, column: str) -> list[str]:
        """The different words of a column."""
        if column not in self.table.column_names:
            return []
        words: list[str] = self._coded(column).dictionary.to_pylist()
        return words

    def codes(self, column: str) -> NDArray[np.int32]:
        """int32[n]: where each row's word stands in `words`."""
        if column not in self.table.column_names:
            return np.full(len(self.values), -1, np.int32)
        codes: NDArray[np.int32] = self._coded(column).indices.to_numpy()
        return codes

    def places(self, column: str, wanted: Sequence[str]) -> NDArray[np.intp]:
        """intp[n]: where each row's word stands in `wanted`, -1 if it does not."""
        found = np.append(indices(self.words(column), wanted), -1)
        return found[self.codes(column)]

    def _coded(self, column: str) -> pa.DictionaryArray:
        chunks = self.table[column].unify_dictionaries()
        return chunks.combine_chunks() if chunks.num_chunks != 1 else chunks.chunk(0)
