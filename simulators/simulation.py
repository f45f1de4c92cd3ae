"""The whole plant, step by step: faults, physics, samples, truth."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from plant.batch import SECOND, Batch
from plant.model import Plant
from simulators.electrochemistry import KELVIN
from simulators.plant_model import BUSBAR_OHM_PER_CELL, Cells, Lines, cell_offsets
from simulators.sampling import Readings, Sampler, step_ns
from simulators.scenario import Fault, Faults
from simulators.truth import Truth
from simulators.utilities import Boilers, Meters, Rectifiers

Array = NDArray[np.float64]


class Simulation:
    """Same plant, start, seed and scenario: same samples, bit for bit."""

    def __init__(
        self, plant: Plant, start_ns: int, seed: int = 1, scenario: Iterable[Fault] = ()
    ) -> None:
        """Starts at the first whole step at or after start_ns."""
        self.plant = plant
        self.step_ns = step_ns(plant)
        self.start_ns = -(-start_ns // self.step_ns) * self.step_ns
        self.time = self.start_ns
        self._dt = self.step_ns / SECOND
        self.faults = Faults(scenario)
        self.started: list[Fault] = []  # by the last step
        self._frozen = np.zeros(len(plant.tags), np.bool_)

        self.cells = Cells(plant, self._dt, seed)
        self.lines = Lines(plant, self._dt, seed)
        nominal = self._by_line(self.cells.metal_rate(self.cells.nominal_A)) * 3.6
        self.rectifiers = Rectifiers(plant, seed)
        self.meters = Meters(plant, nominal, self._dt, seed)
        self.boilers = Boilers(plant, seed)
        self._effect_V = np.zeros(len(plant.lines))
        offsets = cell_offsets(len(plant.cells), self.step_ns)
        self._late = offsets / self.step_ns
        self._sampler = Sampler(plant, self.step_ns, self._readings())
        self.truth = Truth(plant, offsets)

    @property
    def now_s(self) -> float:
        """Seconds since the start, of the next step."""
        return (self.time - self.start_ns) / SECOND

    def step(self) -> Batch:
        """The samples of [time, time + step); time moves on to its end."""
        self._apply_faults()
        cells, lines, dt = self.cells, self.lines, self._dt
        before = cells.voltage
        effect = self._by_line(cells.effect_voltage)
        lines.stand(effect - self._effect_V)
        self._effect_V = effect
        current = lines.current_A[cells.line]
        cells.stand(current)
        # a cell's sample comes `late` into the step; until then its last one stands
        mean_V = before * self._late + cells.voltage * (1 - self._late)
        busbars = BUSBAR_OHM_PER_CELL * current**2 / cells.size.scale
        self.rectifiers.stand(self._by_line(mean_V * current + busbars) / 1e6)
        self.meters.stand(lines.current_A / lines.nominal_A)

        batch = self._sampler.sample(self.time, everything=self.time == self.start_ns)
        if self._frozen.any():
            batch = batch.take(~self._frozen[batch.tags])
        self.truth.add_cells(
            self.time, dt, current, mean_V, cells.metal_rate(current), cells.voltage
        )
        self.truth.add_utilities(dt, self.rectifiers, self.meters, self.boilers)

        cells.advance(self.now_s, dt, current)
        lines.advance(self.now_s, dt)
        self.rectifiers.advance(dt)
        self.meters.advance(dt)
        self.boilers.advance(dt)
        self.time += self.step_ns
        return batch

    def _by_line(self, values: Array) -> Array:
        sums = np.bincount(self.plant.line_of_cell, values, len(self.plant.lines))
        return sums.astype(np.float64)

    def _apply_faults(self) -> None:
        """What the active faults leave of the plant; a fault that ends leaves nothing behind."""
        self.started = self.faults.advance(self.now_s)
        for fault in self.started:
            if fault.kind == "alumina":
                self.cells.dissolve(fault.index, fault.amount)
        self.cells.raised_V[:] = 0.0
        for fault in self.faults.of("set_voltage"):
            self.cells.raised_V[fault.index] += fault.amount / 1000
        self.cells.feeder_flow[:] = 1.0
        for fault in self.faults.of("block_feeder"):
            flow = self.cells.feeder_flow
            flow[fault.index] = min(flow[fault.index], fault.amount)
        self.lines.trip[:] = 1.0
        for fault in self.faults.of("trip_line"):
            trip = self.lines.trip
            trip[fault.index] = min(trip[fault.index], fault.amount)
        self._frozen[:] = False
        self._frozen[[fault.index for fault in self.faults.of("freeze_tag")]] = True

    def _readings(self) -> Readings:
        cells, lines, boilers = self.cells, self.lines, self.boilers
        return {
            ("cell", "voltage"): lambda: cells.voltage,
            ("cell", "target_voltage"): lambda: cells.set_voltage,
            ("cell", "feed_mode"): lambda: cells.controller.mode,
            ("cell", "alumina_fed"): lambda: cells.fed_kg,
            ("cell", "beam_position"): lambda: cells.beam_mm,
            ("cell", "metal_tapped"): lambda: cells.tapped_kg,
            ("cell", "bath_temperature"): lambda: cells.kelvin - KELVIN,
            ("cell", "metal_level"): lambda: cells.metal_level_cm,
            ("line", "current"): lambda: lines.current_A / 1000,
            ("rectifier", "ac_power"): lambda: self.rectifiers.ac_power,
            ("rectifier", "ac_energy"): lambda: self.rectifiers.ac_energy,
            ("meter", "power"): lambda: self.meters.power,
            ("meter", "energy"): lambda: self.meters.energy,
            ("boiler", "fuel_flow"): lambda: boilers.fuel_flow,
            ("boiler", "steam_flow"): lambda: boilers.steam_flow,
            ("boiler", "steam_pressure"): lambda: boilers.steam_pressure,
            ("boiler", "steam_temperature"): lambda: boilers.steam_temperature,
            ("boiler", "feedwater_temperature"): lambda: boilers.feedwater_temperature,
            ("boiler", "oxygen"): lambda: boilers.oxygen,
        }
