"""A cell's figures from the sums of its windows. One short loop a figure, a line's cells at a time:
each runs at the speed of the processor's vectors."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytics.beat.cell_state import (
    ALGEBRAIC,
    CHARGE,
    COUNT,
    ENERGY,
    KNOWN,
    L_CURRENT,
    L_CURRENT_KNOWN,
    L_SQUARE,
    LEAST_CURRENT,
    POSITIVE,
    QUIET_CHARGE,
    QUIET_ENERGY,
    SPIKE_COUNT,
    TARGET,
    VOLTAGE_KNOWN,
)
from analytics.beat.line_amounts import so_far
from analytics.beat.operations import (
    ALUMINA,
    BEAM,
    BEAM_MM,
    BEAM_MOVES,
    LOW_COUNT,
    LOW_NS,
    MODE,
    NEVER,
    OVERFEED,
    OVERFEEDS,
    QUENCH_NS,
    TAP,
    TAPPED_KG,
    UNDERFEED_NS,
)
from analytics.formulas import DAY_S, HOURS
from analytics.kernel import bare_part, inlined, part
from analytics.table.figures import index

DAY = 3
Floats = NDArray[np.float64]

BEAT_NAMES = (
    "voltage", "resistance", "power", "normalised_voltage", "voltage_distance", "anode_effect",
    "anode_effect_elapsed", "low_voltage_candidate",
)  # fmt: skip
"""Written by analytics.beat.cells."""
WINDOW_NAMES = (
    "voltage", "energy", "charge", "metal", "dc_specific_energy", "coverage", "normalised_voltage",
    "excess_energy", "energy_efficiency", "heat_loss",
)  # fmt: skip
(
    VOLTAGE, ENERGY_KWH, CHARGE_KAH, METAL, SPECIFIC, COVERAGE, NORMALISED, EXCESS, EFFICIENCY,
    HEAT_LOSS,
) = range(10)  # fmt: skip
SINGLE_NAMES = (
    "excess_specific_energy_minute", "excess_specific_energy_hour", "slope", "noise_lf", "noise_hf",
    "since_overfeed_min", "since_tap_h", "since_beam_move_min", "anode_effects_day",
    "anode_effect_minutes_day", "aef_day", "aed_day", "aem_day", "overvoltage_positive_day",
    "overvoltage_algebraic_day", "cf4_day", "c2f6_day", "pfc_co2e_day", "cf4_overvoltage_day",
    "low_voltage_candidates_day", "low_voltage_minutes_day", "alumina_fed_day", "overfeeds_day",
    "underfeed_minutes_day", "quench_minutes_day", "beam_moves_day", "tapped_day", "spikes_day",
    "target_voltage_day", "known_seconds_day",
)  # fmt: skip
(
    EXCESS_MINUTE, EXCESS_HOUR, SLOPE, NOISE_LF, NOISE_HF, SINCE_OVERFEED, SINCE_TAP, SINCE_BEAM,
    EFFECTS, MINUTES, AEF, AED, AEM, OVER_POSITIVE, OVER_ALGEBRAIC, CF4, C2F6, PFC,
    CF4_OVERVOLTAGE, LOW_CANDIDATES, LOW_MINUTES, FED, OVERFEED_COUNT, UNDERFEED, QUENCH, MOVES,
    TAPPED, SPIKES, TARGET_VOLTAGE, KNOWN_SECONDS,
) = range(30)  # fmt: skip

BEAT_ROWS = np.array([index("cell", name) for name in BEAT_NAMES], np.int64)
WINDOW_ROWS = np.array([index("cell", f"{name}_minute") for name in WINDOW_NAMES], np.int64)
SINGLE_ROWS = np.array([index("cell", name) for name in SINGLE_NAMES], np.int64)


@bare_part
def cell_figures(
    first_line: int,
    last_line: int,
    end: int,
    elapsed_s: Floats,
    first_cell: NDArray[np.int64],
    line: Any,
    carbon: Floats,
    target: Floats,
    state: Any,
    line_sums: Floats,
    line_ns: NDArray[np.int64],
    work: Floats,
    window_rows: NDArray[np.int64],
    rows: NDArray[np.int64],
    figures: Floats,
) -> None:
    """Write every figure of the cells of the lines [first_line, last_line) that is not of
    BEAT_NAMES.

    elapsed_s: float64[4], since the windows' starts. line: LinePlant. carbon, target: of each cell.
    state: CellState. line_sums, line_ns: of LineState. work: float64[5 or more,
    cells of a line], to work in.
    """
    for k in range(first_line, last_line):
        cells = slice(first_cell[k], first_cell[k + 1])
        for w in range(4):
            _window(w, k, cells, elapsed_s[w], line, target, state, line_sums, line_ns, work,
                    window_rows, rows, figures)  # fmt: skip
        _today(k, cells, end, line, carbon, state, line_sums, line_ns, work, rows, figures)


@inlined
def _window(
    w: int,
    k: int,
    cells: Any,
    elapsed_s: float,
    line: Any,
    target: Any,
    state: Any,
    line_sums: Any,
    line_ns: Any,
    work: Any,
    window_rows: Any,
    rows: Any,
    figures: Any,
) -> None:
    """Window w of the cells of line k."""
    sums, ns = state.sums, state.ns
    n = cells.stop - cells.start
    energy, charge = work[0, :n], work[1, :n]
    quiet_energy, quiet_charge, seconds = work[2, :n], work[3, :n], work[4, :n]
    _running(w, sums[ENERGY, 0, cells], sums[ENERGY, w, cells], energy)
    _running(w, sums[CHARGE, 0, cells], sums[CHARGE, w, cells], charge)
    _running(w, sums[QUIET_ENERGY, 0, cells], sums[QUIET_ENERGY, w, cells], quiet_energy)
    _running(w, sums[QUIET_CHARGE, 0, cells], sums[QUIET_CHARGE, w, cells], quiet_charge)
    _running(w, ns[KNOWN, 0, cells], ns[KNOWN, w, cells], seconds)
    _over(seconds, elapsed_s * 1e9, figures[window_rows[COVERAGE] + w, cells])
    _scale(seconds, 1e-9, seconds)

    metal = line.metal[k]
    heard = so_far(line_ns, L_CURRENT_KNOWN, w, k) / 1e9
    line_charge = so_far(line_sums, L_CURRENT, w, k)
    kAh = line_charge / HOURS if heard > 0 else np.nan
    # of a resistance under a current that changes, ∫V·I dt / ∫I dt is R · ∫I² dt / ∫I dt
    amps = so_far(line_sums, L_SQUARE, w, k) / line_charge if kAh > 0 else np.nan
    per_volt = line.nominal_kA[k] / amps if amps > LEAST_CURRENT * line.nominal_kA[k] else np.nan
    figures[window_rows[CHARGE_KAH] + w, cells] = kAh
    figures[window_rows[METAL] + w, cells] = metal * kAh
    volts = figures[window_rows[VOLTAGE] + w, cells]
    specific = figures[window_rows[SPECIFIC] + w, cells]
    _ratio(energy, charge, volts)
    _known(energy, seconds, 1 / HOURS, figures[window_rows[ENERGY_KWH] + w, cells])
    _scale(volts, 1000 / metal, specific)
    _affine(volts, line.extrapolated_V[k], per_volt, figures[window_rows[NORMALISED] + w, cells])
    _inverse(specific, 100 * line.floor_kWh_per_t, figures[window_rows[EFFICIENCY] + w, cells])
    _excess(quiet_energy, quiet_charge, target[cells], metal / 1000, seconds,
            figures[window_rows[EXCESS] + w, cells])  # fmt: skip
    loss = line.enthalpy_V[k] + line.external_uOhm[k] * amps / 1000
    _heat(energy, charge, seconds, loss, figures[window_rows[HEAT_LOSS] + w, cells])
    if w < 2:
        excess = figures[rows[EXCESS_MINUTE + w], cells]
        _ratio(quiet_energy, quiet_charge, excess)
        _above_target(1000 / metal, target[cells], excess)


@inlined
def _today(
    k: int,
    cells: Any,
    end: int,
    line: Any,
    carbon: Any,
    state: Any,
    line_sums: Any,
    line_ns: Any,
    work: Any,
    rows: Any,
    figures: Any,
) -> None:
    """What the cells of line k have only one figure of."""
    today, ns, counted = state.today[:, cells], state.ns, state.counted[:, cells]
    listened, per_day = work[0, : cells.stop - cells.start], work[1, : cells.stop - cells.start]
    _running(DAY, ns[VOLTAGE_KNOWN, 0, cells], ns[VOLTAGE_KNOWN, DAY, cells], listened)
    _scale(listened, 1e-9, listened)
    _inverse(listened, DAY_S, per_day)
    seconds = figures[rows[KNOWN_SECONDS], cells]
    _running(DAY, ns[KNOWN, 0, cells], ns[KNOWN, DAY, cells], seconds)
    _scale(seconds, 1e-9, seconds)
    _scale(state.shown[0, cells], 1.0, figures[rows[SLOPE], cells])
    _scale(state.shown[1, cells], 1.0, figures[rows[NOISE_LF], cells])
    _scale(state.shown[2, cells], 1.0, figures[rows[NOISE_HF], cells])
    _since(end, state.clocks[OVERFEED, cells], 1 / 60e9, figures[rows[SINCE_OVERFEED], cells])
    _since(end, state.clocks[TAP, cells], 1 / 3600e9, figures[rows[SINCE_TAP], cells])
    _since(end, state.clocks[BEAM, cells], 1 / 60e9, figures[rows[SINCE_BEAM], cells])

    minutes = figures[rows[MINUTES], cells]
    overvoltage = figures[rows[OVER_POSITIVE], cells]
    _known(state.above[DAY, cells], listened, 1 / 60e9, minutes)
    _known(counted[COUNT], listened, 1.0, figures[rows[EFFECTS], cells])
    _known(counted[SPIKE_COUNT], listened, 1.0, figures[rows[SPIKES], cells])
    _ratio(minutes, counted[COUNT], figures[rows[AED], cells])
    _product(minutes, per_day, 1.0, figures[rows[AEM], cells])
    _product(counted[POSITIVE], per_day, 1000 / DAY_S, overvoltage)
    _product(counted[ALGEBRAIC], per_day, 1000 / DAY_S, figures[rows[OVER_ALGEBRAIC], cells])
    _known(today[LOW_NS], listened, 1 / 60e9, figures[rows[LOW_MINUTES], cells])
    _known(today[LOW_COUNT], listened, 1.0, figures[rows[LOW_CANDIDATES], cells])
    target = figures[rows[TARGET_VOLTAGE], cells]
    _running(DAY, state.sums[TARGET, 0, cells], state.sums[TARGET, DAY, cells], target)
    _product(target, per_day, 1 / DAY_S, target)
    _product(counted[COUNT], per_day, 1.0, figures[rows[AEF], cells])

    mode, alumina = state.told[MODE, cells], state.told[ALUMINA, cells]
    _once_told(today[OVERFEEDS], mode, 1.0, figures[rows[OVERFEED_COUNT], cells])
    _once_told(today[UNDERFEED_NS], mode, 1 / 60e9, figures[rows[UNDERFEED], cells])
    _once_told(today[QUENCH_NS], mode, 1 / 60e9, figures[rows[QUENCH], cells])
    _once_told(today[BEAM_MOVES], state.told[BEAM_MM, cells], 1.0, figures[rows[MOVES], cells])
    _once_told(state.kg[0, cells], alumina, 1.0, figures[rows[FED], cells])
    _once_told(state.kg[1, cells], state.told[TAPPED_KG, cells], 1.0, figures[rows[TAPPED], cells])

    heard = so_far(line_ns, L_CURRENT_KNOWN, DAY, k) / 1e9
    metal_t = line.metal[k] * so_far(line_sums, L_CURRENT, DAY, k) / HOURS / 1000
    if heard == 0:
        metal_t = np.nan
    fraction = line.weight_fraction[k]
    co2e = (line.gwp_cf4 + fraction * line.gwp_c2f6) / 1000
    cf4 = figures[rows[CF4], cells]
    _product(minutes, carbon[cells], line.slope[k] * (metal_t / heard * DAY_S), cf4)
    _scale(cf4, fraction, figures[rows[C2F6], cells])
    _scale(cf4, co2e, figures[rows[PFC], cells])
    by_overvoltage = figures[rows[CF4_OVERVOLTAGE], cells]
    _product(overvoltage, carbon[cells], line.overvoltage[k] * metal_t, by_overvoltage)


@part
def _running(w: int, minute: Any, longer: Any, out: Any) -> None:
    """A window's sum up to now: the minute's, and what was closed before it."""
    if w == 0:
        for i in range(len(out)):
            out[i] = minute[i]
    else:
        for i in range(len(out)):
            out[i] = minute[i] + longer[i]


@part
def _ratio(a: Any, b: Any, out: Any) -> None:
    for i in range(len(out)):
        out[i] = a[i] / b[i] if b[i] > 0 else np.nan


@part
def _known(a: Any, seconds: Any, factor: float, out: Any) -> None:
    for i in range(len(out)):
        out[i] = a[i] * factor if seconds[i] > 0 else np.nan


@part
def _over(a: Any, whole: float, out: Any) -> None:
    share = 1 / whole
    for i in range(len(out)):
        out[i] = a[i] * share if a[i] < whole else 1.0


@part
def _scale(a: Any, factor: float, out: Any) -> None:
    for i in range(len(out)):
        out[i] = a[i] * factor


@part
def _product(a: Any, b: Any, factor: float, out: Any) -> None:
    for i in range(len(out)):
        out[i] = a[i] * b[i] * factor


@part
def _affine(a: Any, zero: float, factor: float, out: Any) -> None:
    for i in range(len(out)):
        out[i] = zero + (a[i] - zero) * factor


@part
def _inverse(a: Any, above: float, out: Any) -> None:
    for i in range(len(out)):
        out[i] = above / a[i] if a[i] > 0 else np.nan


@part
def _excess(energy: Any, charge: Any, target: Any, metal_t: float, seconds: Any, out: Any) -> None:
    """kJ without anode effects less what the target allows the metal of that time. -> kWh"""
    for i in range(len(out)):
        excess = (energy[i] - target[i] * (metal_t * charge[i])) * (1 / HOURS)
        out[i] = excess if seconds[i] > 0 else np.nan


@part
def _heat(energy: Any, charge: Any, seconds: Any, volts: float, out: Any) -> None:
    """Mean power beyond these volts. -> kW"""
    for i in range(len(out)):
        out[i] = (energy[i] - charge[i] * volts) / seconds[i] if seconds[i] > 0 else np.nan


@part
def _above_target(per_volt: float, target: Any, out: Any) -> None:
    for i in range(len(out)):
        out[i] = out[i] * per_volt - target[i]


@part
def _since(end: int, clock: Any, unit: float, out: Any) -> None:
    for i in range(len(out)):
        out[i] = (end - clock[i]) * unit if clock[i] != NEVER else np.nan


@part
def _once_told(a: Any, told: Any, factor: float, out: Any) -> None:
    """Unknown until the cell's tag has said something."""
    for i in range(len(out)):
        out[i] = a[i] * factor if told[i] == told[i] else np.nan
