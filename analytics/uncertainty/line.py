"""How the errors of a line's inputs reach its figures, and those of the lines the site's.

The line's current and current efficiency act on all its cells alike; the errors of voltages are
independent from cell to cell. Instruments that share a sum are taken to share it evenly. Where
numerator and denominator carry the same error it cancels: the current's in kWh per tonne of DC.
Factors act on all lines alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analytics.beat.assessment import Scope
from analytics.formulas import DAY_S, HOURS
from analytics.table.figure_view import has
from analytics.uncertainty.accuracy import factor_error
from analytics.uncertainty.cell import (
    CURRENT,
    CURRENT_EFFICIENCY,
    EFFECTS,
    FACTOR,
    GAPS,
    NOISE,
    VOLTAGE,
    Cells,
    Quantity,
    overvoltage_shares,
    pfc_shares,
    ratio_or_0,
)
from analytics.uncertainty.propagation import Parts, Uncertain, relative, summed

Floats = NDArray[np.float64]

NET_CARBON, RECTIFIERS, AUXILIARIES = "net_carbon", "rectifiers", "auxiliaries"
SITE_AUXILIARIES, DC_SOURCES = "site_auxiliaries", "dc_sources"
LINE_VOLTAGE, DC_METERS = "line_voltage", "dc_meters"
OF_CELLS = ("dc_energy", "metal", "dc_specific_energy", "anode_co2", "pfc_co2e")
"""What is made of cell voltages and current alone: gaps of other meters do not touch it."""


@dataclass(frozen=True, slots=True)
class Amounts:
    """What the known time of each window came to, [4, lines], or [4, 1] of the site."""

    dc: Uncertain
    ac: Uncertain
    auxiliary: Uncertain
    metal: Uncertain
    anode: Uncertain
    pfc: Uncertain
    effects: Floats  # [MWh], as `Cells.effects`: of the anode effects in dc
    known: Floats  # share of the time that voltage and current of the cells are known


class Lines:
    """What the figures of lines and of the site have in common."""

    def __init__(self, cells: Cells) -> None:
        self.cells, self.acc, self.view = cells, cells.acc, cells.view
        acc, view = self.acc, self.view
        plant = cells.plant
        self.n = len(plant.lines)
        self.made: Parts = {
            CURRENT: acc.current.relative(cells.line_level)[None],
            CURRENT_EFFICIENCY: acc.current_efficiency_error[None],
        }
        ac, auxiliary = view("line", "ac_power")[0], view("line", "auxiliary_power")[0]
        self.rectifiers = {RECTIFIERS: acc.rectifier.mean(acc.rectifier_on, ac)[None]}
        self.auxiliaries = {AUXILIARIES: acc.meter.mean(acc.meter_on[:-1], auxiliary)[None]}
        apart = view("site", "auxiliary_power")[0] - auxiliary.sum()
        self.apart = {SITE_AUXILIARIES: acc.meter.mean(acc.meter_on[-1:], apart)[None]}
        volts = acc.line_voltage.relative(view("line", "voltage")[0])
        self.line_voltage = {LINE_VOLTAGE: volts[None]}
        self.pfc_shares = {
            name: {cause: share[None] for cause, share in shares.items()}
            for name, shares in pfc_shares(plant, acc).items()
        }
        grid = f"grid.{plant.site.grid_region}.average.{plant.site.grid_year}"
        self.grid = relative(
            np.array([[plant.factors[grid].value]]),
            {FACTOR + grid: np.array([[factor_error(plant, grid)]])},
        )
        count = np.bincount(acc.line_of_cell, minlength=self.n)
        self.share = count / count.sum()  # of the site's cells
        self.known = self.total(np.nan_to_num(cells.coverage)) / count
        self.amounts = self._amounts()

    def total(self, values: Floats) -> Floats:
        """Sums over each line's cells, [w, cells] -> [w, lines]."""
        return np.array([np.bincount(self.acc.line_of_cell, row, self.n) for row in values])

    def root(self, parts: Floats, known: Floats) -> Floats:
        """The same of independent errors, of the cells that are known."""
        return np.sqrt(self.total(np.where(np.isnan(known), 0.0, parts * parts)))

    def _amounts(self) -> Amounts:
        view, c = self.view, self.cells
        dc = view("line", "dc_energy_{w}")
        volts = self.root(c.volts_error * c.charge, c.energy) / 1000
        noise = self.root(c.noise * c.charge, c.energy) / 1000
        current = dc * self.made[CURRENT]
        carbon = {NET_CARBON: self.acc.net_carbon_error[None]}
        return Amounts(
            dc=Uncertain(dc, {VOLTAGE: volts, NOISE: noise, CURRENT: current}),
            ac=relative(view("line", "ac_energy_{w}"), self.rectifiers),
            auxiliary=relative(view("line", "auxiliary_energy_{w}"), self.auxiliaries),
            metal=relative(view("line", "metal_{w}"), self.made),
            anode=relative(view("line", "anode_co2_{w}"), {**self.made, **carbon}),
            pfc=relative(view("line", "pfc_co2e_{w}"), {**self.made, **self._pfc_causes()}),
            effects=self.root(c.effects, c.energy) / 1000,
            known=self.known,
        )

    def _pfc_causes(self) -> Parts:
        """Relative, of the PFC of each window. How many anode effects there were in one is taken
        from its minutes and the day's mean duration."""
        view, acc = self.view, self.acc
        minutes = self.minutes_of(view("line", "pfc_co2e_{w}"))
        duration = view("line", "aed_day")
        count = np.where(duration > 0, minutes / duration, 1.0)
        count = np.where(minutes > 0, np.maximum(count, 1.0), 0.0)
        interval = self.total(acc.interval_s[None]) / self.total(np.ones((1, len(acc.interval_s))))
        unseen = np.sqrt(np.maximum(1 - self.known, 0)) / self.known
        return {
            EFFECTS: ratio_or_0(np.sqrt(count / 6) * interval / 60, minutes),
            GAPS: ratio_or_0(unseen, np.sqrt(count)),
            **self.pfc_shares["pfc_co2e"],
        }

    def minutes_of(self, co2e_t: Floats) -> Floats:
        """Anode-effect minutes that come to this PFC at the present current."""
        plant, acc = self.cells.plant, self.acc
        gwp = f"gwp.{plant.site.gwp}."
        t_per_day = acc.kg_per_kAh * self.cells.line_level * DAY_S / HOURS / 1000
        of = {
            key: np.array([plant.factors[f"{base}.{key}"].value for base in acc.pfc])
            for key in ("slope", "weight_fraction")
        }
        cf4, c2f6 = plant.factors[gwp + "CF4"].value, plant.factors[gwp + "C2F6"].value
        per_minute = of["slope"] * t_per_day * (cf4 + of["weight_fraction"] * c2f6)  # kg CO2e
        return 1000 * co2e_t / per_minute

    def excess_energy(self) -> Uncertain:
        """[4, lines]"""
        view, c = self.view, self.cells
        excess, of_cells = view("line", "excess_energy_{w}"), view("cell", "excess_energy_{w}")
        of_voltage, target = c.excess_parts(of_cells)
        target = np.where(np.isnan(of_cells), 0.0, target)
        coverage = view("line", "coverage_{w}")
        parts = {
            VOLTAGE: self.root(of_voltage, of_cells) / 1000,
            CURRENT: excess * self.made[CURRENT],
            CURRENT_EFFICIENCY: -self.total(target) / 1000 * self.made[CURRENT_EFFICIENCY],
            GAPS: excess * np.maximum(1 - coverage, 0) / coverage,
        }
        return Uncertain(excess, parts)

    def dc_source_energy(self) -> Uncertain:
        """[4, lines]"""
        view, acc = self.view, self.acc
        value = view("line", "dc_source_energy_{w}")
        hours = view("line", "metal_{w}") / view("line", "metal_rate")
        share = acc.meter.mean(acc.dc_source_on, (value / hours)[0])
        return relative(value, {DC_SOURCES: share[None]})

    def balance(self) -> tuple[Uncertain, Uncertain]:
        """DC energy of the cells and what line voltage and current make, in lines with both."""
        closure = self.view("line", "energy_balance_closure_{w}")
        dc = self.amounts.dc.at(np.where(np.isnan(closure), np.nan, self.amounts.dc.value))
        made = {CURRENT: self.made[CURRENT], **self.line_voltage}
        return dc, relative(100 * dc.value / closure, made)

    def rectified(self) -> tuple[Uncertain, Uncertain]:
        """DC and AC energy of the rectifiers, in lines where both are known."""
        measured = self.acc.dc_power.mean(self.acc.rectifier_on, self.view("line", "dc_power")[0])
        own = ~np.isnan(measured)  # else by line voltage and current
        share = self.view("line", "rectifier_efficiency_{w}") / 100
        ac = self.amounts.ac.at(self.amounts.ac.value + 0 * share)
        made = {
            DC_METERS: np.where(own, measured, 0.0)[None],
            LINE_VOLTAGE: np.where(own, 0.0, self.line_voltage[LINE_VOLTAGE]),
            CURRENT: np.where(own, 0.0, self.made[CURRENT]),
        }
        return relative(ac.value * share, made), ac

    def with_gaps(self, scope: Scope, dc: Uncertain, ac: Uncertain) -> Uncertain:
        """The rectifiers' efficiency [%] with what its gaps leave open."""
        value = self.view(scope, "rectifier_efficiency_{w}")
        missing = np.maximum(1 - self.view(scope, "coverage_{w}"), 0)
        spread = value * missing * self.acc.gap_spread
        return (dc / ac).at(value).besides(GAPS, spread)

    def site(self) -> Amounts:
        """Sums over the lines, with the meters of no line."""
        a = self.amounts
        of_lines = [summed(x, FACTOR) for x in (a.dc, a.ac, a.auxiliary, a.metal, a.anode, a.pfc)]
        dc, ac, auxiliary, metal, anode, pfc = of_lines
        apart = self.view("site", "auxiliary_energy_{w}") - auxiliary.value
        auxiliary = auxiliary + relative(apart, self.apart)
        effects = np.sqrt(np.nansum(a.effects**2, axis=1, keepdims=True))
        known = (self.share * self.known).sum(axis=1, keepdims=True)
        return Amounts(dc, ac, auxiliary, metal, anode, pfc, effects, known)


