"""`potline trust`, and what a running collector says and does about certificates."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from asyncua import Server, ua
from asyncua.crypto.permission_rules import User, UserRole
from harness import Process, get_or_none, potline, until, unused_port, write_plant
from peers.authority import Identity, make

PASSWORD = "hunter2-very-secret"
SERVER = "urn:test:server"


class OneUser:
    def get_user(self, iserver, username=None, password=None, certificate=None):
        right = (username, password) == ("me", PASSWORD)
        return User(role=UserRole.User) if right else None


class SecuredServer:
    """An asyncua server in a thread: node V of L1-001, one policy, one user."""

    def __init__(self, identity: Identity) -> None:
        self.port = unused_port()
        self.identity = identity
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._up = threading.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._run(),))

    def __enter__(self) -> SecuredServer:
        self._thread.start()
        assert self._up.wait(60)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(30)
        self._loop.close()

    async def _run(self) -> None:
        server = Server(user_manager=OneUser())
        await server.init()
        await server.set_application_uri(SERVER)
        server.set_endpoint(f"opc.tcp://127.0.0.1:{self.port}")
        await server.load_certificate(self.identity.der)
        await server.load_private_key(self.identity.key_der)
        best = ua.SecurityPolicyType.Aes256Sha256RsaPss_SignAndEncrypt
        server.set_security_policy([ua.SecurityPolicyType.NoSecurity, best])
        index = await server.register_namespace("urn:potline:simulator:L1")
        name = ua.NodeId("L1.001.voltage", index)
        node = await server.nodes.objects.add_variable(name, "V", 4.0)
        async with server:
            self._up.set()
            while not self._stop.is_set():
                await node.write_value(4.0)
                await asyncio.sleep(0.2)
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()


@pytest.fixture
def plant(tmp_path: Path) -> Path:
    """The small plant, its OPC UA source secured; the password in a file that others can read."""
    store = f'[store]\nkind = "embedded"\npath = "{tmp_path / "var"}"\n'
    path = write_plant(tmp_path, store, mqtt=unused_port())
    login = 'security = "Aes256Sha256RsaPss"\nusername = "me"\npassword_file = "password"\n'
    path.write_text(path.read_text("utf-8").replace("anonymous = true\n", login), "utf-8")
    (tmp_path / "password").write_text(PASSWORD)
    return path


@pytest.fixture
def server() -> Iterator[SecuredServer]:
    with SecuredServer(make("server", uri=SERVER)) as running:
        yield running


@pytest.mark.slow
def test_from_refused_to_trusted_to_refused_while_it_runs(plant, server, tmp_path):
    port = unused_port()
    text = plant.read_text("utf-8")
    before = text.split("opc.tcp://127.0.0.1:")[1].split('"')[0]
    plant.write_text(text.replace(f"127.0.0.1:{before}", f"127.0.0.1:{server.port}"), "utf-8")
    url = f"http://127.0.0.1:{port}"
    running = Process(tmp_path / "log", "run", plant, "--port", port)

    def source() -> dict:
        live = get_or_none(f"{url}/api/v1/live") or {"sources": []}
        return next((s for s in live["sources"] if s["id"] == "pots"), {})

    try:
        error = until("a refusal", lambda: source().get("last_error"), 60)
        name = server.identity.thumbprint
        assert error.endswith(f"potline trust add {plant} {name}")
        listed = json.loads(potline("trust", "list", plant, "--json").stdout)["certificates"]
        states = {row["state"]: row for row in listed}
        assert states["rejected"]["thumbprint"] == name
        assert states["rejected"]["source"] == "pots"
        assert states["rejected"]["application_uri"] == SERVER
        assert "own" not in states  # nothing of ours was needed yet

        assert f"trusted: {name}" in potline(*error.split("run: potline ")[1].split()).stdout
        until("the link", lambda: '"unresolved": 56' in running.text, 20)
        explained = potline("trust", "show", plant, "own").stdout
        assert "urn:potline:" in explained

        potline("trust", "reject", plant, name.lower())
        until("the end", lambda: running.text.count("refused for security") == 2, 20)
        pages = [
            until(p, lambda p=p: get_or_none(f"{url}/api/v1/{p}"), 60) for p in ("plant", "live")
        ]
        everything = json.dumps(pages)
    finally:
        running.kill()
    log = running.text
    assert log.count("refused for security") == 2  # at the edges, not at each try
    assert log.count("every user of this machine can read a secret") == 1
    for shown in (log, everything, potline("check", plant, "--json").stdout):
        assert PASSWORD not in shown
    assert not [f for f in (tmp_path / "var").rglob("*")
                if f.is_file() and PASSWORD.encode() in f.read_bytes()]  # fmt: skip


def shown(plant: Path, what: str) -> dict:
    return json.loads(potline("trust", "show", plant, what, "--json").stdout)


def test_add_a_file_and_show_and_reject(plant, tmp_path):
    authority = make("plant authority", authority=True)
    (tmp_path / "ca.der").write_bytes(authority.der)
    name = authority.thumbprint
    colons = ":".join(name[i : i + 2] for i in range(0, len(name), 2))
    added = json.loads(potline("trust", "add", plant, tmp_path / "ca.der", "--json").stdout)
    assert [row["thumbprint"] for row in added["certificates"]] == [name]
    assert added["certificates"][0]["authority"]
    potline("trust", "reject", plant, colons)
    assert shown(plant, name)["state"] == "rejected"
    potline("trust", "add", plant, name.lower())
    potline("trust", "add", plant, name)  # again changes nothing
    assert "trusted" in (text := potline("trust", "list", plant).stdout)
    assert "plant authority" in text
    assert "rejected" not in text


def test_wrong_use_is_told_in_one_line(plant, tmp_path):
    (tmp_path / "text").write_text("no certificate")
    for command, what in (("add", "00" * 20), ("add", tmp_path / "text"), ("reject", "00" * 20)):
        done = potline("trust", command, plant, what, status=2)
        assert len(done.stderr.splitlines()) == 1
        assert str(what) in done.stderr


def test_our_own_is_made_once_by_show(plant, tmp_path):
    assert "makes it" in potline("trust", "list", plant).stdout
    own = shown(plant, "own")
    assert own["application_uri"].endswith(":collector")
    assert shown(plant, "own")["thumbprint"] == own["thumbprint"]
    assert (tmp_path / "var/pki/own/key.pem").stat().st_mode & 0o777 == 0o600
    (tmp_path / "var/pki/trusted").mkdir()
    (tmp_path / "var/pki/trusted/broken.der").write_bytes(b"\x30\x82")
    listed = json.loads(potline("trust", "list", plant, "--json").stdout)
    assert listed["unreadable"] == [str(tmp_path / "var/pki/trusted/broken.der")]
    assert listed["certificates"][0]["state"] == "own"


LOGINS = {
    "none": ("", "anonymous: no login is written"),
    "two": (
        'anonymous = true\nusername = "me"\nallow_password_in_clear = true\n',
        "anonymous: more than one login",
    ),
    "clear": ('username = "me"\npassword_env = "X"\n', "allow_password_in_clear: with security"),
    "mode": ('anonymous = true\nsecurity_mode = "Sign"\n', "security_mode: needs a policy"),
    "weak": ('anonymous = true\nsecurity = "Basic256"\n', "security: unknown value"),
    "half": ('security = "Basic256Sha256"\nuser_certificate_file = "x"\n', "go together"),
    "open": ('user_certificate_file = "x"\nuser_key_file = "y"\n', "on an open channel"),
}


@pytest.mark.parametrize("given", LOGINS)
def test_the_plant_file_says_how_to_log_in(given, tmp_path):
    keys, says = LOGINS[given]
    store = f'[store]\nkind = "embedded"\npath = "{tmp_path / "var"}"\n'
    path = write_plant(tmp_path, store, mqtt=1883)
    path.write_text(path.read_text("utf-8").replace("anonymous = true\n", keys), "utf-8")
    done = potline("check", path, status=2)
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1
