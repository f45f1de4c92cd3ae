"""The sink that keeps figures and events: gathered by beat, committed to the spool together with
the checkpoint, so that a checkpoint never runs ahead of what it stands for."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import structlog

from analytics.beat.assessment import Assessment
from analytics.beat.frame import Frame
from collector.gather import Gather
from plant.model import Plant
from store.spool import Checkpoint, Event, Spool, SpoolFull

MOST_HELD = 360

log = structlog.get_logger()


class Keeper:
    def __init__(self, plant: Plant, spool: Spool) -> None:
        self._plant = plant
        self._spool = spool
        self._gather = Gather(plant)
        self._events: list[Event] = []
        self.figures_kept = 0
        self.figures_dropped = 0
        self.blocked = ""  # why nothing can be committed now

    def __call__(self, frame: Frame, assessment: Assessment) -> None:
        for row in assessment.anode_effects:
            self._events.append(anode_effect_event(self._plant, row))
        self._gather.add(assessment)

    def add(self, events: Iterable[Event]) -> None:
        """Keep these too, with the next commit."""
        self._events += events

    def flush(self, checkpoint: Checkpoint | None = None) -> None:
        """Commit what was gathered, and the checkpoint that stands for it. While the disk is full
        it is held, figures of MOST_HELD beats at most; what is dropped is counted, and comes again
        from its samples when the run is resumed from an earlier checkpoint."""
        try:
            self._commit(checkpoint)
        except SpoolFull as error:
            if not self.blocked:
                log.error(
                    "figures cannot be made durable: free space on the disk", reason=str(error)
                )
            self.blocked = str(error)
            self._drop_oldest()
        else:
            if self.blocked:
                log.info("figures are durable again", dropped=self.figures_dropped)
            self.blocked = ""

    def _drop_oldest(self) -> None:
        surplus = len(self._gather) - MOST_HELD
        if surplus > 0:
            self.figures_dropped += self._gather.drop(surplus)

    def _commit(self, checkpoint: Checkpoint | None) -> None:
        blocks = list(self._gather.blocks())
        if not (blocks or self._events or checkpoint):
            return
        self._spool.commit_beats(blocks, self._events, checkpoint)
        self.figures_kept += sum(int(np.isfinite(b.values).sum()) for b in blocks)
        self._gather.clear()
        self._events = []


def anode_effect_event(plant: Plant, row: np.void) -> Event:
    """An anode effect as it is kept; a later one of the same key replaces it."""
    cell = plant.cells[int(row["cell"])]
    return Event(
        "anode_effect",
        {
            "key": f"{cell.id}@{int(row['start'])}",
            "time": int(row["start"]),
            "cell": cell.id,
            "line": cell.line,
            "start": int(row["start"]),
            "end": int(row["end"]),
            "above_s": float(row["above_s"]),
            "elapsed_s": float(row["elapsed_s"]),
            "max_V": float(row["max_V"]),
            "mean_V": float(row["mean_V"]),
            "runs": int(row["runs"]),
            "incomplete": bool(row["incomplete"]),
        },
    )
