"""One cell over one step: voltage, then alumina, metal, heat, ledge and chemistry. domain.md §7.4.

`cell` is a row of cell_state.NATURE, `s` of STATE, `sums` of SUMS. What goes in and out of each
balance is summed as it happens, so that mass, charge and energy close.
"""

from __future__ import annotations

from typing import Any

from simulators.cell_state import (
    AMBIENT_K,
    LEDGE_KG_PER_M3,
    LEDGE_W_PER_MK,
    REFERENCE_K,
)
from simulators.electrochemistry import (
    ALUMINA,
    ALUMINIUM,
    FANNING,
    FARADAY,
    KELVIN,
    Bath,
    critical_density,
    liquidus,
    voltage_terms,
)
from simulators.kernel import kernel, part
from simulators.luck import Stream, normal, normal_pair

BYPASS_OHM = 0.05e-6  # of the wedges that carry the current past a cell out of work
MARGIN = 1.25  # critical over actual density below which an anode effect starts

_UNDISSOLVED, _DISSOLVE_PER_S = 0.4, 1 / 700  # share that sinks, and how fast it dissolves
_DOSE_KG = 1.6  # of one stroke of a feeder
_HEAT_J_PER_KG, _DISSOLVE_J_PER_KG = 1.03e6, 1.10e6  # of alumina, 25 to 960 °C
_FUSION_J_PER_KG = 5.2e5  # of the ledge
_LIQUID_LEFT = 0.1  # share of the bath's solvent that does not freeze

_EFFICIENCY_PER_K = 0.0018
_EFFICIENCY_PER_V = 1.0  # for each volt of metal-pad noise above the usual
_EFFECT_EFFICIENCY, _LOW_EFFICIENCY = 0.20, 0.80  # of it in an anode effect; while low
_STARVED_PERCENT = 0.5  # of alumina: below, ever less of the current makes metal

_ALF3_KG_PER_KG = 0.017  # lost for each kg of metal at 10.5 % and 958 °C
_ALF3_REFERENCE = 10.5
_ANODE_CM_PER_S = 1.64 / 86400  # consumed, at nominal current

_HF_V, LF_V = 0.0025, 0.004  # standard deviations
_HF_NEAR = 2.0  # how much bubble noise grows when an anode effect is near
_LF_SQUEEZED, _SQUEEZED_CM = 4.0, 3.7
_LF_NEW_ANODES = 12.0  # a cell with a tenth of its anodes new swings so much more, times ten
_RIPPLE = 0.08


@part
def composition(cell: Any, s: Any) -> tuple[float, Bath]:
    """-> alumina dissolved [wt %], the rest of the bath [wt %]"""
    held = cell.caf2_kg + cell.lif_kg + cell.mgf2_kg + cell.kf_kg
    percent = 100 / (s.cryolite_kg + s.alf3_kg + held + s.dissolved_kg)
    bath = (
        s.alf3_kg * percent,
        cell.caf2_kg * percent,
        cell.lif_kg * percent,
        cell.mgf2_kg * percent,
        cell.kf_kg * percent,
    )
    return s.dissolved_kg * percent, bath


@part
def stand(cell: Any, s: Any, current_A: float, alumina: float, bath: Bath, k: int) -> None:
    """The voltage that stands at step k, and how near an anode effect is."""
    share = current_A / cell.nominal_A
    area = cell.anode_cm2 * (1 - s.idle_area)
    terms = voltage_terms(current_A, s.distance_cm, alumina, s.kelvin, bath, area, cell)
    volts = -current_A * s.cathode_less_ohm
    for term in terms:
        volts += term
    local = alumina - s.shortfall
    critical = critical_density(local, s.kelvin, cell.one_anode)
    s.starved = MARGIN * current_A / (FANNING * area) / critical

    fast, drive = normal_pair(cell.key, Stream.NOISE, k)
    swing = cell.swing_a * s.swing_new + cell.swing_b * s.swing_old + cell.swing_gain * drive
    s.swing_old, s.swing_new = s.swing_new, swing
    squeezed = 1 + _LF_SQUEEZED * max(_SQUEEZED_CM - s.distance_cm, 0.0)
    s.noise_V = LF_V * (squeezed + _LF_NEW_ANODES * s.idle_area + s.low_level)
    near = min(max((s.starved - 0.85) / 0.15, 0.0), 1.0)
    noise = _HF_V * (1 + _HF_NEAR * near) * fast + s.noise_V * swing
    if s.effect_level > 1e-3:
        ripple = min(max(normal(cell.key, Stream.RIPPLE, k), -2.5), 2.5)
        noise += s.effect_V * s.effect_level * (1 + _RIPPLE * ripple)
    noise += s.low_V * s.low_level - s.dip_V
    s.voltage = volts + noise * share


