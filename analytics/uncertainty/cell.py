"""How the errors of a cell's inputs reach its figures.

Voltage: its tag. Current: the line's tag, common to its cells. Current efficiency: configured,
common to the line. Anode-effect minutes: each effect begins and ends somewhere between two
readings, uniformly; it passes the threshold faster than that, so the voltage's error counts for
nothing beside it. Noise: the voltage between two readings scatters about the one that stands as
`noise_hf` says, independently from reading to reading.

Gaps: a total leaves out what is unknown, so as much as the known mean gives for it is uncertain; a
mean takes the unknown part to be like the known one, within the factor `gap.spread_percent`; the
number of anode effects is Poisson's, and so a mean that holds the energy of those heard may be off
by what the unknown part has more or less of them.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from analytics.formulas import HOURS
from analytics.table.figure_view import View
from analytics.uncertainty.accuracy import Accuracy, factor_error
from analytics.uncertainty.propagation import Parts, Uncertain, relative
from plant.model import Plant

Floats = NDArray[np.float64]
Quantity = tuple[str, Uncertain]
"""Name of a figure, `{w}` for its windows, and its uncertainty."""

VOLTAGE, CURRENT, CURRENT_EFFICIENCY = "voltage", "current", "current_efficiency"
EFFECTS, NOISE, GAPS = "anode_effect_edges", "noise", "gaps"
FACTOR = "factor."
LEAST_CURRENT = 0.01
"""Share of the nominal current below which it is no level to take an absolute error of."""
LEAST_OVER = 1e-9
"""Share of the energy below which what is over target without excess is rounding."""
SLOPE_MEANS, SLOPE_STEP_MIN = 10, 2.0
NOISE_BLOCKS, NOISE_READINGS = 15, 8
"""As the rows `slope`, `noise_lf` and `noise_hf` define them."""


def current_level(acc: Accuracy, view: View) -> Floats:
    """Current of each line at which an absolute error is taken: the beat's, else the nominal."""
    now = view("line", "current")[0]
    return np.where(now > LEAST_CURRENT * acc.nominal_kA, now, acc.nominal_kA)


class Cells:
    """What the figures of cells, and lines' sums of them, have in common."""

    def __init__(self, plant: Plant, acc: Accuracy, view: View) -> None:
        self.plant, self.acc, self.view = plant, acc, view
        of = acc.line_of_cell
        self.line_level = current_level(acc, view)
        self.level = self.line_level[of]
        self.current = acc.current.relative(self.line_level)[of]  # relative
        self.ce = acc.current_efficiency_error[of]  # relative
        self.yields = acc.kg_per_kAh[of]
        self.volts = view("cell", "voltage_{w}")
        self.volts_error = acc.voltage.at(self.volts)
        self.energy = view("cell", "energy_{w}")
        self.charge = self.energy / self.volts  # while both are known
        self.coverage = view("cell", "coverage_{w}")
        self.missing = np.maximum(1 - self.coverage, 0)  # share of the time
        self.lost = self.missing / self.coverage
        self.spread = self.missing * acc.gap_spread
        self.noise = self._noise()
        minutes = view("cell", "anode_effect_minutes_day")
        self.minutes = minutes
        count = view("cell", "anode_effects_day")
        self.count = np.where(minutes > 0, np.maximum(count, 1), count)
        self.effects = self._effects()
        self.aem = view("cell", "aem_day")
        self.minutes_error = np.sqrt(self.count / 6) * acc.interval_s / 60

    def _noise(self) -> Floats:
        """Of the mean voltage of each window [V]: scatter over the square root of the readings."""
        scatter = np.nan_to_num(self.view("cell", "noise_hf")) / 4000
        readings = self.charge / self.level * HOURS / self.acc.interval_s
        return scatter / np.sqrt(np.maximum(readings, 1))

    def _effects(self) -> Floats:
        """Energy over target of each window's anode effects over the root of their number [kWh]:
        the energy of a window of which a share is unknown is uncertain by this times its root."""
        target = self.acc.target_kWh_per_t * self.yields * self.charge / 1000
        over = self.energy - target - self.view("cell", "excess_energy_{w}")
        over = np.where(over > LEAST_OVER * self.energy, over, 0.0)
        count = np.fmax(ratio_or_0(over, over[3:]) * self.count, 1)
        return over / np.sqrt(count)

    def effect_shares(self) -> Parts:
        """Relative, of the mean that follows the day's anode-effect minutes."""
        return {
            EFFECTS: ratio_or_0(self.minutes_error, self.minutes),
            GAPS: ratio_or_0(np.sqrt(self.missing[3:]), np.sqrt(self.count)),
        }

    def effect_sum_shares(self) -> Parts:
        """The same of a sum, which leaves out what is not known."""
        shares = dict(self.effect_shares())
        shares[GAPS] = np.hypot(self.lost[3:], shares[GAPS] / self.coverage[3:])
        return shares

    def excess_parts(self, excess: Floats) -> tuple[Floats, Floats]:
        """Error by the voltage, and the target's energy, of each cell's excess energy [kWh].

        Exactly 0 is of a window that was all anode effect, which counts for nothing."""
        some = excess != 0
        target = self.acc.target_kWh_per_t * self.view("cell", "metal_{w}") / 1000
        return np.where(some, self.volts_error * self.charge, 0.0), np.where(some, target, 0.0)

    def effect_voltage_error(self) -> Floats:
        """Of the voltage during the day's anode effects [V]."""
        over = ratio_or_0(1.44 * self.view("cell", "overvoltage_positive_day"), self.aem)
        return self.acc.voltage.at(self.acc.target_V + over)


