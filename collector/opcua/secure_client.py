"""A client that connects as the plant file says, or not at all.

The library trusts whom it meets. Here the server's certificate is checked before anything of value
is sent, what was told over the open discovery channel is held against what the secured one tells
(OPC 10000-4, 5.6.2), and nothing ever falls back to less.
"""

from __future__ import annotations

import asyncio
import struct
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from asyncua import ua
from asyncua.crypto import security_policies
from asyncua.ua import uaerrors
from cryptography import x509
from cryptography.exceptions import InvalidSignature

from collector.opcua.certificates import (
    UNREADABLE,
    OwnCertificate,
    SecurityError,
    out_of_time,
    own_certificate,
    parse,
    private_key,
    split,
    thumbprint,
)
from collector.opcua.transport import BoundedClient
from collector.opcua.trust import TrustList
from collector.secrets import password, warn_if_open
from plant.model import Plant, Source

CONNECT_S = 4.0
SECURE_CONNECT_S = 10.0
"""Small controllers take seconds for their private key."""
HELLO_S = 1.5
"""For the connection and the first message, which costs no server anything."""
CHANNEL_LIFETIME_S = 3600.0
"""Its keys are made anew after three quarters of it."""
POLICIES: dict[str, type[security_policies.SecurityPolicy]] = {
    "Basic256Sha256": security_policies.SecurityPolicyBasic256Sha256,
    "Aes128Sha256RsaOaep": security_policies.SecurityPolicyAes128Sha256RsaOaep,
    "Aes256Sha256RsaPss": security_policies.SecurityPolicyAes256Sha256RsaPss,
}
_SAFE = {policy.URI for policy in POLICIES.values()}
_OPEN = {"", None, security_policies.SecurityPolicyNone.URI}
_OUR_CERTIFICATE_REFUSED = (
    uaerrors.BadSecurityChecksFailed,
    uaerrors.BadCertificateUntrusted,
    uaerrors.BadCertificateInvalid,
    uaerrors.BadCertificateUriInvalid,
    uaerrors.BadCertificateHostNameInvalid,
    uaerrors.BadCertificateTimeInvalid,
    uaerrors.BadCertificateUseNotAllowed,
    uaerrors.BadCertificateChainIncomplete,
    uaerrors.BadCertificateRevoked,
    uaerrors.BadCertificateRevocationUnknown,
    uaerrors.BadNoValidCertificates,
)
_CHANNEL_REFUSED = (uaerrors.BadSecurityPolicyRejected, uaerrors.BadSecurityModeRejected)
_AT_THE_DOOR: dict[type[BaseException], str] = defaultdict(
    lambda: "it closed the connection",
    {TimeoutError: "no answer", AssertionError: "it sent a fault"},  # which, the library lost
)
_LOGIN_REFUSED = (
    uaerrors.BadUserAccessDenied,
    uaerrors.BadIdentityTokenRejected,
    uaerrors.BadIdentityTokenInvalid,
    uaerrors.BadUserSignatureInvalid,
)
_MALFORMED = (*UNREADABLE, AttributeError, AssertionError, struct.error)
"""What the library raises at an answer that is not as the standard has it."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a later connection needs to go on with a session."""

    token: ua.NodeId
    nonce: bytes | None
    tokens: list[ua.UserTokenPolicy]
    certificate: bytes | None
    session_timeout: int


