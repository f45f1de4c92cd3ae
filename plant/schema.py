"""What may stand in plant.toml: one model a table. Checks that need more than one table are in
plant.load. `examples` are shown by editors and by the errors as the remedy."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Discriminator, Field, Tag

from plant.suggest import closest

Technology = Literal["PFPB_L", "PFPB_M", "PFPB_MW", "CWPB", "SWPB", "VSS", "HSS"]
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


def _shift_starts(shifts: list[str]) -> list[str]:
    for shift in shifts:
        if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", shift):
            raise ValueError(f'"{shift}" is no time of day; write one from "00:00" to "23:59"')
    if sorted(set(shifts)) != shifts:
        ordered = ", ".join(f'"{s}"' for s in sorted(set(shifts)))
        raise ValueError(f"must ascend without repeats; write shifts = [{ordered}]")
    return shifts


TimeZone = Annotated[str, AfterValidator(_known_zone)]
Shifts = Annotated[list[str], AfterValidator(_shift_starts)]
Id = Annotated[str, Field(pattern=r"^[\w-]+$", max_length=64)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Port = Annotated[int, Field(ge=1, le=65535)]


class Row(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


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
    org: str = Field(default="", examples=["smelter"])
    token_file: str = Field(default="", examples=["secrets/influxdb-token"])
    token_env: str = Field(default="", examples=["INFLUXDB_TOKEN"])
    bucket_prefix: Id = "potline"
    raw_days: int = Field(default=30, ge=0, description="0 keeps for ever")
    figures_days: int = Field(730, ge=0)
    alarms_days: int = Field(default=0, ge=0)


class ApiRow(Row):
    host: str = "127.0.0.1"
    port: Port = 8600


class AnodeEffectRow(Row):
    v_on_V: Positive = 8.0
    t_on_s: NotNegative = 3.0
    v_off_V: Positive = 8.0
    t_merge_s: NotNegative = 900.0
    hold_s: NotNegative = 10.0
    low_voltage_excess_V: Positive = 0.4
    low_voltage_s: NotNegative = 60.0


class LineRow(Row):
    id: Id = Field(examples=["L1"])
    name: str = ""
    name_zh: str = ""
    technology: Technology = Field(examples=["PFPB_M"])
    pfc_factors: str = Field(default="cbam-2025", description="set of PFC coefficients")
    nominal_current_kA: Positive = Field(examples=[600])
    current_efficiency: float = Field(gt=0, lt=1, examples=[0.935], description="a fraction")
    extrapolated_voltage_V: float | None = Field(default=None, gt=0, lt=3)
    net_carbon_t_per_t: float = Field(gt=0, lt=1, examples=[0.411], description="t C per t Al")
    anode_sulphur_percent: float | None = Field(default=None, ge=0, lt=20)
    anode_ash_percent: float | None = Field(default=None, ge=0, lt=20)
    sections: dict[Id, str] = Field(min_length=1, examples=[{"A": "001-012"}])
    target_voltage_V: float = Field(gt=0, lt=8, examples=[3.95])
    target_dc_kWh_per_t: Positive = Field(examples=[12600])
    anode_effect: AnodeEffectRow = AnodeEffectRow()


class CellRow(Row):
    """What differs from its line for one cell."""

    id: str = Field(examples=["L1-001"])
    target_voltage_V: float | None = Field(default=None, gt=0, lt=8)
    target_dc_kWh_per_t: Positive | None = None


class RectifierRow(Row):
    id: Id = Field(examples=["L1-R"])
    name: str = ""
    line: str = Field(examples=["L1"])


class MeterRow(Row):
    id: Id = Field(examples=["L1-AUX"])
    name: str = ""
    line: str = Field(default="", description="left out: the meter counts for the site")


class BoilerRow(Row):
    id: Id = Field(examples=["B1"])
    name: str = ""
    fuel: str = Field(examples=["natural_gas"])
    fuel_GJ_per_t: Positive | None = Field(
        default=None, description="net calorific value by analysis"
    )
    equipment: str = Field(
        default="", examples=["industrial_boiler"], description="of coal: its oxidation"
    )
    steam_kJ_per_kg: Positive | None = None
    feedwater_kJ_per_kg: Positive | None = None
    blowdown_percent: float = Field(default=0.0, ge=0, lt=100)


class SourceRow(Row):
    id: str = Field(min_length=1, examples=["meters"])
    stale_after_s: Positive = Field(
        default=10.0, description="no sample for so long raises the alarm"
    )


class Login(SourceRow):
    """Secrets are never in the file itself."""

    username: str = ""
    password_file: str = Field(default="", examples=["secrets/password"])
    password_env: str = Field(default="", examples=["POTLINE_PASSWORD"])


class OpcUaRow(Login):
    kind: Literal["opcua"]
    url: str = Field(pattern=r"^opc\.tcp://[^/@\s]+(/\S*)?$", examples=["opc.tcp://127.0.0.1:4840"])
    namespace: str = Field(min_length=1, examples=["urn:vendor:potline"], description="a URI")
    security: Literal["None"] = "None"
    publishing_interval_s: Positive = 1.0
    sampling_interval_s: NotNegative = Field(default=0.0, description="0: the tag's interval_s")
    queue_size: int = Field(default=0, ge=0, description="0: ample for the intervals")
    max_per_request: int = Field(default=0, ge=0, description="0: the server's own limits")


class MqttRow(Login):
    kind: Literal["mqtt"]
    host: str = Field(min_length=1, examples=["127.0.0.1"])
    port: Port = 1883
    protocol: Literal["5", "3.1.1"] = "5"
    client_id: str = Field(
        min_length=1, examples=["potline"], description="stable: names the session"
    )
    session_expiry_s: int = Field(default=604800, ge=0, lt=2**32)
    keepalive_s: int = Field(default=30, ge=1, le=65535)
    subscribe: Literal["prefix", "topics"] = Field(
        default="prefix", description="all below what the topics share, or the topics alone"
    )
    receive_maximum: int = Field(default=1000, ge=1, le=65535)
    max_payload_bytes: int = Field(default=1 << 20, ge=1)
    tls: bool = False
    ca_file: str = ""


class FileRow(SourceRow):
    kind: Literal["file"]
    path: str = Field(min_length=1, examples=["import/*.csv"])
    layout: Literal["wide", "long"] = "wide"
    time: str = Field(default="time", description="column of the time")
    time_format: TimeFormat = "iso8601"
    time_zone: TimeZone = Field(default="UTC", description="of times that carry none")
    tag: str = Field(default="tag", description="long: column of the names")
    value: str = Field(default="value", description="long: column of the values")
    poll_s: Positive = 5.0


class ReplayRow(SourceRow):
    kind: Literal["replay"]
    path: str = Field(min_length=1, examples=["var/demo"], description="[store] path of a plant")
    start: AwareDatetime | None = None
    end: AwareDatetime | None = None
    speed: Positive | None = Field(default=None, description="times real time; as fast as it goes")


SOURCES: dict[str, type[SourceRow]] = {
    "opcua": OpcUaRow,
    "mqtt": MqttRow,
    "file": FileRow,
    "replay": ReplayRow,
}
ADDRESS = {
    "opcua": ("node", "namespace"),
    "mqtt": ("topic", "pointer", "time", "time_format", "format"),
    "file": ("column",),
    "replay": (),  # by the tag's own id
}
"""Keys that say where a tag is read, by kind of source."""


def _one_or_table(value: object) -> str:
    """Chosen by hand, so that an error speaks of the branch that was meant."""
    return "<table>" if isinstance(value, dict) else "<one>"


_BRANCH = Discriminator(_one_or_table)
Number = Annotated[
    Annotated[float, Tag("<one>")] | Annotated[dict[str, float], Tag("<table>")], _BRANCH
]
"""One for all signals, or a table by signal."""
Interval = Annotated[
    Annotated[Positive, Tag("<one>")] | Annotated[dict[str, Positive], Tag("<table>")], _BRANCH
]
HoldTime = Annotated[float, Field(gt=0, allow_inf_nan=True)]
Hold = Annotated[
    Annotated[HoldTime, Tag("<one>")] | Annotated[dict[str, HoldTime], Tag("<table>")], _BRANCH
]
Text = Annotated[Annotated[str, Tag("<one>")] | Annotated[dict[str, str], Tag("<table>")], _BRANCH]
Names = Annotated[
    Annotated[list[str], Tag("<one>")] | Annotated[dict[str, str], Tag("<table>")], _BRANCH
]


class Address(Row):
    """Where a tag is read; which keys apply depends on the kind of its source."""

    source: str = Field(min_length=1, examples=["meters"])
    node: str = Field(default="", examples=["s={line}.{cell}.{name}"], description="opcua")
    namespace: str = Field(default="", description="opcua; the source's when left out")
    topic: str = Field(default="", examples=["{site}/{line}/rectifier/{id}"], description="mqtt")
    pointer: str = Field(default="", examples=["/{name}"], description="mqtt json: RFC 6901")
    time: str = Field(
        "", examples=["/time"], description="mqtt json: pointer; else time of receipt"
    )
    time_format: TimeFormat = "iso8601"
    format: Literal["json", "number"] = "json"
    column: str = Field(default="", examples=["{id}.{name}"], description="file")


class TagsRow(Address):
    """A template: one tag for each entity and signal."""

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
    interval_s: Interval = 1.0
    hold_s: Hold | None = None


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


class SignalRow(Row):
    """A signal that plant/data/signals.toml does not have."""

    entity: Entity = Field(examples=["cell"])
    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$", examples=["shell_temperature"])
    unit: str = Field(examples=["degC"])
    kind: Literal["gauge", "counter", "state"] = Field(examples=["gauge"])
    low: float = Field(examples=[0], description="a reading below is rejected")
    high: float = Field(examples=[500], description="a reading above is rejected")
    hold_s: HoldTime | None = None
    label: str = ""
    label_zh: str = ""


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
    valid_from: str = Field(default="", pattern=r"^(\d{4}-\d\d-\d\d)?$")
    valid_to: str = Field(default="", pattern=r"^(\d{4}-\d\d-\d\d)?$")
    certainty: Literal["verified", "derived", "unverified"] = "unverified"


class PlantFile(Row):
    """plant.toml of potline: one plant, its sources, its tags and its alarms."""

    site: SiteRow
    time: TimeRow = TimeRow()
    store: StoreRow
    api: ApiRow = ApiRow()
    line: list[LineRow] = []
    cell: list[CellRow] = []
    rectifier: list[RectifierRow] = []
    meter: list[MeterRow] = []
    boiler: list[BoilerRow] = []
    source: list[
        Annotated[OpcUaRow | MqttRow | FileRow | ReplayRow, Field(discriminator="kind")]
    ] = []
    tags: list[TagsRow] = []
    tags_csv: list[TagsCsvRow] = []
    signal: list[SignalRow] = []
    alarm: list[AlarmRow] = []
    factor: list[FactorRow] = []


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
