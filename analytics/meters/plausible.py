"""The plausibility gate: a saving, factor, capacity or share is held against physics and against
the other claims before it may stand beside measured figures.

`judge` gives each claim a verdict with its reasons. Limits are factors `plausible.*`, each with the
case that it stands for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import isclose
from statistics import median

from analytics.meters.claims import Claim, ClaimError, Row
from plant.model import Factor

ROUNDING = 0.005  # of a share
AGREE = 0.02  # two statements of one amount
OUTLIER = 5.0  # times the median of the neighbours
NEIGHBOURS = 3
COMPARED = {"electricity_factor", "fuel_factor", "specific_energy", "intensity", "steam_energy",
            "steam_co2"}  # fmt: skip
CHAIN = ("dc", "ac", "comprehensive")
"""Each boundary of kWh/t contains the one before it."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A claim that stands (no reasons) or falls. `checks` are the comparisons that it passed."""

    name: str
    kind: str
    value: float  # in `unit`
    unit: str
    reasons: tuple[str, ...]
    checks: tuple[str, ...]

    @property
    def plausible(self) -> bool:
        return not self.reasons


def judge(claims: Sequence[Claim], factors: Mapping[str, Factor]) -> list[Verdict]:
    """A verdict for each claim, in their order. Raises ClaimError for what cannot be judged."""
    errors = []
    rows = []
    for i, claim in enumerate(claims):
        try:
            rows.append(Row.of(i, claim))
        except ClaimError as error:
            errors += error.lines
    if errors:
        raise ClaimError(errors)
    gate = Gate(factors)
    for row in rows:
        RULES[row.claim.kind](gate, row)
    _neighbours(rows)
    _chains(rows)
    _shares(rows)
    _once(rows)
    return [
        Verdict(r.name, r.claim.kind, r.value, r.unit, tuple(r.reasons), tuple(r.checks))
        for r in rows
    ]


