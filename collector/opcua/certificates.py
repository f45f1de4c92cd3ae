"""X.509 certificates: our own application instance certificate, names, thumbprints, expiry."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from urllib.parse import quote

import structlog
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from collector.secrets import warn_if_open

KEY_BITS = 2048
"""The least of every policy, and what the smallest controllers still compute in time."""
VALID_DAYS = 5 * 365
WARN_DAYS = (60, 30, 7)
UNREADABLE = (ValueError, TypeError, LookupError, UnsupportedAlgorithm, x509.DuplicateExtension)
"""What the library raises for bytes that are no certificate as the standards have it."""

log = structlog.get_logger()


class SecurityError(ConnectionError):
    """The peer or our own certificate failed a check: nothing of value was sent."""


@dataclass(frozen=True, slots=True)
class OwnCertificate:
    """Who we are to the servers: they must trust `file`."""

    file: Path  # DER
    certificate: x509.Certificate
    key: rsa.RSAPrivateKey

    @property
    def application_uri(self) -> str:
        return application_uri(self.certificate)


def own_certificate(folder: Path, site: str) -> OwnCertificate:
    """The certificate kept in `folder`, made at the first call. SecurityError when it is no use."""
    file, key_file = folder / "certificate.der", folder / "key.pem"
    try:
        if not file.exists():
            _make(file, key_file, site)
        certificate = parse(file.read_bytes())[0]
        key = private_key(key_file)
        warn_if_open(key_file)
    except (OSError, *UNREADABLE) as error:
        raise SecurityError(
            f"our own certificate {file} and key {key_file} cannot be used ({error}); "
            "correct them, or remove both: a new pair is made, which the servers must trust anew"
        ) from None
    if key.public_key() != certificate.public_key():
        raise SecurityError(f"{key_file} is not the key of our own certificate {file}")
    if not application_uri(certificate):
        raise SecurityError(f"our own certificate {file} names no application URI (RFC 5280 SAN)")
    if fault := out_of_time(certificate, datetime.now(UTC)):
        raise SecurityError(
            f"our own certificate {file} {fault}; remove it and {key_file}: a new pair is made, "
            "which the servers must trust anew"
        )
    return OwnCertificate(file, certificate, key)


def _make(file: Path, key_file: Path, site: str) -> None:
    """A new pair, self-signed as OPC 10000-6, 6.2.2 wants it; a key that is there is kept."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not key_file.exists():
        _make_key(key_file)
    key = private_key(key_file)
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, f"potline {site}"[:64]),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "potline"),
        ]
    )
    extensions: list[tuple[x509.ExtensionType, bool]] = [
        (
            x509.SubjectAlternativeName(
                [
                    x509.UniformResourceIdentifier(f"urn:potline:{quote(site)}:collector"),
                    *(x509.DNSName(h.lower()) for h in (socket.gethostname(),) if h.isascii()),
                ]
            ),
            False,
        ),
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (
            x509.KeyUsage(
                digital_signature=True,
                content_commitment=True,
                key_encipherment=True,
                data_encipherment=True,
                key_agreement=False,
                key_cert_sign=True,  # its own, as self-signed
                crl_sign=False,
                encipher_only=False,
                decipher_only=False,
            ),
            True,
        ),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False),
        (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), False),
    ]
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))  # servers' clocks go behind
        .not_valid_after(now + timedelta(days=VALID_DAYS))
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    keep(file, der(builder.sign(key, hashes.SHA256())))
    log.info("own certificate made; let the servers trust it", file=str(file))


def _make_key(file: Path) -> None:
    """Of two that make it at once, the first wins; never readable by anyone else."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
    text = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    with (
        contextlib.suppress(FileExistsError),
        os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out,
    ):
        out.write(text)


def keep(file: Path, data: bytes) -> None:
    """Whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    with draft.open("wb") as out:
        out.write(data)
    draft.replace(file)


# -- reading


