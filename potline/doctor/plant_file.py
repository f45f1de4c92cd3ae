"""What a valid plant file still does that somebody may regret."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from ipaddress import ip_address
from math import isnan
from pathlib import Path

from analytics.uncertainty.notes import MEASURED
from collector.opcua.trust import pki_folder
from plant.model import Plant
from potline.doctor.finding import Finding

BOOK_DAYS = 31
"""The book looks back over thirty whole local days."""
SECRET_FILES = ("password_file", "user_key_file", "client_key_file")
SHOWN = 3


def examine(plant: Plant) -> Iterator[Finding]:
    yield _retention(plant)
    yield _accuracy(plant)
    yield from _secrets(plant)
    yield _address(plant)


def _retention(plant: Plant) -> Finding:
    days = plant.store.raw_days
    slow = [tag.id for tag in plant.tags if tag.signal.pace == "slow"]
    if slow and 0 < days < BOOK_DAYS:
        return Finding(
            "plant file",
            "store.raw_days",
            "warn",
            f"raw samples are kept for {days} days; figures of 30 days need those of "
            f"{len(slow)} slow tags ({_some(slow)}) for {BOOK_DAYS}",
            f"write raw_days = {BOOK_DAYS} or more, or 0 for ever",
        )
    return Finding("plant file", "store.raw_days", "ok", f"{days} days" if days else "for ever")


def _accuracy(plant: Plant) -> Finding:
    """Of the tags whose accuracy enters an uncertainty."""
    wanted = {pair for pairs in MEASURED.values() for pair in pairs}
    tags = [tag for tag in plant.tags if (tag.signal.entity, tag.signal.name) in wanted]
    silent = [t.id for t in tags if isnan(t.accuracy) and isnan(t.accuracy_percent)]
    subject = "accuracy"
    if len(silent) == len(tags):
        return Finding("plant file", subject, "ok",
                       "no tag states one: figures are without uncertainty")  # fmt: skip
    if silent:
        return Finding(
            "plant file",
            subject,
            "warn",
            f"{len(silent)} of {len(tags)} measuring tags state none ({_some(silent)}): the "
            "uncertainty of what they enter is unknown",
            "write accuracy or accuracy_percent from the data sheets of their instruments",
        )
    return Finding("plant file", subject, "ok", f"stated for all {len(tags)} measuring tags")


def _secrets(plant: Plant) -> Iterator[Finding]:
    for source in plant.sources:
        files = (source.options.get(key) for key in SECRET_FILES)
        yield from (_file(source.id, Path(file)) for file in files if file)
        if name := source.options.get("password_env"):
            yield _variable(source.id, name)
    if plant.store.token_file:
        yield _file("store", Path(plant.store.token_file))
    if plant.store.token_env:
        yield _variable("store", plant.store.token_env)
    own = pki_folder(plant) / "own" / "key.pem"
    if own.exists():
        yield _file("own", own)


def _file(whose: str, file: Path) -> Finding:
    area = "secrets"
    try:
        mode = file.stat().st_mode
        with file.open("rb"):
            pass
    except OSError as error:
        return Finding(area, whose, "fail", f"{file}: {error.strerror}",
                       "put the secret there, readable by the user of potline")  # fmt: skip
    if mode & (stat.S_IROTH | stat.S_IWOTH):
        return Finding(area, whose, "warn", f"every user of this machine can read or change {file}",
                       f"chmod o-rw {file}")  # fmt: skip
    return Finding(area, whose, "ok", f"{file} is not for all to read")


def _variable(whose: str, name: str) -> Finding:
    if name in os.environ:
        return Finding("secrets", whose, "ok", f"environment variable {name} is set")
    return Finding("secrets", whose, "warn", f"environment variable {name} is not set here",
                   "see that it is where potline run starts: EnvironmentFile= in the unit of "
                   "systemd")  # fmt: skip


def _address(plant: Plant) -> Finding:
    host = plant.api.get("host", "127.0.0.1")
    if is_loopback(host):
        return Finding("plant file", "api.host", "ok", f"{host}: for this machine only")
    return Finding(
        "plant file",
        "api.host",
        "warn",
        f"{host}: whoever reaches this machine can look, acknowledge alarms and enter values",
        'write host = "127.0.0.1" behind a proxy with a login, or close the port to others',
    )


def is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _some(ids: list[str]) -> str:
    return ", ".join(ids[:SHOWN]) + (", …" if len(ids) > SHOWN else "")
