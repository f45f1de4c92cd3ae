"""`potline replay`: kept samples through the live code again, compared bit for bit."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import typer
from numpy.typing import NDArray

from analytics.beat.assess import warm
from collector.forward import forward
from collector.gather import Gather
from potline.exits import FOUND, Failure
from potline.opening import Kept, kept, run_before
from potline.tables import print_json, print_rows, progress_bar
from potline.times import format_time, parse_time

MOST_TIMES = 360


@dataclass(slots=True)
class Comparison:
    """Figures of a replay against those kept live, bit for bit."""

    compared: int = 0
    equal: int = 0
    only_live: int = 0
    only_replay: int = 0
    differing: list[dict[str, object]] = field(default_factory=list)

    @property
    def identical(self) -> bool:
        return self.compared > 0 and self.compared == self.equal

    def add(self, opened: Kept, gathered: Gather) -> None:
        """Compare a stretch of beats."""
        for block in gathered.blocks():
            scope, names, entities, times = block.scope, block.names, block.entities, block.times
            live = opened.history.figures(scope, names, entities, int(times[0]), int(times[-1]) + 1)
            was = np.full_like(block.values, np.nan)
            rows = np.searchsorted(times, live.times)
            at_beat = times[np.minimum(rows, len(times) - 1)] == live.times
            was[rows[at_beat]] = live.values[at_beat]
            self._count(scope, names, entities, times, was, block.values)
        gathered.clear()

    def _count(
        self,
        scope: str,
        names: tuple[str, ...],
        entities: tuple[str, ...],
        times: NDArray[np.int64],
        was: NDArray[np.float64],
        again: NDArray[np.float64],
    ) -> None:
        has_live, has_replay = ~np.isnan(was), ~np.isnan(again)
        any_ = has_live | has_replay
        # Bits, but one zero is as good as the other and a NaN has one meaning.
        same = any_ & (was == again)
        self.compared += int(any_.sum())
        self.equal += int(same.sum())
        self.only_live += int((has_live & ~has_replay).sum())
        self.only_replay += int((has_replay & ~has_live).sum())
        for t, f, e in np.argwhere(any_ & ~same)[: max(0, 10 - len(self.differing))]:
            self.differing.append(
                {
                    "time": format_time(int(times[t])),
                    "scope": scope,
                    "entity": entities[e],
                    "figure": names[f],
                    "live": float(was[t, f, e]),
                    "replay": float(again[t, f, e]),
                }
            )


def replay_range(path: Path, start: str | None, end: str | None, as_json: bool) -> None:
    began = time.perf_counter()
    with kept(path) as opened:
        plant = opened.plant
        warm(plant)
        extent = opened.history.extent()
        if extent is None:
            raise Failure(FOUND, f"{path}: no samples are kept yet")
        newest = opened.spool.checkpoints(None)
        stands = extent[1] if newest is None else max(newest.beat, extent[1])
        from_ns = parse_time(start, plant.site.zone) if start else extent[0]
        to_ns = min(parse_time(end, plant.site.zone) if end else stands, stands)
        run = run_before(opened, from_ns)
        together = round(plant.time.figures_every_s / plant.time.beat_s)
        longest = together if 60 % (together * plant.time.beat_s) == 0 else 1
        comparison, beats, gathered = Comparison(), 0, Gather(plant)
        with progress_bar() as bar:
            task = bar.add_task("replaying", total=max(to_ns - run.builder.start, 1))
            first = run.builder.start
            for frame, assessment in forward(run, opened.history, to_ns, longest, alarms=False):
                beats += (frame.end - frame.start) // plant.beat_ns
                if frame.end > from_ns:
                    gathered.add(assessment)
                if len(gathered) == MOST_TIMES:
                    comparison.add(opened, gathered)
                    bar.update(task, completed=frame.end - first)
            comparison.add(opened, gathered)
    seconds = time.perf_counter() - began
    if as_json:
        print_json(
            {
                "identical": comparison.identical,
                "beats": beats,
                "compared": comparison.compared,
                "equal": comparison.equal,
                "only_live": comparison.only_live,
                "only_replay": comparison.only_replay,
                "differing": comparison.differing,
                "seconds": seconds,
            }
        )
    else:
        typer.echo(
            f"{beats} beats in {seconds:.1f} s; {comparison.compared} figures compared, "
            f"{comparison.equal} bit-identical, {comparison.only_live} only live, "
            f"{comparison.only_replay} only in the replay"
        )
        if comparison.differing:
            rows = [list(row.values()) for row in comparison.differing]
            print_rows("first differences", list(comparison.differing[0]), rows)
    if not comparison.identical:
        raise Failure(FOUND)
