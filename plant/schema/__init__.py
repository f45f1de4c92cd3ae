"""What may stand in plant.toml: one model a table. Checks that need more than one table are in
plant.load. `examples` are shown by editors and by the errors as the remedy."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from plant.schema.base import Id, IsoDate, NotNegative, Percent, Port, Positive, Row, TimeZone
from plant.schema.brokers import MqttOutputRow, SparkplugOutputRow
from plant.schema.equipment import (
    BoilerRow,
    CellChangeRow,
    CellRow,
    LineRow,
    MeterRow,
    RectifierRow,
)
from plant.schema.pair import PairRow
from plant.schema.sources import (
    SOURCES,
    FileRow,
    FolderRow,
    ModbusRow,
    MqttRow,
    OpcUaRow,
    ReplayRow,
    SparkplugRow,
)
from plant.schema.tags import SignalRow, TagsCsvRow, TagsRow


def _shift_starts(shifts: list[str]) -> list[str]:
    for shift in shifts:
        if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", shift):
            raise ValueError(f'"{shift}" is no time of day; write one from "00:00" to "23:59"')
    if sorted(set(shifts)) != shifts:
        ordered = ", ".join(f'"{s}"' for s in sorted(set(shifts)))
        raise ValueError(f"must ascend without repeats; write shifts = [{ordered}]")
    return shifts


Shifts = Annotated[list[str], AfterValidator(_shift_starts)]


class SiteRow(Row):
    id: Id = Field(examples=["demo"])
    name: str = ""
    name_zh: str = ""
    time_zone: TimeZone = Field(
        examples=["Asia/Shanghai"], description="IANA name; shifts and days"
    )
    grid_region: str = Field(examples=["CN-SD"], description="names grid.<region>.average.<year>")
    grid_year: int | None = Field(default=None, description="the newest there is when left out")
    gwp: str = Field(examples=["AR5"], description="set of global warming potentials")
    shifts: Shifts = Field(default=["00:00"], min_length=1, examples=[["00:00", "08:00", "16:00"]])
    currency: str = Field(
        default="", pattern=r"^([A-Z]{3})?$", examples=["CNY"], description="ISO 4217"
    )
    electricity_price_per_MWh: NotNegative | None = Field(
        default=None, examples=[420], description="in the currency"
    )
    # t CO2/MWh of any fuel is below 1.5: a larger number is in another unit
    contract_factor_t_per_MWh: float | None = Field(default=None, ge=0, lt=1.5, examples=[0])
    residual_factor_t_per_MWh: float | None = Field(default=None, ge=0, lt=1.5, examples=[0.6096])


class TimeRow(Row):
    beat_s: Positive = 1.0
    lateness_s: NotNegative = Field(
        default=3.0, description="how long a beat waits for late samples"
    )
    max_future_s: NotNegative = Field(default=10.0, description="newer samples are rejected")
    max_age_days: Positive = Field(default=30.0, description="older samples are rejected")
    figures_every_s: Positive = Field(default=10.0, description="how often figures are stored")


class StoreRow(Row):
    kind: Literal["embedded", "influxdb"] = Field(examples=["embedded"])
    path: str = Field(
        min_length=1, examples=["var/demo"], description="spool, alarms, embedded store"
    )
    url: str = Field(
        "", pattern=r"^(https?://[^/@\s]+(/\S*)?)?$", examples=["http://127.0.0.1:8086"]
    )
    urls: list[Annotated[str, Field(pattern=r"^https?://[^/@\s]+(/\S*)?$")]] = Field(
        default_factory=list,
        examples=[["http://10.0.0.5:8086", "http://10.0.0.6:8086"]],
        description="in place of url: several ways to the same InfluxDB",
    )
    org: str = Field(default="", examples=["smelter"])
    token_file: str = Field(default="", examples=["secrets/influxdb-token"])
    token_env: str = Field(default="", examples=["INFLUXDB_TOKEN"])
    bucket_prefix: Id = "potline"
    raw_days: int = Field(default=35, ge=0, description="0 keeps for ever")
    figures_days: int = Field(730, ge=0)
    alarms_days: int = Field(default=0, ge=0)


class SpoolRow(Row):
    max_GB: Positive = Field(default=8.0, description="1e9 bytes on the disk, at most")
    max_days: NotNegative = Field(default=0.0, description="0: no bound by age")
    when_full: Literal["wait", "drop_oldest", "drop_newest"] = Field(
        default="wait", description="what happens to samples when there is no room"
    )
    drain: Literal["oldest", "newest"] = Field(
        default="oldest", description="of a backlog, what goes first to the store"
    )


class ApiRow(Row):
    host: str = "127.0.0.1"
    port: Port = 8600


class AlarmRow(Row):
    id: Id = Field(examples=["bath-temperature-high"])
    kind: Literal["limit", "anode_effect", "excess_energy", "stale_source", "line_current_drop"] = (
        "limit"
    )
    each: Literal["site", "line", "cell", "rectifier", "meter", "boiler", "source"] | None = Field(
        None, examples=["cell"]
    )
    on: str | None = Field(
        default=None, examples=["bath_temperature"], description="a signal or a figure"
    )
    high: float | None = Field(default=None, examples=[975])
    low: float | None = Field(default=None, examples=[0.95])
    dead_band: NotNegative = 0.0
    on_delay_s: NotNegative = 0.0
    off_delay_s: NotNegative = 0.0
    priority: int = Field(ge=1, le=4, examples=[2], description="1 is highest")
    label: str = ""
    label_zh: str = ""


class FactorRow(Row):
    """A factor of the plant's own, new or in place of a shipped one."""

    name: str = Field(examples=["grid.AE.average.2024"])
    value: float = Field(ge=0, examples=[0.4])
    unit: str = Field(examples=["t/MWh"])
    source: str = Field(min_length=1, examples=["national inventory report 2025, table 3"])
    year: int | None = Field(default=None, ge=1990, le=2200)
    valid_from: IsoDate | None = Field(default=None, examples=["2024-01-01"])
    valid_to: IsoDate | None = Field(default=None, examples=["2024-12-31"])
    certainty: Literal["verified", "derived", "unverified"] = "unverified"
    uncertainty_percent: Percent | None = Field(
        default=None, examples=[5], description="limits of error at 95 %"
    )


