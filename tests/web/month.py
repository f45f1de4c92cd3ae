"""A smelter with a month behind it, in a folder: its closed days, its entries, its book as the real
bookkeeper writes it, a restatement; served by the real API."""

from __future__ import annotations

import asyncio
import dataclasses
import threading
import time
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from analytics.beat.assessment import ANODE_EFFECT, SCOPES, TRANSITION, Assessment, Scope
from analytics.beat.frame import Held, freeze
from analytics.table.figures import beat_figures, index
from api.app import create_app
from api.context import Context
from api.live import LiveHub
from api.pair_status import PairStatus
from api.server import Server, listen
from collector.bookkeeping import Bookkeeper
from plant.batch import SECOND, Batch
from plant.load import load
from store.alarms import AlarmTable
from store.contract import FigureBlock
from store.embedded import EmbeddedStore
from store.entries import Entries, Entry
from store.history import History
from store.restatements import Restatements
from store.spool import Spool

DEMO = Path(__file__).parents[2] / "deploy" / "plants" / "demo.toml"
DAYS = 31
BAD_CELL, BAD_V = "L1-007", 4.12
GOOD_V, CURRENT_KA = 3.95, 600.0
TAPPED_KG = 0.335_572_73 * 0.93 * CURRENT_KA * 24  # what a day makes at 93 %
BATH = {
    "alumina_percent": 2.4, "alf3_percent": 10.5, "caf2_percent": 5.0, "bath_temperature": 972.0,
}  # fmt: skip
LINE_DAY = {
    "metal_day": 108.0, "ac_specific_energy_day": 13_000.0, "total_specific_energy_day": 13_350.0,
}  # fmt: skip
NOW: dict[Scope, dict[str, float]] = {
    "cell": {"voltage": GOOD_V, "voltage_hour": GOOD_V, "noise_lf": 12.0, "anode_effects_day": 0.0},
    "line": {"current": CURRENT_KA, "gb_level_liquid_ac_day": 2.0, "pfc_co2e_day": 1.25},
}


@dataclasses.dataclass
class Source:
    id: str
    kind: str
    link: str = "connected"
    flowing: bool = True
    age_s: float = 0.4
    last_error: str = ""
    unresolved: dict[str, str] = dataclasses.field(default_factory=dict)