def line_quantities(lines: Lines) -> Iterator[Quantity]:
    """Every figure of scope line that has an uncertainty."""
    yield from _line_beat(lines)
    yield from _totals(lines, "line", lines.amounts, None)
    yield from _effects(lines)
    yield from _of_cells(lines)


def site_quantities(lines: Lines, fuel_co2: Uncertain) -> Iterator[Quantity]:
    """The same of the site. fuel_co2: of its boilers, [4, 1]."""
    for name, of_line in _line_beat(lines):
        if has("site", name):
            site = summed(of_line, FACTOR)
            if name == "auxiliary_power":
                apart = lines.view("site", name) - site.value
                site = site + relative(apart, lines.apart)
            yield name, site
    yield from _totals(lines, "site", lines.site(), fuel_co2)
    yield "excess_energy_{w}", summed(lines.excess_energy(), FACTOR)
    yield "dc_source_energy_{w}", summed(lines.dc_source_energy(), FACTOR)
    dc, product = (summed(side, FACTOR) for side in lines.balance())
    yield "energy_balance_closure_{w}", (dc / product).times(100.0)
    sides = [summed(side, FACTOR) for side in lines.rectified()]
    yield "rectifier_efficiency_{w}", lines.with_gaps("site", *sides)


def _line_beat(lines: Lines) -> Iterator[Quantity]:
    view = lines.view
    current = view("line", "current")
    yield "current", Uncertain(current, {CURRENT: lines.acc.current.at(current)})
    volts, power = view("cell", "voltage"), view("cell", "power")
    error = lines.acc.voltage.at(volts)
    yield "voltage", Uncertain(view("line", "voltage"), {VOLTAGE: lines.root(error, volts)})
    dc = view("line", "dc_power")
    of_volts = lines.root(power / volts * error, power) / 1000
    yield "dc_power", Uncertain(dc, {VOLTAGE: of_volts, CURRENT: dc * lines.made[CURRENT]})
    yield "ac_power", relative(view("line", "ac_power"), lines.rectifiers)
    yield "auxiliary_power", relative(view("line", "auxiliary_power"), lines.auxiliaries)
    yield "metal_rate", relative(view("line", "metal_rate"), lines.made)
    count = view("line", "cells_in_anode_effect")
    yield "cells_in_anode_effect", Uncertain(count, {})


