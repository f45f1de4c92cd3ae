"""What the tables of plant.toml share: the base of every row, and the types of their keys."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    WithJsonSchema,
)

from plant.suggest import closest

TimeFormat = Literal["iso8601", "unix_s", "unix_ms", "unix_us", "unix_ns"]
Entity = Literal["site", "line", "cell", "rectifier", "meter", "boiler"]


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        near = closest(name, available_timezones())
        hint = f'did you mean "{near}"?' if near else 'write an IANA name such as "Asia/Shanghai"'
        raise ValueError(f'unknown time zone "{name}"; {hint}') from None
    return name


def _iso_date(value: object) -> str:
    """A TOML date, or text of the same form, as text."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value):
        try:
            return date.fromisoformat(value).isoformat()
        except ValueError as error:
            raise ValueError(f'"{value}" is no date: {error}; write one like 2026-03-01') from None
    raise ValueError(f"must be a date, not {str(value)[:40]!r}; write one like 2026-03-01")


def _one_or_table(value: object) -> str:
    """Chosen by hand, so that an error speaks of the branch that was meant."""
    return "<table>" if isinstance(value, dict) else "<one>"


TimeZone = Annotated[str, AfterValidator(_known_zone)]
IsoDate = Annotated[
    str, BeforeValidator(_iso_date), WithJsonSchema({"type": "string", "format": "date"})
]
Id = Annotated[str, Field(pattern=r"^[\w-]+$", max_length=64)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Percent = Annotated[float, Field(gt=0, lt=100)]
HoldTime = Annotated[float, Field(gt=0, allow_inf_nan=True)]
Port = Annotated[int, Field(ge=1, le=65535)]

# one for all signals, or a table by signal
_BRANCH = Discriminator(_one_or_table)
Number = Annotated[
    Annotated[float, Tag("<one>")] | Annotated[dict[str, float], Tag("<table>")], _BRANCH
]
PositiveNumber = Annotated[
    Annotated[Positive, Tag("<one>")] | Annotated[dict[str, Positive], Tag("<table>")], _BRANCH
]
PercentNumber = Annotated[
    Annotated[Percent, Tag("<one>")] | Annotated[dict[str, Percent], Tag("<table>")], _BRANCH
]
Hold = Annotated[
    Annotated[HoldTime, Tag("<one>")] | Annotated[dict[str, HoldTime], Tag("<table>")], _BRANCH
]
Text = Annotated[Annotated[str, Tag("<one>")] | Annotated[dict[str, str], Tag("<table>")], _BRANCH]
Names = Annotated[
    Annotated[list[str], Tag("<one>")] | Annotated[dict[str, str], Tag("<table>")], _BRANCH
]


class Row(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)
