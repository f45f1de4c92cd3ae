"""Telegraf, as its documentation has it configured, for the same tags and the same database."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from asyncua import Client

from plant.model import Plant, Tag
from tools.provision import telegraf_program

NODES_AN_INPUT = 5000
AGENT = """
[agent]
interval = "1s"
flush_interval = "500ms"
metric_batch_size = 10000
metric_buffer_limit = 1000000
omit_hostname = true
quiet = true
"""
OUTPUT = """
[[outputs.influxdb_v2]]
urls = ["{url}"]
token = "{token}"
organization = "{org}"
bucket = "{bucket}"
"""
OPCUA = """
[[inputs.opcua_listener]]
name = "cell"
endpoint = "{url}"
connect_timeout = "60s"
request_timeout = "60s"
subscription_interval = "500ms"
security_policy = "None"
security_mode = "None"
auth_method = "Anonymous"
timestamp = "source"
"""
GROUP = """
[[inputs.opcua_listener.group]]
namespace = "{index}"
identifier_type = "s"
default_tags = {{ id = "{entity}" }}
sampling_interval = "1s"
nodes = [{nodes}]
"""
MQTT = """
[[inputs.mqtt_consumer]]
name_override = "cell"
servers = ["tcp://127.0.0.1:{port}"]
topics = ["#"]
topic_tag = "id"
qos = 1
persistent_session = true
client_id = "telegraf"
max_undelivered_messages = 20000
data_format = "json_v2"
[[inputs.mqtt_consumer.json_v2]]
timestamp_path = "t"
timestamp_format = "unix_ns"
"""
FIELD = """
[[inputs.mqtt_consumer.json_v2.field]]
path = "{name}"
type = "float"
"""


def command(config: Path) -> list[str]:
    program = telegraf_program()
    if not program.exists():
        raise SystemExit("no telegraf on this machine: python tools/provision.py telegraf")
    return [str(program), "--config", str(config)]


def of_opcua(plant: Plant, output: str) -> str:
    """The server must run: Telegraf 1.37 takes an index, but no URI, of a namespace."""
    source = plant.sources[0]
    index = asyncio.run(_index(source.options["url"], source.options["namespace"]))
    inputs = [
        OPCUA.format(url=source.options["url"])
        + "".join(_groups(plant.tags[first : first + NODES_AN_INPUT], index))
        for first in range(0, len(plant.tags), NODES_AN_INPUT)
    ]
    return AGENT + output + "".join(inputs)


async def _index(url: str, uri: str) -> int:
    async with Client(url, timeout=60) as client:
        return int(await client.get_namespace_index(uri))


def _groups(tags: Sequence[Tag], index: int) -> Iterator[str]:
    for entity, members in groupby(tags, lambda tag: tag.entity):
        nodes = ", ".join(
            f'{{name="{tag.signal.name}", identifier="{tag.address["node"][2:]}"}}'
            for tag in members
        )
        yield GROUP.format(index=index, entity=entity, nodes=nodes)


def of_mqtt(port: int, names: Sequence[str], output: str) -> str:
    fields = "".join(FIELD.format(name=name) for name in names)
    return AGENT + output + MQTT.format(port=port) + fields
