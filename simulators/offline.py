"""The simulated plant without servers, as fast as it goes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

from plant.batch import SECOND, Batch
from plant.model import Plant
from simulators.reality import Reality
from simulators.sample_log import SampleLog
from simulators.scenario import Fault, ScenarioError
from simulators.simulation import Simulation
from simulators.truth import Truth

_WIRE_ONLY = ("drop_connection", "bad_data")


class Offline:
    """Iterate once for the samples; `truth` is complete after that."""

    def __init__(self, simulation: Simulation, seconds: float, truth_dir: Path | None) -> None:
        self._simulation = simulation
        self._end = simulation.start_ns + round(seconds * SECOND)
        self._truth_dir = truth_dir

    @property
    def simulation(self) -> Simulation:
        """The plant as it stands now."""
        return self._simulation

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
                steps = -((simulation.time - minute) // simulation.step_ns)
                batch = simulation.stamp(simulation.run(steps))
                if log is not None:
                    log.add(batch)
                yield batch
        if self._truth_dir is not None:
            self.truth.write(self._truth_dir)


def refuse_wire_faults(scenario: Iterable[Fault]) -> None:
    """ScenarioError for a fault that only a server or a client can have."""
    for fault in scenario:
        if fault.kind in _WIRE_ONLY:
            raise ScenarioError(f"{fault.kind} needs a connection; use `potline simulate` for it")


def simulate(
    plant: Plant,
    start_ns: int,
    seconds: float,
    seed: int = 1,
    scenario: Iterable[Fault] = (),
    truth_dir: Path | None = None,
    *,
    sensor_errors: bool = False,
    reality: Reality | None = None,
) -> Offline:
    """Simulate [start_ns, start_ns + seconds).

    truth_dir: all truth files are written there. sensor_errors: each tag errs as the accuracy that
    the plant file states, drawn by seed. reality: how far true constants depart from the file's;
    when not given, PLAIN, or DRAWN with sensor errors.
    """
    scenario = list(scenario)
    refuse_wire_faults(scenario)
    simulation = Simulation(
        plant, start_ns, seed, scenario, sensor_errors=sensor_errors, reality=reality
    )
    return Offline(simulation, seconds, truth_dir)