@dataclass(frozen=True, slots=True)
class Gate:
    """The rules of one claim by itself."""

    factors: Mapping[str, Factor]

    def limit(self, name: str) -> float:
        return self.factors[name].value

    def why(self, name: str) -> str:
        return self.factors[name].source

    def factor(self, row: Row, name: str, what: str) -> None:
        row.within(row.value, 0, self.limit(name), what, self.why(name) if row.value > 0 else
                   "a factor is not negative; what is avoided is a saving")  # fmt: skip

    def electricity_factor(self, row: Row) -> None:
        self.factor(row, "plausible.electricity_co2", "tCO2/MWh")
        if row.claim.energy_MWh and row.claim.tCO2 is not None:
            _agree(row, row.claim.tCO2 / row.claim.energy_MWh, row.value, "tCO2/MWh")

    def fuel_factor(self, row: Row) -> None:
        self.factor(row, "plausible.fuel_co2", "tCO2/GJ")

    def load(self, row: Row) -> None:
        energy = row.value if row.claim.kind == "energy" else row.claim.energy_MWh
        power = row.value if row.claim.kind == "capacity" else row.claim.capacity_MW
        row.must(row.value >= 0, "a capacity or an amount is not negative", "not negative")
        if energy is None or power is None or row.hours is None:
            missing = (
                "capacity_MW" if power is None else "energy_MWh" if energy is None else "hours"
            )
            row.reasons.append(f"cannot be judged without {missing} (hours also by period)")
        elif power > 0:
            share = energy / (power * row.hours)
            why = f"{power:g} MW give at most {power * row.hours:.6g} MWh in {row.hours:g} h"
            row.within(share, 0, 1, "capacity factor", why)

    def capacity_factor(self, row: Row) -> None:
        row.within(row.value, 0, 1, "capacity factor", "nothing gives more than its capacity")

    def efficiency(self, row: Row) -> None:
        most, why = 1.0, "no more comes out than went in"
        if row.claim.equipment == "boiler":
            name = "plausible.boiler_efficiency.most"
            most, why = self.limit(name) / 100, self.why(name)
        row.within(row.value, 0, most, "efficiency", why)

    def specific_energy(self, row: Row) -> None:
        row.within(row.value, self.floor, self.limit("plausible.cell_energy.most"), "kWh/t",
                   self.floor_says if row.value < self.floor else
                   self.why("plausible.cell_energy.most"))  # fmt: skip

    @property
    def floor(self) -> float:
        return 1000 * self.limit("energy.electrolysis_floor")

    @property
    def floor_says(self) -> str:
        return f"{self.floor:g} kWh/t is the thermodynamic floor of electrolysis"

    def intensity(self, row: Row) -> None:
        c = row.claim
        name = "plausible.intensity.least_carbon_anodes"
        anodes = 0.0 if c.inert_anodes else self.limit(name)
        power = (c.kWh_per_t or 0.0) * (c.electricity_factor_t_per_MWh or 0.0) / 1000
        most = self.limit("plausible.cell_energy.most") / 1000
        most *= self.limit("plausible.electricity_co2")
        why = f"anode carbon alone gives {anodes:g} t/t ({self.why(name)})"
        if power:
            why += f", its electricity {power:.4g} t/t"
        if row.value > most:
            why = "no process used so much electricity, and no fuel gives more CO2 for it"
        row.within(row.value, anodes + power, most, "tCO2e/t", why)

    def steam_heat(self, row: Row) -> tuple[float, float]:
        """Least and most heat of a tonne of steam. [GJ/t]"""
        c = row.claim
        if c.steam_kJ_per_kg is not None and c.feedwater_kJ_per_kg is not None:
            heat = (c.steam_kJ_per_kg - c.feedwater_kJ_per_kg) / 1000
            row.must(heat > 0, "the steam holds no more heat than its feedwater", "enthalpies")
            return heat, heat
        return self.limit("plausible.steam_heat.least"), self.limit("plausible.steam_heat.most")

    def steam_energy(self, row: Row) -> None:
        low, high = self.steam_heat(row)
        worst = self.limit("plausible.boiler_efficiency.least") / 100
        why = "enthalpy above feedwater, and a poor boiler's losses"
        row.within(row.value, low / 3.6, high / 3.6 / worst, "MWh/t steam", why)

    def steam_co2(self, row: Row) -> None:
        _, high = self.steam_heat(row)
        worst = self.limit("plausible.boiler_efficiency.least") / 100
        most = high / worst * self.limit("plausible.fuel_co2")
        why = "the most carbon for its heat in a poor boiler; and never negative"
        row.within(row.value, 0, most, "tCO2/t steam", why)

    def share(self, row: Row) -> None:
        row.within(row.value, 0, 1, "share", "a part is neither negative nor more than the whole")
        row.must(bool(row.claim.base), "a share of what? name its base", f"of {row.claim.base}")

    def saving(self, row: Row) -> None:
        c = row.claim
        row.must(row.value > 0, "a saving of nothing or less is none", "positive")
        before = c.before
        if before is not None:
            if row.unit == "kWh/t":
                left = before - row.value
                row.must(left >= self.floor, f"leaves {left:.5g} kWh/t: {self.floor_says}",
                         f"leaves {left:.5g} kWh/t")  # fmt: skip
            else:
                row.must(row.value < before, f"more is saved than the {before:g} there was",
                         f"of {before:g}")  # fmt: skip
        self.conversion(row)

    def conversion(self, row: Row) -> None:
        """The same amount as coal equivalent, CO2 and electricity must agree."""
        c = row.claim
        tce = row.value if row.unit == "tce" else c.tce
        co2 = row.value if row.unit == "t CO2" else c.tCO2
        energy = row.value if row.unit == "MWh" else c.MWh
        if row.unit == "kWh/t" and c.production_t:
            total = row.value * c.production_t / 1000
            if energy is not None:
                _agree(row, energy, total, "MWh for kWh/t x production")
            energy = total
        if c.kind == "conversion" and sum(v is not None for v in (tce, co2, energy)) < 2:
            row.reasons.append("nothing to convert to: give tce, tCO2 or MWh beside the value")
        electric = c.carrier == "electricity" or (not c.carrier and energy is not None)
        if tce and energy:
            self.coal_of_electricity(row, 1000 * tce / (1000 * energy))
        if co2 is not None and energy:
            name = "plausible.electricity_co2"
            row.within(co2 / energy, 0, self.limit(name), "tCO2/MWh", self.why(name))
        if co2 is not None and tce and not electric:
            fuel = c.carrier or "any"
            low = self.limit(f"plausible.co2_per_tce.{fuel}")
            high = self.limit(f"plausible.co2_per_tce_most.{fuel}")
            row.within(co2 / tce, low, high, "tCO2/tce", f"the range of {fuel} fuel")
        elif co2 is not None and tce and not energy:
            most = (
                self.limit("plausible.electricity_co2") * self.limit("energy.standard_coal") / 3.6
            )
            row.within(co2 / tce, 0, most, "tCO2/tce", "no fuel gives so much for a kWh")

    def coal_of_electricity(self, row: Row, per_kWh: float) -> None:
        heat = 3.6 / self.limit("energy.standard_coal")
        low = self.limit("plausible.coal_per_kWh.least")
        high = self.limit("plausible.coal_per_kWh.most")
        text = f"{per_kWh:.4g} kgce/kWh"
        row.must(
            isclose(per_kWh, heat, rel_tol=AGREE) or low <= per_kWh <= high,
            f"{text} is neither the heat of a kWh ({heat:.4g}) nor the coal that a power station "
            f"burns for it ({low:g} to {high:g})",
            text,
        )


