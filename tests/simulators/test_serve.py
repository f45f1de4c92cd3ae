"""The simulated plant over real OPC UA and MQTT on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pyarrow.parquet as pq
import pytest
from asyncua import Client, ua
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from plant.batch import SECOND
from plant.model import Plant, Source
from simulators.control import send
from simulators.scenario import ScenarioError
from simulators.serve import Clock, serve

MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")


def source(plant: Plant, name: str) -> Source:
    return next(s for s in plant.sources if s.id == name)


@contextlib.asynccontextmanager
async def served(plant: Plant, **options: Any) -> AsyncIterator[None]:
    """A running simulator; ready when its last server listens."""
    task = asyncio.create_task(serve(plant, **options))
    try:
        ports = [
            int(s.options["url"].rpartition(":")[2]) for s in plant.sources if s.kind == "opcua"
        ]
        ports += [options["control_port"]] if "control_port" in options else []
        for port in ports:
            await until_port(port, listening=True)
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


async def until_port(port: int, *, listening: bool) -> None:
    async with asyncio.timeout(30):
        while await listens(port) != listening:  # noqa: ASYNC110  the port tells no one
            await asyncio.sleep(0.05)


class Seen:
    """Every notification: (node text, data value, wall time)."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, ua.DataValue, float]] = []

    def datachange_notification(self, node: Any, value: Any, data: Any) -> None:
        self.rows.append((node.nodeid.Identifier, data.monitored_item.Value, time.time()))

    def of(self, name: str) -> list[ua.DataValue]:
        return [value for node, value, _ in self.rows if node == name]


async def watch(client: Client, uri: str, names: list[str]) -> Seen:
    index = await client.get_namespace_index(uri)
    seen = Seen()
    subscription = await client.create_subscription(50, seen)
    nodes = [client.get_node(f"ns={index};s={name}") for name in names]
    await subscription.subscribe_data_change(nodes, queuesize=50)
    return seen


