"""Lines and cells over many steps: one fused kernel. domain.md §7.

At each step the currents and voltages that stand on [t, t + dt) follow from the state at t, what a
meter would read is written down, and the state is carried to t + dt.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulators.cell_events import (
    anode_effect,
    block_feeder,
    bypass,
    change_anodes,
    emit,
    low_voltage_effect,
    move_beam,
    tap,
)
from simulators.cell_physics import (
    BYPASS_OHM,
    composition,
    electrolyse,
    feed,
    fluoride,
    heat,
    stand,
    stored_heat,
    true_efficiency,
)
from simulators.electrochemistry import KELVIN
from simulators.kernel import kernel, part
from simulators.line_state import drive
from simulators.pot_controller import control

Array = NDArray[np.float64]

SIGNALS = ("voltage", "target_voltage", "feed_mode", "alumina_fed", "beam_position", "metal_tapped",
           "bath_temperature", "metal_level", "bath_level", "alumina_percent", "alf3_percent",
           "caf2_percent", "lif_percent", "mgf2_percent", "kf_percent", "cathode_drop")  # fmt: skip
"""Of a cell, as the kernel writes them."""

_BATH_KG_PER_CM3 = 2.1e-3


@kernel
def advance(
    nature: Any,
    state: Any,
    sums: Any,
    lines: Any,
    first: int,
    dt: float,
    signals: Array,
    currents: Array,
    watts: Array,
    log_rows: Any,
    count: Any,
) -> None:
    """Steps first, first + 1, … of dt seconds each, as many as `currents` has rows.

    nature, state, sums: rows of the cells; lines: rows of LINE. Written: signals
    [SIGNALS, steps, cells], currents [steps, lines] in A, watts [steps, lines] of the cells with
    what stands from their samples on, log_rows (LOG) from 0 on and count[0], their number.
    """
    cells = len(nature)
    effects = np.empty(len(lines))
    count[0] = 0
    for step in range(len(currents)):
        k = first + step
        now_s = k * dt
        effects[:] = 0.0
        for i in range(cells):
            effects[nature[i].line] += state[i].effect_V * state[i].effect_level
        for j in range(len(lines)):
            drive(lines[j], effects[j], k, now_s, dt)
            currents[step, j] = lines[j].current_A
        watts[step, :] = 0.0
        for i in range(cells):
            cell, s, line = nature[i], state[i], lines[nature[i].line]
            before = s.voltage
            out = signals[:, step, i]
            if bypass(cell, s, i, k, dt, log_rows, count):
                s.voltage = BYPASS_OHM * line.current_A
                _read(cell, s, 0.0, 0.0, (0.0, 0.0, 0.0, 0.0, 0.0), out)
                held = before * cell.late + s.voltage * (1 - cell.late)
                sums[i].energy_J += held * line.current_A * dt
                sums[i].external_J += held * line.current_A * dt
            else:
                held = _work(cell, s, sums[i], line, before, i, k, now_s, dt, out, log_rows, count)
            watts[step, cell.line] += held * line.current_A


@part
def _work(
    cell: Any, s: Any, sums: Any, line: Any, before: float, i: int, k: int, now_s: float, dt: float,
    out: Array, log_rows: Any, count: Any,
) -> float:  # fmt: skip
    """One step of one cell. -> its mean voltage: a sample comes `late` into the step, until then
    the one `before` stands"""
    current = line.current_A
    alumina, bath = composition(cell, s)
    stand(cell, s, current, alumina, bath, k)
    s.efficiency = true_efficiency(cell, s, alumina)
    held = before * cell.late + s.voltage * (1 - cell.late)
    _read(cell, s, current, alumina, bath, out)

    emit(cell, s, sums, line, i, k, current, dt, log_rows, count)
    sums.energy_J += held * current * dt
    sums.charge_C += current * dt
    sums.operating_s += dt
    sums.kelvin_s += s.kelvin * dt
    sums.alumina_s += alumina * dt
    sums.alf3_s += bath[0] * dt
    sums.distance_s += s.distance_cm * dt
    sums.noise_Vs += s.noise_V * dt

    wanted, beam_cm = control(cell, s, current, dt)
    arrived, dissolved = feed(cell, s, sums, wanted, dt)
    metal = sums.metal_kg
    consumed = electrolyse(cell, s, sums, current, dt)
    store_J = stored_heat(arrived, dissolved, consumed)
    heat(cell, s, sums, held * current, current, alumina, bath, store_J, dt)
    sums.superheat_Ks += s.superheat_K * dt
    fluoride(cell, s, sums, now_s, bath[0], sums.metal_kg - metal, dt)

    move_beam(s, beam_cm, i, k, log_rows, count)
    tap(cell, s, sums, i, k, now_s, dt, log_rows, count)
    change_anodes(cell, s, i, k, now_s, dt, log_rows, count)
    block_feeder(cell, s, i, k, now_s, dt, log_rows, count)
    low_voltage_effect(cell, s, i, k, dt, log_rows, count)
    anode_effect(cell, s, k, now_s, current, dt)
    return float(held)


@part
def _read(cell: Any, s: Any, current_A: float, alumina: float, bath: Any, out: Array) -> None:
    """SIGNALS of one cell now."""
    out[0] = s.voltage
    out[1] = cell.own_set_V + s.raised_V + s.startup_V
    out[2] = s.mode
    out[3] = s.fed_kg
    out[4] = s.beam_mm
    out[5] = s.tapped_kg
    out[6] = s.kelvin - KELVIN
    out[7] = s.pad_kg / cell.pad_kg_per_cm
    liquid = s.cryolite_kg + s.alf3_kg + s.dissolved_kg
    channel = max(cell.cathode_cm2 - cell.anode_cm2, 0.05 * cell.cathode_cm2)
    out[8] = max(liquid / _BATH_KG_PER_CM3 - cell.anode_cm2 * s.distance_cm, 0.0) / channel
    out[9] = alumina
    for n in range(5):
        out[10 + n] = bath[n]
    out[15] = 1e3 * current_A * (cell.cathode_ohm - s.cathode_less_ohm)
