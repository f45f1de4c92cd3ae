"""The meter register on a date, and how much of the instrumentation that the plant file names is
alive: the two questions of an energy audit before it looks at a number."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from analytics.beat.frame import NEVER
from plant.batch import SECOND, Quality
from plant.model import EntityKind, Meter, MeterRegister, Plant, Rectifier, Tag

Calibration = Literal["valid", "expires_60", "expires_30", "expires_7", "expired", "unknown"]
WARNINGS_DAYS = (7, 30, 60)

FAST_DAYS, SLOW_DAYS = 1, 35
"""A reading without a hold time proves its instrument alive for so long: a state, a laboratory."""


@dataclass(frozen=True, slots=True)
class Instrument:
    """A row of the register."""

    id: str
    name: str
    kind: str  # "rectifier", or the meter's kind
    line: str
    parent: str
    register: MeterRegister
    calibration: Calibration
    days_left: int | None  # of the calibration; negative: days since it expired


def calibration(register: MeterRegister, on: date) -> tuple[Calibration, int | None]:
    """The state on a date and the days left. The day of expiry itself is still covered."""
    if not register.calibration_expires:
        return "unknown", None
    left = (date.fromisoformat(register.calibration_expires) - on).days
    if left < 0:
        return "expired", left
    if register.calibrated and date.fromisoformat(register.calibrated) > on:
        return "unknown", left  # what it was before is not on record
    names: dict[int, Calibration] = {7: "expires_7", 30: "expires_30", 60: "expires_60"}
    return next((names[days] for days in WARNINGS_DAYS if left <= days), "valid"), left


def register(plant: Plant, on: date) -> list[Instrument]:
    """All rectifiers and meters, in the plant's order."""
    rows: list[tuple[Rectifier | Meter, str, str]] = [
        (r, "rectifier", "") for r in plant.rectifiers
    ]
    rows += [(m, m.kind, m.parent) for m in plant.meters]
    return [
        Instrument(m.id, m.name, kind, m.line, parent, m.register, *calibration(m.register, on))
        for m, kind, parent in rows
    ]


@dataclass(frozen=True, slots=True)
class Fitting:
    """Instrumentation coverage of one place: tags of the plant file, those that say something, and
    those of them whose word is good."""

    line: str  # "" for the site's own equipment
    section: str  # "" for what is in no section
    kind: EntityKind
    expected: int
    live: int
    good: int

    @property
    def share(self) -> float:
        """Good tags over expected ones. [1]"""
        return self.good / self.expected


def live_and_good(
    plant: Plant, newest: NDArray[np.int64], quality: NDArray[np.uint8], now: int
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which tags have a reading that stands at `now`, and which of these a good one. bool[tags]

    newest: int64[tags] ns, NEVER for none. quality: uint8[tags] of that reading.
    """
    stands = np.array([_stands_s(tag) * SECOND for tag in plant.tags])
    live = (newest != NEVER) & (now - np.maximum(newest, 0) <= stands)
    return live, live & (quality & Quality.SEVERITY == Quality.GOOD)


def _stands_s(tag: Tag) -> float:
    if np.isfinite(tag.hold_s):
        return max(tag.hold_s, 3 * tag.interval_s)
    days = SLOW_DAYS if tag.signal.pace == "slow" else FAST_DAYS
    return max(days * 86400.0, 3 * tag.interval_s)


def fitting(
    plant: Plant, live: NDArray[np.bool_], good: NDArray[np.bool_]
) -> tuple[list[Fitting], list[str]]:
    """Coverage of each section and class of equipment, and the tags that say nothing or nothing
    good. live, good: bool[tags]."""
    place = _places(plant)
    counts: dict[tuple[str, str, EntityKind], list[int]] = {}
    for tag in plant.tags:
        line, section = place[tag.entity]
        row = counts.setdefault((line, section, tag.signal.entity), [0, 0, 0])
        for i, one in enumerate((True, live[tag.column], good[tag.column])):
            row[i] += bool(one)
    missing = [tag.id for tag in plant.tags if not good[tag.column]]
    return [Fitting(*key, *row) for key, row in sorted(counts.items())], missing


def _places(plant: Plant) -> dict[str, tuple[str, str]]:
    """Entity -> its line and section."""
    own: Iterable[str] = (plant.site.id, *plant.entities("boiler"))
    return (
        dict.fromkeys(own, ("", ""))
        | {line.id: (line.id, "") for line in plant.lines}
        | {cell.id: (cell.line, cell.section) for cell in plant.cells}
        | {rectifier.id: (rectifier.line, "") for rectifier in plant.rectifiers}
        | {meter.id: (meter.line, "") for meter in plant.meters}
    )