class SecureClient(BoundedClient):
    """One source's client: `connect` raises SecurityError when a check fails.

    resumed: it goes on with the session of the ticket. patience_s: for an answer.
    """

    def __init__(
        self,
        source: Source,
        plant: Plant,
        ticket: Ticket | None = None,
        patience_s: float = CONNECT_S,
    ) -> None:
        options = source.options
        super().__init__(options["url"], patience_s)
        self.resumed = False
        self._ticket = ticket
        self._patience_s = patience_s
        self.name = self.description = "potline"
        self.application_uri = self.product_uri = "urn:potline:collector"
        self.session_timeout = 60_000
        self.secure_channel_timeout = round(CHANNEL_LIFETIME_S * 1000)
        self.certificates: list[tuple[str, x509.Certificate]] = []
        """(whose, certificate) of all that the connection stands on."""
        self._source = source
        self._plant = plant
        self._policy = options.get("security", "None")
        self._mode = ua.MessageSecurityMode[options.get("security_mode", "SignAndEncrypt")]
        self._trust = TrustList(plant)
        self._own: OwnCertificate | None = None
        self._chain: list[x509.Certificate] = []
        self._server_uri = ""
        self._told: set[Any] | None = None

    async def connect(self, **_: Any) -> None:
        """Without the library's watchdogs: whether the server is dead is for ours to say."""
        try:
            self._log_in_as()
            if self._policy == "None":
                async with asyncio.timeout(self._patience_s):
                    await self._connect_sequence()
                return
            async with asyncio.timeout(self._patience_s):
                await self._secure()
            async with asyncio.timeout(max(2 * self._patience_s, SECURE_CONNECT_S)):
                await self._connect_sequence()
        except SecurityError:
            raise
        except _LOGIN_REFUSED as error:
            raise SecurityError(f"the server refuses the login: {error}; {self._login()}") from None
        except _OUR_CERTIFICATE_REFUSED as error:
            raise SecurityError(self._refusal(_name(error))) from None
        except _CHANNEL_REFUSED as error:
            raise SecurityError(
                f'the server takes no channel with security = "{self._policy}" ({_name(error)}); '
                "write one that it offers"
            ) from None
        except InvalidSignature:
            raise SecurityError(
                "what the server signed does not fit its certificate: somebody answers in its place"
            ) from None
        except _MALFORMED as error:
            raise ConnectionError(f"the server's answer is malformed ({_name(error)})") from None

    # -- the connection

    async def connect_socket(self) -> None:
        async with _answered():
            await super().connect_socket()

    async def send_hello(self) -> None:
        async with _answered():
            await super().send_hello()

    async def is_taken(self) -> bool:
        """Whether the server takes a new connection now."""
        other = BoundedClient(self._source.options["url"], HELLO_S)
        try:
            await other.connect_socket()
            await other.send_hello()
        except (OSError, TimeoutError, uaerrors.UaError):
            return False
        else:
            return True
        finally:
            other.disconnect_socket()

    async def leave(self) -> None:
        """Drop the connection and leave the session to whoever has the ticket."""
        self.uaclient.request_disconnect()
        await self._teardown_transport_only()

    # -- the channel

    async def _secure(self) -> None:
        """Learn what the server offers, check its certificate, and choose what the file says."""
        discovery = BoundedClient(self._source.options["url"], CONNECT_S)
        endpoints = [e for e in await discovery.connect_and_get_server_endpoints() if _tcp(e)]
        policy = POLICIES[self._policy]
        wanted = [
            e
            for e in endpoints
            if e.SecurityPolicyUri == policy.URI and e.SecurityMode == self._mode
        ]
        if not wanted:
            raise SecurityError(
                f"the server does not offer {self._policy} with {self._mode.name}, it offers "
                f"{_offers(endpoints)}; write a security and security_mode that it offers, "
                "or find out who answers in its place"
            )
        try:
            self._chain = split(wanted[0].ServerCertificate or b"")
        except UNREADABLE as error:
            raise SecurityError(f"the server's certificate cannot be read: {error}") from None
        self._server_uri = wanted[0].Server.ApplicationUri or ""
        self.check_server()
        self._own = own_certificate(self._trust.folder / "own", self._plant.site.id)
        self.application_uri = self._own.application_uri
        self.certificates += [("server", self._chain[0]), ("own", self._own.certificate)]
        self._told = _essentials(endpoints)
        secured = policy(self._chain[0], self._own.certificate, self._own.key, self._mode)
        self.security_policy = secured  # type: ignore[assignment]  # as the library does itself
        self.uaclient.set_security(secured)

    def check_server(self) -> None:
        """SecurityError when the server's certificate is not, or no longer, to be trusted."""
        if self._chain:
            host = self._source.options.get("server_name") or self.server_url.hostname or ""
            self._trust.check(self._chain, self._source.id, host, self._server_uri)

    async def open_secure_channel(self, renew: bool = False) -> None:
        try:
            await super().open_secure_channel(renew)
        except (ConnectionError, TimeoutError, AssertionError) as error:
            if self._own is None or renew:
                raise
            raise ConnectionError(self._refusal(_AT_THE_DOOR[type(error)])) from None

    def _refusal(self, why: str) -> str:
        if self._own is None:
            return f"the server refuses us: {why}"
        return (
            f"the server does not accept our certificate ({why}): let it trust {self._own.file}, "
            f"thumbprint {thumbprint(self._own.certificate)}, {self._own.application_uri}"
        )

    # -- the session

    def ticket(self) -> Ticket:
        return Ticket(
            self.uaclient.session.authentication_token,
            self._server_nonce,
            list(self._policy_ids or []),
            self.security_policy.peer_certificate,
            self.session_timeout,
        )

    async def _try_resume_persisted_session(self) -> bool:
        self.resumed = await super()._try_resume_persisted_session()
        if not self.resumed and not self._chain:
            self.security_policy.peer_certificate = None  # nothing vouches for it on an open one
        return self.resumed

    def _try_load_persisted_session(self) -> bool:
        """The library's place for it: a ticket is taken back where it was given only."""
        ticket, peer = self._ticket, self.security_policy.peer_certificate
        if ticket is None or (self._chain and ticket.certificate != peer):
            return False
        self.uaclient.session.restore_authentication_token(ticket.token)
        self._server_nonce = ticket.nonce  # type: ignore[assignment]  # so it comes from there
        self._policy_ids = ticket.tokens
        self.security_policy.peer_certificate = ticket.certificate
        self.session_timeout = ticket.session_timeout
        return True

    async def create_session(self) -> ua.CreateSessionResult:
        try:
            result = await super().create_session()
        except uaerrors.UaStatusCodeError:
            raise
        except (
            uaerrors.UaError
        ) as error:  # another certificate, or this channel is not among its own
            raise SecurityError(
                f'the server\'s session does not fit a channel with security = "{self._policy}": '
                f"{error}"
            ) from None
        if self._told is not None and _essentials(result.ServerEndpoints) != self._told:
            raise SecurityError(
                "the endpoints that the server tells over the secured channel differ from those "
                "told before it: somebody on the way changes them, or the server is at fault"
            )
        self._policy_ids = self._fitting(self._policy_ids or [])
        return result

    def _log_in_as(self) -> None:
        options = self._source.options
        if options.get("username"):
            self.set_user(options["username"])
            self.set_password(password(options))
        elif options.get("user_certificate_file"):
            file, key_file = (Path(options[f"user_{k}_file"]) for k in ("certificate", "key"))
            warn_if_open(key_file)
            try:
                chain = parse(file.read_bytes())
                self.user_private_key = private_key(key_file)
            except UNREADABLE as error:
                raise SecurityError(
                    f"user_certificate_file {file} with user_key_file {key_file} cannot be used: "
                    f"{error}"
                ) from None
            if fault := out_of_time(chain[0], datetime.now(UTC)):
                raise SecurityError(f"user_certificate_file {file} {fault}; renew it")
            self.user_certificate, *self.user_certificate_chain = chain
            self.certificates.append(("user", chain[0]))

    def _fitting(self, offered: Sequence[ua.UserTokenPolicy]) -> list[ua.UserTokenPolicy]:
        """The way in which to show our login, one that keeps a password secret."""
        kind = (
            ua.UserTokenType.UserName
            if self._username
            else ua.UserTokenType.Certificate
            if self.user_certificate
            else ua.UserTokenType.Anonymous
        )
        tokens = [t for t in offered if t.TokenType == kind]
        if not offered and kind == ua.UserTokenType.Anonymous:
            return []  # small servers list none, and take anyone
        if not tokens:
            takes = ", ".join(sorted({t.TokenType.name for t in offered})) or "none"
            raise SecurityError(f"the server takes no {kind.name} login here; it takes: {takes}")
        if kind == ua.UserTokenType.Anonymous:
            return tokens[:1]
        own = self.security_policy.URI
        safe = [t for t in tokens if (t.SecurityPolicyUri or own) in _SAFE]
        if safe or kind == ua.UserTokenType.Certificate:
            if not safe:
                raise SecurityError("the server takes user certificates by no policy of today")
            return safe[:1]
        covered = self.security_policy.Mode == ua.MessageSecurityMode.SignAndEncrypt
        clear = [t for t in tokens if (t.SecurityPolicyUri or own) in _OPEN]
        if clear and (covered or self._source.options.get("allow_password_in_clear")):
            return clear[:1]
        raise SecurityError(
            "the server wants the password in the clear or under a broken policy; "
            'write security_mode = "SignAndEncrypt", or allow_password_in_clear = true'
        )

    def _login(self) -> str:
        options = self._source.options
        if name := options.get("username"):
            place = options.get("password_file") or options.get("password_env") or "password_file"
            return f"correct the user {name} or the password in {place}"
        if file := options.get("user_certificate_file"):
            return f"let it trust the user certificate {file}"
        return "write a username, or let the server take anonymous"


