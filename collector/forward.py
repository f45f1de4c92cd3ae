"""A run over the plant's samples: beat after beat from a checkpoint or from the beginning."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from analytics.assess import assess, new_state
from analytics.assessment import Assessment, State
from analytics.frame import Frame, Held
from collector.beats import IDLE_NS
from collector.frames import FrameBuilder
from plant.batch import SECOND
from plant.model import Plant
from store.history import History
from store.spool import Checkpoint

CHUNK_NS = 60 * SECOND


def fingerprint(plant: Plant) -> str:
    """What a saved state depends on: the order of tags and cells, rules, calendar, beat. Factors
    and what figures are multiplied with is not in it: a state outlives a change of those."""
    rows = [repr((t.id, t.interval_s, t.hold_s)) for t in plant.tags]
    rows += [repr((c.id, c.target_voltage_V)) for c in plant.cells]
    rows += [repr(alarm) for alarm in plant.alarms]
    for line in plant.lines:
        rows.append(repr((line.id, line.extrapolated_voltage_V, line.anode_effect)))
    rows += [repr(b.id) for b in plant.boilers]
    site = plant.site
    rows.append(repr((site.time_zone, site.shifts, plant.time.beat_s)))
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()[:16]


@dataclass(slots=True)
class Run:
    """Where the calculation stands: the frames still open and the state so far."""

    plant: Plant
    builder: FrameBuilder
    state: State

    @classmethod
    def fresh(cls, plant: Plant, start: int) -> Run:
        return cls(plant, FrameBuilder(plant, start), new_state(plant))

    @classmethod
    def restored(cls, plant: Plant, checkpoint: Checkpoint) -> Run | None:
        """The run of a checkpoint, None when it belongs to another plant file."""
        arrays = dict(State.from_bytes(checkpoint.blob).arrays)
        if str(arrays.pop("fingerprint")) != fingerprint(plant):
            return None
        held = Held(arrays.pop("held_times"), arrays.pop("held_values"), arrays.pop("held_quality"))
        return cls(plant, FrameBuilder(plant, checkpoint.beat, held), State(arrays))

    def checkpoint(self) -> Checkpoint:
        held = self.builder.held
        state = State(
            {
                **self.state.arrays,
                "held_times": held.times,
                "held_values": held.values,
                "held_quality": held.quality,
                "fingerprint": np.array(fingerprint(self.plant)),
            }
        )
        return Checkpoint(self.builder.start, state.to_bytes())

    def beats(self, until: int) -> Iterator[tuple[Frame, Assessment]]:
        """Close every frame that ends at or before `until`.

        Where no tag of the plant has said anything for IDLE_NS the beats are left out up to the
        next sample: a rule of the data alone, so that replay does the same.
        """
        builder = self.builder
        while builder.start + builder.beat_ns <= until:
            if builder.start >= int(builder.held.times.max(initial=0)) + IDLE_NS:
                upcoming = builder.next_sample()
                if upcoming is None:
                    return
                builder.skip_to(upcoming)
                if builder.start + builder.beat_ns > until:
                    return
            frame = builder.close()
            self.state, assessment = assess(self.plant, self.state, frame)
            yield frame, assessment


def forward(run: Run, history: History, until: int) -> Iterator[tuple[Frame, Assessment]]:
    """Run over the kept samples from where `run` stands up to `until`, a minute at a time."""
    for start in range(run.builder.start, until, CHUNK_NS):
        end = min(start + CHUNK_NS, until)
        run.builder.add(history.samples(None, start, end))
        yield from run.beats(end)
