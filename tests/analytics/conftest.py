"""A small plant built by hand, so that these tests depend on no file."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest

from analytics.beat.assess import assess, new_state
from analytics.beat.assessment import Assessment, State
from analytics.beat.frame import Held, freeze
from analytics.table.figures import index
from plant.batch import SECOND, Batch
from plant.model import (
    AlarmRule,
    AnodeEffectRule,
    Boiler,
    Cell,
    Factor,
    Line,
    Meter,
    Plant,
    Rectifier,
    Section,
    Signal,
    Site,
    Source,
    StoreSettings,
    Tag,
    TimeSettings,
)

START = 1_795_190_400 * SECOND
"""2026-11-20 16:00 UTC, midnight in Shanghai."""

SIGNALS = [
    ("voltage", "cell", "V", "gauge", 10.0),
    ("target_voltage", "cell", "V", "gauge", np.inf),
    ("bath_temperature", "cell", "degC", "gauge", np.inf),
    ("feed_mode", "cell", "1", "state", np.inf),
    ("alumina_fed", "cell", "kg", "counter", np.inf),
    ("beam_position", "cell", "mm", "gauge", np.inf),
    ("metal_tapped", "cell", "kg", "counter", np.inf),
    ("current", "line", "kA", "gauge", 10.0),
    ("line_voltage", "line", "V", "gauge", 10.0),
    ("ac_power", "rectifier", "MW", "gauge", 30.0),
    ("dc_power", "rectifier", "MW", "gauge", 30.0),
    ("power", "meter", "MW", "gauge", 30.0),
    ("fuel_flow", "boiler", "t/h", "gauge", 30.0),
    ("steam_flow", "boiler", "t/h", "gauge", 30.0),
    ("steam_pressure", "boiler", "MPa", "gauge", 30.0),
    ("steam_temperature", "boiler", "degC", "gauge", 30.0),
    ("feedwater_temperature", "boiler", "degC", "gauge", 30.0),
    ("contracted_power", "site", "MW", "gauge", np.inf),
]

FACTORS = {
    "constant.faraday": (96485.33212, "C/mol"),
    "constant.molar_mass_Al": (26.9815385, "g/mol"),
    "energy.standard_coal": (29.3076, "GJ/t"),
    "energy.electrolysis_floor": (6.34, "kWh/kg"),
    **{
        f"gb21346.{name}.{level}": (limit, "kWh/t")
        for name, limits in (
            ("liquid_ac", (12950, 13000, 13350)),
            ("liquid_total_ac", (13250, 13350, 13700)),
        )
        for level, limit in enumerate(limits, 1)
    },
    "gap.spread_percent": (5.0, "%"),
    "fuel.natural_gas.ncv": (48.0, "GJ/t"),
    "fuel.natural_gas.carbon": (0.01532, "t/GJ"),
    "fuel.natural_gas.oxidation": (0.99, "1"),
    "gwp.AR5.CF4": (6630, "1"),
    "gwp.AR5.C2F6": (11100, "1"),
    "grid.CN-SD.average.2023": (0.6191, "t/MWh"),
    "pfc.cbam-2025.PFPB_M.slope": (0.104, "(kg/t)/(min/d)"),
    "pfc.cbam-2025.PFPB_M.weight_fraction": (0.057, "1"),
}


def rule(**changes: Any) -> AlarmRule:
    given: dict[str, Any] = {
        "id": "rule", "kind": "limit", "each": "cell", "on": "bath_temperature", "high": np.nan,
        "low": np.nan, "dead_band": 0.0, "on_delay_s": 0.0, "off_delay_s": 0.0, "priority": 2,
        "label": "", "label_zh": "",
    }  # fmt: skip
    return AlarmRule(**given | changes)


def build(
    lines: int = 2,
    cells: int = 3,
    alarms: Iterable[AlarmRule] = (),
    effect: AnodeEffectRule | None = None,
    zone: str = "Asia/Shanghai",
    shifts: tuple[str, ...] = ("00:00", "08:00", "16:00"),
) -> Plant:
    line_rows, cell_rows, rectifiers, meters = [], [], [], [Meter("M", "site", "")]
    for n in range(1, lines + 1):
        ids = [f"L{n}-{c:03}" for c in range(1, cells + 1)]
        line_rows.append(
            Line(
                f"L{n}",
                "",
                "",
                "PFPB_M",
                "cbam-2025",
                600.0,
                0.935,
                1.65,
                0.411,
                2.0,
                0.4,
                (Section("A", tuple(ids)),),
                tuple(ids),
                effect or AnodeEffectRule(),
            )
        )
        cell_rows += [Cell(i, i[-3:], f"L{n}", "A", 3.95, 12600.0) for i in ids]
        rectifiers.append(Rectifier(f"L{n}-R", "", f"L{n}"))
        meters.append(Meter(f"L{n}-M", "", f"L{n}"))
    boilers = [Boiler("B1", "", "natural_gas", None, "industrial_boiler", None, None, 2.0)]
    signals = {
        f"{entity}.{name}": Signal(name, entity, unit, kind, -1e9, 1e9, hold, name, name)
        for name, entity, unit, kind, hold in SIGNALS
    }
    entities = {
        "cell": [c.id for c in cell_rows],
        "line": [row.id for row in line_rows],
        "rectifier": [r.id for r in rectifiers],
        "meter": [m.id for m in meters],
        "boiler": ["B1"],
        "site": ["T"],
    }
    tags = []
    for signal in signals.values():
        for entity in entities[signal.entity]:
            source = "pots" if signal.entity in ("cell", "line") else "meters"
            tags.append(
                Tag(
                    len(tags),
                    f"{entity}.{signal.name}",
                    entity,
                    signal,
                    source,
                    {},
                    signal.unit,
                    1.0,
                    0.0,
                    -1e9,
                    1e9,
                    1.0,
                    signal.hold_s,
                )
            )
    return Plant(
        "",
        Site("T", "", "", zone, "CN-SD", 2023, "AR5", shifts),
        tuple(line_rows), tuple(cell_rows), tuple(rectifiers), tuple(meters), tuple(boilers),
        (Source("pots", "opcua", 10.0, {}), Source("meters", "mqtt", 10.0, {})),
        signals, tuple(tags), tuple(alarms),
        {n: Factor(n, v, u, "a source", 2023, "", "", "verified") for n, (v, u) in FACTORS.items()},
        StoreSettings("embedded", "", "", "", "", "", "", 0, 0, 0), TimeSettings(),
    )  # fmt: skip


class Runner:
    """Feeds readings by tag id and runs beats."""

    def __init__(self, plant: Plant, start: int = START, beat_s: float = 1.0) -> None:
        self.plant = plant
        self.now = start
        self.beat_ns = round(beat_s * SECOND)
        self.state: State = new_state(plant)
        self.held = Held.nothing(len(plant.tags))
        self.waiting: list[tuple[int, int, float, int]] = []
        self.last: Assessment | None = None
        self.effects: dict[tuple[int, int], Any] = {}

    def give(self, tag: str, at_s: float, value: float, quality: int = 0) -> None:
        """at_s: seconds after START."""
        time = START + round(at_s * SECOND)
        self.waiting.append((self.plant.column_of[tag], time, value, quality))

    def batch(self, end: int) -> Batch:
        due = [row for row in self.waiting if row[1] < end]
        self.waiting = [row for row in self.waiting if row[1] >= end]
        return Batch.of(*zip(*due, strict=True)) if due else Batch.empty()

    def run(self, beats: int = 1) -> Assessment:
        for _ in range(beats):
            end = self.now + self.beat_ns
            frame, self.held = freeze(self.plant.hold_ns, self.now, end, self.held, self.batch(end))
            self.state, self.last = assess(self.plant, self.state, frame)
            self.now = end
            for row in self.last.anode_effects:
                self.effects[int(row["cell"]), int(row["start"])] = row
        assert self.last is not None
        return self.last

    def figure(self, scope: str, name: str, entity: int = 0) -> float:
        assert self.last is not None
        return float(self.last.figures[scope][index(scope, name), entity])  # type: ignore[index,arg-type]


@pytest.fixture(scope="session")
def make_plant() -> Callable[..., Plant]:
    return build


@pytest.fixture(scope="session")
def make_rule() -> Callable[..., AlarmRule]:
    return rule


@pytest.fixture(scope="session")
def runner() -> Callable[..., Runner]:
    def make(plant: Plant | None = None, **options: Any) -> Runner:
        return Runner(plant or build(), **options)

    return make
