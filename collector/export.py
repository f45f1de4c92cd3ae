"""A historian's export as batches: CSV or Parquet; wide (a column a tag) or long.

Every value is read or counted: bad_time, not_a_number, no_value, unknown_tag, bad_row.
"""

from __future__ import annotations

import codecs
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Literal
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray

from collector.scaling import Scaling
from collector.times import TIME_ERRORS, microseconds
from plant.batch import Batch, Quality
from plant.model import Plant

TIME_COLUMNS = ("time", "timestamp", "datetime", "date", "ts", "时间")
"""Names under which the time column is looked for when none is given."""
UNITS = {"unix_s": 10**9, "unix_ms": 10**6, "unix_us": 10**3, "unix_ns": 1}
ROWS = 65_536
CELLS = 4 << 20
"""Of a Parquet file, at most that many rows and values in a batch."""
SAMPLE_BYTES = 1 << 20
"""Of a CSV file, in which the header ends and the dialect is found."""

Part = tuple[Batch, Counter[str]]


class ExportError(Exception):
    """The file cannot be read at all; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How an export is laid out. None: found out from the file."""

    layout: Literal["wide", "long"] | None = None
    time: str | None = None
    time_format: str | None = None
    time_zone: str = "UTC"  # of times that carry none
    tag: str = "tag"
    value: str = "value"
    delimiter: str | None = None
    decimal: str = "."
    encoding: str | None = None


