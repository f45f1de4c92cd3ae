"""Figures as plain MQTT: one number a topic, or one JSON document an entity."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import orjson
from paho.mqtt.client import Client

from analytics.beat.assessment import Assessment
from collector.output.publisher import Message, Publisher
from collector.output.selection import Changes, Entities, selection
from plant.model import Output, Plant


class PlainPublisher(Publisher):
    """At QoS 1. After each connection all is said again, then what has changed."""

    def __init__(self, output: Output, plant: Plant) -> None:
        super().__init__(output)
        self._prefix = output.options["prefix"] + "/"
        self._template = output.options["topic"]
        self._retained = output.options["retained"]
        self._site = plant.site.id
        self._changes = Changes(selection(plant, output))

    def may_publish(self, topic: str) -> bool:
        return topic.startswith(self._prefix) and not set("+#\0") & set(topic)

    def begin(self, client: Client) -> None:
        self._pending = iter(())
        self._changes.forget()

    def connected(self, client: Client) -> None:
        """Nothing is to be heard: it only speaks."""

    def messages(self, assessment: Assessment) -> Iterator[Message]:
        time = str(np.datetime_as_string(np.datetime64(assessment.time, "ns"), unit="ms")) + "Z"
        for entities, index, values, changed in self._changes.take(assessment):
            if "{figure}" not in self._template:
                document = {f.name: v for f, v in zip(entities.figures, values, strict=True)}
                yield self._message(entities, index, "", {"time": time, **_known(document)})
                continue
            for figure, value, new in zip(entities.figures, values, changed, strict=True):
                if new:
                    content = {"time": time, **_known({"value": value}), "unit": figure.unit}
                    yield self._message(entities, index, figure.name, content)

    def _message(
        self, entities: Entities, index: int, figure: str, content: dict[str, object]
    ) -> Message:
        filled = self._template.format(
            site=self._site, line=entities.lines[index], entity=entities.ids[index], figure=figure
        )
        topic = "/".join(level for level in filled.split("/") if level)  # no line, no level
        return Message(self._prefix + topic, orjson.dumps(content), 1, self._retained)


def _known(values: dict[str, float]) -> dict[str, object]:
    return {name: float(v) if math.isfinite(v) else None for name, v in values.items()}
