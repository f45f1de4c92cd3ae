"""The demo plant with a real spool, store and alarm table in a folder of the test."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np
import pytest

from analytics.beat.assessment import ANODE_EFFECT, SCOPES, TRANSITION, Assessment
from analytics.beat.frame import Frame, Held, freeze
from analytics.table.figures import beat_figures
from api.app import create_app
from api.context import Context
from api.live import LiveHub
from plant.batch import SECOND, Batch
from plant.load import load
from plant.model import Plant
from store.alarms import AlarmTable
from store.embedded import EmbeddedStore
from store.entries import Entries
from store.history import History
from store.restatements import Restatements
from store.spool import Spool

DEMO = Path(__file__).parents[2] / "deploy" / "plants" / "demo.toml"
NOW = 1_795_261_200 * SECOND  # 2026-11-21T11:40:00Z


@dataclass
class Status:
    """A source as the collector tells of it."""

    id: str
    kind: str = "mqtt"
    link: str = "connected"
    flowing: bool = True
    age_s: float = 0.4
    since: int = NOW
    lag_s: float = 0.2
    skew_s: float = -0.1
    received: int = 0
    reconnects: int = 0
    resubscribes: int = 0
    revised: dict[str, str] = field(default_factory=dict)
    last_error: str = ""
    unresolved: Mapping[str, str] = field(default_factory=dict)


@dataclass
class House:
    """All that the API is handed, at a time that the test sets."""

    plant: Plant
    folder: Path
    now: int = NOW

    def __post_init__(self) -> None:
        self.sources = [Status(s.id, s.kind) for s in self.plant.sources]
        self.spool = Spool(self.folder / "spool.sqlite", self.plant)
        self.store = EmbeddedStore(self.folder / "store", self.plant)
        self.store.open()
        self.alarms = AlarmTable(self.folder / "alarms.sqlite", self.plant)
        self.restatements = Restatements(self.folder, self.plant)
        self.entries = Entries(self.folder / "entries.sqlite")
        self.live = LiveHub(self.plant, lambda: self.sources, self.alarms, lambda: self.now)
        self.context = Context(
            plant=self.plant,
            live=self.live,
            store=self.store,
            history=History(self.store, self.spool, self.restatements),
            spool=self.spool,
            alarms=self.alarms,
            restatements=self.restatements,
            entries=self.entries,
            sources=lambda: self.sources,
        )
        self.app = create_app(self.context, self.folder / "static")

    def close(self) -> None:
        self.restatements.close()
        self.alarms.close()
        self.store.close()
        self.spool.close()

    def beat(self, end: int | None = None, every: float = 1.0, **first: float) -> None:
        """Publish a beat that ends now: every figure is `every`, but the first entity's where it is
        named as scope__figure; every tag is 2.0."""
        end = self.now if end is None else end
        frame = self.frame(end)
        tables = {
            s: np.full((len(beat_figures()[s]), len(self.plant.entities(s))), every) for s in SCOPES
        }
        for name, value in first.items():
            scope, figure = name.split("__")
            row = [f.name for f in beat_figures()[scope]].index(figure)
            tables[scope][row, 0] = value
        nothing = np.empty(0, ANODE_EFFECT), np.empty(0, TRANSITION)
        self.live.publish(frame, Assessment(end, tables, *nothing))

    def frame(self, end: int) -> Frame:
        tags = len(self.plant.tags)
        start = end - self.plant.beat_ns
        batch = Batch.of(np.arange(tags), np.full(tags, start), np.full(tags, 2.0))
        return freeze(self.plant.hold_ns, start, end, Held.nothing(tags), batch)[0]

    def client(self) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(app=self.app, raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1")


@pytest.fixture(scope="session")
def demo() -> Plant:
    return load(DEMO)


@pytest.fixture
def house(demo: Plant, tmp_path: Path) -> Iterator[House]:
    settings = dataclasses.replace(demo.store, path=str(tmp_path))
    it = House(dataclasses.replace(demo, store=settings), tmp_path)
    yield it
    it.close()