def cell_quantities(cells: Cells) -> Iterator[Quantity]:
    """Every figure of scope cell that has an uncertainty."""
    yield from _beat(cells)
    yield from _windows(cells)
    yield from _effects(cells)
    yield from _counters(cells)


def _beat(c: Cells) -> Iterator[Quantity]:
    view, of = c.view, c.acc.line_of_cell
    volts, resistance, power = (view("cell", n) for n in ("voltage", "resistance", "power"))
    error = c.acc.voltage.at(volts)
    current = view("line", "current")[:, of]
    yield "voltage", Uncertain(volts, {VOLTAGE: error})
    per_kA = {VOLTAGE: 1000 * error / current, CURRENT: -resistance * c.current}
    yield "resistance", Uncertain(resistance, per_kA)
    yield "power", Uncertain(power, {VOLTAGE: power / volts * error, CURRENT: power * c.current})
    value = view("cell", "normalised_voltage")
    parts = {
        VOLTAGE: error * c.acc.nominal_kA[of] / current,
        CURRENT: (c.acc.extrapolated_V[of] - value) * c.current,
    }
    normal = Uncertain(value, parts)
    yield "normalised_voltage", normal
    distance = view("cell", "voltage_distance")
    yield "voltage_distance", Uncertain(distance, normal.times(1000.0).parts)
    slope, low, high = (view("cell", n) for n in ("slope", "noise_lf", "noise_hf"))
    gain = c.acc.voltage.gain
    lever = SLOPE_STEP_MIN * np.sqrt(SLOPE_MEANS * (SLOPE_MEANS**2 - 1) / 12)
    scatter = np.nan_to_num(low) / 4 / np.sqrt(NOISE_BLOCKS) / lever
    yield "slope", Uncertain(slope, {VOLTAGE: slope * gain, NOISE: scatter})
    for name, noise, free in (
        ("noise_lf", low, NOISE_BLOCKS - 2),
        ("noise_hf", high, NOISE_BLOCKS * (NOISE_READINGS - 1)),
    ):
        of_noise = {VOLTAGE: noise * gain, NOISE: noise / np.sqrt(2 * free)}
        yield name, Uncertain(noise, of_noise)


def _windows(c: Cells) -> Iterator[Quantity]:
    view, of = c.view, c.acc.line_of_cell
    unheard = np.hypot(c.spread, np.sqrt(c.missing) * c.effects / c.energy)
    mean = {VOLTAGE: c.volts_error, NOISE: c.noise, GAPS: c.volts * unheard}
    volts = Uncertain(c.volts, mean)
    yield "voltage_{w}", volts
    joules = {
        VOLTAGE: c.volts_error * c.charge,
        NOISE: c.noise * c.charge,
        CURRENT: c.energy * c.current,
    }
    yield "energy_{w}", Uncertain(c.energy, joules | {GAPS: c.energy * c.lost})
    charge, metal = view("cell", "charge_{w}"), view("cell", "metal_{w}")
    heard = np.minimum(c.coverage * charge / c.charge, 1)  # share of time with the current known
    lost = (1 - heard) / heard
    yield "charge_{w}", Uncertain(charge, {CURRENT: charge * c.current, GAPS: charge * lost})
    made = {CURRENT: metal * c.current, CURRENT_EFFICIENCY: metal * c.ce, GAPS: metal * lost}
    yield "metal_{w}", Uncertain(metal, made)
    specific = volts.at(view("cell", "dc_specific_energy_{w}"))
    specific = specific.besides(CURRENT_EFFICIENCY, -specific.value * c.ce)
    yield "dc_specific_energy_{w}", specific
    yield "coverage_{w}", Uncertain(c.coverage, {})
    for window in ("minute", "hour"):
        name = f"excess_specific_energy_{window}"
        excess = view("cell", name)
        quiet = excess + c.acc.target_kWh_per_t  # kWh/t without anode effects
        per_volt = 1000 / c.yields
        row = slice(0, 1) if window == "minute" else slice(1, 2)
        parts = {
            VOLTAGE: c.acc.voltage.at(quiet / per_volt) * per_volt,
            CURRENT_EFFICIENCY: -quiet * c.ce,
            GAPS: quiet * c.spread[row],
        }
        yield name, Uncertain(excess, parts)
    excess = view("cell", "excess_energy_{w}")
    of_voltage, target = c.excess_parts(excess)
    parts = {
        VOLTAGE: of_voltage,
        CURRENT: excess * c.current,
        CURRENT_EFFICIENCY: -target * c.ce,
        GAPS: excess * c.lost,
    }
    yield "excess_energy_{w}", Uncertain(excess, parts)
    value = view("cell", "normalised_voltage_{w}")
    # resistance times nominal current: the mean over the window stands for its means
    per_volt = (value - c.acc.extrapolated_V[of]) / (c.volts - c.acc.extrapolated_V[of])
    normal = Uncertain(c.volts, mean).times(per_volt).parts
    slope = (c.acc.extrapolated_V[of] - value) * c.current
    yield "normalised_voltage_{w}", Uncertain(value, {**normal, CURRENT: slope})
    yield "energy_efficiency_{w}", specific.at(view("cell", "energy_efficiency_{w}"))
    heat = view("cell", "heat_loss_{w}")
    enthalpy = 1.644 * c.acc.current_efficiency[of] * c.ce  # of the voltage 0.48 + 1.644 CE
    outside = c.level**2 * c.acc.external_V_per_kA[of]
    parts = {
        **Uncertain(c.volts, mean).times(c.level).parts,
        CURRENT: (heat - outside) * c.current,
        CURRENT_EFFICIENCY: np.broadcast_to(-c.level * enthalpy, heat.shape),
    }
    yield "heat_loss_{w}", Uncertain(heat, parts)


