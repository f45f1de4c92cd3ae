"""MQTT over TLS against Mosquitto: authority, client certificate, and every way to be deceived."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion
from peers.authority import Identity, key_of, make
from structlog.testing import capture_logs

from collector.mqtt.reader import MqttReader
from collector.mqtt.tls import context_of
from plant.model import Source

pytestmark = pytest.mark.servers
PASSWORD = "hunter2-secret"


@pytest.fixture(scope="module")
def authority() -> Identity:
    return make("plant authority", authority=True, key=key_of("root"))


@pytest.fixture
def broker(mosquitto, tmp_path, authority):
    """broker(identity, **more): Mosquitto with TLS under this certificate, restarted."""
    plain = mosquitto.command

    def start(identity: Identity, **more: object):
        certificate, key = identity.files(tmp_path, "broker")
        (tmp_path / "ca.pem").write_bytes(authority.pem)
        lines = {"cafile": tmp_path / "ca.pem", "certfile": certificate, "keyfile": key, **more}

        def command() -> list[str]:
            started = plain()
            file = Path(started[2])
            text = "".join(f"{name} {value}\n" for name, value in lines.items())
            file.write_text(file.read_text() + text)
            return started

        mosquitto.command = command
        mosquitto.stop()
        mosquitto.start()
        return mosquitto

    return start


def at(port: int, folder: Path, **options: object) -> Source:
    address = {"host": "127.0.0.1", "port": port, "client_id": "potline-test"}
    tls = {"tls": True, "ca_file": str(folder / "ca.pem")}
    return Source("meters", "mqtt", 10.0, {**address, "keepalive_s": 2, **tls, **options})


def reader_of(source: Source, plant_of) -> MqttReader:
    rows = [{"signal": "a", "address": {"topic": "p/a", "format": "number"}}]
    return MqttReader(source, plant_of(source, rows))


def publish(port: int, folder: Path, **tls: object) -> None:
    client = Client(CallbackAPIVersion.VERSION2, client_id="peer")
    client.tls_set(ca_certs=str(folder / "ca.pem"), **tls)
    client.connect("127.0.0.1", port)
    client.loop_start()
    client.publish("p/a", b"1.5", qos=1).wait_for_publish(10)
    client.disconnect()
    client.loop_stop()


async def refusal(reader: MqttReader, collecting, until) -> str:
    async with collecting(reader) as seen:
        await until(lambda: reader.health.last_error)
        await asyncio.sleep(0.3)
        assert not seen.deliveries
        assert reader.health.link == "disconnected"
        error = reader.health.last_error
    assert "\n" not in error
    return error


async def test_tls_with_client_certificate_and_alpn(
    broker, authority, tmp_path, plant_of, collecting, until
):
    server = broker(make("broker", issuer=authority), require_certificate="true")
    certificate, key = make("collector", issuer=authority).files(tmp_path, "client")
    files = {"client_certificate_file": str(certificate), "client_key_file": str(key)}
    reader = reader_of(at(server.port, tmp_path, **files, alpn=["mqtt"]), plant_of)
    async with collecting(reader) as seen:
        await until(lambda: reader.health.link == "connected")
        pair = {"certfile": str(certificate), "keyfile": str(key)}
        await asyncio.to_thread(publish, server.port, tmp_path, **pair)
        await until(lambda: seen.values(0) == [1.5])
    without = reader_of(at(server.port, tmp_path), plant_of)
    assert "does it want a client_certificate_file?" in await refusal(without, collecting, until)


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        ({"hosts": ("elsewhere",)}, "IP address mismatch"),
        ({"days": (-9, -1)}, "certificate has expired"),
        ({"days": (1, 9)}, "certificate is not yet valid"),
        ({"issuer": None}, "self-signed certificate"),
    ],
    ids=["wrong host", "expired", "not yet valid", "wrong authority"],
)
async def test_a_broker_that_proves_nothing_gets_nothing(
    broken, says, broker, authority, tmp_path, plant_of, collecting, until, monkeypatch
):
    monkeypatch.setenv("BROKER_PASSWORD", PASSWORD)
    server = broker(make("broker", **{"issuer": authority, **broken}))
    login = {"username": "me", "password_env": "BROKER_PASSWORD"}
    with capture_logs() as logs:
        reader = reader_of(at(server.port, tmp_path, **login), plant_of)
        error = await refusal(reader, collecting, until)
    assert f"the broker's certificate is refused: {says}" in error
    assert PASSWORD not in repr(logs) + error + repr(reader)
    log = (server.folder / "log").read_text()
    assert "potline-test" not in log  # it never came to a CONNECT


async def test_a_broker_without_tls_is_no_way_out(mosquitto, authority, tmp_path, plant_of,
                                                  collecting, until):  # fmt: skip
    (tmp_path / "ca.pem").write_bytes(authority.pem)
    reader = reader_of(at(mosquitto.port, tmp_path), plant_of)
    assert "no TLS with the broker" in await refusal(reader, collecting, until)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"ca_file": "/nowhere/ca.pem"}, "/nowhere/ca.pem"),
        ({"client_certificate_file": "{f}/ca.pem", "client_key_file": "{f}/x"}, "{f}/x"),
        ({"client_certificate_file": "{f}/ca.pem", "client_key_file": "{f}/other-key.pem"},
         "client_certificate_file {f}/ca.pem with client_key_file"),
        ({"client_certificate_file": "{f}/old.pem", "client_key_file": "{f}/old-key.pem"},
         "old.pem expired on"),
        ({"ca_file": "{f}/empty"}, "empty holds no certificate"),
        ({"username": "me", "password_file": "{f}/none"}, "{f}/none"),
    ],
    ids=["no authority", "no key", "another's key", "expired", "empty", "no password"],
)  # fmt: skip
async def test_files_that_are_no_use_are_told_and_end_nothing(
    options, says, mosquitto, authority, tmp_path, plant_of, collecting, until
):
    (tmp_path / "ca.pem").write_bytes(authority.pem)
    (tmp_path / "empty").touch()
    make("other").files(tmp_path, "other")
    make("old", issuer=authority, days=(-9, -1)).files(tmp_path, "old")
    given = {k: v.replace("{f}", str(tmp_path)) for k, v in options.items()}
    reader = reader_of(at(mosquitto.port, tmp_path, **given), plant_of)
    assert says.replace("{f}", str(tmp_path)) in await refusal(reader, collecting, until)


async def test_expiry_is_told_once_and_not_at_each_connection(
    broker, authority, tmp_path, plant_of, collecting, until
):
    server = broker(make("broker", issuer=authority, days=(-1, 20)))
    with capture_logs() as logs:
        for _ in range(2):
            reader = reader_of(at(server.port, tmp_path), plant_of)
            async with collecting(reader):
                await until(lambda reader=reader: reader.health.link == "connected")
    told = [entry for entry in logs if entry["event"].startswith("certificate expires")]
    assert [(entry["certificate"], entry["days_left"]) for entry in told] == [("broker", 19)]


def test_nothing_older_than_tls_1_2_and_the_name_is_checked(tmp_path, authority):
    (tmp_path / "ca.pem").write_bytes(authority.pem)
    context = context_of(at(1, tmp_path))
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert context.check_hostname
    assert context.verify_mode == ssl.CERT_REQUIRED


async def test_a_password_in_the_clear_is_told(plant_of, tmp_path, collecting, until, monkeypatch):
    monkeypatch.setenv("BROKER_PASSWORD", PASSWORD)
    login = {"username": "me", "password_env": "BROKER_PASSWORD", "tls": False}
    source = at(9, tmp_path, **login, host="192.0.2.1")
    with capture_logs() as logs:
        async with collecting(reader_of(source, plant_of)):
            await until(lambda: any("in the clear" in entry["event"] for entry in logs))
    assert PASSWORD not in repr(logs)