@asynccontextmanager
async def _answered() -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(HELLO_S):
            yield
    except TimeoutError:
        raise ConnectionError(f"no answer to a new connection within {HELLO_S:g} s") from None


def _tcp(endpoint: ua.EndpointDescription) -> bool:
    return (endpoint.EndpointUrl or "").startswith("opc.tcp")


def _offers(endpoints: Iterable[ua.EndpointDescription]) -> str:
    offers = {
        f"{(e.SecurityPolicyUri or '').rpartition('#')[2]} with {e.SecurityMode.name.rstrip('_')}"
        for e in endpoints
    }
    return ", ".join(sorted(offers)) or "nothing"


def _essentials(endpoints: Iterable[ua.EndpointDescription]) -> set[Any]:
    """What the client has to compare: OPC 10000-4, 5.6.2.2. Not the url, which servers fill with
    the name under which they were asked."""
    return {
        (
            e.Server.ApplicationUri,
            e.SecurityMode,
            e.SecurityPolicyUri,
            e.TransportProfileUri,
            e.SecurityLevel,
            frozenset(
                (t.PolicyId, t.TokenType, t.IssuedTokenType, t.IssuerEndpointUrl,
                 t.SecurityPolicyUri)
                for t in e.UserIdentityTokens or ()
            ),
        )
        for e in endpoints
        if _tcp(e)
    }  # fmt: skip


def _name(error: BaseException) -> str:
    return type(error).__name__
