"""A small plant with outputs, and beats with figures of one's choice."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from harness import unused_port, write_plant
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from analytics.beat.assessment import ANODE_EFFECT, TRANSITION, Assessment
from analytics.table.figures import beat_figures
from collector.output.outputs import Outputs
from plant.load import load
from plant.model import Plant

START = 1_800_000_000 * 10**9
SECOND = 10**9


@pytest.fixture
def plant_with(tmp_path: Path) -> Callable[..., Plant]:
    """plant_with('kind = "mqtt"\\n…'): the small plant with this [[output]]."""

    def build(output: str) -> Plant:
        path = write_plant(tmp_path, '[store]\nkind = "embedded"\npath = "var"', unused_port())
        path.write_text(path.read_text() + "\n[[output]]\n" + output)
        names = {scope: {f.name for f in rows} for scope, rows in beat_figures().items()}
        return load(path, names)

    return build


def assessment(plant: Plant, second: int, value: float = np.nan, **figures: float) -> Assessment:
    """All figures have the value, those that are named another one."""
    arrays = {}
    for scope, rows in beat_figures().items():
        array = np.full((len(rows), len(plant.entities(scope))), value)
        for i, figure in enumerate(rows):
            if figure.name in figures:
                array[i] = figures[figure.name]
        arrays[scope] = array
    none = np.zeros(0, ANODE_EFFECT), np.zeros(0, TRANSITION)
    return Assessment(START + second * SECOND, arrays, *none)


@pytest.fixture
def beat() -> Callable[..., Assessment]:
    return assessment


@pytest.fixture
def running() -> Callable[..., Any]:
    """with running(plant) as outputs"""

    @contextlib.contextmanager
    def run(plant: Plant) -> Iterator[Outputs]:
        outputs = Outputs(plant)
        outputs.start()
        try:
            yield outputs
        finally:
            outputs.stop()
            assert not [t for t in threading.enumerate() if t.name == "output"]

    return run


class Witness:
    """Hears all that is published."""

    def __init__(self, port: int) -> None:
        self.heard: list[tuple[str, bytes]] = []
        self.client = Client(CallbackAPIVersion.VERSION2, client_id="witness")
        self.client.on_message = self._on_message
        self.client.connect("127.0.0.1", port)
        self.client.subscribe("#", qos=1)
        self.client.loop_start()

    def _on_message(self, client: object, data: object, message: MQTTMessage) -> None:
        self.heard.append((message.topic, message.payload))

    def say(self, topic: str, content: bytes, retain: bool = False) -> None:
        self.client.publish(topic, content, 1, retain).wait_for_publish(5)

    @property
    def documents(self) -> dict[str, dict[str, Any]]:
        """The newest of each topic, as JSON."""
        return {topic: json.loads(content) for topic, content in self.heard}

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


@pytest.fixture
def witness(mosquitto: Any) -> Iterator[Witness]:
    witness = Witness(mosquitto.port)
    yield witness
    witness.close()
