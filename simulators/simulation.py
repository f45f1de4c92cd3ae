"""The whole plant, step by step: faults, physics, samples, truth."""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil, inf

import numpy as np
from numpy.typing import NDArray

from plant.batch import SECOND, Batch
from plant.model import Plant
from simulators import boilers, plant_model
from simulators.cell_events import LOG
from simulators.cell_physics import settle
from simulators.cell_state import SHORTFALL, metal_kg_per_C, new_cells, offsets_ns
from simulators.instruments import OF_TAGS, Instruments
from simulators.line_state import new_lines
from simulators.luck import Stream, keys, wander
from simulators.pot_controller import SLOPE_LIMIT
from simulators.reality import DRAWN, PLAIN, Reality, draw
from simulators.sampling import Readings, Sampler, step_ns
from simulators.scenario import Fault, Faults
from simulators.truth import Stretch, Truth
from simulators.utilities import Meters, Rectifiers, Sky, Supply

Array = NDArray[np.float64]

_GRADE = {"iron_percent": (0.09, 0.01), "silicon_percent": (0.04, 0.005)}  # mean, deviation
_GRADE_S = 4 * 86400.0
_HOUR = 3600 * SECOND


class Simulation:
    """Same plant, start, seed, scenario and options: same samples, bit for bit, however many steps
    are made at once."""

    def __init__(
        self,
        plant: Plant,
        start_ns: int,
        seed: int = 1,
        scenario: Iterable[Fault] = (),
        *,
        sensor_errors: bool = False,
        reality: Reality | None = None,
    ) -> None:
        """Starts at the first whole step at or after start_ns. reality: PLAIN when not given, DRAWN
        with sensor errors."""
        self.plant = plant
        self.step_ns = step_ns(plant)
        self.start_ns = -(-start_ns // self.step_ns) * self.step_ns
        self.time = self.start_ns
        self._dt = self.step_ns / SECOND
        self._steps = 0
        self.faults = Faults(scenario, self.start_ns)
        self.started: list[Fault] = []  # by the last step

        self.true = draw(plant, seed, reality or (DRAWN if sensor_errors else PLAIN))
        self.cells = new_cells(plant, self.step_ns, seed, self.true)
        settle(self.cells.nature, self.cells.state)
        self.lines = new_lines(plant, seed, self.true)
        nominal_A = self.cells.nature["nominal_A"]
        told = np.array([line.current_efficiency for line in plant.lines])[plant.line_of_cell]
        nominal_t_per_h = self._by_line(metal_kg_per_C(told) * nominal_A * 3.6)
        nominal_MW = self._by_line(nominal_A * self.cells.nature["own_set_V"] / 1e6)
        sky = Sky(plant, self.start_ns, seed)
        self.rectifiers = Rectifiers(plant, nominal_MW, seed)
        self.meters = Meters(plant, nominal_t_per_h, nominal_MW, sky, seed)
        self.supply = Supply(plant, nominal_MW, sky, seed)
        self.boilers = boilers.Boilers(plant, sky, seed)
        self._grade = {name: keys(seed, [f"{c.id}/{name}" for c in plant.cells]) for name in _GRADE}
        self._sampler = Sampler(plant, self.step_ns, seed, _KNOWN)
        self.instruments = Instruments(plant, seed, sensor_errors)
        self._builds = sorted(
            (period.since, i, period.anode == "carbon")
            for i, cell in enumerate(plant.cells)
            for period in cell.history
        )
        offsets = offsets_ns(len(plant.cells), self.step_ns)
        self.truth = Truth(plant, self.start_ns, self.step_ns, offsets, self.true)

    @property
    def now_s(self) -> float:
        """Seconds since the start, of the next step."""
        return (self.time - self.start_ns) / SECOND

    def step(self) -> Batch:
        """The samples told in [time, time + step); time moves on to its end."""
        return self.run(1)

    def run(self, steps: int) -> Batch:
        """As many steps; times are as all clocks were right (see `stamp`)."""
        parts = []
        while steps > 0:
            self._apply_faults()
            self._apply_history()
            left_s = self.faults.next_s() - self.now_s
            if self._builds:
                left_s = min(left_s, (self._builds[0][0] - self.time) / SECOND)
            hour = (_HOUR - self.time % _HOUR) // self.step_ns
            before = steps if left_s == inf else max(1, ceil(left_s / self._dt))
            stretch = min(steps, before, max(hour, 1))
            parts.append(self._stretch(stretch))
            steps -= stretch
        return Batch.concat(parts)

    def stamp(self, batch: Batch) -> Batch:
        """Samples as sources with wrong clocks stamp them."""
        return self.instruments.stamp(batch, self.faults.of("skew_clock"))

    def _stretch(self, steps: int) -> Batch:
        """Steps in which no fault starts or ends."""
        cells, plant, dt = self.cells, self.plant, self._dt
        signals = np.empty((len(plant_model.SIGNALS), steps, len(plant.cells)))
        current_A = np.empty((steps, len(plant.lines)))
        watts = np.empty((steps, len(plant.lines)))
        log_rows = np.empty((2 * steps + 20) * len(plant.cells), LOG)
        count = np.zeros(1, np.int64)
        plant_model.advance(
            cells.nature, cells.state, cells.sums, self.lines,
            self._steps, dt, signals, current_A, watts, log_rows, count,
        )  # fmt: skip
        log_rows = log_rows[: count[0]]
        times = self.time + np.arange(steps) * self.step_ns
        times_s = times / SECOND
        busbars = self.lines["cells"] * self.lines["busbar_ohm"] * current_A
        dc_MW = (watts + busbars * current_A) / 1e6
        source_MW = self.meters.sources(times_s, len(plant.lines))
        self.rectifiers.run(dc_MW - source_MW, dt)
        self.meters.run(current_A / self.lines["nominal_A"], self.rectifiers, dt)
        self.supply.run(times_s)
        self.boilers.run(times)
        line_V = busbars + np.stack(
            [signals[0][:, plant.line_of_cell == j].sum(axis=1) for j in range(len(plant.lines))], 1
        )
        readings = self._readings(signals, current_A, line_V, times_s)
        batch = self._sampler.sample(self.time, steps, readings, log_rows, self.start_ns)
        batch = self.instruments.read(batch, self.faults.of(*OF_TAGS), self.start_ns)
        self.time += steps * self.step_ns
        self._steps += steps
        self.truth.add(
            Stretch(
                self.time, steps * dt, dt, cells, log_rows, current_A, source_MW,
                self.rectifiers, self.meters, self.supply, self.boilers,
            )
        )  # fmt: skip
        return batch

    def _by_line(self, values: Array) -> Array:
        sums = np.bincount(self.plant.line_of_cell, values, len(self.plant.lines))
        return sums.astype(np.float64)

    def _readings(
        self, signals: Array, current_A: Array, line_V: Array, times_s: Array
    ) -> Readings:
        made: dict[tuple[str, str], Array] = {
            ("cell", name): signals[n] for n, name in enumerate(plant_model.SIGNALS)
        }
        for name, (mean, deviation) in _GRADE.items():
            luck = wander(self._grade[name], Stream.LAB, _GRADE_S, times_s[:1] // 3600 * 3600)
            made["cell", name] = np.broadcast_to(mean + deviation * luck, signals[0].shape)
        made |= {
            ("line", "current"): current_A / 1000,
            ("line", "line_voltage"): line_V,
            ("rectifier", "ac_power"): self.rectifiers.ac_power,
            ("rectifier", "ac_energy"): self.rectifiers.ac_energy,
            ("rectifier", "dc_power"): self.rectifiers.dc_power,
            ("meter", "power"): self.meters.power,
            ("meter", "energy"): self.meters.energy,
            ("site", "grid_factor"): self.supply.grid_factor,
            ("site", "contracted_power"): self.supply.contracted_power,
        }
        return made | {("boiler", n): self.boilers.values[n] for n in boilers.SIGNALS}

    def _apply_history(self) -> None:
        """Cells of inert anodes emit neither CO2 from them nor PFC."""
        while self._builds and self._builds[0][0] <= self.time:
            _, cell, carbon = self._builds.pop(0)
            self.cells.state["emits"][cell] = carbon

    def _apply_faults(self) -> None:
        """What the active faults leave of the plant; a fault that ends leaves nothing behind."""
        self.started, ended = self.faults.advance(self.now_s)
        for fault in ended:
            self.instruments.end(fault)
        if not self.started and not ended and self._steps:
            return
        self.truth.add_faults(self.time, self.started, ended)
        state, nature = self.cells.state, self.cells.nature
        for fault in self.started:
            if fault.kind == "alumina":
                cell = state[fault.index]
                rest = (
                    cell["cryolite_kg"]
                    + cell["alf3_kg"]
                    + sum(
                        nature[fault.index][name]
                        for name in ("caf2_kg", "lif_kg", "mgf2_kg", "kf_kg")
                    )
                )
                cell["dissolved_kg"] = rest * fault.amount / (100 - fault.amount)
        for name, usual in _ORDERS.items():
            state[name] = usual
        self.lines["trip"] = self.lines["ordered"] = 1.0
        for fault in self.faults.active.values():
            i, amount = fault.index, fault.amount
            match fault.kind:
                case "set_voltage":
                    state["raised_V"][i] += amount / 1000
                case "block_feeder":
                    state["feeder_flow"][i] = min(state["feeder_flow"][i], amount)
                case "empty_hopper":
                    state["empty"][i] = True
                case "stick_beam":
                    state["stuck"][i] = True
                case "slope_limit":
                    state["slope_limit"][i] = amount / 1000
                case "shortfall":
                    state["shortfall_mean"][i] = amount
                case "cathode":
                    state["cathode_less_ohm"][i] -= amount * 1e-6
                case "bypass":
                    state["bypassed"][i] = True
                case "trip_line":
                    self.lines["trip"][i] = min(self.lines["trip"][i], amount)
                case "modulate_line":
                    self.lines["ordered"][i] += amount / 100


_ORDERS = {"raised_V": 0.0, "feeder_flow": 1.0, "empty": False, "stuck": False,
           "slope_limit": SLOPE_LIMIT, "shortfall_mean": SHORTFALL, "cathode_less_ohm": 0.0,
           "bypassed": False}  # fmt: skip
_KNOWN = {("cell", name) for name in (*plant_model.SIGNALS, *_GRADE)}
_KNOWN |= {("boiler", name) for name in boilers.SIGNALS}
_KNOWN |= {("line", "current"), ("line", "line_voltage"), ("meter", "power"), ("meter", "energy"),
           ("rectifier", "ac_power"), ("rectifier", "ac_energy"), ("rectifier", "dc_power"),
           ("site", "grid_factor"), ("site", "contracted_power")}  # fmt: skip
