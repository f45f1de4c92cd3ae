"""`potline dataset`: a labelled month of a simulated plant in Parquet, the same bytes each time."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import typer
from numpy.typing import NDArray

from plant.batch import SECOND, Batch
from plant.model import Plant
from potline.exits import INVALID, Failure
from potline.plants import load_plant
from potline.times import parse_time
from simulators.cell_state import bath_percent
from simulators.electrochemistry import KELVIN
from simulators.offline import refuse_wire_faults
from simulators.scenario import load
from simulators.simulation import Simulation

MINUTE = 60 * SECOND
_LABELS = ("anode_effects", "low_voltage_effects", "faults", "operations")
_ROWS = 1_000_000  # of samples held before they go to disk


def write_dataset(
    path: Path,
    folder: Path,
    days: int,
    seed: int,
    start: str,
    scenario: Path | None,
    sensor_errors: bool,
) -> None:
    """All files of potline/dataset.md. Raises Failure."""
    plant = load_plant(path)
    start_ns = parse_time(start, plant.site.zone)
    if start_ns % MINUTE:
        raise Failure(INVALID, f"--from {start}: begin at a full minute")
    try:
        faults = load(scenario, plant) if scenario else []
        refuse_wire_faults(faults)
        simulation = Simulation(plant, start_ns, seed, faults, sensor_errors=sensor_errors)
    except ValueError as error:
        raise Failure(INVALID, str(error)) from None
    if folder.exists() and any(folder.iterdir()):
        raise Failure(INVALID, f"{folder} is not empty: name another folder")
    folder.mkdir(parents=True, exist_ok=True)
    groups = _groups(plant)
    for _ in range(days):
        _write_day(simulation, folder, groups)
        done = datetime.fromtimestamp(simulation.time // SECOND, plant.site.zone)
        typer.echo(f"simulated until {done:%Y-%m-%d %H:%M}", err=True)
    _write_rest(plant, simulation, folder)
    shutil.copyfile(path, folder / "plant.toml")
    if scenario:
        shutil.copyfile(scenario, folder / "scenario.toml")
    _write_readme(plant, folder, days, seed, start, scenario is not None, sensor_errors)
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    typer.echo(f"{folder}: {days} days of {len(plant.cells)} cells, {size / 1e6:,.0f} MB")


def _groups(plant: Plant) -> dict[str, NDArray[np.bool_]]:
    """Name of a file of samples -> its tags."""
    names = np.array([f"{tag.signal.entity}-{tag.signal.pace}" for tag in plant.tags])
    return {str(name): names == name for name in np.unique(names)}


def _write_day(
    simulation: Simulation, folder: Path, groups: Mapping[str, NDArray[np.bool_]]
) -> None:
    """A day of the site, and its samples as they became known."""
    zone = simulation.plant.site.zone
    day = datetime.fromtimestamp(simulation.time // SECOND, zone)
    name = f"{day:%Y-%m-%d}"
    end = int((day + timedelta(days=1)).timestamp()) * SECOND
    with ExitStack() as stack:
        files = {
            group: stack.enter_context(_samples(simulation.plant, folder, name, group, mine))
            for group, mine in groups.items()
        }
        minutes: list[pa.Table] = []
        times: list[int] = []
        states: list[NDArray[np.void]] = []
        while simulation.time < end:
            batch = simulation.stamp(simulation.run(MINUTE // simulation.step_ns))
            for group, mine in groups.items():
                files[group].add(batch.take(mine[batch.tags]), simulation.time)
            times.append(simulation.time)
            states.append(simulation.cells.state.copy())
            if len(times) == 60 or simulation.time >= end:
                minutes.append(_minutes(simulation, times, np.concatenate(states)))
                times, states = [], []
    table = pa.concat_tables(minutes)
    _write(table, folder / "truth" / "minutes" / f"{name}.parquet")


class _Samples:
    """The samples of one group and day, gathered into row groups."""

    def __init__(self, writer: pq.ParquetWriter, ids: NDArray[Any], index: Any, slow: bool) -> None:
        self._writer, self._ids, self._index, self._slow = writer, pa.array(ids), index, slow
        self._held: list[Batch] = []
        self._told: list[NDArray[np.int64]] = []
        self._rows = 0

    def add(self, batch: Batch, told: int) -> None:
        self._held.append(batch)
        self._told.append(np.full(len(batch), told))
        self._rows += len(batch)
        if self._rows >= _ROWS:
            self.flush()

    def flush(self) -> None:
        batch = Batch.concat(self._held)
        tags = pa.DictionaryArray.from_arrays(pa.array(self._index[batch.tags]), self._ids)
        columns: list[Any] = [pa.array(batch.times), tags, pa.array(batch.values)]
        if self._slow:
            columns.append(pa.array(np.concatenate([np.zeros(0, np.int64), *self._told])))
        self._writer.write_table(pa.table(columns, schema=self._writer.schema))
        self._held, self._told, self._rows = [], [], 0


@contextmanager
def _samples(
    plant: Plant, folder: Path, day: str, group: str, mine: NDArray[np.bool_]
) -> Iterator[_Samples]:
    path = folder / "samples" / day / f"{group}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    slow = group.endswith("-slow")
    fields = [
        ("time", pa.int64()),
        ("tag", pa.dictionary(pa.int32(), pa.string())),
        ("value", pa.float64()),
    ] + [("told", pa.int64())] * slow
    with pq.ParquetWriter(
        path,
        pa.schema(fields),
        compression="zstd",
        use_dictionary=["tag"],
        column_encoding={"time": "DELTA_BINARY_PACKED", "value": "BYTE_STREAM_SPLIT"},
    ) as writer:
        index = np.cumsum(mine).astype(np.int32) - 1
        ids = np.array([tag.id for tag in plant.tags])[mine]
        samples = _Samples(writer, ids, index, slow)
        yield samples
        samples.flush()


def _minutes(simulation: Simulation, times: list[int], state: NDArray[np.void]) -> pa.Table:
    """The state of every cell at some times. state: [times · cells], time by time"""
    cells = simulation.plant.entities("cell")
    nature = np.tile(simulation.cells.nature, len(times))
    alumina, alf3 = bath_percent(nature, state)
    names = pa.DictionaryArray.from_arrays(
        pa.array(np.tile(np.arange(len(cells), dtype=np.int32), len(times))),
        pa.array(cells, pa.string()),
    )
    columns: dict[str, Any] = {"time": np.repeat(times, len(cells)), "cell": names}
    numbers = {
        "voltage_V": state["voltage"],
        "distance_cm": state["distance_cm"],
        "alumina_percent": alumina,
        "local_alumina_percent": alumina - state["shortfall"],
        "starved": state["starved"],
        "undissolved_kg": state["settled_kg"],
        "bath_temperature_C": state["kelvin"] - KELVIN,
        "superheat_K": state["superheat_K"],
        "ledge_kg": state["ledge_kg"],
        "alf3_percent": alf3,
        "metal_kg": state["pad_kg"],
        "current_efficiency": state["efficiency"],
        "swing_sd_V": state["noise_V"],
        "feed_flow": np.minimum(state["own_flow"], state["feeder_flow"]) * ~state["empty"],
    }
    columns |= {name: values.astype(np.float32) for name, values in numbers.items()}
    columns |= {
        name: state[field].copy()
        for name, field in (
            ("anode_effect", "above"), ("low_voltage_effect", "low"), ("bypassed", "bypassed"),
        )
    }  # fmt: skip
    return pa.table(columns)


def _write_rest(plant: Plant, simulation: Simulation, folder: Path) -> None:
    for name, table in simulation.truth.tables().items():
        place = "labels" if name in _LABELS else "truth"
        _write(table, folder / place / f"{name}.parquet")
    rows = [
        {
            "tag": tag.id, "entity": tag.entity, "signal": tag.signal.name,
            "unit": tag.signal.unit, "kind": tag.signal.kind, "pace": tag.signal.pace,
            "interval_s": tag.interval_s, "accuracy": tag.accuracy,
            "accuracy_percent": tag.accuracy_percent,
        }
        for tag in plant.tags
    ]  # fmt: skip
    _write(pa.Table.from_pylist(rows), folder / "tags.parquet")


def _write(table: pa.Table, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, compression="zstd")


def _write_readme(
    plant: Plant,
    folder: Path,
    days: int,
    seed: int,
    start: str,
    scenario: bool,
    sensor_errors: bool,
) -> None:
    text = Path(__file__).with_name("dataset.md").read_text(encoding="utf-8")
    options = " --scenario scenario.toml" * scenario + " --no-sensor-errors" * (not sensor_errors)
    made = text.format(
        name=plant.site.name or plant.site.id,
        days=days,
        seed=seed,
        start=start,
        cells=len(plant.cells),
        tags=len(plant.tags),
        version=version("potline"),
        options=options,
        scenario_file=", `scenario.toml`" * scenario,
        scenario_note=", and the faults that were made to happen" * scenario,
        errors_note=", with errors drawn from `accuracy`" * sensor_errors,
    )
    (folder / "README.md").write_text(made, encoding="utf-8")