def private_key(file: Path) -> rsa.RSAPrivateKey:
    """The RSA key of a PEM or DER file. OSError, UNREADABLE."""
    data = file.read_bytes()
    pem = b"-----BEGIN" in data
    load = serialization.load_pem_private_key if pem else serialization.load_der_private_key
    key = load(data, password=None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ValueError(f"{file} holds no RSA key")
    return key


def parse(data: bytes) -> list[x509.Certificate]:
    """The certificates of PEM or DER bytes, at least one. UNREADABLE when there is none."""
    if b"-----BEGIN" in data:
        return x509.load_pem_x509_certificates(data)
    return split(data)


def split(der: bytes) -> list[x509.Certificate]:
    """The certificates of a chain as OPC UA sends it: DER, one after the other, the leaf first."""
    certificates: list[x509.Certificate] = []
    start = 0
    while start < len(der):
        if der[start : start + 2] != b"\x30\x82":
            raise ValueError("no certificate")
        size = 4 + int.from_bytes(der[start + 2 : start + 4], "big")
        certificates.append(x509.load_der_x509_certificate(der[start : start + size]))
        start += size
    if not certificates:
        raise ValueError("empty")
    return certificates


def der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.DER)


def thumbprint(certificate: x509.Certificate) -> str:
    """SHA-1 in hex, capitals: how OPC UA and its tools name a certificate (OPC 10000-6, 6.2.2).
    It only names one: what is trusted is compared whole."""
    return certificate.fingerprint(hashes.SHA1()).hex().upper()


def alternative_names(
    certificate: x509.Certificate,
) -> tuple[list[str], list[str], list[IPv4Address | IPv6Address]]:
    """URIs, host names, addresses that the certificate is for."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return [], [], []
    addresses = names.get_values_for_type(x509.IPAddress)
    return (
        names.get_values_for_type(x509.UniformResourceIdentifier),
        names.get_values_for_type(x509.DNSName),
        [a for a in addresses if isinstance(a, IPv4Address | IPv6Address)],
    )


def application_uri(certificate: x509.Certificate) -> str:
    """The application it belongs to; "" when it names none."""
    uris, _, _ = alternative_names(certificate)
    return uris[0] if uris else ""


def is_for(certificate: x509.Certificate, host: str) -> bool:
    """Whether it carries this host name or address."""
    _, names, addresses = alternative_names(certificate)
    wanted = host.lower().rstrip(".")
    if wanted in (name.lower().rstrip(".") for name in names):
        return True
    try:
        return ip_address(host) in addresses
    except ValueError:
        return False


def hosts_of(certificate: x509.Certificate) -> str:
    _, names, addresses = alternative_names(certificate)
    return ", ".join([*names, *map(str, addresses)])


# -- time


def out_of_time(certificate: x509.Certificate, now: datetime) -> str:
    """Why it is not valid now; "" when it is."""
    if certificate.not_valid_after_utc < now:
        return f"expired on {certificate.not_valid_after_utc:%Y-%m-%d %H:%M} UTC"
    if certificate.not_valid_before_utc > now:
        return f"is not valid before {certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC"
    return ""


class ExpiryWatch:
    """One line in the log when a certificate has less than 60, 30 and 7 days left."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._told: dict[bytes, int] = {}

    def look(self, certificates: Sequence[tuple[str, x509.Certificate]], now: datetime) -> None:
        """certificates: (whose, certificate)"""
        for whose, certificate in certificates:
            left = certificate.not_valid_after_utc - now
            due = [days for days in WARN_DAYS if left <= timedelta(days=days)]
            name = certificate.fingerprint(hashes.SHA256())
            if due and due[-1] != self._told.get(name):
                self._told[name] = due[-1]
                log.warning(
                    "certificate expires soon: renew it",
                    source=self._source,
                    certificate=whose,
                    thumbprint=thumbprint(certificate),
                    days_left=left.days,
                    expires=f"{certificate.not_valid_after_utc:%Y-%m-%d}",
                )
