"""The spool: what waits in it, what was set aside, what was given up. Nothing is changed."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from api.kept_state import SpoolState, spool_state
from plant.batch import SECOND
from plant.model import Plant
from potline.doctor.finding import Finding

BEHIND_S = 3600.0
FULL = 0.9


def examine(plant: Plant) -> Iterator[Finding]:
    file = Path(plant.store.path) / "spool.sqlite"
    if not file.exists():
        yield Finding("spool", "segments", "ok", f"{file}: none yet; the first start makes it")
        return
    try:
        state = spool_state(file)
    except sqlite3.DatabaseError as error:
        yield Finding("spool", "file", "fail", f"{file} cannot be read: {error}",
                      "run this as the user of potline; potline run mends a damaged spool, and "
                      "keeps the damaged file beside it")  # fmt: skip
        return
    yield _backlog(state)
    yield _size(plant, file)
    yield from _lost(plant, state)
    for aside in sorted(file.parent.glob("spool.damaged-*.sqlite")):
        yield Finding("spool", "damaged", "warn", f"{aside} was replaced by a sound one",
                      "see to the disk (smartctl, dmesg), then remove the file")  # fmt: skip


def _backlog(state: SpoolState) -> Finding:
    waiting = sum(state.segments.values())
    if state.oldest is None:
        return Finding("spool", "segments", "ok", f"{waiting} wait, none with samples")
    age_s = max(time.time() - state.oldest / SECOND, 0.0)
    found = (
        f"{waiting} wait for the store, the oldest sample is {timedelta(seconds=round(age_s))} old"
    )
    if age_s > BEHIND_S:
        return Finding("spool", "segments", "warn", found,
                       "see that potline runs and that the store keeps up")  # fmt: skip
    return Finding("spool", "segments", "ok", found)


def _size(plant: Plant, file: Path) -> Finding:
    size, most = file.stat().st_size, plant.spool.max_GB * 1e9
    found = f"{size / 1e6:.0f} MB of {most / 1e6:.0f} MB"
    if size > FULL * most:
        then = {
            "wait": "sources wait when it is full",
            "drop_oldest": "the oldest samples are given up when it is full",
            "drop_newest": "new samples are given up when it is full",
        }[plant.spool.when_full]
        return Finding("spool", "size", "warn", f"{found}; {then}",
                       "bring the store back, or raise [spool] max_GB")  # fmt: skip
    return Finding("spool", "size", "ok", found)


def _lost(plant: Plant, state: SpoolState) -> Iterator[Finding]:
    if state.quarantined:
        yield Finding("spool", "quarantine", "warn",
                      f"{state.quarantined} damaged segments were set aside",
                      "see to the disk (smartctl, dmesg); what they held is on record as "
                      "gaps")  # fmt: skip
    else:
        yield Finding("spool", "quarantine", "ok", "no damaged segment")
    for cause, samples in state.lost.items():
        yield Finding("spool", cause, "warn", f"{samples} samples were given up in the past",
                      "they are on record: /api/v1/gaps; see [spool] and the disk")  # fmt: skip
    if state.refused:
        yield Finding("spool", "refused", "warn",
                      f"the store refused {state.refused} samples for good",
                      f"potline audit {plant.path} counts them, table bad_lines of the spool has "
                      "each with its reason")  # fmt: skip