class Month:
    def __init__(self, folder: Path) -> None:
        demo = load(DEMO)
        kept = dataclasses.replace(demo.store, path=str(folder), raw_days=0, figures_days=0)
        self.plant = dataclasses.replace(demo, store=kept)
        self.spool = Spool(folder / "spool.sqlite", self.plant)
        self.store = EmbeddedStore(folder / "store", self.plant)
        self.store.open()
        self.alarms = AlarmTable(folder / "alarms.sqlite", self.plant)
        self.entries = Entries(folder / "entries.sqlite")
        self.restatements = Restatements(folder, self.plant)
        self.history = History(self.store, self.spool, self.restatements)
        midnight = datetime.now(self.plant.site.zone).replace(
            hour=0, minute=0, second=0, microsecond=0
        )
        self.ends = [
            int((midnight - timedelta(days=d)).timestamp()) * SECOND for d in reversed(range(DAYS))
        ]
        self.pair: PairStatus | None = None
        self._past()
        self._restate()
        self._serve()

    def _past(self) -> None:
        cells = self.plant.entities("cell")
        volts = np.where(np.array(cells) == BAD_CELL, BAD_V, GOOD_V)
        charge = CURRENT_KA * 24
        closing = {
            "voltage_day": volts, "energy_day": charge * volts, "charge_day": charge,
            "coverage_day": 1.0, "known_seconds_day": 86400.0, "target_voltage_day": GOOD_V,
            "anode_effects_day": 0.0, "anode_effect_minutes_day": 0.0, "cf4_day": 0.0,
            "c2f6_day": 0.0, "overvoltage_algebraic_day": 0.0,
        }  # fmt: skip
        values = np.stack([np.broadcast_to(v, len(cells)) for v in closing.values()])
        every = np.broadcast_to(values, (DAYS, *values.shape)).copy()
        times = np.array(self.ends, np.int64)
        self.store.write_figures(FigureBlock("cell", tuple(closing), cells, times, every))
        lines = self.plant.entities("line")
        values = np.array(list(LINE_DAY.values()))[:, None].repeat(len(lines), 1)
        every = np.broadcast_to(values, (DAYS, *values.shape)).copy()
        self.store.write_figures(FigureBlock("line", tuple(LINE_DAY), lines, times, every))
        self._sample(self.ends[0] - SECOND)
        self._sample(self.ends[-1] + SECOND)
        hour = 3600 * SECOND
        told = [("tap_mass", end - 6 * hour, TAPPED_KG) for end in self.ends[1:]]
        told += [("metal_level", at, 22.0) for at in (self.ends[0] + hour, self.ends[-1] - hour)]
        told += [(signal, self.ends[-1] - 3 * hour, value) for signal, value in BATH.items()]
        told += [("anode_changes", self.ends[-3], 2.0)]
        self.entries.add(
            [Entry(f"{BAD_CELL}.{s}", t, t + hour, value, "Zhang San") for s, t, value in told]
        )
        keep = Bookkeeper(self.plant, self.history, self.entries, self.store.write_figures)
        keep.close_day(self.ends[-1])

    def _sample(self, at: int) -> None:
        self.store.write_samples(Batch.of([0], [at], [GOOD_V]))

    def _restate(self) -> None:
        """A week ago the meter was corrected: one figure of the site was another before."""
        start = self.ends[-7]
        self.restatements.note(start, start + 3600 * SECOND, "meter L1-R corrected", ["L1-R"])
        order = self.restatements.due()
        assert order is not None
        self.restatements.begin(order.version)
        names, site = ("ac_specific_energy_hour",), (self.plant.site.id,)
        at = np.array([start + 1800 * SECOND], np.int64)
        self.restated = int(at[0])
        for value, keep in (
            (13_111.0, lambda block: self.restatements.supersede(order.version, block)),
            (12_999.0, self.store.write_figures),
        ):
            keep(FigureBlock("site", names, site, at, np.full((1, 1, 1), value)))
        changed = {"site.ac_specific_energy_hour": 1, "line.ac_specific_energy_hour": 360}
        self.restatements.finish(order.version, 3600, changed)

    def _serve(self) -> None:
        sources = [Source(s.id, s.kind) for s in self.plant.sources]
        live = LiveHub(self.plant, lambda: sources, self.alarms)
        context = Context(
            plant=self.plant, live=live, store=self.store, history=self.history, spool=self.spool,
            alarms=self.alarms, restatements=self.restatements, sources=lambda: sources,
            entries=self.entries, pair=lambda: self.pair,
        )  # fmt: skip
        self._server = Server(create_app(context), live)
        listener = listen("127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        tables = self._tables()
        self._beat(live, tables)
        serving = self._server.serve(sockets=[listener])
        self._threads = [
            threading.Thread(target=asyncio.run, args=(serving,)),
            threading.Thread(target=self._beats, args=(live, tables)),
        ]
        for thread in self._threads:
            thread.start()

    def _tables(self) -> dict[Scope, np.ndarray]:
        tables: dict[Scope, np.ndarray] = {
            s: np.full((len(beat_figures()[s]), len(self.plant.entities(s))), np.nan)
            for s in SCOPES
        }
        for scope, known in NOW.items():
            for name, value in known.items():
                tables[scope][index(scope, name)] = value
        return tables

    def _beats(self, live: LiveHub, tables: dict[Scope, np.ndarray]) -> None:
        while not self._server.should_exit:
            time.sleep(0.5)
            self._beat(live, tables)

    def _beat(self, live: LiveHub, tables: dict[Scope, np.ndarray]) -> None:
        nothing = np.empty(0, ANODE_EFFECT), np.empty(0, TRANSITION)
        held = Held.nothing(len(self.plant.tags))
        end = time.time_ns() // SECOND * SECOND
        frame = freeze(self.plant.hold_ns, end - SECOND, end, held, Batch.of([], [], []))[0]
        live.publish(frame, Assessment(end, tables, *nothing))

    def close(self) -> None:
        self._server.should_exit = True
        for thread in self._threads:
            thread.join(10)
        for part in (self.restatements, self.entries, self.alarms, self.store, self.spool):
            part.close()
