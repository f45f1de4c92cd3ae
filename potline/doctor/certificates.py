"""The certificates that a plant's connections stand on, and how long they still do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509

from collector.opcua.certificates import UNREADABLE, WARN_DAYS, out_of_time, parse, thumbprint
from collector.opcua.trust import TrustList
from plant.model import Plant
from potline.doctor.finding import Finding, State

OF_SOURCES = {"user_certificate_file": "user", "client_certificate_file": "client", "ca_file": "CA"}


@dataclass(frozen=True, slots=True)
class Held:
    """A certificate in a file of this machine. fault: why the file holds none."""

    whose: str
    file: Path
    certificate: x509.Certificate | None
    fault: str = ""

    def left_days(self, now: datetime) -> float:
        """Until it expires; negative since it has. NaN when there is none."""
        if self.certificate is None:
            return float("nan")
        return (self.certificate.not_valid_after_utc - now) / timedelta(days=1)


def held(plant: Plant) -> Iterator[Held]:
    """Our own, those of users, clients and authorities, those trusted and those of issuers."""
    trust = TrustList(plant)
    own = trust.folder / "own" / "certificate.der"
    if own.exists():
        yield from _in_file("own", own)
    for source in plant.sources:
        for key, whose in OF_SOURCES.items():
            if file := source.options.get(key):
                yield from _in_file(f"{whose} of {source.id}", Path(file))
    for state, whose in (("trusted", "trusted"), ("issuers", "issuer")):
        yield from (Held(whose, kept.file, kept.certificate) for kept in trust.kept(state))
    for file in trust.unreadable():
        yield Held(file.parent.name, file, None, "it holds no certificate that can be read")


def _in_file(whose: str, file: Path) -> Iterator[Held]:
    try:
        certificates = parse(file.read_bytes())
    except (OSError, *UNREADABLE) as error:
        yield Held(whose, file, None, f"it cannot be read: {error}")
        return
    for certificate in certificates:
        yield Held(whose, file, certificate)


def examine(plant: Plant) -> Iterator[Finding]:
    now = datetime.now(UTC)
    for row in held(plant):
        yield _expiry(plant, row, now)
    secured = any(s.options.get("security", "None") != "None" for s in plant.sources)
    if secured and not (TrustList(plant).folder / "own" / "certificate.der").exists():
        yield Finding(
            "certificates",
            "own",
            "warn",
            "there is none yet, and no server can trust it",
            f"potline trust show {plant.path} own makes it; let the servers trust it",
        )


def _expiry(plant: Plant, row: Held, now: datetime) -> Finding:
    if row.certificate is None:
        return Finding(
            "certificates", row.whose, "fail", f"{row.file}: {row.fault}", "replace or remove it"
        )
    name, left = thumbprint(row.certificate), row.left_days(now)
    found = f"{name}, {row.file}: until {row.certificate.not_valid_after_utc:%Y-%m-%d}"
    if fault := out_of_time(row.certificate, now):
        return Finding(
            "certificates", row.whose, "fail", f"{found}: {fault}", _renewal(plant, row, name)
        )
    due = [days for days in WARN_DAYS if left <= days]
    if not due:
        return Finding("certificates", row.whose, "ok", found)
    state: State = "fail" if due[-1] == WARN_DAYS[-1] else "warn"
    found += f", {left:.0f} days left (less than {due[-1]})"
    return Finding("certificates", row.whose, state, found, _renewal(plant, row, name))


def _renewal(plant: Plant, row: Held, name: str) -> str:
    match row.whose:
        case "own":
            return (
                f"remove {row.file} and restart potline: a new one is made with the same key, "
                "which the servers must trust anew"
            )
        case "trusted" | "issuer":
            return (
                "renew it at its server and trust the new one; when no server uses it any more: "
                f"potline trust reject {plant.path} {name}"
            )
        case _:
            return "have its authority renew it, and put the new one into the same file"
