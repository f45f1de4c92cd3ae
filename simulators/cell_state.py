"""What a cell is, how it stands and what it has summed up: three rows for each cell.

The kernels read and write these rows; nothing about a cell is kept elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isnan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plant.batch import SECOND
from plant.model import Line, Plant
from simulators.electrochemistry import ALUMINA, ALUMINIUM, FARADAY, KELVIN
from simulators.luck import Draw, keys
from simulators.pot_controller import MEANS, OVER_S, SLOPE_LIMIT, Feed
from simulators.reality import TrueConstants

Array = NDArray[np.float64]
Rows = NDArray[np.void]

AMBIENT_K = 30 + KELVIN
REFERENCE_K = 958 + KELVIN
LEDGE_W_PER_MK, LEDGE_KG_PER_M3 = 1.5, 2800.0

# The 600 kA cell of domain.md §7.3; another is scaled to the same current densities.
_REFERENCE_A = 600e3
_ANODES, _ANODE_CM, _CATHODE_CM2 = 56, (175.0, 74.0), 8.4e5
_ANODE_OHM, _CATHODE_OHM, _EXTERNAL_OHM = 0.50e-6, 0.45e-6, 0.28e-6
_BATH_KG, PAD_KG, _LEDGE_M2 = 12_000.0, 45_000.0, 30.0
_HEAT_J_PER_K = 74e6  # of bath, metal and what goes with them
_PAD_KG_PER_CM3 = 2.3e-3
_SHELL_SHARE = 0.18  # of the resistance from the bath to the air is the shell's, the rest ledge
_TOP, _SIDE, _BOTTOM, _SUPERHEAT_K = 0.45, 0.40, 0.15, 10.0  # of the heat loss; while on target
_ADDITIVES = (5.0, 1.5, 0.4, 1.0)  # CaF2, LiF, MgF2, KF, wt %
_ALF3, _ALF3_SD = 10.5, 0.3
_WALL_SD = 0.05  # share by which the heat transfer of bath to ledge of cells differs
_WORN_V = 0.010  # by which anodes and cathodes of cells differ
_SET_SD_V = 0.008
_ANODE_LIFE_S = 28 * 86400.0
ANODES_AT_ONCE, TAKE_UP_S = 2, 36_000.0  # new anodes take their current up exponentially
_SWING_S, SWING_DAMPING = (35.0, 55.0), 0.97
BEAM_LOW_MM, BEAM_RAISE_MM = 60.0, 240.0
SHORTFALL = 0.35  # local alumina below the bulk, wt %

NATURE = np.dtype(
    [("key", "u8"), ("line", "i8"), ("physical", "?")]
    + [
        (name, "f8")
        for name in (
            "late", "nominal_A", "own_set_V", "efficiency", "consumption",
            "anode_cm2", "one_anode", "anodes", "cathode_cm2",
            "anode_ohm", "cathode_ohm", "external_ohm",
            "caf2_kg", "lif_kg", "mgf2_kg", "kf_kg", "alf3_target",
            "pad_kg_per_cm", "pad_target_kg", "scale",
            "heat_J_per_K", "wall_W_per_K", "top_W_per_K", "bottom_W_per_K",
            "shell_K_per_W", "ledge_m2",
            "tap_every_s", "change_every_s", "swing_a", "swing_b", "swing_gain",
        )
    ]
)  # fmt: skip
"""What a cell is built like. late: share of a step after which its sample is taken; consumption:
alumina at nominal current, kg/s, as its controller takes it; one_anode: cm² to the power -0.1."""

STATE = np.dtype(
    [("means", "f8", (MEANS,))]
    + [(name, "?") for name in ("bypassed", "was_bypassed", "stuck", "empty", "effect", "above",
                                "low", "tapping", "blocked")]
    + [(name, "i8") for name in ("mode", "means_seen", "events")]
    + [
        (name, "f8")
        for name in (
            # ordered by faults
            "raised_V", "feeder_flow", "slope_limit", "shortfall_mean", "cathode_less_ohm",
            # stands
            "voltage", "distance_cm", "kelvin", "cryolite_kg", "ledge_kg", "alf3_kg",
            "dissolved_kg", "settled_kg", "pad_kg", "tapped_kg", "fed_kg", "beam_mm",
            "superheat_K", "efficiency", "noise_V", "emits",
            # schedules
            "next_tap_s", "tap_left_kg", "tap_rate", "tap_kg", "next_change_s", "idle_area",
            "next_dose_s", "alf3_rate", "owed_kg", "own_flow", "blocked_until_s", "startup_V",
            # disturbances
            "shortfall", "swing_old", "swing_new", "starved",
            "effect_V", "effect_level", "effect_left_s", "restrike_s", "dip_V", "effect_s",
            "low_V", "low_left_s", "low_level", "low_share",
            # the controller
            "age_s", "set_V", "filtered_V", "pending_cm", "moved_V", "since_move_s",
            "sum_V", "seen_s", "window_s",
        )
    ]
)  # fmt: skip

SUMS = np.dtype([
    (name, "f8")
    for name in (
        "energy_J", "charge_C", "metal_kg", "tapped_kg", "cf4_kg", "cf4_low_voltage_kg",
        "dosed_kg", "arrived_kg", "consumed_kg", "alf3_fed_kg", "alf3_lost_kg",
        "external_J", "enthalpy_J", "feed_J", "top_J", "wall_J", "bottom_J",
        "operating_s", "effect_s", "effect_Vs",
        "kelvin_s", "superheat_Ks", "alumina_s", "alf3_s", "distance_s", "noise_Vs",
    )
])  # fmt: skip
"""Since the truth last took them. effect_Vs: above the set voltage while above 8 V."""


@dataclass(frozen=True, slots=True)
class Cells:
    """All cells of the plant, a row each."""

    nature: Rows  # [cells] of NATURE
    state: Rows  # [cells] of STATE
    sums: Rows  # [cells] of SUMS


def metal_kg_per_C(efficiency: Any) -> Any:
    """By Faraday's law."""
    return efficiency * ALUMINIUM / (3 * FARADAY)


