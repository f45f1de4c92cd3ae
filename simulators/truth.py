"""What truly happened, in Parquet, for tests to hold the figures against.

Constants and formulas are the simulator's own. Files: docs/simulator.md.
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from plant.batch import SECOND, Batch
from plant.model import Plant
from simulators.utilities import Boilers, Meters, Rectifiers

Array = NDArray[np.float64]

HOUR = 3600 * SECOND
ANODE_EFFECT_V = 8.0  # domain.md §3.1
CF4_KG_PER_T_MIN = 0.104  # kg CF4 a tonne of metal a day, for each minute of anode effect
C2F6_PER_CF4 = 0.057
CO2_PER_C = 44.0095 / 12.011
_ROWS = 500_000  # of samples held before they go to disk


class Truth:
    """Sums by UTC hour, and anode effects; a row also for the hours begun and ended midway."""

    def __init__(self, plant: Plant, offsets: NDArray[np.int64]) -> None:
        """offsets: int64[cells], ns that a cell's voltage changes after the step."""
        self._plant = plant
        self._offsets = offsets
        self._line = plant.line_of_cell
        carbon = [
            line.net_carbon_t_per_t
            * (1 - line.anode_sulphur_percent / 100 - line.anode_ash_percent / 100)
            for line in plant.lines
        ]
        self._co2_per_metal = np.array(carbon) * CO2_PER_C
        self._hour: int | None = None
        self._hours: dict[str, list[pa.Table]] = {"cells": [], "lines": [], "boilers": []}
        self._start_hour()
        self._effects: list[tuple[int, int, int | None]] = []
        self._open: dict[int, int] = {}

    def add_cells(
        self, time: int, dt: float, current_A: Array, mean_V: Array, metal: Array, voltage: Array
    ) -> None:
        """One step of dt seconds from `time`. current_A, mean_V (over the step), metal [kg/s] and
        voltage (the value that the step brings) are [cells]."""
        hour = time // HOUR * HOUR
        if hour != self._hour:
            self._close_hour()
            self._hour = hour
        above = voltage > ANODE_EFFECT_V
        made = metal * dt
        energy, charge, mass, cf4 = self._cells
        energy += mean_V * current_A * dt / 3.6e6
        charge += current_A * dt / 3.6e6
        mass += made
        # S · (minutes / a day) · (tonnes a day): the day cancels
        cf4 += np.where(above, CF4_KG_PER_T_MIN * (dt / 60) * (metal * 86.4), 0.0)
        if self._open or above.any():
            self._watch(time, above)

    def add_utilities(
        self, dt: float, rectifiers: Rectifiers, meters: Meters, boilers: Boilers
    ) -> None:
        """The same step; after add_cells. A meter of no line is in no sum."""
        lines = len(self._plant.lines)
        own = meters.of_line
        self._lines[0] += np.bincount(rectifiers.line, rectifiers.ac_power, lines) * dt / 3600
        self._lines[1] += np.bincount(meters.line[own], meters.power[own], lines) * dt / 3600
        fuel, steam = boilers.fuel_flow, boilers.steam_flow
        self._boilers += np.stack([fuel, steam, steam * boilers.efficiency]) * dt / 3600

    def _watch(self, time: int, above: NDArray[np.bool_]) -> None:
        for cell in np.flatnonzero(above).tolist():
            self._open.setdefault(cell, time + int(self._offsets[cell]))
        for cell in [c for c in self._open if not above[c]]:
            start = self._open.pop(cell)
            self._effects.append((cell, start, time + int(self._offsets[cell])))

    def _close_hour(self) -> None:
        if self._hour is None:
            return
        plant, lines = self._plant, len(self._plant.lines)
        energy, charge, metal, cf4 = self._cells
        self._append(
            "cell", plant, energy_kWh=energy, charge_kAh=charge, metal_kg=metal, cf4_kg=cf4
        )
        sums = (energy / 1000, metal / 1000, cf4)
        dc, tonnes, cf4 = (np.bincount(self._line, x, lines).astype(np.float64) for x in sums)
        ac, auxiliary = self._lines
        self._append(
            "line", plant, ac_MWh=ac, aux_MWh=auxiliary, dc_MWh=dc, metal_t=tonnes,
            anode_co2_t=tonnes * self._co2_per_metal, cf4_kg=cf4, c2f6_kg=cf4 * C2F6_PER_CF4,
        )  # fmt: skip
        fuel, steam, useful = self._boilers
        efficiency = useful / np.where(steam > 0, steam, np.nan)
        self._append("boiler", plant, fuel_t=fuel, steam_t=steam, efficiency=efficiency)
        self._start_hour()

    def _append(self, kind: Literal["cell", "line", "boiler"], plant: Plant, **sums: Array) -> None:
        ids = plant.entities(kind)
        hours = np.full(len(ids), self._hour, np.int64)
        columns: dict[str, Any] = {kind: pa.array(ids, pa.string()), "hour_start": hours}
        self._hours[f"{kind}s"].append(pa.table(columns | sums))

    def _start_hour(self) -> None:
        self._cells = np.zeros((4, len(self._plant.cells)))  # energy, charge, metal, CF4
        self._lines = np.zeros((2, len(self._plant.lines)))  # AC, auxiliaries
        self._boilers = np.zeros((3, len(self._plant.boilers)))  # fuel, steam, steam * efficiency

    def tables(self) -> dict[str, pa.Table]:
        """cells, lines, boilers by hour, and anode_effects; the hour under way is cut off here."""
        self._close_hour()
        self._hour = None
        running: list[tuple[int, int, int | None]] = [(c, t, None) for c, t in self._open.items()]
        effects = sorted([*self._effects, *running], key=lambda effect: (effect[1], effect[0]))
        cells = self._plant.entities("cell")
        tables = {name: pa.concat_tables(hours) for name, hours in self._hours.items() if hours}
        tables["anode_effects"] = pa.table({
            "cell": pa.array([cells[cell] for cell, _, _ in effects], pa.string()),
            "start": pa.array([start for _, start, _ in effects], pa.int64()),
            "end": pa.array([end for _, _, end in effects], pa.int64()),
        })  # fmt: skip
        return tables

    def write(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        for name, table in self.tables().items():
            pq.write_table(table, directory / f"{name}.parquet")


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