def _totals(
    lines: Lines, scope: Scope, a: Amounts, fuel_co2: Uncertain | None
) -> Iterator[Quantity]:
    """What line and site have alike, in each window."""
    view, site = lines.view, lines.cells.plant.site
    coverage = view(scope, "coverage_{w}")
    missing, of_cells = np.maximum(1 - coverage, 0), np.maximum(1 - a.known, 0)
    electricity = a.ac + a.auxiliary
    scope1 = a.anode + a.pfc
    if fuel_co2 is not None:
        scope1 = scope1 + fuel_co2
        yield "fuel_co2_{w}", fuel_co2.besides(GAPS, fuel_co2.value * missing / coverage)
    scope2 = lines.grid * electricity
    contract, residual = site.contract_factor_t_per_MWh, site.residual_factor_t_per_MWh
    sums = {
        "dc_energy": a.dc,
        "ac_energy": a.ac,
        "auxiliary_energy": a.auxiliary,
        "metal": a.metal,
        "anode_co2": a.anode,
        "pfc_co2e": a.pfc,
        "scope1_co2e": scope1,
        "scope2_co2e": scope2,
    }
    means = {
        "dc_specific_energy": a.dc / a.metal,
        "ac_specific_energy": a.ac / a.metal,
        "total_specific_energy": electricity / a.metal,
        "scope1_intensity": scope1 / a.metal,
        "scope2_intensity": scope2 / a.metal,
        "carbon_intensity": (scope1 + scope2) / a.metal,
    }
    if scope == "site":
        value = view("site", "scope2_market_co2e_{w}")
        covered = value <= contract * electricity.value
        market = Uncertain(value, electricity.times(np.where(covered, contract, residual)).parts)
        sums |= {"scope2_market_co2e": market}
        sums |= {"cost": electricity.times(site.electricity_price_per_MWh)}
        means |= {"market_intensity": (scope1 + market) / a.metal}
    for name, amount in sums.items():
        value = view(scope, f"{name}_{{w}}")
        lost = of_cells / a.known if name in OF_CELLS else missing / coverage
        yield f"{name}_{{w}}", Uncertain(value, amount.parts).besides(GAPS, value * lost)
    effects = np.nan_to_num(a.effects / a.dc.value)  # none is known where no energy is
    for name, mean in means.items():
        value = view(scope, f"{name}_{{w}}")
        unknown = of_cells if name in OF_CELLS else missing
        spread = np.hypot(unknown * lines.acc.gap_spread, np.sqrt(unknown) * effects)
        yield f"{name}_{{w}}", mean.at(value).besides(GAPS, value * spread)
    minute = means["carbon_intensity"]
    first = Uncertain(minute.value[:1], {k: part[:1] for k, part in minute.parts.items()})
    yield "carbon_intensity", first.at(view(scope, "carbon_intensity"))
    yield "coverage_{w}", Uncertain(coverage, {})