def bath_percent(nature: Rows, state: Rows) -> tuple[Array, Array]:
    """-> dissolved alumina, excess AlF3 of every cell's bath, wt %"""
    held = sum(nature[name] for name in ("caf2_kg", "lif_kg", "mgf2_kg", "kf_kg"))
    bath = state["cryolite_kg"] + state["alf3_kg"] + state["dissolved_kg"] + held
    return 100 * state["dissolved_kg"] / bath, 100 * state["alf3_kg"] / bath


def offsets_ns(cells: int, step_ns: int) -> NDArray[np.int64]:
    """How long after the step each cell's controller takes its samples, [ns]; below a fifth."""
    return (np.arange(cells) * 37 % 50) * (step_ns // 250)


def new_cells(plant: Plant, step_ns: int, seed: int, true: TrueConstants) -> Cells:
    """Cells at work for months, each in the middle of its schedules; `settle` comes next."""
    count = len(plant.cells)
    luck = Draw(keys(seed, plant.entities("cell")))
    nature = np.zeros(count, NATURE)
    nature["key"] = keys(seed, plant.entities("cell"))
    nature["late"] = offsets_ns(count, step_ns) / step_ns
    nature["line"] = plant.line_of_cell
    nature["physical"] = true.reality.efficiency != "configured"
    for i, cell in enumerate(plant.cells):
        line = plant.lines[plant.line_of_cell[i]]
        for name, value in _built(line, cell.target_voltage_V).items():
            nature[name][i] = value
    target = np.array([cell.target_voltage_V for cell in plant.cells])
    nature["own_set_V"] = target + np.clip(luck.normal(0, _SET_SD_V), -0.02, 0.02)
    nature["efficiency"] = true.efficiency
    nature["anode_ohm"] += luck.normal(0, _WORN_V) / nature["nominal_A"]
    nature["wall_W_per_K"] *= np.clip(luck.normal(1, _WALL_SD), 0.8, 1.25)
    told = np.array([line.current_efficiency for line in plant.lines])[plant.line_of_cell]
    nature["consumption"] = nature["nominal_A"] * told * ALUMINA / (6 * FARADAY)
    nature["alf3_target"] = luck.normal(_ALF3, _ALF3_SD)
    nature["tap_every_s"] = luck.uniform(24, 32) * 3600
    nature["change_every_s"] = _ANODE_LIFE_S / nature["anodes"] * ANODES_AT_ONCE
    keep = SWING_DAMPING ** (step_ns / SECOND)
    turn = 2 * np.pi * step_ns / SECOND / luck.uniform(*_SWING_S)
    a, b = 2 * keep * np.cos(turn), -(keep**2)
    nature["swing_a"], nature["swing_b"] = a, b
    nature["swing_gain"] = np.sqrt((1 + b) * ((1 - b) ** 2 - a**2) / (1 - b))

    state = np.zeros(count, STATE)
    state["feeder_flow"] = state["own_flow"] = state["emits"] = 1.0
    state["slope_limit"], state["shortfall_mean"] = SLOPE_LIMIT, SHORTFALL
    state["kelvin"], state["distance_cm"] = REFERENCE_K, 4.0
    bath = _BATH_KG * nature["scale"]
    state["dissolved_kg"] = luck.uniform(0.021, 0.026) * bath
    state["alf3_kg"] = luck.normal(nature["alf3_target"], _ALF3_SD) / 100 * bath
    held = sum(nature[name] for name in ("caf2_kg", "lif_kg", "mgf2_kg", "kf_kg"))
    state["cryolite_kg"] = bath - held - state["alf3_kg"] - state["dissolved_kg"]
    state["efficiency"] = nature["efficiency"]
    state["next_tap_s"] = luck.uniform() * nature["tap_every_s"]
    since = nature["tap_every_s"] - state["next_tap_s"]
    made = metal_kg_per_C(nature["efficiency"]) * nature["nominal_A"] * since
    state["pad_kg"] = nature["pad_target_kg"] + made
    state["next_change_s"] = luck.uniform() * nature["change_every_s"]
    share = ANODES_AT_ONCE / nature["anodes"]
    fade = np.exp(-(nature["change_every_s"] - state["next_change_s"]) / TAKE_UP_S)
    state["idle_area"] = share * fade / -np.expm1(-nature["change_every_s"] / TAKE_UP_S)
    state["next_dose_s"] = luck.uniform() * 86400
    state["tapped_kg"] = np.floor(luck.uniform(0, 2e5))  # counters of some months of work
    state["fed_kg"] = np.floor(luck.uniform(0, 4e5))
    state["beam_mm"] = luck.uniform(BEAM_LOW_MM, BEAM_LOW_MM + BEAM_RAISE_MM)
    state["shortfall"] = luck.normal(SHORTFALL, 0.10)
    state["set_V"] = state["filtered_V"] = state["voltage"] = nature["own_set_V"]
    state["mode"] = np.where(luck.uniform() < 0.6, Feed.UNDER, Feed.OVER)
    state["age_s"] = luck.uniform(0, OVER_S)
    return Cells(nature, state, np.zeros(count, SUMS))


def _built(line: Line, target_V: float) -> dict[str, float]:
    """The line's own geometry where the plant file gives it; its lining is designed for a
    superheat of 10 K at its target."""
    amperes = line.nominal_current_kA * 1e3
    scale = amperes / _REFERENCE_A
    anodes = line.anodes or max(round(_ANODES * scale), 1)
    given = line.anode_length_cm * line.anode_width_cm
    one = _ANODE_CM[0] * _ANODE_CM[1] * _ANODES * scale / anodes if isnan(given) else given
    external = _given(line.external_resistance_uOhm * 1e-6, _EXTERNAL_OHM / scale)
    enthalpy_V = 0.48 + 1.644 * line.current_efficiency
    heat = amperes * (target_V - amperes * external - enthalpy_V)
    liquidus_K = REFERENCE_K - _SUPERHEAT_K
    through = (liquidus_K - AMBIENT_K) / (_SIDE * heat)
    bath = _BATH_KG * scale
    cathode = _given(line.cathode_area_cm2, _CATHODE_CM2 * scale)
    pad_cm2 = _given(line.metal_pad_area_m2 * 1e4, cathode)
    return dict(zip(("caf2_kg", "lif_kg", "mgf2_kg", "kf_kg"),
                    (bath * percent / 100 for percent in _ADDITIVES), strict=True)) | {
        "nominal_A": amperes,
        "scale": scale,
        "anodes": anodes,
        "anode_cm2": one * anodes,
        "one_anode": one**-0.1,
        "cathode_cm2": cathode,
        "anode_ohm": _given(line.anode_resistance_uOhm * 1e-6, _ANODE_OHM / scale),
        "cathode_ohm": _given(line.cathode_resistance_uOhm * 1e-6, _CATHODE_OHM / scale),
        "external_ohm": external,
        "pad_kg_per_cm": _PAD_KG_PER_CM3 * pad_cm2,
        "pad_target_kg": PAD_KG * scale,
        "heat_J_per_K": _HEAT_J_PER_K * scale,
        "wall_W_per_K": _SIDE * heat / _SUPERHEAT_K,
        "top_W_per_K": _TOP * heat / (REFERENCE_K - AMBIENT_K),
        "bottom_W_per_K": _BOTTOM * heat / (REFERENCE_K - AMBIENT_K),
        "shell_K_per_W": _SHELL_SHARE * through,
        "ledge_m2": _LEDGE_M2 * scale,
    }  # fmt: skip


def _given(value: float, otherwise: float) -> float:
    return otherwise if isnan(value) else value