def _effects(c: Cells) -> Iterator[Quantity]:
    view, of = c.view, c.acc.line_of_cell
    count = view("cell", "anode_effects_day")
    unseen = np.sqrt(count * c.missing[3:]) / c.coverage[3:]
    yield "anode_effects_day", Uncertain(count, {GAPS: np.hypot(count * c.lost[3:], unseen)})
    yield "anode_effect", Uncertain(view("cell", "anode_effect"), {})
    yield "anode_effect_minutes_day", relative(c.minutes, c.effect_sum_shares())
    mean = c.effect_shares()
    yield "aef_day", relative(view("cell", "aef_day"), {GAPS: mean[GAPS]})
    yield "aed_day", relative(view("cell", "aed_day"), mean)
    yield "aem_day", relative(c.aem, mean)
    during = 1000 * c.effect_voltage_error() * c.aem / 1440
    for name in ("overvoltage_positive_day", "overvoltage_algebraic_day"):
        yield name, relative(view("cell", name), mean).besides(VOLTAGE, during)
    sums = c.effect_sum_shares()
    above = ratio_or_0(during, view("cell", "overvoltage_positive_day"))
    by_voltage = {VOLTAGE: above, CURRENT: c.current[None], **sums}  # the efficiency cancels
    for cause, share in overvoltage_shares(c.plant, c.acc)["cf4"].items():
        by_voltage[cause] = share[None, of]
    yield "cf4_overvoltage_day", relative(view("cell", "cf4_overvoltage_day"), by_voltage)
    made = {CURRENT: c.current[None], CURRENT_EFFICIENCY: c.ce[None], **sums}
    for name, shares in pfc_shares(c.plant, c.acc).items():
        of_factors = {cause: share[None, of] for cause, share in shares.items()}
        yield f"{name}_day", relative(view("cell", f"{name}_day"), made | of_factors)


Shares = dict[str, dict[str, Floats]]
"""Relative standard uncertainty of each line's CF4, C2F6 and CO2e by coefficients: figure -> cause
-> [lines]. Lines with the same coefficients share the cause."""


def pfc_shares(plant: Plant, acc: Accuracy) -> Shares:
    """Of the slope method."""
    return _shares(plant, acc, "slope", "weight_fraction")


def overvoltage_shares(plant: Plant, acc: Accuracy) -> Shares:
    """Of the overvoltage method; nothing of technologies that have no coefficient."""
    return _shares(plant, acc, "overvoltage", "overvoltage_weight_fraction")


def _shares(plant: Plant, acc: Accuracy, per_metal: str, fraction: str) -> Shares:
    gwp = f"gwp.{plant.site.gwp}."
    cf4, c2f6 = plant.factors[gwp + "CF4"].value, plant.factors[gwp + "C2F6"].value
    shares: Shares = {"cf4": {}, "c2f6": {}, "pfc_co2e": {}}
    for base in dict.fromkeys(acc.pfc):
        mine = np.array([name == base for name in acc.pfc], np.float64)
        slope, weight = f"{base}.{per_metal}", f"{base}.{fraction}"
        if error := factor_error(plant, slope):
            for share in shares.values():
                share[FACTOR + slope] = mine * error
        if error := factor_error(plant, weight):
            heavy = plant.factors[weight].value * c2f6
            shares["c2f6"][FACTOR + weight] = mine * error
            shares["pfc_co2e"][FACTOR + weight] = mine * error * heavy / (cf4 + heavy)
    return shares


def _counters(c: Cells) -> Iterator[Quantity]:
    for name, errors in (("tapped_day", c.acc.tapped), ("alumina_fed_day", c.acc.alumina)):
        shares = {name.removesuffix("_day"): errors.gain[None], GAPS: c.lost[3:]}
        yield name, relative(c.view("cell", name), shares)


def ratio_or_0(above: Floats, below: Floats) -> Floats:
    """above / below, 0 where below is 0."""
    return np.divide(above, below, where=below != 0, out=np.zeros_like(above * below))