def _agree(row: Row, one: float, other: float, what: str) -> None:
    text = f"{what}: {one:.5g} and {other:.5g}"
    row.must(isclose(one, other, rel_tol=AGREE), f"{text} do not agree", text)


RULES: Mapping[str, Callable[[Gate, Row], None]] = {
    "electricity_factor": Gate.electricity_factor,
    "fuel_factor": Gate.fuel_factor,
    "energy": Gate.load,
    "capacity": Gate.load,
    "capacity_factor": Gate.capacity_factor,
    "efficiency": Gate.efficiency,
    "specific_energy": Gate.specific_energy,
    "intensity": Gate.intensity,
    "steam_energy": Gate.steam_energy,
    "steam_co2": Gate.steam_co2,
    "share": Gate.share,
    "saving": Gate.saving,
    "conversion": Gate.conversion,
}


def _groups(rows: Sequence[Row]) -> Iterator[list[Row]]:
    """Rows that state the same kind of number of the same thing."""
    keys = dict.fromkeys((r.claim.kind, r.claim.boundary, r.unit) for r in rows)
    for key in keys:
        yield [r for r in rows if (r.claim.kind, r.claim.boundary, r.unit) == key]


def _neighbours(rows: Sequence[Row]) -> None:
    """A number far from all others of its kind is usually in another unit."""
    for group in _groups([r for r in rows if r.claim.kind in COMPARED]):
        for row in group:
            others = [r.value for r in group if r is not row]
            if len(others) < NEIGHBOURS or median(others) <= 0 or row.value <= 0:
                continue
            times = row.value / median(others)
            text = f"{times:.4g} times the median of its {len(others)} neighbours"
            row.must(1 / OUTLIER <= times <= OUTLIER, f"{text}: is its unit right?", text)


def _chains(rows: Sequence[Row]) -> None:
    """Of one place and period, DC is below AC, and AC below the comprehensive kWh/t."""
    energies = [r for r in rows if r.claim.kind == "specific_energy" and r.claim.boundary]
    for one, other in combinations(energies, 2):
        if (one.claim.place, one.claim.period) != (other.claim.place, other.claim.period):
            continue
        inner, outer = sorted((one, other), key=lambda r: CHAIN.index(r.claim.boundary))
        if inner.claim.boundary != outer.claim.boundary:
            text = f"{outer.claim.boundary} {outer.value:g}, {inner.claim.boundary} {inner.value:g}"
            outer.must(outer.value > inner.value, f"contains less than it should: {text}", text)


def _shares(rows: Sequence[Row]) -> None:
    """Shares of one group have one base, and are together the whole."""
    shares = [r for r in rows if r.claim.kind == "share" and r.claim.group]
    for name in dict.fromkeys(r.claim.group for r in shares):
        group = [r for r in shares if r.claim.group == name]
        bases = dict.fromkeys(r.claim.base for r in group)
        total = sum(r.value for r in group)
        for row in group:
            row.must(len(bases) == 1, f"group {name} has several bases: {', '.join(bases)}",
                     f"one base in {name}")  # fmt: skip
            row.must(abs(total - 1) <= ROUNDING * len(group),
                     f"the shares of {name} add up to {total:.4g}, not 1",
                     f"{name} adds up to {total:.4g}")  # fmt: skip


def _once(rows: Sequence[Row]) -> None:
    """A saving counts once: not again for the same measure and place in days counted before."""
    savings = [r for r in rows if r.claim.kind == "saving"]
    for row in savings:
        names = ("measure", "period", "place")
        missing = [name for name in names if not getattr(row.claim, name)]
        text = f"may be counted twice: name its {' and '.join(missing)}"
        row.must(not missing, text, "measure, period and place are named")
    for one, other in combinations(savings, 2):
        same = _what(one) == _what(other) and one.claim.measure
        if not same or one.days is None or other.days is None:
            continue
        apart = one.days[1] <= other.days[0] or other.days[1] <= one.days[0]
        other.must(apart, f"is claimed twice: {one.name}, {one.claim.period}, has it already",
                   f"apart from {one.claim.period}")  # fmt: skip


def _what(row: Row) -> tuple[str, ...]:
    """Measure, place and unit, however they are written."""
    words = (row.claim.measure, row.claim.place, row.unit)
    return tuple(" ".join(word.casefold().split()) for word in words)
