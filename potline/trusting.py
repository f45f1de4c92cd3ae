"""`potline trust`: which certificates of OPC UA servers this plant's collector trusts."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import typer
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from collector.opcua.certificates import (
    UNREADABLE,
    SecurityError,
    alternative_names,
    out_of_time,
    own_certificate,
    parse,
    thumbprint,
)
from collector.opcua.trust import TrustList
from potline.exits import INVALID, Failure
from potline.logs import configure
from potline.plants import load_plant
from potline.tables import print_json, print_rows

STATES = ("trusted", "issuers", "rejected")


def list_trust(path: Path, as_json: bool) -> None:
    plant = load_plant(path)
    trust = TrustList(plant)
    own = trust.folder / "own" / "certificate.der"
    rows = [_row("own", c, own) for c in (_in_file(own) if own.exists() else ())]
    for state in STATES:
        rows += [_row(state, k.certificate, k.file, k.source) for k in trust.kept(state)]
    unreadable = [str(file) for file in trust.unreadable()]
    if as_json:
        print_json({"certificates": rows, "unreadable": unreadable})
        return
    print_rows(
        f"certificates in {trust.folder}",
        ("state", "thumbprint", "subject", "valid", "source", "note"),
        [
            (
                row["state"],
                row["thumbprint"],
                row["subject"],
                f"{row['valid_from'][:10]} to {row['valid_to'][:10]}",
                row["source"] or "—",
                row["fault"] or ("authority" if row["authority"] else ""),
            )
            for row in rows
        ],
    )
    for file in unreadable:
        typer.echo(f"{file} holds no certificate that can be read: remove or replace it")
    secured = any(s.options.get("security", "None") != "None" for s in plant.sources)
    if secured and not own.exists():
        typer.echo(f"no certificate of our own yet: potline trust show {path} own makes it")


def add(path: Path, what: str, as_json: bool) -> None:
    """what: the thumbprint of a certificate that was rejected, or a file."""
    trust = TrustList(load_plant(path))
    with _clear_failures():
        kept = trust.find("rejected", what) or trust.find("trusted", what)
        if kept is not None:
            chosen = [kept.certificate]
        elif Path(what).is_file():
            chosen = _in_file(Path(what))
        else:
            raise Failure(INVALID, _no_such("rejected", path, what) + "; or give a file")
        _tell([_row("trusted", c, trust.put("trusted", c)) for c in chosen], as_json)


def reject(path: Path, what: str, as_json: bool) -> None:
    trust = TrustList(load_plant(path))
    with _clear_failures():
        kept = trust.find("trusted", what)
        if kept is None:
            raise Failure(INVALID, _no_such("trusted", path, what))
        file = trust.put("rejected", kept.certificate)
        _tell([_row("rejected", kept.certificate, file)], as_json)


def show(path: Path, what: str, as_json: bool) -> None:
    configure(logging.WARNING)
    plant = load_plant(path)
    trust = TrustList(plant)
    if what == "own":
        with _clear_failures():
            own = own_certificate(trust.folder / "own", plant.site.id)
        row = _row("own", own.certificate, own.file)
    else:
        found = ((s, k) for s in STATES if (k := trust.find(s, what)) is not None)
        state, kept = next(found, ("", None))
        if kept is None:
            raise Failure(INVALID, _no_such("kept", path, what))
        row = _row(state, kept.certificate, kept.file, kept.source)
    if as_json:
        print_json(row)
        return
    for name, value in row.items():
        shown = ", ".join(value) if isinstance(value, list) else value
        typer.echo(f"{name.replace('_', ' '):16} {shown if shown != '' else '—'}")


def _in_file(file: Path) -> list[x509.Certificate]:
    try:
        return parse(file.read_bytes())
    except UNREADABLE as error:
        raise Failure(INVALID, f"{file} holds no certificate (PEM or DER): {error}") from None


def _no_such(state: str, path: Path, what: str) -> str:
    return f"no {state} certificate has the thumbprint {what}; potline trust list {path} shows them"


@contextlib.contextmanager
def _clear_failures() -> Iterator[None]:
    try:
        yield
    except SecurityError as error:
        raise Failure(INVALID, str(error)) from None
    except OSError as error:
        raise Failure(INVALID, f"{error.filename}: {error.strerror}") from None


def _row(state: str, certificate: x509.Certificate, file: Path, source: str = "") -> dict[str, Any]:
    uris, names, addresses = alternative_names(certificate)
    return {
        "state": state,
        "thumbprint": thumbprint(certificate),
        "sha256": certificate.fingerprint(hashes.SHA256()).hex().upper(),
        "subject": certificate.subject.rfc4514_string(),
        "issuer": certificate.issuer.rfc4514_string(),
        "authority": _is_authority(certificate),
        "application_uri": uris[0] if uris else "",
        "hosts": [*names, *map(str, addresses)],
        "valid_from": f"{certificate.not_valid_before_utc:%Y-%m-%dT%H:%M:%SZ}",
        "valid_to": f"{certificate.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}",
        "fault": out_of_time(certificate, datetime.now(UTC)),
        "source": source,
        "file": str(file),
    }


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _tell(rows: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        print_json({"certificates": rows})
        return
    for row in rows:
        fault = f"; it {row['fault']}" if row["fault"] else ""
        typer.echo(f"{row['state']}: {row['thumbprint']} {row['subject']}{fault}")