class PlantFile(Row):
    """plant.toml of potline: one plant, its sources, its tags and its alarms."""

    site: SiteRow
    time: TimeRow = TimeRow()
    store: StoreRow
    spool: SpoolRow = SpoolRow()
    api: ApiRow = ApiRow()
    pair: PairRow | None = None
    line: list[LineRow] = Field(default_factory=list)
    cell: list[CellRow] = Field(default_factory=list)
    cell_change: list[CellChangeRow] = Field(default_factory=list)
    rectifier: list[RectifierRow] = Field(default_factory=list)
    meter: list[MeterRow] = Field(default_factory=list)
    boiler: list[BoilerRow] = Field(default_factory=list)
    source: list[
        Annotated[
            OpcUaRow | MqttRow | SparkplugRow | ModbusRow | FileRow | FolderRow | ReplayRow,
            Field(discriminator="kind"),
        ]
    ] = Field(default_factory=list)
    output: list[Annotated[MqttOutputRow | SparkplugOutputRow, Field(discriminator="kind")]] = (
        Field(default_factory=list)
    )
    tags: list[TagsRow] = Field(default_factory=list)
    tags_csv: list[TagsCsvRow] = Field(default_factory=list)
    signal: list[SignalRow] = Field(default_factory=list)
    alarm: list[AlarmRow] = Field(default_factory=list)
    factor: list[FactorRow] = Field(default_factory=list)


def json_schema() -> dict[str, Any]:
    """JSON Schema of plant.toml, for editors.

    A source with `each` may give any key as a table by line, so there the schema lets tables pass.
    """
    schema = PlantFile.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    for model in SOURCES.values():
        source = schema["$defs"][model.__name__]
        for key, option in source["properties"].items():
            if key not in ("id", "kind"):
                source["properties"][key] = {"anyOf": [option, {"type": "object"}]}
        source["properties"]["each"] = {"const": "line"}
        source["additionalProperties"] = {"type": "object"}
    return schema
