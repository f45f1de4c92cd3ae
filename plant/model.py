"""The plant as the rest of the house sees it: frozen, complete, units already resolved.

`plant.load` makes a `Plant` from plant.toml; nothing here reads a file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import nan
from typing import Any, Literal
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from plant.batch import SECOND

EntityKind = Literal["site", "line", "cell", "rectifier", "meter", "boiler", "source"]
SignalKind = Literal["gauge", "counter", "state"]


@dataclass(frozen=True, slots=True)
class Signal:
    """What a tag measures. A row of plant/data/signals.toml or a [[signal]] of the plant file."""

    name: str
    entity: EntityKind
    unit: str
    kind: SignalKind
    low: float
    high: float
    hold_s: float  # how long a reading stands without another one; inf: until it changes
    label: str
    label_zh: str
    # slow: entered or analysed, often known hours later; figures of the book use it, beats never do
    pace: Literal["fast", "slow"] = "fast"


@dataclass(frozen=True, slots=True)
class Tag:
    """One measured signal of one entity, and where it is read."""

    column: int  # index into every per-tag array
    id: str  # "{entity}.{signal}", e.g. "L1-001.voltage"
    entity: str
    signal: Signal
    source: str
    # opcua: node, namespace; mqtt: topic, pointer, time, time_format, format; file, folder: column
    # sparkplug: metric, and edge_node or device
    # modbus: address (0-based), table, unit_id, bit, type
    address: Mapping[str, str]
    unit: str  # on the wire
    scale: float  # signal unit = wire * scale + offset
    offset: float
    low: float  # physical limits, signal unit
    high: float
    interval_s: float  # expected time between samples
    hold_s: float
    # limits of error at 95 %, both may be given: they add as variances. NaN: not stated
    accuracy: float = nan  # signal unit
    accuracy_percent: float = nan  # of the reading
    rollover: float = nan  # of a counter: the reading after which it begins at 0 again


@dataclass(frozen=True, slots=True)
class Source:
    """A server or broker that samples come from. `options` are the kind's own, checked keys."""

    id: str
    kind: Literal["opcua", "mqtt", "sparkplug", "modbus", "file", "folder", "replay"]
    stale_after_s: float
    options: Mapping[str, Any]

    @property
    def taken_once(self) -> bool:
        """It gives its samples once: of a pair of collectors only the active takes them."""
        return self.kind in ("file", "folder", "replay")

    def servers(self) -> list[Source]:
        """Itself, or for each of several redundant servers the same with that one's url."""
        urls = self.options.get("urls") or []
        if len(urls) < 2:
            return [self]
        return [replace(self, options={**self.options, "url": url}) for url in urls]


@dataclass(frozen=True, slots=True)
class Output:
    """Where figures are published for other systems. `options` are the kind's own, checked keys."""

    id: str
    kind: Literal["mqtt", "sparkplug"]
    options: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Section:
    id: str
    cells: tuple[str, ...]  # cell ids


@dataclass(frozen=True, slots=True)
class AnodeEffectRule:
    """Parameters of the anode-effect machine, domain.md §3.2; stored with the results."""

    v_on_V: float = 8.0
    t_on_s: float = 3.0
    v_off_V: float = 8.0
    t_merge_s: float = 900.0
    hold_s: float = 10.0
    low_voltage_excess_V: float = 0.4
    low_voltage_s: float = 60.0


@dataclass(frozen=True, slots=True)
class CellPeriod:
    """What a cell is built of, from one date on."""

    since: int  # ns, local midnight; the least int64 for "ever"
    anode: Literal["carbon", "inert"] = "carbon"  # inert: neither anode CO2 nor PFC
    technology: str = ""  # of the cell, free text: a generation of design, as plants name it
    cathode: str = ""
    lining: str = ""
    started: str = ""  # ISO date on which the cell went on line; "" when unknown


@dataclass(frozen=True, slots=True)
class Cell:
    id: str  # "L1-001"
    number: str  # "001", as written in the range
    line: str
    section: str
    target_voltage_V: float  # used while no target_voltage tag is good
    target_dc_kWh_per_t: float
    history: tuple[CellPeriod, ...] = ()  # ascending by `since`; the first since ever


