"""The wiring of `potline run`: sources -> intake -> spool -> frames -> assess -> sinks -> API."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

from fastapi import FastAPI
from prometheus_client import CollectorRegistry, Counter, Histogram

from analytics.beat.assess import warm
from analytics.beat.assessment import Assessment
from analytics.beat.frame import Frame
from api.app import create_app
from api.context import Context
from api.live import LiveHub
from api.server import Server, listen
from collector.intake import Intake
from collector.supervise import Supervisor
from plant.model import Plant
from potline.exits import INVALID, Failure
from potline.heap import started
from potline.instruments import Instruments
from potline.pair import Pair
from potline.parts import Parts
from store.spool import SpoolFull, SpoolInUse

STEP_S = 0.1
RESTATE_S = 0.2
"""The past is computed again for so long between two looks at the present."""
DRAIN_S = 10.0
REQUESTS_S = 60.0
"""For so long requests that began under the plant file before may read its parts."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What a run did, for the last lines of `potline demo` and `potline run --seconds`."""

    received: int
    stored: int
    spooled: int
    rejected: int
    figures: int
    beats: int
    alarms_raised: int
    anode_effects: int


class Stack(Parts):
    """Everything that runs for one plant, in one process. Its parts are those of the plant file
    that holds now."""

    def __init__(self, plant: Plant) -> None:
        self.pair = Pair(self, plant, plant.pair) if plant.pair else None
        try:
            super().__init__(plant)
            self.spool.claim()
        except (SpoolInUse, SpoolFull) as error:
            raise Failure(INVALID, str(error)) from None
        self._before = contextlib.ExitStack()  # of the file before: requests may still read it
        self.intake = Intake(
            plant, self.spool, lambda batch: self.pipeline.feed(batch, time.time_ns())
        )
        self.supervisor = Supervisor(plant, self.intake, self.pair.turn if self.pair else None)
        self.turn = asyncio.Lock()  # whoever holds it knows that nothing is being computed
        self.server: Server | None = None
        self.beat_seconds = Histogram(
            "potline_beat_seconds",
            "Time to freeze, assess and hand on one beat",
            registry=None,
            buckets=(1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1),
        )
        self.restated = Counter(
            "potline_restatements", "Times that kept figures were computed again", registry=None
        )
        self.reloads = Counter(
            "potline_reloads",
            "Times that the plant file was read again",
            ["outcome"],
            registry=None,
        )
        self.beats = 0
        self.anode_effects: set[tuple[str, int]] = set()
        self._show()

    def become(self, parts: Parts) -> None:
        """Go on with the parts of another plant file, which have taken over. Whoever holds the
        stack finds them in it."""
        self._before.close()
        self._before = self.open
        asyncio.get_running_loop().call_later(REQUESTS_S, self._before.close)
        vars(self).update(vars(parts))
        beats = self.live.beats
        self._show()
        self.live.beats = beats
        if self.server is not None:
            self.server.show(self._application(), self.live)

    @property
    def publishes(self) -> bool:
        """Not while another collector does."""
        return self.pair is None or self.pair.active

    def _show(self) -> None:
        self.live = LiveHub(self.plant, self.supervisor.statuses, self.alarms)
        self.pipeline.sinks = (
            self.keeper, self.alarm_sink, self.booking, self._count, self.live.publish,
            self.outputs,
        )  # fmt: skip

    def _count(self, frame: Frame, assessment: Assessment) -> None:
        self.beats += 1
        for row in assessment.anode_effects:
            cell = self.plant.cells[int(row["cell"])].id
            self.anode_effects.add((cell, int(row["start"])))

    def summary(self) -> Summary:
        rows = self.spool.ledger().values()
        return Summary(
            received=sum(r.received for r in rows),
            stored=sum(r.stored for r in rows),
            spooled=sum(r.spooled for r in rows),
            rejected=sum(sum(r.rejected.values()) for r in rows),
            figures=self.keeper.figures_kept,
            beats=self.beats,
            alarms_raised=self.alarm_sink.raised,
            anode_effects=len(self.anode_effects),
        )

    @contextlib.asynccontextmanager
    async def running(self, host: str, port: int) -> AsyncIterator[str]:
        """Run until the block is left; yields the address of the page."""
        if self.pair is not None:
            self.pair.listen()
        try:
            socket = listen(host, port)
        except OSError as error:
            raise Failure(
                INVALID, f"cannot listen on {host}:{port} ({error.strerror}): choose another --port"
            ) from None
        server = self.server = Server(self._application(), self.live)
        address = f"http://{host}:{socket.getsockname()[1]}"
        self.keeper.add(self.alarms.retire(time.time_ns()))
        self.writer.start()
        if self.publishes:
            self.outputs.start()
        try:
            async with asyncio.TaskGroup() as tasks:
                web = tasks.create_task(server.serve([socket]))
                calculation = tasks.create_task(self._calculate())
                sources = tasks.create_task(self.supervisor.run())
                pair = tasks.create_task(self.pair.run()) if self.pair else None
                try:
                    yield address
                finally:
                    if self.pair is not None and pair is not None:
                        await self.pair.leave()
                        pair.cancel()
                    sources.cancel()
                    await asyncio.wait([sources])
                    calculation.cancel()
                    await asyncio.wait([calculation])
                    server.should_exit = True
                    await asyncio.wait([web], timeout=DRAIN_S)
                    web.cancel()
        finally:
            socket.close()  # the server has, unless it ended before it began
            await asyncio.to_thread(self._stop)

    def _application(self) -> FastAPI:
        registry = CollectorRegistry()
        for metric in (self.beat_seconds, self.restated, self.reloads, Instruments(self)):
            registry.register(metric)
        context = Context(
            plant=self.plant,
            live=self.live,
            store=self.store,
            history=self.history,
            spool=self.spool,
            alarms=self.alarms,
            restatements=self.restatements,
            entries=self.booking.entries,
            sources=self.supervisor.statuses,
            store_error=lambda: self.writer.last_error or self.intake.blocked,
            registry=registry,
            pair=lambda: self.pair.status if self.pair else None,
        )
        return create_app(context)

    def _stop(self) -> None:
        self.outputs.stop()
        self.keeper.flush()
        self.writer.stop(drain_s=DRAIN_S)

    def close(self) -> None:
        if self.pair is not None:
            self.pair.close()
        self._before.close()
        self.open.close()

    async def _calculate(self) -> None:
        async with self.turn:
            await asyncio.to_thread(warm, self.plant)
            await asyncio.to_thread(self.pipeline.resume, time.time_ns())
        started()
        while True:
            async with self.turn:
                # A step is never left half done: cancellation waits for the thread.
                step = asyncio.ensure_future(asyncio.to_thread(self.step, time.time_ns()))
                try:
                    closed = await asyncio.shield(step)
                except asyncio.CancelledError:
                    await step
                    raise
            await asyncio.sleep(0 if closed > 1 else STEP_S)

    def step(self, now: int) -> int:
        """Close the beats that are due at `now` [ns], work at what is to be restated. -> beats"""
        if self.writer.failure is not None:
            raise self.writer.failure
        began = time.perf_counter()
        closed = self.pipeline.advance(now)
        if closed:
            self.beat_seconds.observe((time.perf_counter() - began) / closed)
        self.keeper.flush()
        done = self.pipeline.restating.done
        self.pipeline.restate(now, RESTATE_S)
        self.restated.inc(self.pipeline.restating.done - done)
        self.booking.step(now)
        return closed
