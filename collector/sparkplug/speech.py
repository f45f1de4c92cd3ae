"""All that a host application says to its broker; there is no other way for it to publish.

It says whether it is there, under its own STATE topic, and, where the plant file allows it, asks
edge nodes for their births: topic and payload are fixed, nothing in them comes from outside. That
command touches no output of a device; Sparkplug 3.0 has it for hosts that missed something.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

import orjson
from paho.mqtt.client import MQTTMessageInfo

from collector.mqtt.client import Client
from collector.sparkplug.encode import metric_named, payload_of
from collector.sparkplug.places import NAMESPACE

REBIRTH = "Node Control/Rebirth"


def state(online: bool, time_ms: int) -> bytes:
    """The payload of STATE: spBv1.0 of Sparkplug 3.0."""
    return orjson.dumps({"online": online, "timestamp": time_ms})


class Speech:
    def __init__(self, state_topic: str, nodes: Iterable[str], rebirth: bool) -> None:
        """nodes: "group/node" of those that may be asked, if `rebirth`."""
        self._state_topic = state_topic
        ids = (node.split("/") for node in (nodes if rebirth else ()))
        self._commands = {f"{g}/{n}": f"{NAMESPACE}/{g}/NCMD/{n}" for g, n in ids}

    def will(self, client: Client, time_ms: int) -> None:
        """What the broker says when we are gone."""
        client.will_set(self._state_topic, state(False, time_ms), qos=1, retain=True)

    def state(self, client: Client, online: bool, time_ms: int) -> MQTTMessageInfo:
        return client.publish(self._state_topic, state(online, time_ms), qos=1, retain=True)

    def ask_for_birth(self, client: Client, node: str) -> bool:
        """-> may it be asked?"""
        topic = self._commands.get(node)
        if topic is None:
            return False
        now_ms = time.time_ns() // 1_000_000
        client.publish(topic, payload_of(now_ms, [metric_named(REBIRTH, True, now_ms)]), qos=0)
        return True
