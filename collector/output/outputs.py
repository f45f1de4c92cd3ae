"""All outputs of a plant, as one sink of the pipeline."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from analytics.beat.assessment import Assessment
from analytics.beat.frame import Frame
from collector.output.edge_node import EdgeNode
from collector.output.plain import PlainPublisher
from collector.output.publisher import OutputStatus, Publisher
from plant.model import Plant

STOP_S = 5.0


class Outputs:
    """Called with each beat it only leaves it to the outputs' own threads. It may be started again
    after a stop."""

    def __init__(self, plant: Plant) -> None:
        self._plant = plant
        self._publishers: list[Publisher] = []
        self._threads: list[threading.Thread] = []

    def __call__(self, frame: Frame, assessment: Assessment) -> None:
        for publisher in self._publishers:
            publisher.offer(assessment)

    def start(self) -> None:
        self._publishers = [
            EdgeNode(output, self._plant)
            if output.kind == "sparkplug"
            else PlainPublisher(output, self._plant)
            for output in self._plant.outputs
        ]
        for publisher in self._publishers:
            thread = threading.Thread(target=publisher.run, name="output", daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """Each says that it goes, if its broker listens."""
        for publisher in self._publishers:
            publisher.stop()
        for thread in self._threads:
            thread.join(STOP_S)
        self._threads = []

    @property
    def statuses(self) -> Sequence[OutputStatus]:
        return [publisher.status for publisher in self._publishers]