def _effects(lines: Lines) -> Iterator[Quantity]:
    view, c = lines.view, lines.cells
    minutes = lines.total(np.nan_to_num(c.minutes))
    count = lines.total(np.nan_to_num(c.count))
    coverage = lines.known[3:]
    missing = np.maximum(1 - coverage, 0)
    edges = ratio_or_0(lines.root(c.minutes_error, c.minutes), minutes)
    unseen = ratio_or_0(np.sqrt(missing), np.sqrt(count))
    mean = {EFFECTS: edges, GAPS: unseen}
    yield "aef_day", relative(view("line", "aef_day"), {GAPS: unseen})
    yield "aed_day", relative(view("line", "aed_day"), mean)
    yield "aem_day", relative(view("line", "aem_day"), mean)
    volts = 1000 * lines.root(c.effect_voltage_error() * c.minutes, c.minutes)
    during = ratio_or_0(volts * view("line", "aem_day") / 1440, minutes)
    for name in ("overvoltage_positive_day", "overvoltage_algebraic_day"):
        yield name, relative(view("line", name), mean).besides(VOLTAGE, during)
    sums = {EFFECTS: edges, GAPS: np.hypot(missing, unseen) / coverage}
    above = ratio_or_0(during, view("line", "overvoltage_positive_day"))
    by_voltage = {VOLTAGE: above, CURRENT: lines.made[CURRENT], **sums}
    for cause, share in overvoltage_shares(c.plant, c.acc)["pfc_co2e"].items():
        by_voltage[cause] = share[None]
    overvoltage = view("line", "pfc_overvoltage_co2e_day")
    yield "pfc_overvoltage_co2e_day", relative(overvoltage, by_voltage)
    for name in ("cf4", "c2f6"):
        causes = {**lines.made, **sums, **lines.pfc_shares[name]}
        yield f"{name}_day", relative(view("line", f"{name}_day"), causes)


def _of_cells(lines: Lines) -> Iterator[Quantity]:
    """What sums or compares the line's cells, or its other instruments."""
    yield "excess_energy_{w}", lines.excess_energy()
    yield "dc_source_energy_{w}", lines.dc_source_energy()
    dc, product = lines.balance()
    yield "energy_balance_closure_{w}", (dc / product).times(100.0)
    yield "rectifier_efficiency_{w}", lines.with_gaps("line", *lines.rectified())
    yield "voltage_spread", _spread(lines)


def _spread(lines: Lines) -> Uncertain:
    """Of the standard deviation over the cells: how each cell's error moves it."""
    view, of = lines.view, lines.acc.line_of_cell
    volts, spread = view("cell", "normalised_voltage"), view("line", "voltage_spread")
    known = ~np.isnan(volts)
    count = lines.total(known.astype(np.float64))
    mean = lines.total(np.nan_to_num(volts)) / count
    share = (volts - mean[:, of]) / (spread / 1000 * (count - 1))[:, of]
    nominal = lines.acc.nominal_kA / view("line", "current")
    error = lines.acc.voltage.at(view("cell", "voltage")) * nominal[:, of]
    of_voltage = 1000 * lines.root(share * error, volts)
    return Uncertain(spread, {VOLTAGE: of_voltage, CURRENT: -spread * lines.made[CURRENT]})
