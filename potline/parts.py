"""What `potline run` makes of one plant file; another file has parts of its own."""

from __future__ import annotations

import contextlib
from pathlib import Path

import structlog

from collector.carry import Move
from collector.keep import Keeper
from collector.output.outputs import Outputs
from collector.pipeline import Pipeline
from collector.restating import Restating
from plant.model import Plant
from potline.alarming import AlarmSink
from potline.booking import Booking
from store.alarms import AlarmTable
from store.history import History
from store.open import open_store
from store.restatements import Restatements
from store.shared import Shared
from store.spool import Spool
from store.writer import Writer

log = structlog.get_logger()


def tell_of_store(error: str) -> None:
    """One line when the store is lost, one when it is back."""
    if error:
        log.error("samples wait in the spool", reason=error)
    else:
        log.info("the store takes samples")


def tell_of_spool(notice: str) -> None:
    """What the spool had to set aside or to give up."""
    log.warning(notice)


class Parts:
    """Nothing of them runs, writes or claims the spool by itself."""

    def __init__(self, plant: Plant) -> None:
        folder = Path(plant.store.path)
        folder.mkdir(parents=True, exist_ok=True)
        self.plant = plant
        self.open = contextlib.ExitStack()  # what is to be closed, last made first
        self.spool = Spool(folder / "spool.sqlite", plant)
        self.open.callback(self.spool.close)
        self.store = open_store(plant)
        self.open.callback(self.store.close)
        self.restatements = Restatements(folder, plant)
        self.open.callback(self.restatements.close)
        self.history = History(self.store, self.spool, self.restatements)
        self.alarms = AlarmTable(folder / "alarms.sqlite", plant)
        self.open.callback(self.alarms.close)
        self.shared = Shared.of(plant)
        self.writer = self.new_writer()
        self.keeper = Keeper(plant, self.spool)
        self.alarm_sink = AlarmSink(plant, self.alarms, self.keeper)
        self.booking = Booking(plant, self.history, self.spool, self.restatements)
        self.open.callback(self.booking.close)
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
        self.outputs = Outputs(plant)

    def new_writer(self) -> Writer:
        return Writer(
            self.spool,
            self.store,
            on_error=tell_of_store,
            on_notice=tell_of_spool,
            shared=self.shared,
        )

    def take_over(self, before: Parts, move: Move) -> None:
        """Go on where the parts of another plant file stand. They are at rest, what they gathered
        is durable, and from now on they may only be read."""
        self.spool.take_over(before.spool)
        self.pipeline.take_over(before.pipeline, move)
        self.booking.take_over(before.booking)
        if self.shared is not None and before.shared is not None:
            self.shared.take_over(before.shared)
        for now, was, counts in (
            (self.writer, before.writer, ("written", "retries")),
            (self.keeper, before.keeper, ("figures_kept", "figures_dropped")),
            (self.alarm_sink, before.alarm_sink, ("raised",)),
            (self.pipeline.restating, before.pipeline.restating, ("done", "not_done")),
        ):
            for name in counts:
                setattr(now, name, getattr(was, name))
