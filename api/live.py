"""The newest state of the plant, encoded once and handed to everyone who looks.

A looker keeps no queue: it remembers the number of the last state it was given. The next number
it gets as a delta, any other as the whole newest state, so a slow one skips what it missed.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from analytics.beat.assessment import Assessment
from analytics.beat.frame import Frame
from api.columns import Layout, Tables
from api.encode import dumps
from api.source_status import SourceStatus
from api.states import alarm_json, source_json
from api.times import MILLISECOND, iso
from plant.batch import SECOND
from plant.model import Plant
from store.alarms import Alarm, AlarmTable

QUIET_NS = 2 * SECOND
"""After this long without a beat the states of the sources are looked at again."""
STALE_NS = 5 * SECOND


@dataclass(frozen=True)
class Beat:
    """One state of the plant as people see it, encoded when somebody first asks."""

    number: int
    time: int | None  # ns, None until the first beat
    tables: Tables
    status: Mapping[str, Any]  # stale, sources, alarms: what changes without a beat, too
    alarms: bytes  # all open ones, as an SSE event; the same object while none has changed
    before: Tables  # of the state numbered before
    news: Mapping[str, Any]  # of the status since that one

    @cached_property
    def snapshot(self) -> bytes:
        return dumps(_moment(self.time) | self.tables.whole() | dict(self.status))

    @cached_property
    def delta(self) -> bytes:
        """Leads here from the state numbered before."""
        same = self.tables is self.before
        changed = {} if same else self.tables.changed(self.before)
        return dumps(_moment(self.time) | changed | dict(self.news))


def event(name: str, data: bytes) -> bytes:
    """A server-sent event."""
    return b"event: %b\ndata: %b\n\n" % (name.encode(), data)


class LiveHub:
    """`publish` is a sink of the pipeline, callable from any thread; `after` serves the lookers of
    one event loop."""

    def __init__(
        self,
        plant: Plant,
        sources: Callable[[], Sequence[SourceStatus]],
        alarms: AlarmTable,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self.now = clock  # ns
        self.closed = False
        self.clients = 0
        self.beats = 0
        self.assessment: Assessment | None = None  # of the newest beat, not rounded
        self.lag_s = math.nan  # from the end of the newest beat to its publication
        self._plant = plant
        self._sources = sources
        self._table = alarms
        self._layout = Layout.of(plant)
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._woken = asyncio.Event()
        self._seen = 0  # ns, wall clock of the newest beat
        self._checked = 0  # ns, wall clock of the newest status
        self._open: list[Alarm] = []
        self._alarms = event("alarms", dumps({"alarms": []}))
        tables = self._layout.unknown(plant)
        self.beat = Beat(0, None, tables, self._status(None), self._alarms, tables, {})

    def publish(self, frame: Frame, assessment: Assessment) -> None:
        """Show a beat."""
        with self._lock:
            self._seen = self.now()
            self.lag_s = (self._seen - assessment.time) / SECOND
            self.beats += 1
            self.assessment = assessment
            tables = Tables(self._layout, assessment.figures, lambda: frame.last)
            self._next(assessment.time, tables, self._status(assessment.time))

    def refresh(self) -> None:
        """Look at the alarms and the sources again, without a beat."""
        with self._lock:
            beat, status = self.beat, self._status(self.beat.time)
            if status != beat.status or self._alarms is not beat.alarms:
                self._next(beat.time, beat.tables, status)

    def look(self) -> Beat:
        """The newest state; that of the sources at most two seconds old."""
        if self.now() - self._checked >= QUIET_NS:
            self.refresh()
        return self.beat

    async def after(self, number: int, timeout_s: float) -> Beat:
        """The newest state as soon as it is not `number`, or when the time is over."""
        self._loop = asyncio.get_running_loop()
        woken = self._woken  # before looking at the beat: what comes later sets this very event
        if self.beat.number == number and not self.closed:
            try:
                await asyncio.wait_for(woken.wait(), timeout_s)
            except TimeoutError:
                return self.look()
        return self.beat

    def close(self) -> None:
        """End all streams. From the event loop."""
        self.closed = True
        self._wake()

    def is_stale(self) -> bool:
        """No beat for a while, or only beats of long ago, or no source that flows."""
        return self._stale(self.beat.time, self._sources())

    def _stale(self, newest: int | None, sources: Sequence[SourceStatus]) -> bool:
        now = self.now()
        allowed = STALE_NS + self._plant.beat_ns + round(self._plant.time.lateness_s * SECOND)
        if newest is None or now - self._seen > STALE_NS or now - newest > allowed:
            return True
        return bool(sources) and not any(s.flowing for s in sources)

    def _next(self, moment: int | None, tables: Tables, status: dict[str, Any]) -> None:
        old = self.beat
        news = {key: value for key, value in status.items() if value != old.status[key]}
        beat = Beat(old.number + 1, moment, tables, status, self._alarms, old.tables, news)
        if self.clients:
            _ = beat.delta  # here, not on the loop that serves them
        self.beat = beat
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        woken, self._woken = self._woken, asyncio.Event()
        woken.set()

    def _status(self, newest: int | None) -> dict[str, Any]:
        self._checked = self.now()
        sources = self._sources()
        alarms = self._table.open()
        if alarms != self._open:
            self._open = alarms
            rows = [alarm_json(self._plant, alarm) for alarm in alarms]
            self._alarms = event("alarms", dumps({"alarms": rows}))
        return {
            "stale": self._stale(newest, sources),
            "sources": [source_json(source) for source in sources],
            "alarms": {
                "open": len(alarms),
                "unacknowledged": sum("unack" in alarm.state for alarm in alarms),
            },
        }


def _moment(ns: int | None) -> dict[str, Any]:
    if ns is None:
        return {"time": None, "time_ms": None}
    return {"time": iso(ns), "time_ms": ns // MILLISECOND}
