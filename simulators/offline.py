"""The simulated plant without servers, as fast as it goes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

from plant.batch import SECOND, Batch
from plant.model import Plant
from simulators.scenario import Fault, ScenarioError
from simulators.simulation import Simulation
from simulators.truth import SampleLog, Truth

_WIRE_ONLY = ("drop_connection", "bad_data")


class Offline:
    """Iterate once for the samples; `truth` is complete after that."""

    def __init__(self, simulation: Simulation, seconds: float, truth_dir: Path | None) -> None:
        self._simulation = simulation
        self._end = simulation.start_ns + round(seconds * SECOND)
        self._truth_dir = truth_dir

    @property
    def truth(self) -> Truth:
        return self._simulation.truth

    def __iter__(self) -> Iterator[Batch]:
        """One batch for each simulated minute."""
        simulation = self._simulation
        with ExitStack() as stack:
            log = None
            if self._truth_dir is not None:
                log = stack.enter_context(SampleLog(simulation.plant, self._truth_dir))
            while simulation.time < self._end:
                minute = min(
                    simulation.time // (60 * SECOND) * 60 * SECOND + 60 * SECOND, self._end
                )
                steps = []
                while simulation.time < minute:
                    steps.append(simulation.step())
                batch = Batch.concat(steps)
                if log is not None:
                    log.add(batch)
                yield batch
        if self._truth_dir is not None:
            self.truth.write(self._truth_dir)


def simulate(
    plant: Plant,
    start_ns: int,
    seconds: float,
    seed: int = 1,
    scenario: Iterable[Fault] = (),
    truth_dir: Path | None = None,
) -> Offline:
    """Simulate [start_ns, start_ns + seconds). With truth_dir all truth files are written there."""
    scenario = list(scenario)
    for fault in scenario:
        if fault.kind in _WIRE_ONLY:
            raise ScenarioError(f"{fault.kind} needs a connection; use `potline simulate` for it")
    return Offline(Simulation(plant, start_ns, seed, scenario), seconds, truth_dir)
