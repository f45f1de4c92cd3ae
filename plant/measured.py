"""What the tags of one signal in one row have in common: unit, limits and times, checked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import nan
from typing import Any

from plant.model import Signal
from plant.schema.tags import CsvTag, TagsRow
from plant.units import UnitError, conversion

Say = Callable[[str, str], None]
"""Puts on record what is wrong with a key of a row."""


@dataclass(frozen=True, slots=True)
class Measured:
    signal: Signal
    name: str  # at the source
    unit: str
    scale: float
    offset: float
    low: float
    high: float
    interval_s: float
    hold_s: float
    accuracy: float
    accuracy_percent: float
    rollover: float


def measured(row: TagsRow | CsvTag, signal: Signal, name: str, say: Say) -> Measured | None:
    """None when a problem was said. A key of the row is one value or a table by signal."""

    def own(key: str, otherwise: Any) -> Any:
        value = getattr(row, key)
        if isinstance(value, dict):
            value = value.get(signal.name)
        return otherwise if value is None else value

    full_name = f"{signal.entity}.{signal.name}"
    unit = own("unit", signal.unit)
    scale, offset = own("scale", 1.0), own("offset", 0.0)
    low, high = own("low", signal.low), own("high", signal.high)
    interval_s, hold_s = own("interval_s", 1.0), own("hold_s", signal.hold_s)
    try:
        unit_scale, unit_offset = conversion(unit, signal.unit)
    except UnitError as error:
        say("unit", f"{full_name}: {error}")
        return None
    if scale == 0:
        say("scale", f"{full_name}: must not be 0; write 1 or leave it out")
        return None
    if low >= high:
        what = f"low {low:g} is not below high {high:g}"
        say("low", f"{full_name}: {what}; write limits in {signal.unit} with low < high")
        return None
    if hold_s < interval_s:
        what = f"a reading every {interval_s:g} s stands for {hold_s:g} s only"
        remedy = f"write hold_s = {3 * interval_s:g} or a shorter interval_s"
        say("interval_s", f"{full_name}: {what}; {remedy}")
        return None
    rollover = own("rollover", nan)
    if rollover == rollover and signal.kind != "counter":
        say("rollover", f"{full_name}: is no counter; leave rollover out")
        return None
    if rollover > high:
        what = f"{rollover:g} is above high {high:g}, so the readings before it are rejected"
        say("rollover", f"{full_name}: {what}; write a larger high")
        return None
    return Measured(
        signal=signal,
        name=name,
        unit=unit,
        scale=scale * unit_scale,
        offset=offset * unit_scale + unit_offset,
        low=low,
        high=high,
        interval_s=interval_s,
        hold_s=hold_s,
        accuracy=own("accuracy", nan),
        accuracy_percent=own("accuracy_percent", nan),
        rollover=rollover,
    )
