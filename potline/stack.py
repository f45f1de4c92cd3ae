"""The wiring of `potline run`: sources -> intake -> spool -> frames -> assess -> sinks -> API."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram

from analytics.beat.assess import warm
from analytics.beat.assessment import Assessment
from analytics.beat.frame import Frame
from api.app import create_app
from api.context import Context
from api.live import LiveHub
from api.server import Server, listen
from collector.intake import Intake
from collector.keep import Keeper
from collector.output.outputs import Outputs
from collector.pipeline import Pipeline
from collector.restating import Restating
from collector.supervise import Supervisor
from plant.model import Plant
from potline.alarming import AlarmSink
from potline.booking import Booking
from potline.exits import INVALID, Failure
from potline.instruments import Instruments
from store.alarms import AlarmTable
from store.history import History
from store.open import open_store
from store.restatements import Restatements
from store.spool import Spool, SpoolFull, SpoolInUse
from store.writer import Writer

STEP_S = 0.1
RESTATE_S = 0.2
"""The past is computed again for so long between two looks at the present."""
DRAIN_S = 10.0

log = structlog.get_logger()


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


def tell_of_store(error: str) -> None:
    """One line when the store is lost, one when it is back."""
    if error:
        log.error("samples wait in the spool", reason=error)
    else:
        log.info("the store takes samples")


def tell_of_spool(notice: str) -> None:
    """What the spool had to set aside or to give up."""
    log.warning(notice)


class Stack:
    """Everything that runs for one plant, in one process."""

    def __init__(self, plant: Plant) -> None:
        folder = Path(plant.store.path)
        folder.mkdir(parents=True, exist_ok=True)
        self.plant = plant
        try:
            self.spool = Spool(folder / "spool.sqlite", plant)
            self.spool.claim()
        except (SpoolInUse, SpoolFull) as error:
            raise Failure(INVALID, str(error)) from None
        self.store = open_store(plant)
        self.restatements = Restatements(folder, plant)
        self.history = History(self.store, self.spool, self.restatements)
        self.alarms = AlarmTable(folder / "alarms.sqlite", plant)
        self.writer = Writer(
            self.spool, self.store, on_error=tell_of_store, on_notice=tell_of_spool
        )
        self.keeper = Keeper(plant, self.spool)
        self.alarm_sink = AlarmSink(plant, self.alarms, self.keeper)
        self.booking = Booking(plant, self.history, self.spool, self.restatements)
        self.pipeline = Pipeline(
            plant,
            self.history,
            self.spool,
            self.restatements,
            Restating(
                plant,
                self.history,
                self.spool,
                self.restatements,
                reconcile=self.alarm_sink.reconcile,
                on_done=self.booking.restated,
            ),
            keep_checkpoint=self.keeper.flush,
            entered=self.booking.entered,
        )
        self.intake = Intake(
            plant, self.spool, lambda batch: self.pipeline.feed(batch, time.time_ns())
        )
        self.supervisor = Supervisor(plant, self.intake)
        self.live = LiveHub(plant, self.supervisor.statuses, self.alarms)
        self.outputs = Outputs(plant)
        self.pipeline.sinks = (
            self.keeper, self.alarm_sink, self.booking, self._count, self.live.publish,
            self.outputs,
        )  # fmt: skip
        self.metrics = CollectorRegistry()
        self.beat_seconds = Histogram(
            "potline_beat_seconds",
            "Time to freeze, assess and hand on one beat",
            registry=self.metrics,
            buckets=(1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1),
        )
        self.restated = Counter(
            "potline_restatements",
            "Times that kept figures were computed again",
            registry=self.metrics,
        )
        self.beats = 0
        self.anode_effects: set[tuple[int, int]] = set()

    def _count(self, frame: Frame, assessment: Assessment) -> None:
        self.beats += 1
        for row in assessment.anode_effects:
            self.anode_effects.add((int(row["cell"]), int(row["start"])))

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
            registry=self.metrics,
        )
        try:
            socket = listen(host, port)
        except OSError as error:
            raise Failure(
                INVALID, f"cannot listen on {host}:{port} ({error.strerror}): choose another --port"
            ) from None
        server = Server(create_app(context), self.live)
        self.metrics.register(Instruments(self, server))
        address = f"http://{host}:{socket.getsockname()[1]}"
        self.keeper.add(self.alarms.retire(time.time_ns()))
        self.writer.start()
        self.outputs.start()
        try:
            async with asyncio.TaskGroup() as tasks:
                web = tasks.create_task(server.serve([socket]))
                calculation = tasks.create_task(self._calculate())
                sources = tasks.create_task(self.supervisor.run())
                try:
                    yield address
                finally:
                    sources.cancel()
                    await asyncio.wait([sources])
                    calculation.cancel()
                    await asyncio.wait([calculation])
                    server.should_exit = True
                    await asyncio.wait([web], timeout=DRAIN_S)
                    web.cancel()
        finally:
            await asyncio.to_thread(self._stop)

    def _stop(self) -> None:
        self.outputs.stop()
        self.keeper.flush()
        self.writer.stop(drain_s=DRAIN_S)

    def close(self) -> None:
        self.alarms.close()
        self.restatements.close()
        self.booking.close()
        self.store.close()
        self.spool.close()

    async def _calculate(self) -> None:
        await asyncio.to_thread(warm, self.plant)
        await asyncio.to_thread(self.pipeline.resume, time.time_ns())
        while True:
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