class ExportReader:
    """Tables of exports to batches in the plant's columns and units, marked BACKFILLED.

    source: take only tags of this source; None: all of the plant.
    """

    def __init__(self, plant: Plant, layout: Layout, source: str | None = None) -> None:
        self._layout = layout
        self._zone = ZoneInfo(layout.time_zone)
        self._scaling = Scaling.of(plant)
        self._column_of: dict[str, int] = {}
        for tag in plant.tags:
            if source is not None and tag.source != source:
                continue
            self._column_of[tag.id] = tag.column
            if name := tag.address.get("column"):
                self._column_of[name] = tag.column

    def columns(self, path: str, names: Sequence[str]) -> tuple[str, bool]:
        """The time column, and whether the layout is long. ExportError when it fits none."""
        layout = self._layout
        if twice := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
            raise ExportError(f"{path}: column {twice[0]} stands twice; rename one of them")
        wanted = (layout.time,) if layout.time else TIME_COLUMNS
        time = next((n for n in names if n.strip().casefold() in wanted or n in wanted), None)
        if time is None:
            raise ExportError(
                f"{path}: no time column {' or '.join(wanted)} among {', '.join(names[:8])}; "
                "name it in the export's first line"
            )
        has_long = layout.tag in names and layout.value in names
        is_long = layout.layout == "long" if layout.layout else has_long
        if is_long and not has_long:
            raise ExportError(f"{path}: a long export needs columns {layout.tag}, {layout.value}")
        if not is_long and not any(n.strip() in self._column_of for n in names):
            raise ExportError(
                f"{path}: no column is named like a tag of the plant (such as "
                f"{next(iter(self._column_of), 'none')}); rename the columns, or give tags a column"
            )
        return time, is_long

    def batch(self, table: pa.RecordBatch, time_column: str, is_long: bool) -> Part:
        """One record batch to samples and what was refused."""
        times, timed = self._times(table.column(time_column))
        refused: Counter[str] = Counter()
        parts: list[Batch] = []
        if is_long:
            names = table.column(self._layout.tag).cast(pa.string()).to_pylist()
            columns = np.array(
                [self._column_of.get(n.strip() if n else "", -1) for n in names], np.int32
            )
            values, state = self._numbers(table.column(self._layout.value))
            fault = np.select(
                [~timed, columns < 0, state == _EMPTY, state == _TEXT], [1, 2, 3, 4], 0
            )
            for code, reason in enumerate(("bad_time", "unknown_tag", "no_value", "not_a_number")):
                refused[reason] = int((fault == code + 1).sum())
            parts.append(self._part(columns, times, values, fault == 0))
        else:
            refused["bad_time"] = int((~timed).sum())
            for name in table.schema.names:
                if name == time_column:
                    continue
                values, state = self._numbers(table.column(name))
                column = self._column_of.get(name.strip(), -1)
                present = timed & (state != _EMPTY)
                if column < 0:
                    refused["unknown_tag"] += int(present.sum())
                    continue
                refused["not_a_number"] += int((present & (state == _TEXT)).sum())
                kept = present & (state == _NUMBER)
                parts.append(self._part(np.full(len(times), column, np.int32), times, values, kept))
        return Batch.concat(parts), +refused

    def _numbers(self, column: pa.Array) -> tuple[NDArray[np.float64], NDArray[np.int8]]:
        if self._layout.decimal == "," and _is_text(column):
            column = pc.replace_substring(pc.replace_substring(column, ".", ""), ",", ".")
        return numbers(column)

    def _part(
        self,
        columns: NDArray[np.int32],
        times: NDArray[np.int64],
        values: NDArray[np.float64],
        kept: NDArray[np.bool_],
    ) -> Batch:
        tags = columns[kept]
        return Batch(
            tags,
            times[kept],
            self._scaling.apply(tags, values[kept]),
            np.full(len(tags), Quality.BACKFILLED, np.uint8),
        )

    def _times(self, column: pa.Array) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """[ns], and where there is one."""
        if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
            return self._unix(column)
        if self._layout.time_format in UNITS:
            values, state = numbers(column)
            return self._unix(pa.array(values, mask=state != _NUMBER))
        if _is_text(column):
            column = self._texts(column)
        stamps = column.cast(pa.timestamp("ns", getattr(column.type, "tz", None)), safe=False)
        if stamps.type.tz is None:
            stamps = pc.assume_timezone(
                stamps, self._layout.time_zone, ambiguous="earliest", nonexistent="latest"
            )
        return _filled(stamps.cast(pa.int64()), 0), _present(stamps)

    def _unix(self, column: pa.Array) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Seconds, ms, µs or ns; when not said, by size (unambiguous from 2001 to 2262)."""
        valid = _present(column)
        floats = _filled(column.cast(pa.float64(), safe=False), 0.0)
        valid &= np.isfinite(floats)
        largest = float(np.abs(floats[valid]).max(initial=0.0))
        exponent = next((e for e in (9, 6, 3) if largest * 10.0**e < 1e19), 0)
        unit = UNITS.get(self._layout.time_format or "", 10**exponent)
        valid &= np.abs(floats) < 2.0**63 / unit
        if pa.types.is_integer(column.type):
            return _filled(column.cast(pa.int64()), 0) * unit, valid
        micros = np.round(np.where(valid, floats, 0.0) * (unit / 1000))
        return micros.astype(np.int64) * 1000, valid

    def _texts(self, column: pa.Array) -> pa.Array:
        """ISO times: all with a zone, or all without, at once; mixed or faulty ones one by one."""
        for kind in (pa.timestamp("ns", "UTC"), pa.timestamp("ns")):
            try:
                return pc.utf8_trim_whitespace(column).cast(kind)
            except pa.ArrowInvalid:
                continue
        return pa.array([self._text(t) for t in column.to_pylist()], pa.timestamp("ns", "UTC"))

    def _text(self, text: str | None) -> int | None:
        try:
            time = datetime.fromisoformat((text or "").strip().replace("/", "-"))
        except TIME_ERRORS:
            return None
        at = microseconds(time if time.tzinfo else time.replace(tzinfo=self._zone)) * 1000
        return at if abs(at) < 2**63 else None  # as of year 1 or 9999, which stand for none


_NUMBER, _EMPTY, _TEXT = 0, 1, 2


def numbers(column: pa.Array) -> tuple[NDArray[np.float64], NDArray[np.int8]]:
    """Values as float64, and what each is: a number, empty (null, blank, NaN) or text."""
    if not _is_text(column):
        values = _filled(column.cast(pa.float64(), safe=False), np.nan)
        return values, np.where(np.isnan(values), _EMPTY, _NUMBER).astype(np.int8)
    texts = pc.utf8_trim_whitespace(column)
    texts = pc.if_else(pc.equal(texts, ""), pa.scalar(None, texts.type), texts)
    empty = ~_present(texts)
    try:
        values = _filled(texts.cast(pa.float64()), np.nan)
    except pa.ArrowInvalid:
        values = np.array([_number(t) for t in texts.to_pylist()], np.float64)
    state = np.where(empty, _EMPTY, np.where(np.isnan(values), _TEXT, _NUMBER))
    return values, state.astype(np.int8)


def _is_text(column: pa.Array) -> bool:
    return bool(pa.types.is_string(column.type) or pa.types.is_large_string(column.type))


def _number(text: str | None) -> float:
    try:
        return float(text or "nan")
    except ValueError:
        return float("nan")


def _filled(column: pa.Array, value: Any) -> NDArray[Any]:
    filled: NDArray[Any] = column.fill_null(value).to_numpy(zero_copy_only=False)
    return filled


def _present(column: pa.Array) -> NDArray[np.bool_]:
    present: NDArray[np.bool_] = column.is_valid().to_numpy(zero_copy_only=False)
    return present


@dataclass(frozen=True, slots=True)
class Dialect:
    """Of a CSV file, found from its beginning."""

    header: bytes  # the first line as it stands
    names: tuple[str, ...]
    delimiter: str
    encoding: str

    @classmethod
    def of(cls, beginning: bytes, layout: Layout | None = None) -> Dialect | None:
        """None while there is no complete first line. What the layout tells is not looked for."""
        told = layout or Layout()
        header, newline, _ = beginning.partition(b"\n")
        if not newline:
            return None
        encoding = told.encoding or _encoding(beginning[: beginning.rfind(b"\n")])
        raw = beginning if told.encoding else header  # a told one may have line ends of two bytes
        text = codecs.getincrementaldecoder(encoding)("replace").decode(raw)
        line = text.partition("\n")[0].strip("\ufeff\r\n")
        delimiter = told.delimiter or max(",;\t|", key=line.count)
        names = tuple(name.strip().strip('"') for name in line.split(delimiter))
        return cls(header + b"\n", names, delimiter, encoding)


def _encoding(text: bytes) -> str:
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:
        return "gb18030"
    return "utf-8"


def read_csv(stream: BinaryIO, dialect: Dialect, reader: ExportReader, path: str) -> Iterator[Part]:
    """Batches of a CSV stream that begins with the header line."""
    time_column, is_long = reader.columns(path, dialect.names)
    bad_rows: Counter[str] = Counter()

    def skip(row: Any) -> str:
        bad_rows["bad_row"] += 1
        return "skip"

    try:
        tables = pyarrow.csv.open_csv(
            stream,
            pyarrow.csv.ReadOptions(
                column_names=list(dialect.names),
                skip_rows=1,
                encoding=dialect.encoding,
                use_threads=False,
            ),
            pyarrow.csv.ParseOptions(delimiter=dialect.delimiter, invalid_row_handler=skip),
            pyarrow.csv.ConvertOptions(
                column_types=dict.fromkeys(dialect.names, pa.string()),
                strings_can_be_null=False,
            ),
        )
        for table in tables:
            batch, refused = reader.batch(table, time_column, is_long)
            refused += bad_rows
            bad_rows.clear()
            yield batch, refused
    except (pa.ArrowException, UnicodeError) as error:
        raise ExportError(f"{path}: not readable as CSV: {error}") from None
    if bad_rows:
        yield Batch.empty(), bad_rows


def read_whole_csv(
    stream: BinaryIO, reader: ExportReader, path: str, layout: Layout | None = None
) -> Iterator[Part]:
    """Batches of a CSV stream from its beginning, in the dialect that is found there."""
    dialect = Dialect.of(stream.read(SAMPLE_BYTES) + b"\n", layout)
    assert dialect is not None  # a line end was added
    stream.seek(0)
    yield from read_csv(stream, dialect, reader, path)


def read_parquet(path: Path, reader: ExportReader) -> Iterator[tuple[Batch, Counter[str], float]]:
    """Batches of a Parquet file, with the fraction read so far."""
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            time_column, is_long = reader.columns(str(path), file.schema_arrow.names)
            rows = 0
            for table in file.iter_batches(max(1, min(ROWS, CELLS // file.metadata.num_columns))):
                rows += table.num_rows
                yield *reader.batch(table, time_column, is_long), rows / file.metadata.num_rows
    except (pa.ArrowException, OSError) as error:
        raise ExportError(f"{path}: not readable as Parquet: {error}") from None


def read_export(
    path: Path,
    plant: Plant,
    layout: Layout | None = None,
    progress: Callable[[float], None] = lambda fraction: None,
) -> Iterator[Part]:
    """All samples of an export file, and what was refused by reason, part by part.

    progress is told the fraction read, 0 to 1. ExportError when the file is no export.
    """
    reader = ExportReader(plant, layout or Layout())
    if path.suffix == ".parquet":
        for batch, refused, fraction in read_parquet(path, reader):
            yield batch, refused
            progress(fraction)
        return
    try:
        size = path.stat().st_size
        with path.open("rb") as stream:
            for part in read_whole_csv(stream, reader, str(path)):
                yield part
                progress(min(1.0, stream.tell() / size))
    except OSError as error:
        raise ExportError(f"{path}: {error.strerror}") from None


def layout_of(options: Mapping[str, Any]) -> Layout:
    """The layout that the options of a `file` or `folder` source describe."""
    return Layout(
        layout=options.get("layout", "wide"),
        time=options.get("time", "time"),
        time_format=options.get("time_format", "iso8601"),
        time_zone=options.get("time_zone", "UTC"),
        tag=options.get("tag", "tag"),
        value=options.get("value", "value"),
        delimiter=options.get("delimiter") or None,
        decimal=options.get("decimal", "."),
        encoding=options.get("encoding") or None,
    )