@dataclass(frozen=True, slots=True)
class Line:
    id: str
    name: str
    name_zh: str
    technology: str  # PFPB_L, PFPB_M, PFPB_MW, CWPB, SWPB, VSS, HSS
    pfc_factors: str  # "cbam-2025" or "ipcc-2006"
    nominal_current_kA: float
    current_efficiency: float  # fraction
    extrapolated_voltage_V: float  # V0 of the pseudo-resistance
    net_carbon_t_per_t: float
    anode_sulphur_percent: float
    anode_ash_percent: float
    sections: tuple[Section, ...]
    cells: tuple[str, ...]
    anode_effect: AnodeEffectRule
    # limits of error at 95 %
    current_efficiency_uncertainty: float = 0.02  # absolute, as a fraction
    net_carbon_uncertainty_percent: float = nan
    # geometry for the voltage breakdown and anode current density; NaN: not given
    anodes: int = 0
    anode_length_cm: float = nan
    anode_width_cm: float = nan
    cathode_area_cm2: float = nan
    anode_resistance_uOhm: float = nan
    cathode_resistance_uOhm: float = nan
    external_resistance_uOhm: float = nan
    metal_pad_area_m2: float = nan  # for metal mass from level
    level_sd_cm: float = nan  # standard deviation of one measurement of the metal level


@dataclass(frozen=True, slots=True)
class MeterRegister:
    """What the meter register says of an instrument; "" where it is silent."""

    level: Literal["", "site", "unit", "equipment"] = ""
    accuracy_class: str = ""  # as on the plate: "0.2S", "0.5"
    serial: str = ""
    calibrated: str = ""  # ISO date
    calibration_expires: str = ""


@dataclass(frozen=True, slots=True)
class Rectifier:
    id: str
    name: str
    line: str
    register: MeterRegister = MeterRegister()


@dataclass(frozen=True, slots=True)
class Meter:
    """An electricity meter of auxiliaries, of one line or (line == "") of the site; or, as
    dc_source, of what feeds the line's DC bus behind the rectifier."""

    id: str
    name: str
    line: str
    kind: Literal["auxiliary", "dc_source", "main", "sub"] = "auxiliary"
    parent: str = ""  # the meter (or rectifier) whose energy contains this one's
    register: MeterRegister = MeterRegister()


@dataclass(frozen=True, slots=True)
class Boiler:
    id: str
    name: str
    fuel: str  # a key of plant/data/fuels.toml
    fuel_GJ_per_t: float | None  # net calorific value by analysis; the fuel's default when None
    equipment: str  # for the oxidation factor of coal
    steam_kJ_per_kg: float | None  # when None, from steam pressure and temperature
    feedwater_kJ_per_kg: float | None  # when None, from feedwater temperature
    blowdown_percent: float


@dataclass(frozen=True, slots=True)
class AlarmRule:
    """A row of [[alarm]]. One open alarm at most for each (entity, rule)."""

    id: str
    kind: Literal["limit", "anode_effect", "excess_energy", "stale_source", "line_current_drop"]
    each: EntityKind
    on: str  # a signal or a figure of that entity ("" for stale_source)
    high: float  # NaN when there is no high limit
    low: float  # NaN when there is no low limit
    dead_band: float
    on_delay_s: float
    off_delay_s: float
    priority: int  # 1 is highest
    label: str
    label_zh: str


@dataclass(frozen=True, slots=True)
class Site:
    id: str
    name: str
    name_zh: str
    time_zone: str
    grid_region: str  # a key of plant/data/grid.toml, e.g. "CN-SD"
    grid_year: int  # year of the grid factor; the newest in the table when not written
    gwp: str  # SAR, AR4, AR5, AR6
    shifts: tuple[str, ...]  # local starts, "HH:MM", ascending
    currency: str = ""
    electricity_price_per_MWh: float = nan  # in the currency; NaN: costs are not known
    # market-based Scope 2: what contracts cover (signal site.contracted_power) has contract_factor,
    # the rest residual_factor; NaN: not given, then there is no market-based figure
    contract_factor_t_per_MWh: float = nan
    residual_factor_t_per_MWh: float = nan

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)


@dataclass(frozen=True, slots=True)
class Factor:
    """A constant with its source. domain.md's marks become `certainty`."""

    name: str  # e.g. "grid.CN-SD", "pfc.cbam-2025.PFPB_M.slope", "gwp.AR5.CF4"
    value: float
    unit: str
    source: str
    year: int | None
    valid_from: str  # ISO date, "" when open
    valid_to: str
    certainty: Literal["verified", "derived", "unverified"]
    uncertainty_percent: float = nan  # limits of error at 95 %; NaN: not stated
    uncertainty_certainty: Literal["verified", "derived", "unverified"] = "unverified"


