"""A run over the plant's samples: beat after beat from a checkpoint or from the beginning."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from numpy.typing import NDArray

from analytics.beat.assess import assess, new_state
from analytics.beat.assessment import Assessment, State
from analytics.beat.frame import Frame, Held
from collector.beats import IDLE_NS
from collector.carry import Labels, Move, carried
from collector.frames import FrameBuilder
from plant.batch import SECOND, Batch
from plant.model import Plant
from store.history import History
from store.spool import Checkpoint

CHUNK_ROWS = 500_000


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
        """The run of a checkpoint, which may be of another plant file: what both name goes on.
        None where nothing can, see `carried`."""
        return cls._of(plant, checkpoint.beat, State.from_bytes(checkpoint.blob).arrays)

    def moved(self, plant: Plant, move: Move) -> Run:
        """The same under another plant file with the same calendar, waiting samples included."""
        run = self._of(plant, self.builder.start, self._saved(), move)
        if run is None:
            raise ValueError("the windows of the plant files begin at different times")
        run.builder.take_over(self.builder, move.batch)
        return run

    def checkpoint(self) -> Checkpoint:
        return Checkpoint(self.builder.start, State(self._saved()).to_bytes())

    @classmethod
    def _of(
        cls, plant: Plant, start: int, saved: Mapping[str, NDArray[Any]], move: Move | None = None
    ) -> Run | None:
        arrays = carried(plant, saved, move)
        if arrays is None:
            return None
        del arrays["labels"]
        held = Held(arrays.pop("held_times"), arrays.pop("held_values"), arrays.pop("held_quality"))
        return cls(plant, FrameBuilder(plant, start, held), State(arrays))

    def _saved(self) -> dict[str, NDArray[Any]]:
        held = self.builder.held
        return {
            **self.state.arrays,
            "held_times": held.times,
            "held_values": held.values,
            "held_quality": held.quality,
            "labels": Labels.of(self.plant).blob,
        }

    def beats(
        self, until: int, longest: int = 1, alarms: bool = True
    ) -> Iterator[tuple[Frame, Assessment]]:
        """Close every frame that ends at or before `until`; `longest` beats each where that makes
        no difference. Without `alarms` no rule is stepped.

        Where no tag of the plant has said anything for IDLE_NS the beats are left out up to the
        next sample: a rule of the data alone, so that replay does the same.
        """
        builder = self.builder
        while builder.start + builder.beat_ns <= until:
            newest = int(builder.held.times.max(initial=0))
            if builder.start >= newest + IDLE_NS:
                upcoming = builder.next_sample()
                if upcoming is None:
                    return
                builder.skip_to(upcoming)
                if builder.start + builder.beat_ns > until:
                    return
            frame = builder.close(self._together(longest, min(until, newest + IDLE_NS)))
            self.state, assessment = assess(self.plant, self.state, frame, alarms)
            yield frame, assessment

    def _together(self, longest: int, until: int) -> int:
        """So many beats up to the next multiple of `longest` beats, none later than `until`."""
        start, beat = self.builder.start, self.builder.beat_ns
        span = longest * beat
        return max(1, min(span - start % span, until - start) // beat)


def forward(
    run: Run, history: History, until: int, longest: int = 1, alarms: bool = True
) -> Iterator[tuple[Frame, Assessment]]:
    """Run over the kept samples from where `run` stands up to `until`. One chunk of time is read
    while the one before is computed."""
    chunk = chunk_ns(run.plant)
    edges = [run.builder.start]
    while edges[-1] < until:
        edges.append(min((edges[-1] // chunk + 1) * chunk, until))
    with ThreadPoolExecutor(1, "reader") as reader:
        waiting = deque[Future[Batch]]()
        for start, end in pairwise(edges):
            waiting.append(reader.submit(history.samples, None, start, end))
            if len(waiting) > 1:
                run.builder.add(waiting.popleft().result())
                yield from run.beats(start, longest, alarms)
        for read in waiting:
            run.builder.add(read.result())
            yield from run.beats(until, longest, alarms)


def chunk_ns(plant: Plant) -> int:
    """Stretch of time that is read at once: whole minutes with about CHUNK_ROWS samples."""
    per_second = sum(1 / tag.interval_s for tag in plant.tags)
    minutes = int(CHUNK_ROWS / max(per_second, 1e-9) / 60)
    return min(max(minutes, 1), 60) * 60 * SECOND
