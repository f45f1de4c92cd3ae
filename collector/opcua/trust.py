"""Which certificates of servers are trusted: folders that people and `potline trust` keep.

As OPC 10000-12 has it: `trusted` holds certificates of servers and of issuers that are trusted,
`issuers` those of issuers that only complete a chain; both may hold revocation lists (*.crl).
`rejected` holds what servers showed and nobody trusts (yet).
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPublicKeyTypes
from cryptography.x509 import verification

from collector.opcua.certificates import (
    KEY_BITS,
    UNREADABLE,
    SecurityError,
    application_uri,
    hosts_of,
    is_for,
    keep,
    out_of_time,
    parse,
    thumbprint,
)
from plant.model import Plant

MOST_REJECTED = 100
"""The newest are kept: whoever shows one certificate after the other fills no disk."""
_SUFFIXES = {".der", ".pem", ".crt", ".cer"}


@dataclass(frozen=True, slots=True)
class Kept:
    """A certificate of a folder; `source` showed it, "" when it came otherwise."""

    certificate: x509.Certificate
    file: Path
    source: str
    application_uri: str


class TrustList:
    """The folders, read anew at every question: what people change counts at once."""

    def __init__(self, plant: Plant) -> None:
        self.folder = pki_folder(plant)
        self._plant = plant

    def kept(self, state: str) -> list[Kept]:
        """The readable certificates of trusted, issuers or rejected."""
        return [kept for file in self._files(state) for kept in _read(file)]

    def unreadable(self) -> list[Path]:
        """Files that should hold certificates and do not."""
        states = ("trusted", "issuers", "rejected")
        return [f for state in states for f in self._files(state) if not list(_read(f))]

    def stamp(self) -> tuple[int, ...]:
        """Another one when a certificate was added to or taken from what is trusted."""
        folders = (self.folder / "trusted", self.folder / "issuers")
        return tuple(f.stat().st_mtime_ns if f.exists() else 0 for f in folders)

    def _files(self, state: str) -> list[Path]:
        folder = self.folder / state
        files = folder.iterdir() if folder.exists() else ()
        return sorted(f for f in files if f.suffix in _SUFFIXES and not f.name.startswith("."))

    # -- moving

    def find(self, state: str, wanted: str) -> Kept | None:
        """By thumbprint, in any of the ways in which tools write one."""
        name = wanted.replace(":", "").replace(" ", "").upper()
        return next((k for k in self.kept(state) if thumbprint(k.certificate) == name), None)

    def put(self, state: str, certificate: x509.Certificate, source: str = "") -> Path:
        """Keep it as trusted or rejected, and no more as the other; the source that showed it
        stands on the file's first line."""
        name = thumbprint(certificate)
        before = self.find("rejected" if state == "trusted" else "trusted", name)
        source = source or (before.source if before else "")
        file = self.folder / state / f"{name}.pem"
        text = certificate.public_bytes(serialization.Encoding.PEM)
        keep(file, json.dumps({"source": source}, ensure_ascii=False).encode() + b"\n" + text)
        if before is not None:
            others = [k for k in _read(before.file) if k.certificate != certificate]
            before.file.unlink()
            for other in others:  # of a bundle
                self.put(before.file.parent.name, other.certificate, other.source)
        return file

    # -- checking

    def check(self, chain: Sequence[x509.Certificate], source: str, host: str, uri: str) -> None:
        """SecurityError unless the server at `host`, application `uri`, may have this certificate.

        chain: as the server sent it, its own first.
        """
        try:
            self._check(chain, source, host, uri)
        except UNREADABLE as error:
            raise SecurityError(f"the server's certificate cannot be read: {error}") from None

    def _check(self, chain: Sequence[x509.Certificate], source: str, host: str, uri: str) -> None:
        own = chain[0]
        key = own.public_key()
        if not isinstance(key, rsa.RSAPublicKey) or key.key_size < KEY_BITS:
            raise SecurityError(
                f"the server's certificate has no RSA key of at least {KEY_BITS} bits; "
                "give the server a new certificate"
            )
        if fault := out_of_time(own, datetime.now(UTC)):
            raise SecurityError(
                f"the server's certificate {thumbprint(own)} {fault}; "
                "renew it at the server, or set the clocks right"
            )
        pinned = own in (kept.certificate for kept in self.kept("trusted"))
        path = [own] if pinned else self._path(chain, source)
        self._check_revoked(path, chain)
        if not uri or application_uri(own) != uri:
            raise SecurityError(
                f'the server calls itself "{uri}", its certificate {thumbprint(own)} is for '
                f'"{application_uri(own)}"; make the server a certificate of its own'
            )
        nameless = hosts_of(own) == ""
        if not is_for(own, host) and not (pinned and nameless):
            raise SecurityError(
                f"the server's certificate {thumbprint(own)} is for "
                f"{hosts_of(own) or 'no host'}, not for {host}; correct the url, or write "
                "server_name = one of these names when you know that this is the server"
            )

    def _path(self, chain: Sequence[x509.Certificate], source: str) -> Sequence[x509.Certificate]:
        """From the certificate to an issuer that is trusted; SecurityError when there is none."""
        issuers = [kept.certificate for kept in self.kept("trusted")]
        if issuers:
            between = [*chain[1:], *(kept.certificate for kept in self.kept("issuers"))]
            everything = verification.ExtensionPolicy.permit_all()
            authority = everything.require_present(
                x509.BasicConstraints, verification.Criticality.AGNOSTIC, None
            )
            verifier = (
                verification.PolicyBuilder()
                .store(verification.Store(issuers))
                .extension_policies(ca_policy=authority, ee_policy=everything)
                .build_client_verifier()  # the other kind wants a DNS name; names are checked here
            )
            try:
                return verifier.verify(chain[0], between).chain
            except (verification.VerificationError, *UNREADABLE):
                pass  # told below, with what to do
        raise SecurityError(self._untrusted(chain[0], source))

    def _untrusted(self, own: x509.Certificate, source: str) -> str:
        """Keep it for a decision, and say how to decide."""
        name = thumbprint(own)
        known = [
            thumbprint(kept.certificate)
            for kept in self.kept("trusted")
            if kept.application_uri == application_uri(own)
        ]
        fault = f"has changed (trusted: {', '.join(known)})" if known else "is not trusted"
        text = (
            f"the server's certificate {fault}: {own.subject.rfc4514_string()}, for "
            f"{hosts_of(own) or 'no host'}; compare its thumbprint with the one that the server "
            f"shows, then run: potline trust add {shlex.quote(self._plant.path)} {name}"
        )
        if self.find("rejected", name) is None:
            self.put("rejected", own, source)
            for file in sorted(self._files("rejected"), key=_age)[:-MOST_REJECTED]:
                file.unlink(missing_ok=True)
        return text

    def _check_revoked(
        self, path: Sequence[x509.Certificate], chain: Sequence[x509.Certificate]
    ) -> None:
        """By the revocation lists that there are; a list that its issuer did not sign ends it."""
        known = [*path, *chain, *(kept.certificate for kept in self.kept("issuers"))]
        for file, revoked in self._revocation_lists():
            issued = [c for c in path if c.issuer == revoked.issuer]
            signers = [
                cast(CertificateIssuerPublicKeyTypes, c.public_key())
                for c in known
                if c.subject == revoked.issuer
            ]
            if issued and signers and not any(map(revoked.is_signature_valid, signers)):
                raise SecurityError(f"{file} is not signed by the issuer that it names; replace it")
            for certificate in issued:
                if revoked.get_revoked_certificate_by_serial_number(certificate.serial_number):
                    raise SecurityError(
                        f"the certificate {thumbprint(certificate)} of the server or of its "
                        f"issuer is revoked ({file}); give the server a new one"
                    )

    def _revocation_lists(self) -> Iterator[tuple[Path, x509.CertificateRevocationList]]:
        for state in ("trusted", "issuers"):
            for file in sorted((self.folder / state).glob("*.crl")):
                data = file.read_bytes()
                pem = b"-----BEGIN" in data
                try:
                    yield file, (x509.load_pem_x509_crl if pem else x509.load_der_x509_crl)(data)
                except UNREADABLE as error:
                    raise SecurityError(f"{file} is no revocation list: {error}") from None


def pki_folder(plant: Plant) -> Path:
    """Where a plant keeps certificates: own, trusted, issuers, rejected."""
    return Path(plant.store.path) / "pki"


def _age(file: Path) -> float:
    return file.stat().st_mtime


def _read(file: Path) -> Iterator[Kept]:
    try:
        data = file.read_bytes()
        first, _, _ = data.partition(b"\n")
        source = json.loads(first)["source"] if first.startswith(b"{") else ""
        certificates = parse(data)
        names = [application_uri(certificate) for certificate in certificates]
    except (OSError, *UNREADABLE):
        return
    for certificate, uri in zip(certificates, names, strict=True):
        yield Kept(certificate, file, source, uri)
