"""TLS to a broker: its authority, its name, its dates are always checked; nothing falls back."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import structlog
from cryptography import x509
from paho.mqtt.client import Client

from collector.opcua.certificates import UNREADABLE, ExpiryWatch, out_of_time, parse
from collector.secrets import warn_if_open
from plant.model import Source

log = structlog.get_logger()


def secure(client: Client, source: Source) -> None:
    """Have `client` connect as the source says. OSError when its files are no use."""
    options = source.options
    if options.get("tls"):
        client.tls_set_context(context_of(source))
    elif options.get("username") and not _is_here(options["host"]):
        _warn_of_clear_password(source.id)


def context_of(source: Source) -> ssl.SSLContext:
    """TLS 1.2 or later, with the source's authority (else the system's) and client certificate."""
    options = source.options
    certificate, key = options.get("client_certificate_file"), options.get("client_key_file")
    authority = options.get("ca_file") or None
    for file in filter(None, (authority, certificate, key)):
        Path(file).read_bytes()  # OpenSSL does not say which file is not there
    try:
        context = ssl.create_default_context(cafile=authority)
    except ssl.SSLError as error:
        raise ConnectionError(f"ca_file {authority} holds no certificate: {_why(error)}") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if certificate and key:
        _load_client(context, source.id, certificate, key)
    if options.get("alpn"):
        context.set_alpn_protocols(options["alpn"])

    class Socket(_CheckedSocket):
        watch = watch_of(source.id)
        question = (
            "does it trust our client_certificate_file?"
            if certificate
            else "does it want a client_certificate_file?"
        )

    context.sslsocket_class = Socket
    return context


def _load_client(context: ssl.SSLContext, source: str, certificate: str, key: str) -> None:
    warn_if_open(Path(key))
    try:
        own = parse(Path(certificate).read_bytes())[0]
        context.load_cert_chain(certificate, key, password=lambda: b"")  # else it would ask for one
    except (ssl.SSLError, *UNREADABLE) as error:
        raise ConnectionError(
            f"client_certificate_file {certificate} with client_key_file {key} cannot be used: "
            f"{_why(error)}"
        ) from None
    if fault := out_of_time(own, datetime.now(UTC)):
        raise ConnectionError(f"client_certificate_file {certificate} {fault}; renew it")
    watch_of(source).look([("client", own)], datetime.now(UTC))


class _CheckedSocket(ssl.SSLSocket):
    """Says in one line why a broker is refused, and when its certificate nears its end."""

    watch: ExpiryWatch
    question: str
    """What a broker that ends TLS before it said anything may have against us."""
    _heard = False

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except ssl.SSLCertVerificationError as error:
            self.close()  # paho would leave it open
            raise ConnectionError(
                f"the broker's certificate is refused: {error.verify_message.rstrip('.')}; "
                "correct ca_file or host, or the broker's certificate"
            ) from None
        except OSError as error:
            self.close()
            raise ConnectionError(f"no TLS with the broker: {_why(error)}") from None
        shown = self.getpeercert(binary_form=True)
        if shown is not None:
            broker = x509.load_der_x509_certificate(shown)
            self.watch.look([("broker", broker)], datetime.now(UTC))

    # With TLS 1.3 a broker refuses a client certificate after the handshake.

    def send(self, *arguments: Any) -> int:
        try:
            return super().send(*arguments)
        except ssl.SSLError as error:
            raise self._ended(error) from None

    def recv_into(self, *arguments: Any) -> int:
        try:
            size = super().recv_into(*arguments)
        except ssl.SSLError as error:
            raise self._ended(error) from None
        self._heard = True
        return size

    def _ended(self, error: ssl.SSLError) -> OSError:
        if self._heard or isinstance(error, ssl.SSLWantReadError | ssl.SSLWantWriteError):
            return error
        return ConnectionError(f"the broker ended TLS ({_why(error)}): {self.question}")


@cache
def watch_of(source: str) -> ExpiryWatch:
    """One for all connections of a source, so that an edge is told once."""
    return ExpiryWatch(source)


@cache
def _warn_of_clear_password(source: str) -> None:
    log.warning("the password goes to the broker in the clear: write tls = true", source=source)


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _why(error: Any) -> str:
    reason = getattr(error, "reason", None)
    return reason.lower().replace("_", " ") if isinstance(reason, str) else str(error)
