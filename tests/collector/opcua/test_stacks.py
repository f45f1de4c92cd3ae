"""The same against the servers of three makers: every policy, every login, every refusal."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from peers.authority import Identity, key_of, make
from peers.opcua_server import AT, KINDS
from peers.stacks import MAKERS, Stack, lacking

from collector.opcua.reader import OpcUaReader
from collector.opcua.trust import TrustList
from conftest import missing, unused_port
from plant.batch import Quality
from plant.model import Plant, Source
from simulators.proxy import Proxy

pytestmark = [
    pytest.mark.servers,
    pytest.mark.slow,
    pytest.mark.parametrize("maker", MAKERS),
]

URI, SERVER = "urn:test:plant", "urn:test:server"
PASSWORD = "hunter2-Ω-secret"
OPEN = {"security": "None", "anonymous": True}
BEST = {"security": "Aes256Sha256RsaPss", "security_mode": "SignAndEncrypt", "anonymous": True}
POLICIES = ("Basic256Sha256", "Aes128Sha256RsaOaep", "Aes256Sha256RsaPss")


@pytest.fixture(scope="module")
def stacks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """All three, each on three ports: with security, without, and with an expired certificate."""
    good = make("server", uri=SERVER, hosts=("127.0.0.1",))
    expired = make("server", uri=SERVER, hosts=("127.0.0.1",), days=(-9, -1))
    running: dict[str, Stack] = {}
    plain: dict[str, int] = {}
    outdated: dict[str, int] = {}
    for maker in (m for m in MAKERS if not lacking(m)):
        folder = tmp_path_factory.mktemp(maker)
        (folder / "certificate.pem").write_bytes(good.pem)
        (folder / "expired.pem").write_bytes(expired.pem)
        (folder / "key.pem").write_bytes(good.key_pem)
        port, plain[maker], outdated[maker] = (unused_port() for _ in range(3))
        secured = folder, plain[maker], outdated[maker]
        running[maker] = Stack(maker, port, *secured, password=PASSWORD)
        running[maker].begin()
    yield SimpleNamespace(
        running=running, plain=plain, outdated=outdated, good=good, expired=expired
    )
    for stack in running.values():
        stack.kill()


@pytest.fixture
def stack(stacks, maker) -> Stack:
    if why := lacking(maker):
        missing(why)
    stacks.running[maker].wait()
    return stacks.running[maker]


@pytest.fixture
def plant_at(plant_of, tmp_path):
    """plant_at(port, names, trusted=…, **options): a plant of its own folder."""

    def build(
        port: int,
        names: list[str | tuple[str, int]],
        trusted: Identity | None = None,
        **options: object,
    ) -> Plant:
        given = {"url": f"opc.tcp://127.0.0.1:{port}", "namespace": URI}
        source = Source("s", "opcua", 3.0, {**given, "publishing_interval_s": 0.1, **options})
        rows = [
            {
                "signal": name if isinstance(name, str) else f"{name[0]}{name[1]}",
                "address": {"node": f"s={name}"}
                if isinstance(name, str)
                else {"node": f"s={name[0]}", "index": str(name[1])},
                "interval_s": 0.1,
                "low": -1e20,
                "high": 1e20,
            }
            for name in names
        ]
        plant = plant_of(source, rows)
        plant = replace(plant, store=replace(plant.store, path=str(tmp_path / "var")))
        own = tmp_path / "var" / "pki" / "own"
        own.mkdir(parents=True, exist_ok=True)
        (own / "key.pem").touch(0o600)
        (own / "key.pem").write_bytes(Identity(None, key_of("collector")).key_pem)
        if trusted is not None:
            TrustList(plant).put("trusted", trusted.certificate)
        return plant

    return build


def secret(folder: Path, text: str) -> str:
    file = folder / "password"
    file.touch(0o600)
    file.write_text(text, "utf-8")
    return str(file)


def in_order(values: list[float]) -> bool:
    return bool(np.array_equal(values, np.arange(values[0], values[0] + len(values))))


async def counts(plant: Plant, collecting, until) -> None:
    """It counts, and nothing is left out."""
    reader = OpcUaReader(plant.sources[0], plant)
    async with collecting(reader) as seen:
        await until(lambda: len(seen.values(0)) >= 5, within_s=20)
    assert in_order(seen.values(0)), seen.values(0)
    assert not reader.health.last_error


@pytest.mark.parametrize("mode", ["Sign", "SignAndEncrypt"])
@pytest.mark.parametrize("policy", POLICIES)
async def test_each_policy_and_mode(
    policy, mode, stack, stacks, plant_at, tmp_path, collecting, until
):
    login = {"username": "me", "password_file": secret(tmp_path, PASSWORD)}
    security = {"security": policy, "security_mode": mode}
    plant = plant_at(stack.port, ["count"], stacks.good, **security, **login)
    await counts(plant, collecting, until)


@pytest.mark.parametrize("login", ["open", "anonymous", "certificate"])
async def test_the_other_logins(login, stack, stacks, plant_at, tmp_path, collecting, until):
    given = OPEN if login == "open" else BEST
    if login == "certificate":
        certificate, key = make("user").files(tmp_path, "user")
        files = {"user_certificate_file": str(certificate), "user_key_file": str(key)}
        given = {**BEST, "anonymous": False, **files}
    await counts(plant_at(stack.port, ["count"], stacks.good, **given), collecting, until)


async def test_a_wrong_password(stack, stacks, plant_at, tmp_path, collecting, until):
    login = {"username": "me", "password_file": secret(tmp_path, "not-the-one")}
    plant = plant_at(stack.port, ["count"], stacks.good, **{**BEST, "anonymous": False}, **login)
    error = await refusal(plant, collecting, until)
    assert "refuses the login" in error
    assert "not-the-one" not in error


async def refusal(plant: Plant, collecting, until) -> str:
    """Why it does not connect: one line, and no sample."""
    reader = OpcUaReader(plant.sources[0], plant)
    async with collecting(reader) as seen:
        await until(lambda: reader.health.last_error, within_s=20)
        await asyncio.sleep(0.3)
        assert reader.health.link == "disconnected"
        assert not seen.deliveries
    assert "\n" not in reader.health.last_error
    return str(reader.health.last_error)


async def test_a_downgrade_fails_closed(stack, stacks, plant_at, collecting, until):
    plant = plant_at(stacks.plain[stack.maker], ["count"], stacks.good, **BEST)
    error = await refusal(plant, collecting, until)
    assert "does not offer Aes256Sha256RsaPss with SignAndEncrypt, it offers None" in error


async def test_an_unknown_certificate_fails_closed(stack, stacks, plant_at, collecting, until):
    error = await refusal(plant_at(stack.port, ["count"], **BEST), collecting, until)
    assert "is not trusted" in error
    assert f"potline trust add test {stacks.good.thumbprint}" in error


async def test_a_changed_certificate_fails_closed(stack, stacks, plant_at, collecting, until):
    before = make("server", uri=SERVER, hosts=("127.0.0.1",), key=key_of("before"))
    error = await refusal(plant_at(stack.port, ["count"], before, **BEST), collecting, until)
    assert f"has changed (trusted: {before.thumbprint})" in error


async def test_an_expired_certificate_fails_closed(stack, stacks, plant_at, collecting, until):
    plant = plant_at(stacks.outdated[stack.maker], ["count"], stacks.expired, **BEST)
    error = await refusal(plant, collecting, until)
    assert f"{stacks.expired.thumbprint} expired on" in error


async def test_a_wrong_host_fails_closed(stack, stacks, plant_at, collecting, until):
    elsewhere = {"url": f"opc.tcp://localhost:{stack.port}"}
    plant = plant_at(stack.port, ["count"], stacks.good, **BEST, **elsewhere)
    error = await refusal(plant, collecting, until)
    assert "is for 127.0.0.1, not for localhost" in error


NUMBERS = (
    "boolean", "sbyte", "byte", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float",
    "double", "uncertain", "bad",
)  # fmt: skip


async def test_values_status_and_times(stack, plant_at, collecting, until):
    elements = [("doubles", 2), ("floats", 1), ("int32s", 1), ("booleans", 1), ("matrix", 4)]
    others = ["text", "none", "absent", "fine"]
    names = [*NUMBERS, *elements, *others]
    plant = plant_at(stack.port, names, **OPEN)
    reader = OpcUaReader(plant.sources[0], plant)
    async with collecting(reader) as seen:
        await until(lambda: len(set(seen.batch.tags.tolist())) == len(NUMBERS) + len(elements) + 1)
        await until(lambda: reader.health.unresolved)
    first = {int(tag): row for row, tag in reversed(list(enumerate(seen.batch.tags)))}
    batch = seen.batch.take(np.array([first[tag] for tag in sorted(first)]))
    sent = [KINDS[name].Value.Value for name in NUMBERS[:-1]]
    sent += [KINDS[name].Value.Value[i] for name, i in elements[:-1]] + [5.0, 6.0]
    expected = np.array(sent, np.float64)
    expected[NUMBERS.index("float")] = np.float32(3.14)
    expected[len(NUMBERS)] = np.float32(1.1)
    values = np.delete(batch.values, NUMBERS.index("bad"))
    assert values.tolist() == expected.tolist()
    bad, uncertain = (batch.quality[NUMBERS.index(name)] for name in ("bad", "uncertain"))
    assert bad & Quality.SEVERITY == Quality.BAD
    assert np.isnan(batch.values[NUMBERS.index("bad")])
    assert uncertain & Quality.SEVERITY == Quality.UNCERTAIN
    assert list(reader.health.unresolved) == ["c.absent"]
    assert seen.refused("wrong_type") >= 2
    moment = int(AT.replace(microsecond=123_000).timestamp()) * 10**9 + 123_000_000
    within_ms = np.abs(batch.times[: len(NUMBERS)] - moment) < 10**6
    assert within_ms.all(), datetime.fromtimestamp(batch.times[0] / 1e9, UTC)


@pytest.mark.parametrize("redundancy", ["hot", "warm"])
async def test_two_ways_to_the_server(redundancy, stack, plant_at, collecting, until):
    """Two sessions, of which one stands by: it takes over, and hot leaves nothing out."""
    async with Proxy("127.0.0.1", stack.port) as one, Proxy("127.0.0.1", stack.port) as other:
        urls = [f"opc.tcp://127.0.0.1:{proxy.port}" for proxy in (one, other)]
        addresses = {"url": urls[0], "urls": urls, "redundancy": redundancy}
        plant = plant_at(one.port, ["count"], **OPEN, **addresses)
        reader = OpcUaReader(plant.sources[0], plant)
        async with collecting(reader) as seen:
            await until(lambda: len(seen.values(0)) >= 5)
            await asyncio.sleep(1.0)  # the other session makes its items
            assert in_order(seen.values(0)), "one of them tells"
            one.network.refuse = True
            one.reset()
            last = seen.values(0)[-1]
            took_s = await until(lambda: seen.values(0)[-1] >= last + 10, within_s=10)
            assert took_s < 3.0
            assert reader.health.switched == 1
    if redundancy == "hot":
        assert in_order(seen.values(0)), seen.values(0)


async def test_killed_and_started_again(stack, stacks, plant_at, collecting, until):
    plant = plant_at(stack.port, ["count"], stacks.good, **BEST)
    reader = OpcUaReader(plant.sources[0], plant)
    async with collecting(reader) as seen:
        await until(lambda: len(seen.values(0)) >= 5)
        stack.kill()
        await until(lambda: reader.health.link == "disconnected")
        before = len(seen.deliveries)
        stack.begin(alone=True)
        await asyncio.to_thread(stack.wait)
        await until(lambda: len(seen.deliveries) >= before + 3)
        assert seen.deliveries[before].resumed
        assert in_order(seen.values(0)[-3:])


async def test_a_cut_connection_goes_on(stack, plant_at, collecting, until):
    """With its session and subscription where the stack keeps them, else with new ones."""
    async with Proxy("127.0.0.1", stack.port) as proxy:
        plant = plant_at(proxy.port, ["count"], **OPEN)
        reader = OpcUaReader(plant.sources[0], plant)
        async with collecting(reader) as seen:
            for cuts in range(3):
                rows = len(seen.batch)
                await until(lambda n=rows: len(seen.batch) > n + 2, within_s=15)
                await until(lambda: reader.health.link == "connected", within_s=15)
                assert reader.health.reconnects == cuts
                proxy.reset()
                await until(lambda n=cuts: reader.health.reconnects > n, within_s=15)
