"""deploy/compose.yaml: pinned, on loopback, without a password in it; the broker's files work."""

from __future__ import annotations

import re
import shutil
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
import yaml
from paho.mqtt.enums import CallbackAPIVersion

ROOT = Path(__file__).resolve().parent.parent.parent
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILE = (ROOT / "deploy/Dockerfile").read_text()


@pytest.fixture(params=SERVICES)
def service(request: pytest.FixtureRequest) -> dict[str, Any]:
    return SERVICES[request.param]


def test_the_parts_are_those_of_the_readme() -> None:
    assert set(SERVICES) == {"influxdb", "mosquitto", "potline"}


def test_a_port_is_bound_to_loopback(service: dict[str, Any]) -> None:
    assert service["ports"]
    assert all(re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port) for port in service["ports"])


def test_an_image_is_pinned(service: dict[str, Any]) -> None:
    exact = re.compile(r"[a-z-]+:\d+\.\d+\.\d+[\w.-]*")
    if "image" in service:
        assert exact.fullmatch(service["image"])
    else:
        bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.M)
        assert all(exact.fullmatch(base) for base in bases)


def test_a_service_is_watched_and_restarted(service: dict[str, Any]) -> None:
    assert service["healthcheck"]["test"]
    assert service["restart"] == "unless-stopped"


def test_a_service_gains_no_privileges(service: dict[str, Any]) -> None:
    assert "no-new-privileges:true" in service["security_opt"]
    assert not service.get("privileged")
    if service is not SERVICES["influxdb"]:  # its image starts as root to give away its folders
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert int(service["user"].split(":")[0]) > 0


def test_no_secret_stands_in_the_file(service: dict[str, Any]) -> None:
    for name, value in service.get("environment", {}).items():
        if re.search(r"PASSWORD|TOKEN|USERNAME|SECRET", name):
            assert name.endswith("_FILE")
            assert value.startswith("/run/secrets/")


def test_every_secret_is_declared_and_made(tmp_path: Path) -> None:
    used = {name for service in SERVICES.values() for name in service.get("secrets", [])}
    assert used == set(COMPOSE["secrets"])
    folder = make_secrets(tmp_path / "secrets")
    files = {Path(secret["file"]).name for secret in COMPOSE["secrets"].values()}
    assert files <= {file.name for file in folder.iterdir()}
    paths = re.findall(r"/run/secrets/(\w+)", (ROOT / "deploy/compose.yaml").read_text())
    assert set(paths) <= files | {"mosquitto_passwords"}


def make_secrets(folder: Path) -> Path:
    script = ROOT / "tools/make_secrets.py"
    subprocess.run([sys.executable, str(script), str(folder)], check=True, timeout=20)
    return folder


def test_secrets_are_random_private_and_kept(tmp_path: Path) -> None:
    one, other = make_secrets(tmp_path / "one"), make_secrets(tmp_path / "other")
    assert stat.S_IMODE(one.stat().st_mode) == 0o700
    before = {file.name: file.read_text() for file in one.iterdir()}
    for name, text in before.items():
        assert name == "influxdb_user" or text != (other / name).read_text()
        assert name == "influxdb_user" or len(text) >= 48
    make_secrets(one)
    assert {file.name: file.read_text() for file in one.iterdir()} == before


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """The real Mosquitto with the files of deploy/, moved to a free loopback port."""
    program = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
    if program is None:
        pytest.skip("no mosquitto on this machine: apt-get install mosquitto")
    folder = make_secrets(tmp_path / "secrets")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    text = (ROOT / "deploy/mosquitto.conf").read_text()
    for there, here in {
        "listener 1883": f"listener {port} 127.0.0.1",
        "/run/secrets": str(folder),
        "/mosquitto/config": str(ROOT / "deploy"),
        "/mosquitto/data/": f"{tmp_path}/",
    }.items():
        assert there in text
        text = text.replace(there, here)
    (tmp_path / "mosquitto.conf").write_text(f"{text}\nuser root\n")
    process = subprocess.Popen([program, "-c", str(tmp_path / "mosquitto.conf")])
    try:
        yield port, folder
    finally:
        process.terminate()
        process.wait(10)


def connected(port: int, user: str | None, password: str) -> mqtt.Client | None:
    """A client, None when the broker refused it."""
    client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
    answers: list[bool] = []
    client.on_connect = lambda *args: answers.append(not args[3].is_failure)
    if user is not None:
        client.username_pw_set(user, password)
    until = time.monotonic() + 10
    while True:  # the broker may still be starting
        try:
            client.connect("127.0.0.1", port)
            break
        except ConnectionRefusedError:
            assert time.monotonic() < until, "Mosquitto does not listen"
            time.sleep(0.05)
    client.loop_start()
    while not answers and time.monotonic() < until:
        time.sleep(0.02)
    if answers == [True]:
        return client
    client.loop_stop()
    return None


@pytest.mark.servers
def test_the_broker_lets_in_who_has_the_secret_and_potline_only_listens(
    broker: tuple[int, Path],
) -> None:
    port, folder = broker
    assert connected(port, None, "") is None
    assert connected(port, "potline", "guess") is None
    listener = connected(port, "potline", (folder / "mqtt_password_potline").read_text())
    publisher = connected(port, "plant", (folder / "mqtt_password_plant").read_text())
    assert listener
    assert publisher
    heard: list[bytes] = []
    subscribed: list[bool] = []
    listener.on_message = lambda *args: heard.append(args[2].payload)
    listener.on_subscribe = lambda *args: subscribed.append(True)
    listener.subscribe("#", qos=1)
    wait_for(subscribed)
    listener.publish("meter", b"from potline", qos=1).wait_for_publish(5)
    publisher.publish("meter", b"from the plant", qos=1).wait_for_publish(5)
    wait_for(heard)
    assert heard == [b"from the plant"]
    for client in (listener, publisher):
        client.disconnect()
        client.loop_stop()


def wait_for(what: list[Any]) -> None:
    until = time.monotonic() + 5
    while not what:
        assert time.monotonic() < until
        time.sleep(0.02)
