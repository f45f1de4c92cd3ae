"""[[tags]], [[tags_csv]] and [[signal]]: what is measured, and where it is read."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field

from plant.schema.base import (
    Entity,
    Hold,
    HoldTime,
    Names,
    Number,
    Percent,
    PercentNumber,
    Positive,
    PositiveNumber,
    Row,
    Text,
    TimeFormat,
)
from plant.schema.modbus import ModbusAddress


class Address(ModbusAddress):
    """Where a tag is read; which keys apply depends on the kind of its source."""

    source: str = Field(min_length=1, examples=["meters"])
    node: str = Field(default="", examples=["s={line}.{cell}.{name}"], description="opcua")
    namespace: str = Field(default="", description="opcua; the source's when left out")
    index: str = Field(default="", examples=["{name}"], description="opcua: element of an array")
    topic: str = Field(default="", examples=["{site}/{line}/rectifier/{id}"], description="mqtt")
    pointer: str = Field(
        default="",
        examples=["/{name}"],
        description="mqtt json: RFC 6901; csv: column, /0 the first",
    )
    time: str = Field("", examples=["/time"], description="mqtt: pointer; else time of receipt")
    time_format: TimeFormat = "iso8601"
    format: Literal["json", "number", "csv"] = "json"
    metric: str = Field(default="", examples=["{name}"], description="sparkplug")
    edge_node: str = Field(default="", examples=["{site}/{line}"], description="group/node")
    device: str = Field(
        default="", examples=["{site}/{line}/{id}"], description="group/node/device"
    )
    column: str = Field(default="", examples=["{id}.{name}"], description="file, folder")


class TagsRow(Address):
    """A template: one tag for each entity and signal. Limits, accuracy and rollover are in the
    signal's unit."""

    each: Entity = Field(examples=["cell"])
    lines: list[str] | None = Field(default=None, description="only of these lines")
    cells: str | None = Field(default=None, examples=["001-010"], description="only these cells")
    only: list[str] | None = Field(default=None, description="only these ids")
    signals: Names = Field(
        examples=[["voltage"]],
        description="a list, or signal -> name at the source, used as {name}",
    )
    unit: Text | None = Field(default=None, description="at the source; the signal's when left out")
    scale: Number = 1.0
    offset: Number = 0.0
    low: Number | None = Field(default=None, description="in the signal's unit")
    high: Number | None = None
    interval_s: PositiveNumber = 1.0
    hold_s: Hold | None = None
    accuracy: PositiveNumber | None = Field(
        default=None, examples=[0.005], description="limits of error at 95 %"
    )
    accuracy_percent: PercentNumber | None = Field(
        default=None, examples=[0.5], description="the same, of the reading"
    )
    rollover: PositiveNumber | None = Field(
        default=None, examples=[1e6], description="of a counter: after it, 0 again"
    )


class TagsCsvRow(Row):
    file: str = Field(min_length=1, examples=["tags.csv"])


class CsvTag(Address):
    """A line of a [[tags_csv]] file. Numbers are given as text there."""

    model_config = ConfigDict(strict=False)

    entity: str = Field(min_length=1, examples=["L1-001"])
    signal: str = Field(min_length=1, examples=["voltage"])
    unit: str | None = None
    scale: float = 1.0
    offset: float = 0.0
    low: float | None = None
    high: float | None = None
    interval_s: Positive = 1.0
    hold_s: HoldTime | None = None
    accuracy: Positive | None = None
    accuracy_percent: Percent | None = None
    rollover: Positive | None = None


class SignalRow(Row):
    """A signal that plant/data/signals.toml does not have."""

    entity: Entity = Field(examples=["cell"])
    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$", examples=["shell_temperature"])
    unit: str = Field(examples=["degC"])
    kind: Literal["gauge", "counter", "state"] = Field(examples=["gauge"])
    low: float = Field(examples=[0], description="a reading below is rejected")
    high: float = Field(examples=[500], description="a reading above is rejected")
    hold_s: HoldTime | None = None
    pace: Literal["fast", "slow"] = Field(
        default="fast", description="slow: entered or analysed, often known hours later"
    )
    label: str = ""
    label_zh: str = ""
