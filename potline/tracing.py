"""`potline analyse`: one cell's trace from a file."""

from __future__ import annotations

from datetime import UTC, tzinfo
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet
import typer
from numpy.typing import NDArray

from analytics.studies.trace import analyse_trace
from plant.batch import SECOND
from plant.model import AnodeEffectRule
from potline.exits import INVALID, Failure
from potline.tables import print_json, print_rows
from potline.times import format_time

DEFAULT_RULE = AnodeEffectRule()


def analyse_file(
    path: Path,
    current_ka: float | None,
    target_v: float | None,
    as_json: bool,
    rule: AnodeEffectRule = DEFAULT_RULE,
    zone: tzinfo = UTC,
) -> None:
    """zone: of the days."""
    table = read_trace(path)
    times = times_ns(table.column("time"), path)
    voltage = numbers(table, "voltage_V", path)
    current = column_or(table, "current_kA", current_ka, len(voltage), path)
    if current is None:
        raise Failure(INVALID, f"{path}: no column current_kA: give it by --current-kA")
    target = column_or(table, "target_V", target_v, len(voltage), path)
    try:
        result = analyse_trace(times, voltage, current, target, rule, zone)
    except ValueError as error:
        raise Failure(INVALID, f"{path}: {error}") from None
    document = result.as_dict()
    for event in (
        *document["anode_effects"],
        *document["spikes"],
        *document["low_voltage_candidates"],
    ):
        event["start"], event["end"] = format_time(event["start"]), format_time(event["end"])
    if as_json:
        print_json(document)
    else:
        show(document)


def show(document: dict[str, Any]) -> None:
    units = {
        "energy_kWh": "energy, kWh",
        "charge_kAh": "charge, kAh",
        "voltage_V": "charge-weighted voltage, V",
        "aef": "AEF, per cell-day",
        "aed_min": "AED, min",
        "aem_min": "AEM, min per cell-day",
        "aeo_positive_mV": "AEO positive, mV",
        "aeo_algebraic_mV": "AEO algebraic, mV",
        "completeness": "completeness, 1",
        "interval_s": "sampling interval, s",
        "averaging_s": "voltage changes every, s",
    }
    for key, label in units.items():
        value = document[key]
        typer.echo(f"{label:32} {'—' if value is None else f'{value:.6g}'}")
    for note in document["notes"]:
        typer.echo(f"note: {note}")
    for name in ("days", "anode_effects", "spikes", "low_voltage_candidates"):
        rows = document[name]
        typer.echo(f"{name.replace('_', ' ')}: {len(rows)}")
        if rows:
            print_rows("", list(rows[0]), [list(row.values()) for row in rows])


def read_trace(path: Path) -> pa.Table:
    """A CSV or Parquet file with columns time and voltage_V. Raises Failure."""
    if not path.is_file():
        raise Failure(INVALID, f"{path}: no such file")
    try:
        if path.suffix == ".parquet":
            table = pyarrow.parquet.read_table(path)
        else:
            table = pyarrow.csv.read_csv(path)
    except pa.ArrowInvalid as error:
        raise Failure(INVALID, f"{path}: not readable as a table: {error}") from None
    for name in ("time", "voltage_V"):
        if name not in table.column_names:
            found = ", ".join(table.column_names)
            raise Failure(INVALID, f"{path}: no column {name}; it has {found}")
    return table


def times_ns(column: pa.ChunkedArray, path: Path) -> NDArray[np.int64]:
    """Timestamps, ISO 8601 texts, or numbers as seconds since the epoch. -> ns"""
    try:
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            column = pc.cast(column, pa.timestamp("ns", tz="UTC"))
        if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
            stamps = pc.cast(pc.cast(column, pa.timestamp("ns")), pa.int64())
            return np.asarray(stamps.to_numpy(), np.int64)
        seconds = np.asarray(pc.cast(column, pa.float64()).to_numpy(), np.float64)
    except pa.ArrowInvalid as error:
        raise Failure(INVALID, f"{path}: column time: {error}") from None
    whole = np.floor(seconds)
    return whole.astype(np.int64) * SECOND + np.rint((seconds - whole) * SECOND).astype(np.int64)


def numbers(table: pa.Table, name: str, path: Path) -> NDArray[np.float64]:
    """A column as float64, NaN where empty. Raises Failure on text."""
    try:
        return np.asarray(pc.cast(table.column(name), pa.float64()).to_numpy(), np.float64)
    except pa.ArrowInvalid as error:
        raise Failure(INVALID, f"{path}: column {name}: {error}") from None


def column_or(
    table: pa.Table, name: str, constant: float | None, rows: int, path: Path
) -> NDArray[np.float64] | None:
    if constant is not None:
        return np.full(rows, constant)
    return numbers(table, name, path) if name in table.column_names else None