@part
def true_efficiency(cell: Any, s: Any, alumina: float) -> float:
    """Current efficiency now, 1."""
    efficiency = cell.efficiency
    if cell.physical:
        efficiency -= _EFFICIENCY_PER_K * (s.kelvin - REFERENCE_K)
        efficiency -= _EFFICIENCY_PER_V * (s.noise_V - LF_V)
        efficiency *= 1 - (1 - _LOW_EFFICIENCY) * s.low_level
        efficiency += (_EFFECT_EFFICIENCY - efficiency) * s.effect_level
        efficiency = min(max(efficiency, 0.0), 0.99)
    return float(efficiency * min(alumina / _STARVED_PERCENT, 1.0))


@part
def feed(cell: Any, s: Any, sums: Any, wanted_kg_s: float, dt: float) -> tuple[float, float]:
    """-> alumina that reached the bath, and what of it and of the sludge dissolved, [kg].

    The counter tells what the controller dosed; a blocked feeder does not tell. A quench breaks
    the crust and feeds by hand where a feeder is blocked, unless the hopper is empty.
    """
    s.owed_kg += wanted_kg_s * dt
    strokes = int(s.owed_kg / _DOSE_KG)
    dosed = strokes * _DOSE_KG
    s.owed_kg -= dosed
    s.fed_kg += dosed
    flow = 1.0 if s.effect else min(s.own_flow, s.feeder_flow)
    arrived = 0.0 if s.empty else dosed * flow
    dissolving = _DISSOLVE_PER_S * dt * s.settled_kg
    s.settled_kg += _UNDISSOLVED * arrived - dissolving
    dissolved = (1 - _UNDISSOLVED) * arrived + dissolving
    s.dissolved_kg += dissolved
    sums.dosed_kg += dosed
    sums.arrived_kg += arrived
    return arrived, dissolved


@part
def electrolyse(cell: Any, s: Any, sums: Any, current_A: float, dt: float) -> float:
    """Makes metal of alumina. -> alumina consumed, [kg]"""
    moles = s.efficiency * current_A * dt / (6 * FARADAY)
    made, consumed = 2 * ALUMINIUM * moles, ALUMINA * moles
    s.dissolved_kg -= consumed
    s.pad_kg += made
    sums.metal_kg += made
    sums.consumed_kg += consumed
    level = made / cell.pad_kg_per_cm
    s.distance_cm += _ANODE_CM_PER_S * dt * current_A / cell.nominal_A - level
    return float(consumed)


@part
def heat(
    cell: Any,
    s: Any,
    sums: Any,
    watts: float,
    current_A: float,
    alumina: float,
    bath: Bath,
    store_J: float,
    dt: float,
) -> None:
    """Bath temperature and ledge. watts: what the cell takes; store_J: heat that alumina beyond
    what is consumed takes up in this step."""
    liquidus_K = liquidus(alumina, bath) + KELVIN
    external = current_A * current_A * cell.external_ohm
    enthalpy = current_A * (0.48 + 1.644 * s.efficiency)
    top = cell.top_W_per_K * (s.kelvin - AMBIENT_K)
    bottom = cell.bottom_W_per_K * (s.kelvin - AMBIENT_K)
    s.superheat_K = s.kelvin - liquidus_K
    wall = cell.wall_W_per_K * s.superheat_K
    thick_m = s.ledge_kg / (LEDGE_KG_PER_M3 * cell.ledge_m2)
    resistance = cell.shell_K_per_W + thick_m / (LEDGE_W_PER_MK * cell.ledge_m2)
    through = (liquidus_K - AMBIENT_K) / resistance
    melts = (wall - through) * dt / _FUSION_J_PER_KG
    free = s.cryolite_kg - _LIQUID_LEFT * (s.cryolite_kg + s.ledge_kg)
    melts = min(max(melts, min(-free, 0.0)), s.ledge_kg)
    through = wall - melts * _FUSION_J_PER_KG / dt
    s.ledge_kg -= melts
    s.cryolite_kg += melts
    used = external + enthalpy + top + bottom + wall
    s.kelvin += ((watts - used) * dt - store_J) / cell.heat_J_per_K
    sums.external_J += external * dt
    sums.enthalpy_J += enthalpy * dt
    sums.feed_J += store_J
    sums.top_J += top * dt
    sums.bottom_J += bottom * dt
    sums.wall_J += through * dt