async def until(condition: Any, seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  what is waited for is in another program
            await asyncio.sleep(0.05)


async def test_opcua_is_browsable_and_punctual(small: Plant, free_port: int) -> None:
    async with served(small, control_port=free_port):
        client = Client(source(small, "pots").options["url"])
        async with client:
            uri = "urn:test:pots"
            index = await client.get_namespace_index(uri)
            children = await client.nodes.objects.get_children()
            names = {(await child.read_browse_name()).Name for child in children}
            assert {"L1-001", "L1-004", "L1"} <= names
            assert "R1" not in names
            mode = client.get_node(f"ns={index};s=001.feed_mode")
            assert (await mode.read_data_type_as_variant_type()) == ua.VariantType.Int32

            tags = [t for t in small.tags if t.source == "pots" and t.interval_s == 0.5]
            addresses = [tag.address["node"].removeprefix("s=") for tag in tags]
            seen = await watch(client, uri, addresses)
            await until(lambda: len(seen.rows) >= 5 * 10)
            for address in addresses:
                good = [v for v in seen.of(address) if v.StatusCode.is_good()]
                times = [v.SourceTimestamp.replace(tzinfo=UTC) for v in good]
                steps = {(b - a).total_seconds() for a, b in itertools.pairwise(times)}
                assert steps == {0.5}, address
            late = [
                wall - value.SourceTimestamp.replace(tzinfo=UTC).timestamp()
                for _, value, wall in seen.rows[10:]
            ]
            assert min(late) >= 0, "no time stamp is in the future"
            late.sort()
            assert late[len(late) // 2] < 0.25


@pytest.mark.slow
async def test_faults_on_demand(small: Plant, free_port: int) -> None:
    async with served(small, control_port=free_port, seed=1):
        url = source(small, "pots").options["url"]
        uri = "urn:test:pots"
        async with Client(url) as client:
            seen = await watch(client, uri, ["001.voltage", "002.voltage"])
            await until(lambda: len(seen.of("001.voltage")) >= 3)

            def ask(request: dict[str, Any]) -> Any:
                return asyncio.to_thread(send, free_port, request)

            with pytest.raises(ScenarioError, match="kind 'melt' is none of"):
                await ask({"kind": "melt"})
            raised = await ask({"kind": "set_voltage", "cell": "L1-001", "mV": 300})
            status = await ask({"status": True})
            await until(lambda: seen.of("001.voltage")[-1].Value.Value > 4.15)
            assert seen.of("002.voltage")[-1].Value.Value < 4.1
            status = await ask({"status": True})
            assert [f["where"] for f in status["faults"]] == ["L1-001"]
            await ask({"clear": raised["id"]})
            with pytest.raises(ScenarioError, match="there is no fault"):
                await ask({"clear": raised["id"]})
            await until(lambda: seen.of("001.voltage")[-1].Value.Value < 4.05)

            tag = "L1-002.voltage"
            kinds = ("nan", "year_1601", "hour_ahead", "wrong_type", "bad_status", "same_time")
            for what in kinds:
                await ask({"kind": "bad_data", "tag": tag, "what": what})

            def bad() -> list[ua.DataValue]:
                now = datetime.now(UTC)
                return [
                    value
                    for value in seen.of("002.voltage")
                    if not value.StatusCode.is_good()
                    or value.Value.VariantType != ua.VariantType.Double
                    or value.Value.Value != value.Value.Value
                    or abs((value.SourceTimestamp.replace(tzinfo=UTC) - now).total_seconds()) > 60
                ]

            await until(lambda: len(bad()) >= len(kinds) - 1)
            count = len(seen.of("002.voltage"))
            await until(lambda: len(seen.of("002.voltage")) > count, 5)
            assert seen.of("002.voltage")[-1].StatusCode.is_good(), "good values go on"

        await ask({"kind": "drop_connection", "source": "pots", "for_s": 2})
        port = int(url.rpartition(":")[2])
        await until_port(port, listening=False)
        await until_port(port, listening=True)
        async with Client(url) as client:
            seen = await watch(client, uri, ["003.voltage"])
            await until(lambda: len(seen.of("003.voltage")) >= 3)


async def test_a_taken_port_says_what_to_do(small: Plant) -> None:
    port = int(source(small, "pots").options["url"].rpartition(":")[2])
    blocker = await asyncio.start_server(lambda r, w: None, "127.0.0.1", port)
    async with blocker:
        with pytest.raises(OSError, match=r"source pots: cannot listen on .* change the url"):
            await serve(small)


async def test_speed_catches_up_and_never_runs_ahead() -> None:
    wall = time.time_ns()
    clock = Clock(wall - SECOND, speed=5)
    moments = [wall - SECOND + step * SECOND // 10 for step in range(1, 15)]
    for moment in moments:
        await clock.reach(moment)
        assert moment <= clock.now() <= time.time_ns()
    # 1 s behind, gained at 4 s a second: level after 0.25 s, then as fast as the clock
    assert time.time_ns() - wall == pytest.approx(0.4 * SECOND, abs=0.1 * SECOND)


@pytest.fixture
def mosquitto(small: Plant, tmp_path: Path) -> Iterator[Any]:
    """Starts and stops the broker of `small`."""
    if MOSQUITTO is None:
        if os.environ.get("CI") == "true":
            pytest.fail("mosquitto is missing")
        pytest.skip("mosquitto is not installed")
    port = source(small, "meters").options["port"]
    file = tmp_path / "mosquitto.conf"
    file.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence true\n"
        f"persistence_location {tmp_path}/\nautosave_interval 1\nautosave_on_changes true\n"
        "user root\n",
        encoding="utf-8",
    )
    running: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        process = subprocess.Popen([MOSQUITTO, "-c", file], stderr=subprocess.DEVNULL)
        running.append(process)
        return process

    yield start
    for process in running:
        process.kill()
        process.wait()


@pytest.mark.servers
@pytest.mark.slow
async def test_mqtt_through_an_absent_and_a_killed_broker(
    small: Plant, mosquitto: Any, tmp_path: Path, free_port: int
) -> None:
    """Every message arrives, with its own time, though the broker came late and died once."""
    got: list[tuple[str, Any]] = []
    options = source(small, "meters").options
    reader = mqtt.Client(CallbackAPIVersion.VERSION2, "test", protocol=mqtt.MQTTv5)
    reader.reconnect_delay_set(1, 1)
    reader.on_connect = lambda c, *_: c.subscribe("test/#", qos=1)
    reader.on_message = lambda c, d, m: got.append((m.topic, json.loads(m.payload)))
    kept = Properties(PacketTypes.CONNECT)
    kept.SessionExpiryInterval = 600
    truth = tmp_path / "truth"
    try:
        async with served(small, truth_dir=truth, control_port=free_port):
            await asyncio.sleep(1.5)
            broker = mosquitto()
            reader.connect_async(
                options["host"], options["port"], clean_start=False, properties=kept
            )
            reader.loop_start()
            await until(lambda: len(got) >= 10)
            broker.kill()
            broker.wait()
            await asyncio.sleep(1.5)
            mosquitto()
            restarted = datetime.now(UTC)
            # Not only what the broker had kept: the publisher is back too.
            times = lambda: [m["time"] for topic, m in list(got) if topic == "test/M1"]  # noqa: E731
            await until(lambda: datetime.fromisoformat(times()[-1]) > restarted)
        sent = pq.read_table(truth / "samples.parquet").to_pylist()
        scale = small.tags[small.column_of["M1.power"]].scale
        true = {row["time"]: row["value"] for row in sent if row["tag"] == "M1.power"}

        def arrived() -> dict[int, float]:
            return {
                round(datetime.fromisoformat(message["time"]).timestamp() * 1000)
                * 1_000_000: message["P_kW"] * scale
                for topic, message in got
                if topic == "test/M1"
            }

        first = min(arrived())  # what came before anyone had subscribed is nobody's
        expected = {when: value for when, value in true.items() if when >= first}
        await until(lambda: len(arrived()) >= len(expected))
    finally:
        await asyncio.to_thread(lambda: (reader.disconnect(), reader.loop_stop()))
    assert arrived() == expected, "every one, to the last bit"
    assert len(expected) > 5
    topics = pq.read_table(truth / "topics.parquet").to_pylist()
    counts = {row["topic"]: row["messages"] for row in topics}
    assert set(counts) == {"test/R1", "test/M1", "test/B1/fuel_flow", "test/B1/oxygen"}
    assert counts["test/M1"] == counts["test/R1"] == len(true)
    power = next(message for topic, message in got if topic == "test/R1")
    assert power["t"] * 1_000_000 in true, "milliseconds of its own sample"
    assert set(power["electrical"]) == {"ac_power", "ac_energy"}
    assert all(isinstance(m, float) for topic, m in got if topic == "test/B1/oxygen")


@pytest.mark.servers
async def test_mqtt_bad_data(small: Plant, mosquitto: Any, free_port: int) -> None:
    mosquitto()
    got: list[tuple[str, bytes]] = []
    options = source(small, "meters").options
    reader = mqtt.Client(CallbackAPIVersion.VERSION2, "test", protocol=mqtt.MQTTv5)
    reader.on_connect = lambda c, *_: c.subscribe("test/M1/#", qos=1)
    reader.on_message = lambda c, d, m: got.append((m.topic, m.payload))
    reader.connect_async(options["host"], options["port"])
    reader.loop_start()
    try:
        async with served(small, control_port=free_port):
            await until(lambda: len(got) >= 2)
            for what in ("text", "truncated", "binary", "huge", "no_time", "no_value", "infinity",
                         "unknown_topic", "wrong_type"):  # fmt: skip
                request = {"kind": "bad_data", "tag": "M1.power", "what": what}
                await asyncio.to_thread(send, free_port, request)
            await until(lambda: any(len(p) > 10_000_000 for _, p in got))
            await until(lambda: any(topic.endswith("/unknown") for topic, _ in got))
            count = len(got)
            await until(lambda: len(got) >= count + 2)
    finally:
        await asyncio.to_thread(lambda: (reader.disconnect(), reader.loop_stop()))
    payloads = [payload for _, payload in got]
    assert any(b'"P_kW": "n/a"' in p for p in payloads)
    assert any(b'"P_kW": [' in p for p in payloads)
    assert any(b"Infinity" in p for p in payloads)
    assert any(p.startswith(b"\x00") for p in payloads)
    assert any(p.startswith(b"{") and not p.rstrip().endswith(b"}") for p in payloads)
    assert any(b"P_kW" in p and b"time" not in p and p.endswith(b"}") for p in payloads)
    assert any(b"time" in p and b"P_kW" not in p and p.endswith(b"}") for p in payloads)
