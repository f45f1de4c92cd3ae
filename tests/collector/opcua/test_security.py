"""OPC UA security against real asyncua servers: every way to be deceived. What servers of three
makers offer and refuse is in test_stacks."""

from __future__ import annotations

import asyncio
import stat
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from asyncua import Server, ua
from asyncua.server.internal_session import InternalSession
from asyncua.server.uaprocessor import UaProcessor
from peers.authority import Identity, key_of, make, revocation_list
from structlog.testing import capture_logs

import collector.opcua.secure_client as secure_client
from collector.opcua.certificates import ExpiryWatch, SecurityError, own_certificate, split
from collector.opcua.reader import OpcUaReader
from collector.opcua.trust import TrustList
from plant.model import Plant, Source

URI = "urn:test:plant"
SERVER = "urn:test:server"
PASSWORD = "hunter2-Ω-secret"
MODES = [
    (policy, mode)
    for policy in ("Basic256Sha256", "Aes128Sha256RsaOaep", "Aes256Sha256RsaPss")
    for mode in ("Sign", "SignAndEncrypt")
]
BEST = "Aes256Sha256RsaPss", "SignAndEncrypt"


def policies(*modes: tuple[str, str]) -> list[ua.SecurityPolicyType]:
    return [ua.SecurityPolicyType[f"{policy}_{mode}"] for policy, mode in modes]


