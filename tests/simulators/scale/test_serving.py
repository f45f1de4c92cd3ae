"""The fast server as `potline simulate` runs it: a wave, faults on demand, certificates."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from asyncua import Client, ua
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from plant.model import Plant
from simulators.control import send
from simulators.scale.server import ScaleServer, Security
from simulators.scenario import ScenarioError, fault
from simulators.serve import serve
from simulators.wave import Wave

URI = "urn:test:pots"


class Seen:
    def __init__(self) -> None:
        self.rows: list[tuple[str, ua.DataValue]] = []

    def datachange_notification(self, node: Any, value: Any, data: Any) -> None:
        self.rows.append((node.nodeid.Identifier, data.monitored_item.Value))


@contextlib.asynccontextmanager
async def client_of(plant: Plant, task: asyncio.Task[None]) -> AsyncIterator[Client]:
    """Connected as soon as the simulator listens."""
    url = next(s for s in plant.sources if s.id == "pots").options["url"]
    client = Client(url, watchdog_intervall=60)
    async with asyncio.timeout(60):
        while True:
            try:
                await client.connect()
                break
            except OSError:
                assert not task.done() or task.result()
                await asyncio.sleep(0.1)
    try:
        yield client
    finally:
        await client.disconnect()


async def test_every_value_of_the_wave_and_a_fault_on_demand(small: Plant, free_port: int) -> None:
    task = asyncio.create_task(serve(small, fast=True, wave=True, control_port=free_port, seed=5))
    try:
        async with client_of(small, task) as client:
            columns = {
                tag.address["node"][2:]: tag.column for tag in small.tags if tag.source == "pots"
            }
            index = await client.get_namespace_index(URI)
            seen = Seen()
            subscription = await client.create_subscription(100, seen)
            nodes = [client.get_node(ua.NodeId(name, index)) for name in columns]
            await subscription.subscribe_data_change(nodes, queuesize=20)
            await asyncio.sleep(3)
            good = [(columns[n], v) for n, v in seen.rows if v.StatusCode.is_good()]
            tags = np.array([tag for tag, _ in good], np.int32)
            times = np.array([
                round(v.SourceTimestamp.replace(tzinfo=UTC).timestamp() * 1e6) * 1000
                for _, v in good
            ])  # fmt: skip
            expected = Wave(small, 0, seed=5).read(tags, times)
            assert [v.Value.Value for _, v in good] == expected.tolist()
            fast = tags == columns["001.voltage"]
            assert fast.sum() >= 4
            assert set(np.diff(times[fast])) == {500_000_000}, "none is missing"

            frozen = {"kind": "freeze_server", "source": "pots"}
            number = (await asyncio.to_thread(send, free_port, frozen))["id"]
            await asyncio.sleep(0.5)
            before = len(seen.rows)
            await asyncio.sleep(1.5)
            assert len(seen.rows) == before
            await asyncio.to_thread(send, free_port, {"clear": number})
            await asyncio.sleep(1.5)
            assert len(seen.rows) > before
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_the_small_server_cannot_be_hostile(small: Plant) -> None:
    hostile = fault({"kind": "freeze_server", "source": "pots"}, small, "test")
    with pytest.raises(ScenarioError, match="simulate with --fast"):
        await serve(small, scenario=[hostile])


def certificate(folder: Path, name: str, days: int) -> tuple[Path, Path]:
    """Self-signed, valid until so many days from now."""
    key = rsa.generate_private_key(65537, 2048)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    built = (
        x509.CertificateBuilder().subject_name(subject).issuer_name(subject)
        .public_key(key.public_key()).serial_number(7)
        .not_valid_before(now - timedelta(days=90)).not_valid_after(now + timedelta(days=days))
        .add_extension(
            x509.SubjectAlternativeName([x509.UniformResourceIdentifier(f"urn:test:{name}")]), False
        )
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    files = folder / f"{name}.der", folder / f"{name}.pem"
    files[0].write_bytes(built.public_bytes(serialization.Encoding.DER))
    files[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return files


async def test_an_expired_certificate_is_shown_and_nothing_is_plain(
    small: Plant, tmp_path: Path
) -> None:
    source = next(s for s in small.sources if s.id == "pots")
    shown, key = certificate(tmp_path, "server", days=-1)
    mine, my_key = certificate(tmp_path, "client", days=30)
    async with ScaleServer(small, source, Security(shown, key)) as server:
        endpoints = await Client(source.options["url"]).connect_and_get_server_endpoints()
        assert {e.ServerCertificate for e in endpoints} == {shown.read_bytes()}
        assert ua.MessageSecurityMode.None_ not in {e.SecurityMode for e in endpoints}
        assert {e.SecurityPolicyUri.rpartition("#")[2] for e in endpoints} == {
            "Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss"
        }  # fmt: skip
        assert {e.Server.ApplicationUri for e in endpoints} == {"urn:test:server"}
        client = Client(source.options["url"])
        client.application_uri = "urn:test:client"
        await client.set_security_string(f"Basic256Sha256,SignAndEncrypt,{mine},{my_key},{shown}")
        async with client:
            seen = Seen()
            subscription = await client.create_subscription(20, seen)
            index = await client.get_namespace_index(URI)
            await subscription.subscribe_data_change(
                client.get_node(ua.NodeId("L1.current", index))
            )
            column = np.array([small.column_of["L1.current"]], np.int32)
            server.send(column, np.array([399.5]), np.array([1_795_219_200_000_000_000]))
            async with asyncio.timeout(10):
                while not any(v.StatusCode.is_good() for _, v in seen.rows):  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
            assert seen.rows[-1][1].Value.Value == 399.5
