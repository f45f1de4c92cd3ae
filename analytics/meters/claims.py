"""Claims: numbers that somebody states, as data, with their units and periods read."""

from __future__ import annotations

import calendar
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from plant.units import UnitError, conversion

Kind = Literal[
    "electricity_factor", "fuel_factor", "energy", "capacity", "capacity_factor", "efficiency",
    "specific_energy", "intensity", "steam_energy", "steam_co2", "share", "saving", "conversion",
]  # fmt: skip

UNITS: Mapping[str, tuple[str, ...]] = {
    "electricity_factor": ("t/MWh",),
    "fuel_factor": ("t/GJ",),
    "energy": ("MWh",),
    "capacity": ("MW",),
    "capacity_factor": ("1",),
    "efficiency": ("1",),
    "specific_energy": ("kWh/t",),
    "intensity": ("t/t",),
    "steam_energy": ("MWh/t",),
    "steam_co2": ("t/t",),
    "share": ("1",),
    "saving": ("tce", "t CO2", "MWh", "kWh/t"),
    "conversion": ("tce", "t CO2", "MWh"),
}
"""What each kind is judged in; any unit of the same quantity may be written."""


class Claim(BaseModel):
    """One number that somebody states, with what is needed to judge it."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    kind: Kind
    value: float
    unit: str = Field(examples=["tce"], description="t, tce, MWh …; CO2 may stand after t")
    what: str = Field(default="", description="what it is called in the verdict")
    measure: str = Field(default="", description="of a saving: what was done")
    period: str = Field(
        default="", examples=["2024"], description="2024, 2024-05, 2024-05-01 or from/to"
    )
    place: str = ""
    base: str = Field(default="", description="of a share: what it is a share of")
    group: str = Field(default="", description="shares of one group are together the whole")
    boundary: Literal["", "dc", "ac", "comprehensive"] = ""
    carrier: Literal["", "coal", "oil", "gas", "electricity"] = ""
    equipment: Literal["", "boiler"] = ""
    inert_anodes: bool = False
    hours: float | None = Field(default=None, gt=0)
    energy_MWh: float | None = Field(default=None, ge=0)
    capacity_MW: float | None = Field(default=None, gt=0)
    tce: float | None = Field(default=None, ge=0)
    tCO2: float | None = Field(default=None, ge=0)
    MWh: float | None = Field(default=None, ge=0)
    before: float | None = Field(default=None, description="of a saving: the amount before it")
    production_t: float | None = Field(default=None, gt=0)
    kWh_per_t: float | None = Field(default=None, gt=0)
    electricity_factor_t_per_MWh: float | None = Field(default=None, ge=0)
    steam_kJ_per_kg: float | None = Field(default=None, gt=0)
    feedwater_kJ_per_kg: float | None = Field(default=None, ge=0)


class ClaimError(ValueError):
    """Claims that cannot be read; `lines` say each what, where and the remedy."""

    def __init__(self, lines: Sequence[str]) -> None:
        super().__init__("; ".join(lines))
        self.lines = list(lines)


def read_claims(data: object) -> list[Claim]:
    """Claims of a document: a list, or a table with a list `claim`. Raises ClaimError."""
    rows = data.get("claim") if isinstance(data, dict) else data
    if isinstance(data, dict) and set(data) - {"claim"}:
        raise ClaimError([f"unknown key {min(set(data) - {'claim'})!r}; write [[claim]] tables"])
    if not isinstance(rows, list) or not rows:
        raise ClaimError(["there is no claim; write [[claim]] tables, or a JSON list of objects"])
    try:
        return TypeAdapter(list[Claim]).validate_python(rows)
    except ValidationError as error:
        lines = []
        for problem in error.errors():
            place, *rest = problem["loc"]
            row = f"claim {int(place) + 1}" if isinstance(place, int) else str(place)
            lines.append(f"{'.'.join([row, *map(str, rest)])}: {problem['msg']}")
        raise ClaimError(lines) from None


@dataclass(slots=True)
class Row:
    """A claim under judgement: its value in one of UNITS, and what was found."""

    name: str
    claim: Claim
    value: float  # in `unit`, one of UNITS
    unit: str
    days: tuple[date, date] | None  # of the period, [from, to)
    reasons: list[str]
    checks: list[str]

    @classmethod
    def of(cls, i: int, claim: Claim) -> Row:
        name = claim.what or claim.measure or f"claim {i + 1}"
        for unit in UNITS[claim.kind]:
            scale = _scale(claim.unit, unit)
            if scale is not None:
                break
        else:
            wanted = " or ".join(UNITS[claim.kind])
            raise ClaimError([f'{name}: unit "{claim.unit}" of a {claim.kind}; write {wanted}'])
        days = _days(claim.period) if claim.period else None
        if claim.period and days is None:
            says = "is no period; write 2024, 2024-05, 2024-05-01 or 2024-05-01/2024-06-30"
            raise ClaimError([f'{name}: "{claim.period}" {says}'])
        return cls(name, claim, claim.value * scale, unit, days, [], [])

    def must(self, holds: bool, reason: str, check: str) -> None:
        (self.checks if holds else self.reasons).append(check if holds else reason)

    def within(self, value: float, low: float, high: float, what: str, why: str) -> None:
        """`why` names the limits' case."""
        text = f"{what} {value:.5g}, between {low:.5g} and {high:.5g}"
        way = "above" if value > high else "below"
        limit = high if value > high else low
        self.must(low <= value <= high, f"{what} {value:.5g} is {way} {limit:.5g}: {why}", text)

    @property
    def hours(self) -> float | None:
        if self.claim.hours is not None:
            return self.claim.hours
        return None if self.days is None else (self.days[1] - self.days[0]).days * 24.0


def _scale(unit: str, wanted: str) -> float | None:
    """How much of `wanted` a `unit` is; None when they measure different things."""
    is_co2 = "CO2" in unit
    if wanted in ("tce", "t CO2") and is_co2 != (wanted == "t CO2"):
        return None
    mass = {"kgce": 1e-3, "tce": 1.0, "ktce": 1e3, "Mtce": 1e6}
    if wanted == "tce":
        return mass.get(unit)
    plain = re.sub(r"\s*CO2e?q?", "", unit).strip()
    try:
        scale, offset = conversion(plain, wanted.removesuffix(" CO2"))
    except UnitError:
        return None
    return None if offset else scale


def _days(period: str) -> tuple[date, date] | None:
    parts = period.split("/")
    spans = [_span(part.strip()) for part in parts]
    if len(parts) > 2 or any(s is None for s in spans):
        return None
    first, last = spans[0], spans[-1]
    assert first is not None
    assert last is not None
    return (first[0], last[1]) if first[0] < last[1] else None


def _span(text: str) -> tuple[date, date] | None:
    """The days of 2024, 2024-05 or 2024-05-01."""
    if not re.fullmatch(r"\d{4}(-\d\d){0,2}", text):
        return None
    year, month, day = (*map(int, text.split("-")), 0, 0)[:3]
    try:
        first = date(year, month or 1, day or 1)
    except ValueError:
        return None
    if day:
        return first, first + timedelta(days=1)
    if month:
        return first, first + timedelta(days=calendar.monthrange(year, month)[1])
    return first, date(year + 1, 1, 1)