class Users:
    """Takes one user by password and one by certificate, and remembers who asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str | None, str | None]] = []
        self.certificate = b""

    def get_user(self, iserver, username=None, password=None, certificate=None):
        self.asked.append((username, password))
        if certificate is not None and certificate == self.certificate and username is None:
            return ua_user()
        return ua_user() if (username, password) == ("me", PASSWORD) else None


def ua_user():
    from asyncua.crypto.permission_rules import User, UserRole

    return User(role=UserRole.User)


@asynccontextmanager
async def serving(
    port: int,
    identity: Identity,
    modes: list[ua.SecurityPolicyType],
    users: Users | None = None,
    chain: bytes = b"",
    uri: str = SERVER,
):
    server = Server(user_manager=users)
    await server.init()
    await server.set_application_uri(uri)
    server.set_endpoint(f"opc.tcp://127.0.0.1:{port}")
    await server.load_certificate(identity.der)
    await server.load_private_key(identity.key_der)
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity, *modes])
    index = await server.register_namespace(URI)
    node = await server.nodes.objects.add_variable(ua.NodeId("a", index), "a", 1.5)
    async with server:
        for endpoint in server.iserver.endpoints:
            endpoint.ServerCertificate += chain
        yield node


@pytest.fixture
def secured(plant_of, free_port, tmp_path):
    """secured(**options): a plant of its own folder with one secured source."""

    def build(*mode: str, **options: object) -> Plant:
        policy, mode_ = mode or BEST
        address = {"url": f"opc.tcp://127.0.0.1:{free_port()}", "namespace": URI}
        given = {"security": policy, "security_mode": mode_, "publishing_interval_s": 0.1}
        source = Source("pots", "opcua", 3.0, {**address, **given, **options})
        plant = plant_of(source, [{"signal": "a", "address": {"node": "s=a"}}])
        store = replace(plant.store, path=str(tmp_path / "var"))
        own = tmp_path / "var" / "pki" / "own"
        own.mkdir(parents=True)
        (own / "key.pem").touch(0o600)
        (own / "key.pem").write_bytes(Identity(None, key_of("collector")).key_pem)
        return replace(plant, store=store, path=str(tmp_path / "my plant.toml"))

    return build


@pytest.fixture
def password_file(tmp_path: Path) -> str:
    file = tmp_path / "password"
    file.touch(0o600)
    file.write_text(f"{PASSWORD}\n", "utf-8")
    return str(file)


@pytest.fixture
def sessions(monkeypatch) -> list[str]:
    """Who asked the server for a session."""
    asked: list[str] = []
    create = InternalSession.create_session

    async def counted(self, params, sockname=None):
        asked.append(params.ClientDescription.ApplicationUri)
        return await create(self, params, sockname)

    monkeypatch.setattr(InternalSession, "create_session", counted)
    return asked


def port_of(plant: Plant) -> int:
    return int(plant.sources[0].options["url"].rpartition(":")[2])


def trust(plant: Plant, identity: Identity) -> None:
    TrustList(plant).put("trusted", identity.certificate)


def good() -> Identity:
    return make("server", uri=SERVER)


async def refusal(plant: Plant, collecting, until) -> str:
    """Why a reader does not connect; nothing may be delivered."""
    reader = OpcUaReader(plant.sources[0], plant)
    async with collecting(reader) as seen:
        await until(lambda: reader.health.last_error, within_s=15)
        assert not seen.deliveries
        assert reader.health.link == "disconnected"
        return reader.health.last_error


async def test_an_unknown_server_gets_nothing_until_it_is_trusted(
    secured, password_file, collecting, until, sessions
):
    plant = secured(username="me", password_file=password_file)
    users = Users()
    reader = OpcUaReader(plant.sources[0], plant)
    async with serving(port_of(plant), good(), policies(BEST), users), collecting(reader) as seen:
        await until(lambda: reader.health.last_error, within_s=15)
        shown = TrustList(plant)
        (kept,) = shown.kept("rejected")
        name = kept.file.stem
        assert kept.source == "pots"
        assert f"potline trust add '{plant.path}' {name}" in reader.health.last_error
        await asyncio.sleep(2.5)
        assert not sessions
        assert not users.asked
        assert not seen.deliveries
        shown.put("trusted", kept.certificate)
        assert await until(lambda: seen.values(0) == [1.5], within_s=10) < 5  # at once, not slowly
        assert not shown.kept("rejected")
        assert shown.find("trusted", name.lower()).source == "pots"
        shown.put("rejected", kept.certificate)
        await until(lambda: reader.health.link == "disconnected", within_s=10)
        assert name in reader.health.last_error


@pytest.mark.parametrize(
    ("identity", "says"),
    [
        (lambda: make("server", uri=SERVER, days=(-9, -1)), "expired on"),
        (lambda: make("server", uri=SERVER, days=(1, 9)), "is not valid before"),
        (lambda: make("server", uri=SERVER, hosts=("plc1",)), "is for plc1, not for 127.0.0.1"),
        (lambda: make("server", uri="urn:other"), 'calls itself "urn:test:server"'),
        (lambda: make("server", uri=SERVER, key=key_of("weak", 1024)), "2048 bits"),
    ],
    ids=["expired", "not yet valid", "wrong host", "wrong application", "weak key"],
)
async def test_a_trusted_certificate_with_a_fault_fails_closed(
    identity, says, secured, collecting, until, sessions
):
    plant = secured()
    trust(plant, faulty := identity())
    async with serving(port_of(plant), faulty, policies(BEST)):
        error = await refusal(plant, collecting, until)
    assert says in error
    assert "\n" not in error
    assert not sessions


async def test_the_name_in_the_certificate_may_be_written(secured, collecting, until):
    plant = secured(server_name="plc1.plant")
    trust(plant, identity := make("server", uri=SERVER, hosts=("PLC1.plant",)))
    reader = OpcUaReader(plant.sources[0], plant)
    async with serving(port_of(plant), identity, policies(BEST)), collecting(reader) as seen:
        await until(lambda: seen.values(0) == [1.5], within_s=15)


async def test_a_session_under_another_certificate_fails_closed(
    secured, password_file, collecting, until, monkeypatch
):
    plant = secured(username="me", password_file=password_file)
    trust(plant, identity := good())
    send = UaProcessor.send_response

    def other(self, requesthandle, seqhdr, response, *arguments):
        if isinstance(response, ua.CreateSessionResponse):
            response.Parameters.ServerCertificate = make("other", uri=SERVER).der
        return send(self, requesthandle, seqhdr, response, *arguments)

    monkeypatch.setattr(UaProcessor, "send_response", other)
    async with serving(port_of(plant), identity, policies(BEST), users := Users()):
        error = await refusal(plant, collecting, until)
    assert "Server certificate mismatch" in error
    assert not users.asked


async def test_a_changed_certificate_fails_closed(secured, collecting, until, sessions):
    plant = secured()
    trust(plant, before := good())
    async with serving(
        port_of(plant), now := make("server", uri=SERVER, key=key_of("new")), policies(BEST)
    ):
        error = await refusal(plant, collecting, until)
    assert f"has changed (trusted: {before.thumbprint})" in error
    assert error.endswith(now.thumbprint)
    assert not sessions


async def test_who_shows_a_trusted_certificate_without_its_key_is_found_out(
    secured, password_file, collecting, until, sessions
):
    plant = secured(username="me", password_file=password_file)
    trust(plant, true := good())
    impostor = Identity(true.certificate, key_of("impostor"))
    async with serving(port_of(plant), impostor, policies(BEST), users := Users()):
        await refusal(plant, collecting, until)
    assert not sessions
    assert not users.asked


async def test_a_policy_that_is_not_offered_fails_closed(secured, collecting, until, sessions):
    plant = secured("Aes256Sha256RsaPss", "SignAndEncrypt")
    trust(plant, identity := good())
    async with serving(port_of(plant), identity, policies(("Basic256Sha256", "Sign"))):
        error = await refusal(plant, collecting, until)
    assert "does not offer Aes256Sha256RsaPss with SignAndEncrypt" in error
    assert "it offers Basic256Sha256 with Sign, None with None" in error
    assert not sessions


@pytest.mark.parametrize("what", ["endpoint taken away", "token policy weakened"])
async def test_endpoints_changed_on_the_way_are_noticed(
    what, secured, password_file, collecting, until, monkeypatch
):
    """What discovery told is not what the secured channel tells."""
    plant = secured("Basic256Sha256", "Sign", username="me", password_file=password_file)
    trust(plant, identity := good())
    create = InternalSession.create_session

    async def other(self, params, sockname=None):
        result = await create(self, params, sockname)
        if what == "endpoint taken away":
            result.ServerEndpoints.pop()
        else:
            for endpoint in result.ServerEndpoints:
                for token in endpoint.UserIdentityTokens:
                    token.SecurityPolicyUri = "http://opcfoundation.org/UA/SecurityPolicy#None"
        return result

    def copied(endpoints):
        return [
            replace(e, UserIdentityTokens=[replace(t) for t in e.UserIdentityTokens])
            for e in endpoints
        ]

    get = InternalSession.get_endpoints

    async def fresh(self, params=None, sockname=None):
        return copied(await get(self, params, sockname))

    monkeypatch.setattr(InternalSession, "get_endpoints", fresh)
    monkeypatch.setattr(InternalSession, "create_session", other)
    async with serving(port_of(plant), identity, policies(*MODES), users := Users()):
        error = await refusal(plant, collecting, until)
    assert "differ from those told before" in error
    assert not users.asked


async def test_a_password_is_not_sent_in_the_clear(
    secured, password_file, collecting, until, monkeypatch
):
    plant = secured("Basic256Sha256", "Sign", username="me", password_file=password_file)
    trust(plant, identity := good())
    set_endpoints = Server._set_endpoints

    def plain(self, policy, mode, level):
        set_endpoints(self, policy, mode, level)
        for token in self.iserver.endpoints[-1].UserIdentityTokens:
            token.SecurityPolicyUri = "http://opcfoundation.org/UA/SecurityPolicy#None"

    monkeypatch.setattr(Server, "_set_endpoints", plain)
    async with serving(port_of(plant), identity, policies(*MODES), users := Users()):
        error = await refusal(plant, collecting, until)
        assert "password in the clear" in error
        assert not users.asked
        allowed = replace(
            plant.sources[0],
            options={**plant.sources[0].options, "allow_password_in_clear": True},
        )
        reader = OpcUaReader(allowed, plant)
        async with collecting(reader) as seen:
            await until(lambda: seen.values(0) == [1.5], within_s=15)


async def test_a_wrong_password_is_told_without_it_and_not_tried_again_at_once(
    secured, tmp_path, collecting, until
):
    (tmp_path / "wrong").write_text("not-the-one")
    plant = secured(username="me", password_file=str(tmp_path / "wrong"))
    trust(plant, identity := good())
    users = Users()
    reader = OpcUaReader(plant.sources[0], plant)
    with capture_logs() as logs:
        async with serving(port_of(plant), identity, policies(BEST), users), collecting(reader):
            await until(lambda: reader.health.last_error, within_s=15)
            await asyncio.sleep(2)
    assert len(users.asked) == 1
    assert "refuses the login" in reader.health.last_error
    assert str(tmp_path / "wrong") in reader.health.last_error
    told = [entry for entry in logs if "readable" in entry["event"] or "can read" in entry["event"]]
    assert len(told) == 1  # the file's mode lets everyone read it
    everything = repr(logs) + reader.health.last_error + repr(reader) + repr(plant)
    assert "not-the-one" not in everything


async def test_issuers_chains_and_revocation(secured, collecting, until, sessions):
    root = make("root", authority=True)
    between = make("between", issuer=root, authority=True)
    identity = make("server", issuer=between, uri=SERVER)
    plant = secured()
    issuers = TrustList(plant)
    async with serving(port_of(plant), identity, policies(BEST), chain=between.der):
        (issuers.folder / "issuers").mkdir()
        (issuers.folder / "issuers" / "root.crt").write_bytes(root.pem)  # known, yet not trusted
        assert "is not trusted" in await refusal(plant, collecting, until)
        trust(plant, root)
        async with collecting(OpcUaReader(plant.sources[0], plant)) as seen:
            await until(lambda: seen.values(0) == [1.5], within_s=15)
        crl = issuers.folder / "issuers" / "between.crl"
        crl.write_bytes(revocation_list(between, make("another", issuer=between)))
        async with collecting(OpcUaReader(plant.sources[0], plant)) as seen:
            await until(lambda: seen.values(0) == [1.5], within_s=15)
        before = len(sessions)
        crl.write_bytes(revocation_list(between, identity))
        assert "is revoked" in await refusal(plant, collecting, until)
        crl.write_bytes(revocation_list(between, signer=root))
        assert "is not signed by the issuer" in await refusal(plant, collecting, until)
        crl.unlink()
        (issuers.folder / "trusted" / f"{root.thumbprint}.pem").unlink()
        trust(plant, make("root", authority=True, key=key_of("another root")))  # the same name
        assert "is not trusted" in await refusal(plant, collecting, until)
        assert len(sessions) == before


def test_an_issuer_that_is_none_vouches_for_nobody(secured):
    plant = secured()
    leaf = make("leaf", uri="urn:leaf")  # a server's own, trusted as such
    trust(plant, leaf)
    forged = make("server", issuer=leaf, uri=SERVER)
    with pytest.raises(SecurityError, match="is not trusted"):
        TrustList(plant).check([forged.certificate], "pots", "127.0.0.1", SERVER)


async def test_the_channel_is_renewed_under_each_policy(
    secured, collecting, until, monkeypatch, sessions
):
    opened: list[ua.SecurityTokenRequestType] = []
    open_channel = UaProcessor.open_secure_channel

    def counted(self, algohdr, seqhdr, body):
        opened.append(algohdr.SecurityPolicyURI)
        return open_channel(self, algohdr, seqhdr, body)

    monkeypatch.setattr(UaProcessor, "open_secure_channel", counted)
    monkeypatch.setattr(secure_client, "CHANNEL_LIFETIME_S", 1.0)
    plant = secured("Aes128Sha256RsaOaep", "SignAndEncrypt")
    trust(plant, identity := good())
    reader = OpcUaReader(plant.sources[0], plant)
    async with (
        serving(port_of(plant), identity, policies(*MODES)) as node,
        collecting(reader) as seen,
    ):
        for count in range(40):
            await node.write_value(float(count))
            await asyncio.sleep(0.1)
        await until(lambda: seen.values(0)[-1] == 39.0)
    assert len(opened) >= 5
    assert len(sessions) == 1
    assert reader.health.reconnects == 0


def test_our_certificate_is_made_once_and_kept(tmp_path):
    made = own_certificate(tmp_path / "own", "aluminium-Норд")
    again = own_certificate(tmp_path / "own", "another")
    assert made.certificate == again.certificate
    assert made.application_uri == again.application_uri
    assert made.application_uri.startswith("urn:potline:aluminium-")
    assert stat.S_IMODE((tmp_path / "own" / "key.pem").stat().st_mode) == 0o600
    assert made.key.key_size >= 2048
    assert made.certificate.signature_hash_algorithm.name == "sha256"
    made.file.unlink()
    again = own_certificate(tmp_path / "own", "x")  # the key that is there is not lost
    assert again.certificate.public_key() == made.certificate.public_key()
    (tmp_path / "own" / "key.pem").write_bytes(b"")
    with pytest.raises(SecurityError, match="remove both"):
        own_certificate(tmp_path / "own", "x")


@pytest.mark.parametrize("how", ["no answer", "it closed the connection"])
async def test_a_server_that_does_not_take_our_certificate_is_told_with_our_file(
    how, secured, collecting, until, monkeypatch
):
    monkeypatch.setattr(secure_client, "CONNECT_S", 1.0)
    plant = secured()
    trust(plant, identity := good())
    open_channel = UaProcessor.open_secure_channel

    def refuse(self, algohdr, seqhdr, body):
        if algohdr.SenderCertificate and how == "no answer":
            return None
        if algohdr.SenderCertificate:
            return self._transport.close()
        return open_channel(self, algohdr, seqhdr, body)

    monkeypatch.setattr(UaProcessor, "open_secure_channel", refuse)
    async with serving(port_of(plant), identity, policies(BEST)):
        error = await refusal(plant, collecting, until)
    assert f"does not accept our certificate ({how})" in error
    assert str(Path(plant.store.path) / "pki" / "own" / "certificate.der") in error


def test_expiry_is_told_at_its_edges():
    watch = ExpiryWatch("pots")
    certificate = make("server", days=(-1, 100)).certificate
    end = certificate.not_valid_after_utc
    with capture_logs() as logs:
        for left in (90, 61, 59, 45, 31, 29, 8, 6.5, 6, 1):
            watch.look([("server", certificate)], end - timedelta(days=left))
    assert [entry["days_left"] for entry in logs] == [59, 29, 6]
    assert {entry["certificate"] for entry in logs} == {"server"}


@pytest.mark.parametrize(
    "data", [b"", b"\x30", b"\x30\x82\xff\xff", b"\x30\x82\x00\x00", b"x" * 99]
)
def test_garbage_is_no_certificate(data):
    with pytest.raises(ValueError, match=r"certificate|empty|error parsing"):
        split(data)


def test_shown_certificates_fill_no_disk(secured, monkeypatch):
    monkeypatch.setattr("collector.opcua.trust.MOST_REJECTED", 3)
    plant = secured()
    shown = TrustList(plant)
    for i in range(6):
        with pytest.raises(SecurityError):
            shown.check(
                [make(f"s{i}", uri=SERVER, key=key_of("s")).certificate], "p", "127.0.0.1", SERVER
            )
    assert len(shown.kept("rejected")) == 3


# -- a server of another maker


@pytest.fixture
def node_server(node_opcua, tmp_path):
    """node_opcua, secured, with a certificate that is good for it."""
    folder = tmp_path / "node"
    folder.mkdir()
    identity = good()
    (folder / "certificate.pem").write_bytes(identity.pem)
    (folder / "key.pem").write_bytes(identity.key_pem)
    node_opcua.options["env"] |= {"SECURED": str(folder), "PASSWORD": PASSWORD, "ACCEPT": "1"}
    return node_opcua, identity


def at_node(plant: Plant, server, **options: object) -> Plant:
    """The plant with its source at node-opcua."""
    (source,) = plant.sources
    given = {k: v for k, v in source.options.items() if v is not None}
    url = f"opc.tcp://127.0.0.1:{server.port}"
    moved = replace(source, options={**given, "url": url, **options})
    (tag,) = plant.tags
    return replace(plant, sources=(moved,), tags=(replace(tag, address={"node": "s=still"}),))


@pytest.mark.servers
async def test_node_opcua_refuses_our_certificate(
    secured, node_server, password_file, collecting, until
):
    server, identity = node_server
    server.options["env"]["ACCEPT"] = "0"
    await asyncio.to_thread(server.start)
    plant = at_node(secured(), server, username="me", password_file=password_file)
    trust(plant, identity)
    error = await refusal(plant, collecting, until)
    assert "does not accept our certificate" in error