@dataclass(frozen=True, slots=True)
class StoreSettings:
    kind: Literal["embedded", "influxdb"]
    path: str  # directory of the spool, the alarms and the embedded store
    url: str
    org: str
    token_file: str
    token_env: str
    bucket_prefix: str
    raw_days: int  # retention; 0 keeps for ever
    figures_days: int
    alarms_days: int
    urls: tuple[str, ...] = ()  # of the same InfluxDB; the next is asked while one is away


@dataclass(frozen=True, slots=True)
class SpoolSettings:
    max_GB: float = 8.0
    max_days: float = 0.0  # 0: no bound by age
    when_full: Literal["wait", "drop_oldest", "drop_newest"] = "wait"
    drain: Literal["oldest", "newest"] = "oldest"


@dataclass(frozen=True, slots=True)
class PairSettings:
    """Two collectors of one plant. Addresses are "host:port"."""

    name: str  # of this one
    listen: str
    peer: str
    secret_file: str
    secret_env: str
    priority: int = 1
    heartbeat_s: float = 0.5
    lease_s: float = 3.0
    shared_store: bool = True


@dataclass(frozen=True, slots=True)
class TimeSettings:
    beat_s: float = 1.0
    lateness_s: float = 3.0
    max_future_s: float = 10.0
    max_age_days: float = 30.0
    figures_every_s: float = 10.0


@dataclass(frozen=True)
class Plant:
    """Everything known about the plant. Order of cells, lines, … is the order of every array."""

    path: str
    site: Site
    lines: tuple[Line, ...]
    cells: tuple[Cell, ...]
    rectifiers: tuple[Rectifier, ...]
    meters: tuple[Meter, ...]
    boilers: tuple[Boiler, ...]
    sources: tuple[Source, ...]
    signals: Mapping[str, Signal]  # by "{entity kind}.{name}"
    tags: tuple[Tag, ...]
    alarms: tuple[AlarmRule, ...]
    factors: Mapping[str, Factor]
    store: StoreSettings
    time: TimeSettings
    api: Mapping[str, Any] = field(default_factory=dict)  # host, port
    spool: SpoolSettings = SpoolSettings()
    outputs: tuple[Output, ...] = ()
    pair: PairSettings | None = None

    def entities(self, kind: EntityKind) -> tuple[str, ...]:
        """Ids of one kind, in array order."""
        rows: dict[str, tuple[Any, ...]] = {
            "site": (self.site,),
            "line": self.lines,
            "cell": self.cells,
            "rectifier": self.rectifiers,
            "meter": self.meters,
            "boiler": self.boilers,
            "source": self.sources,
        }
        return tuple(row.id for row in rows[kind])

    @cached_property
    def column_of(self) -> Mapping[str, int]:
        """Tag id -> column."""
        return {tag.id: tag.column for tag in self.tags}

    def columns(self, kind: EntityKind, signal: str) -> NDArray[np.int32]:
        """int32[entities of the kind]: the column of each one's tag of this signal, -1 if none."""
        get = self.column_of.get
        return np.array([get(f"{e}.{signal}", -1) for e in self.entities(kind)], np.int32)

    @cached_property
    def line_of_cell(self) -> NDArray[np.int32]:
        """int32[cells]: index of the cell's line."""
        index = {line.id: i for i, line in enumerate(self.lines)}
        return np.array([index[c.line] for c in self.cells], np.int32)

    @cached_property
    def source_of_tag(self) -> NDArray[np.int32]:
        """int32[tags]: index of the tag's source."""
        index = {source.id: i for i, source in enumerate(self.sources)}
        return np.array([index[t.source] for t in self.tags], np.int32)

    @cached_property
    def low(self) -> NDArray[np.float64]:
        return np.array([t.low for t in self.tags], np.float64)

    @cached_property
    def high(self) -> NDArray[np.float64]:
        return np.array([t.high for t in self.tags], np.float64)

    @cached_property
    def hold_ns(self) -> NDArray[np.int64]:
        """int64[tags]: how long a reading stands; the largest int64 when for ever."""
        forever = np.iinfo(np.int64).max // 4
        return np.array(
            [forever if np.isinf(t.hold_s) else round(t.hold_s * SECOND) for t in self.tags],
            np.int64,
        )

    @cached_property
    def interval_ns(self) -> NDArray[np.int64]:
        return np.array([round(t.interval_s * SECOND) for t in self.tags], np.int64)

    @cached_property
    def is_counter(self) -> NDArray[np.bool_]:
        return np.array([t.signal.kind == "counter" for t in self.tags], np.bool_)

    @property
    def beat_ns(self) -> int:
        return round(self.time.beat_s * SECOND)
