"""Two halves of a pair in one process: who publishes, who takes files, and what goes wrong."""

from __future__ import annotations

import asyncio
import contextlib
import time
import urllib.request
from pathlib import Path

import pytest
from harness import unused_port

from plant.load import PlantError, load
from potline.exits import Failure
from potline.stack import Stack

PLANT = """
[site]
id = "s"
time_zone = "Asia/Shanghai"
grid_region = "CN-SD"
gwp = "AR5"

[store]
kind = "embedded"
path = "{folder}/var"

[[meter]]
id = "M"
name = "M"

[[source]]
id = "files"
kind = "folder"
path = "{folder}/in"
settle_s = 0.1
poll_s = 0.2

[[tags]]
each = "meter"
source = "files"
column = "{{id}}"
signals = ["power"]
interval_s = 10

[[output]]
id = "mes"
kind = "mqtt"
host = "127.0.0.1"
port = 9
client_id = "potline"
prefix = "potline/test"

[pair]
name = "{name}"
listen = "127.0.0.1:{listen}"
peer = "127.0.0.1:{peer}"
secret_env = "POTLINE_TEST_PAIR"
priority = {priority}
heartbeat_s = 0.1
lease_s = 0.6
"""


@pytest.fixture(autouse=True)
def secret(monkeypatch):
    monkeypatch.setenv("POTLINE_TEST_PAIR", "sixteen characters at least")


@pytest.fixture
def plants(tmp_path):
    """The plant of each half: a has the better priority."""
    ports = unused_port(), unused_port()
    made = {}
    for name, priority in (("a", 1), ("b", 2)):
        folder = tmp_path / name
        (folder / "in").mkdir(parents=True)
        (folder / "plant.toml").write_text(
            PLANT.format(
                folder=folder, name=name, priority=priority, listen=ports[priority - 1],
                peer=ports[2 - priority]
            ),
            "utf-8",
        )  # fmt: skip
        made[name] = load(folder / "plant.toml")
    return made


def changed(plant, word: str, other: str) -> Path:
    """Its file, written otherwise."""
    file = Path(plant.path)
    text = file.read_text("utf-8")
    assert word in text
    file.write_text(text.replace(word, other), "utf-8")
    return file


async def until(condition, within_s: float = 60.0) -> None:
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < within_s, "waited in vain"
        await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def running(plant):
    with contextlib.closing(Stack(plant)) as stack:
        async with stack.running("127.0.0.1", 0) as address:
            stack.address = address
            yield stack


async def drop(folder: Path, value: float) -> None:
    when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    (folder / "in" / f"{value}.csv").write_text(f"time,M\n{when},{value}\n", "utf-8")


async def test_only_the_active_publishes_and_takes_files_until_it_stops(plants, tmp_path):
    async with running(plants["b"]) as b:
        async with running(plants["a"]) as a:
            await until(lambda: a.pair.status.peer and b.pair.status.peer_active)
            assert [half.pair.status.role for half in (a, b)] == ["active", "standby"]
            await until(lambda: len(a.outputs.statuses) == 1)
            assert len(b.outputs.statuses) == 0
            for name in "ab":
                await drop(tmp_path / name, 5.0)
            await until(lambda: a.spool.ledger()["files"].received == 1)
            await asyncio.sleep(1)
            assert b.spool.ledger()["files"].received == 0
            assert await asyncio.to_thread(_status, f"{b.address}/readyz?role=active") == 503
            began = time.monotonic()
        assert b.pair.active
        assert time.monotonic() - began < 10
        assert "a has left" in b.pair.status.reason
        await until(lambda: b.spool.ledger()["files"].received == 1)
        await until(lambda: len(b.outputs.statuses) == 1)
        assert b.pair.status.epoch == 2


def _status(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


async def test_with_another_secret_both_go_on_and_say_so(plants, monkeypatch):
    async with running(plants["a"]) as a:
        monkeypatch.setenv("POTLINE_TEST_PAIR", "another secret, as long")
        async with running(plants["b"]) as b:
            await until(lambda: a.pair.active and b.pair.active)
            await until(lambda: a.pair.status.strangers and b.pair.status.strangers)
            assert "ended the connection" in b.pair.status.trouble
            assert a.pair.status.peer == ""


@pytest.mark.parametrize(
    ("word", "other", "expected"),
    [
        ('name = "b"', 'name = "a"', "both are named a"),
        ('id = "s"', 'id = "t"', "it collects for site"),
    ],
)
async def test_two_that_do_not_belong_together_say_why(plants, word, other, expected):
    plant = load(changed(plants["b"], word, other))
    async with running(plants["a"]) as a, running(plant) as b:
        await until(lambda: expected in a.pair.status.trouble)
        await until(lambda: expected in b.pair.status.trouble)
        await until(lambda: a.pair.active and b.pair.active)


async def test_a_taken_port_a_missing_and_a_short_secret_are_told(plants, monkeypatch):
    host, port = plants["a"].pair.listen.split(":")
    server = await asyncio.start_server(lambda *_: None, host, int(port))
    async with server:
        with pytest.raises(Failure, match=r"choose another \[pair\] listen"):
            async with running(plants["a"]):
                pass
    monkeypatch.setenv("POTLINE_TEST_PAIR", "short")
    with pytest.raises(Failure, match="shorter than 16"):
        Stack(plants["a"])
    monkeypatch.delenv("POTLINE_TEST_PAIR")
    with pytest.raises(Failure, match=r"POTLINE_TEST_PAIR \(secret_env\) is not set"):
        Stack(plants["a"])


@pytest.mark.parametrize(
    ("word", "other", "expected"),
    [
        ("lease_s = 0.6", "lease_s = 0.5\nheartbeat_s = 0.2", "the key stands twice"),
        ("heartbeat_s = 0.1", "heartbeat_s = 0.3", "lease_s = 0.9"),
        ("secret_env", 'secret_file = "x"\nsecret_env', "both are written"),
        ('secret_env = "POTLINE_TEST_PAIR"', "", "no secret is written"),
        ('listen = "127.0.0.1:', 'listen = "127.0.0.1', "is no host and port"),
    ],
)
def test_what_is_wrong_in_the_plant_file_is_told(plants, word, other, expected):
    with pytest.raises(PlantError, match=expected):
        load(changed(plants["a"], word, other))


def test_shared_subscriptions_are_refused_and_client_ids_told_apart(plants):
    file = Path(plants["a"].path)
    source = '\n[[source]]\nid = "m"\nkind = "mqtt"\nhost = "h"\nclient_id = "c"\n'
    text = file.read_text("utf-8")
    file.write_text(text + source, "utf-8")
    plant = load(file)
    assert plant.sources[1].options["client_id"] == "c-a"
    assert plant.outputs[0].options["client_id"] == "potline", "only the active publishes"
    file.write_text(f'{text}{source}share = "group"\n', "utf-8")
    with pytest.raises(PlantError, match="leave share out"):
        load(file)
