"""kill -9 of the collector between receiving and committing loses nothing."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from pathlib import Path

import orjson
import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from collector.intake import Intake
from collector.supervise import Supervisor
from plant.load import load
from store.spool import Spool

pytestmark = pytest.mark.servers
FIRST, MESSAGES = 50, 400

PLANT = """
[site]
id = "s"
name = "S"
name_zh = "S"
time_zone = "Asia/Shanghai"
grid_region = "CN-SD"
gwp = "AR5"

[store]
kind = "embedded"
path = "unused"

[[meter]]
id = "M"
name = "M"

[[source]]
id = "m"
kind = "mqtt"
host = "127.0.0.1"
port = {port}
client_id = "victim"

[[tags]]
each = "meter"
source = "m"
topic = "meter/{{id}}"
pointer = "/v"
time = "/t"
time_format = "unix_ms"
signals = ["power"]
"""


async def test_what_was_received_but_not_committed_comes_again(mosquitto, tmp_path, until):
    file, database = tmp_path / "plant.toml", tmp_path / "spool.sqlite"
    file.write_text(PLANT.format(port=mosquitto.port))
    victim = await asyncio.to_thread(start_victim, file, database)
    publisher = Client(CallbackAPIVersion.VERSION2)
    publisher.connect("127.0.0.1", mosquitto.port)
    publisher.loop_start()
    base = int(time.time() * 1000) - 1_000_000

    def publish(numbers: range) -> None:
        sent = [
            publisher.publish("meter/M", orjson.dumps({"v": 1.5, "t": base + n}), qos=1)
            for n in numbers
        ]
        for message in sent:
            message.wait_for_publish(20)
            assert message.is_published()

    try:
        await asyncio.to_thread(publish, range(FIRST))
        await asyncio.to_thread(wait_for, victim, b"committed")
        await asyncio.to_thread(publish, range(FIRST, MESSAGES))
        await asyncio.to_thread(wait_for, victim, b"stuck")
    finally:
        victim.kill()
        victim.wait(10)
        victim.stdout.close()
        publisher.disconnect()
        publisher.loop_stop()
    plant = load(file)
    spool = Spool(database, plant)
    try:
        committed = spool.ledger()["m"].spooled
        assert 0 < committed < MESSAGES
        running = asyncio.create_task(Supervisor(plant, Intake(plant, spool, lambda _: None)).run())
        wanted = {(base + n) * 1_000_000 for n in range(MESSAGES)}
        await until(lambda: set(spool.samples(None, 0, 2**62).times.tolist()) >= wanted)
        running.cancel()
        await asyncio.wait((running,))
        assert spool.ledger()["m"].balance == 0
        # What came again although it was committed is marked, for the writer to refuse.
        times, fresh = [], 0
        for segment in spool.pending(10**6):
            times += segment.batch.times.tolist()
            fresh += int((~segment.suspect).sum())
        assert fresh == MESSAGES == len(set(times))
    finally:
        spool.close()


def start_victim(file: Path, database: Path) -> subprocess.Popen[bytes]:
    """Running and subscribed: the session must exist before the first message."""
    script = Path(__file__).with_name("victim.py")
    victim = subprocess.Popen(
        [sys.executable, str(script), str(file), str(database)], stdout=subprocess.PIPE
    )
    wait_for(victim, b"connected")
    return victim


def wait_for(victim: subprocess.Popen[bytes], word: bytes) -> None:
    assert victim.stdout is not None
    while word not in victim.stdout.readline():
        assert victim.poll() is None
