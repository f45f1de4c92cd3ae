"""The bodies of the API, for OpenAPI and for those who write a client. Times are ISO 8601 UTC with
a Z, `time_ms` is ms since the epoch, null is NaN: unknown."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Column = list[float | None]


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class SiteBody(Body):
    id: str
    name: str
    name_zh: str
    time_zone: str
    grid_region: str
    currency: str
    shifts: list[str]


class SectionBody(Body):
    id: str
    cells: list[str]


class LineBody(Body):
    id: str
    name: str
    name_zh: str
    technology: str
    nominal_current_kA: float
    sections: list[SectionBody]
    cells: list[str]
    tags: list[str]


class CellBody(Body):
    id: str = Field(examples=["L1-001"])
    number: str
    line: str
    section: str
    target_voltage_V: float
    target_dc_kWh_per_t: float
    tags: list[str] = Field(examples=[["L1-001.voltage"]])


class BoilerBody(Body):
    id: str
    name: str
    fuel: str
    tags: list[str]


class MeterBody(Body):
    id: str
    name: str
    line: str
    tags: list[str]


class SourceBody(Body):
    id: str
    kind: str


class SignalBody(Body):
    name: str
    entity: str
    unit: str
    kind: str
    pace: str = Field(description="slow: entered or analysed, often known hours later")
    label: str
    label_zh: str


class FigureBody(Body):
    name: str = Field(examples=["dc_specific_energy_hour"])
    scope: str
    window: str
    unit: str
    formula: str
    inputs: list[str]
    factors: list[str]
    method: str
    source: str
    coverage: str
    decimals: int
    label: str
    label_zh: str


class AlarmRuleBody(Body):
    id: str
    kind: str
    each: str
    on: str
    high: float | None
    low: float | None
    priority: int
    label: str
    label_zh: str


class PlantBody(Body):
    site: SiteBody
    beat_s: float
    lines: list[LineBody]
    cells: list[CellBody]
    boilers: list[BoilerBody]
    meters: list[MeterBody]
    rectifiers: list[MeterBody]
    sources: list[SourceBody]
    signals: list[SignalBody]
    figures: dict[str, list[FigureBody]]
    alarms: list[AlarmRuleBody]


class SourceStatusBody(Body):
    id: str
    kind: str
    link: Literal["connecting", "connected", "disconnected"]
    flowing: bool
    age_s: float | None
    last_error: str
    unresolved: int


class SourceDetailBody(SourceStatusBody):
    unresolved_tags: dict[str, str] = Field(examples=[{"L1-001.voltage": "BadNodeIdUnknown"}])
    since: str = Field(description="when the link last changed")
    lag_s: float | None = Field(description="from the source time of the newest sample to here")
    skew_s: float | None = Field(description="the clock of the source ahead of ours, at least")
    received: int = Field(description="values since the process began")
    reconnects: int
    resubscribes: int = Field(description="connected but not flowing, mended")
    revised: dict[str, str] = Field(
        description="what an OPC UA server made of the intervals and queues asked for",
        examples=[{"queue": "32 of 10"}],
    )


class SourcesBody(Body):
    sources: list[SourceDetailBody]


class AlarmCountsBody(Body):
    open: int
    unacknowledged: int


class LiveBody(Body):
    time: str | None = Field(examples=["2026-11-21T11:40:01Z"])
    time_ms: int | None = Field(examples=[1795261201000])
    stale: bool
    figures: dict[str, dict[str, Column]] = Field(examples=[{"cell": {"voltage": [3.95, None]}}])
    signals: dict[str, dict[str, Column]] = Field(examples=[{"line": {"current": [600.1]}}])
    sources: list[SourceStatusBody]
    alarms: AlarmCountsBody


class FiguresBody(Body):
    scope: str
    names: list[str]
    entities: list[str]
    unit: dict[str, str]
    decimated: bool
    time_ms: list[int]
    values: dict[str, dict[str, Column]] = Field(
        examples=[{"L1-001": {"dc_specific_energy_hour": [12650.1, None]}}]
    )


class SamplesBody(Body):
    tag: str
    unit: str
    hold_s: float | None = Field(description="how long a reading stands; null: until the next one")
    decimated: bool
    time_ms: list[int]
    min: Column
    max: Column
    quality: list[int] = Field(description="of all samples of the point: worst severity, any mark")


class AlarmBody(Body):
    id: int
    rule: str
    entity: str
    line: str
    priority: int
    state: str = Field(examples=["unack-active", "ack-active", "rtn-unack", "normal"])
    label: str
    label_zh: str
    value: float | None
    limit: float | None
    unit: str
    raised: str
    cleared: str | None
    acknowledged: str | None
    acknowledged_by: str
    comment: str


class AlarmsBody(Body):
    alarms: list[AlarmBody]


class Acknowledgement(Body):
    """Who takes note of an alarm, and what they say."""

    model_config = ConfigDict(
        extra="forbid",
        str_strip_whitespace=True,
        json_schema_extra={"examples": [{"who": "Li Wei", "comment": "beam checked"}]},
    )

    who: str = Field(min_length=1, max_length=80)
    comment: str = Field(default="", max_length=1000)


class InputBody(Body):
    name: str
    entity: str
    value: float | None
    unit: str
    uncertainty: float | None = Field(description="standard")


class FactorBody(Body):
    name: str
    value: float
    unit: str
    source: str
    year: int | None
    certainty: str
    valid_from: str | None
    valid_to: str | None
    applies: bool = Field(description="whether the figure's day lies within the validity")
    uncertainty_percent: float | None = Field(description="limits of error at 95 %")


class UncertaintyPartBody(Body):
    cause: str = Field(examples=["current_efficiency"])
    label: str
    label_zh: str
    standard: float | None = Field(description="null: the accuracy is not stated")
    share: float | None = Field(description="of the variance")


class BudgetBody(Body):
    standard: float | None
    expanded: float | None = Field(description="half the width of the 95 % interval")
    coverage_factor: float
    percent: float | None = Field(description="expanded, of the value")
    unit: str
    parts: list[UncertaintyPartBody]


class RecordedBody(Body):
    signal: str = Field(examples=["cell.voltage"])
    tags: int
    tag: str = Field(description="the first of them, whose address is given")
    source: str
    kind: str
    address: dict[str, str]
    from_: str = Field(alias="from")
    to: str
    count: int | None = Field(description="null: too many to count here; see /api/v1/samples")
    first: str | None
    last: str | None


class NoteBody(Body):
    en: str
    zh: str


class SupersededValueBody(Body):
    version: int = Field(description="of the restatement that replaced it")
    value: float
    cause: str


class ExplanationBody(Body):
    figure: str
    scope: str
    entity: str
    label: str
    label_zh: str
    time: str
    value: float | None
    unit: str
    formula: str
    method: str
    source: str
    coverage: float | None
    uncertainty: BudgetBody
    inputs: list[InputBody]
    factors: list[FactorBody]
    samples: list[RecordedBody]
    notes: list[NoteBody]
    superseded: list[SupersededValueBody] = Field(description="what a kept value was before")


class IntervalBody(Body):
    standard: float = Field(description="standard uncertainty, in the figure's unit")
    expanded: float = Field(description="half of the interval that holds the truth with 95 %")


class UncertaintyBody(Body):
    time: str
    scope: str
    entity: str
    coverage_factor: float
    figures: dict[str, IntervalBody | None]


class RestatementBody(Body):
    version: int
    cause: str = Field(examples=["late samples of meters"])
    tags: list[str] = Field(description="at most twenty of those that caused it")
    start: str
    end: str
    noted: str
    done: str | None
    beats: int
    changed: dict[str, int] = Field(examples=[{"line.ac_energy_hour": 12}])
    remark: str


class RestatementsBody(Body):
    restatements: list[RestatementBody]


class SupersededBody(Body):
    scope: str
    entity: str
    figure: str
    superseded: list[SupersededValueBody]


class AnodeEffectBody(Body):
    cell: str
    line: str
    start: str
    end: str
    above_s: float
    elapsed_s: float
    max_V: float
    mean_V: float
    runs: int
    incomplete: bool


class AnodeEffectsBody(Body):
    anode_effects: list[AnodeEffectBody]


class GapBody(Body):
    tag: str
    start: str
    end: str
    cause: str


class GapsBody(Body):
    gaps: list[GapBody]


class LedgerRowBody(Body):
    received: int
    stored: int
    spooled: int
    rejected: dict[str, int] = Field(examples=[{"not-finite": 2}])
    balance: int = Field(description="received - stored - spooled - rejected; 0 when it closes")


class LedgerBody(Body):
    sources: dict[str, LedgerRowBody]


class PairBody(Body):
    name: str
    role: Literal["active", "standby"]
    since: str = Field(description="when the role last changed")
    reason: str
    epoch: int = Field(description="take-overs of both; of two active ones the higher stands")
    peer: str = Field(description="the other one; empty: not heard yet")
    peer_active: bool
    peer_age_s: float | None = Field(description="since it was heard")
    trouble: str = Field(description="why it is not heard")


class HealthBody(Body):
    status: Literal["ok"]
    pair: PairBody | None = Field(default=None, description="of a pair of collectors")