@part
def stored_heat(arrived: float, dissolved: float, consumed: float) -> float:
    """[kg] -> [J]; the enthalpy of reaction already heats and dissolves what is consumed."""
    return (arrived - consumed) * _HEAT_J_PER_KG + (dissolved - consumed) * _DISSOLVE_J_PER_KG


@part
def fluoride(
    cell: Any, s: Any, sums: Any, now_s: float, alf3: float, made: float, dt: float
) -> None:
    """AlF3 leaves with the gas and is dosed once a day's analysis is known; alf3: now, wt %."""
    hot = 1 + 0.02 * (s.kelvin - REFERENCE_K)
    lost = _ALF3_KG_PER_KG * made * max(alf3, 0.0) / _ALF3_REFERENCE * max(hot, 0.0)
    if now_s >= s.next_dose_s:
        s.next_dose_s += 86400.0
        seen, warm = normal_pair(cell.key, Stream.LAB, int(now_s))
        wrong = cell.alf3_target - (alf3 + 0.2 * seen)
        hotter = s.kelvin - REFERENCE_K + 2.0 * warm
        usual = _ALF3_KG_PER_KG * cell.consumption * (2 * ALUMINIUM / ALUMINA)
        s.alf3_rate = usual * min(max(1 + 0.25 * wrong + 0.02 * hotter, 0.0), 3.0)
    fed = s.alf3_rate * dt
    s.alf3_kg += fed - lost
    sums.alf3_fed_kg += fed
    sums.alf3_lost_kg += lost


@kernel
def settle(nature: Any, state: Any) -> None:
    """Bring every cell to the distance, temperature and ledge of its set voltage, in balance."""
    for i in range(len(nature)):
        cell, s = nature[i], state[i]
        current, target = cell.nominal_A, cell.own_set_V
        for _ in range(50):
            alumina, bath = composition(cell, s)
            terms = voltage_terms(
                current, s.distance_cm, alumina, s.kelvin, bath, cell.anode_cm2, cell
            )
            volts = 0.0
            for term in terms:
                volts += term
            s.distance_cm += (target - volts) / 0.35
            enthalpy = 0.48 + 1.644 * cell.efficiency
            side = current * (target - current * cell.external_ohm - enthalpy)
            side -= (cell.top_W_per_K + cell.bottom_W_per_K) * (s.kelvin - AMBIENT_K)
            side = max(side, 0.3 * cell.wall_W_per_K * 10)
            liquidus_K = liquidus(alumina, bath) + KELVIN
            s.kelvin += 0.5 * (liquidus_K + side / cell.wall_W_per_K - s.kelvin)
            ledge = (liquidus_K - AMBIENT_K) / side - cell.shell_K_per_W
            thick_m = max(ledge, 0.0) * LEDGE_W_PER_MK * cell.ledge_m2
            s.ledge_kg = thick_m * LEDGE_KG_PER_M3 * cell.ledge_m2
        consumed = cell.consumption
        s.settled_kg = _UNDISSOLVED * consumed / _DISSOLVE_PER_S
        s.alf3_rate = _ALF3_KG_PER_KG * consumed * (2 * ALUMINIUM / ALUMINA)
