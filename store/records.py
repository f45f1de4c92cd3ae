"""What the spool speaks of: gaps, checkpoints, refused lines, accounts, and why it says no."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


class SpoolFull(Exception):
    """Nothing can be kept now, for want of room or because of the disk: do not acknowledge, try the
    same again later."""


class SpoolInUse(Exception):
    """Another process collects into this spool."""


@dataclass(frozen=True, slots=True)
class Gap:
    """No samples of a tag (its id) in [start, end), and why."""

    tag: str
    start: int
    end: int
    cause: str


@dataclass(frozen=True, slots=True)
class Loss:
    """What the spool had, or was given, and has no more: samples (or values of figures) of
    [start, end), and why."""

    cause: str
    kind: str
    samples: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The calculation as it stood at a beat, ns; the blob is the pipeline's own."""

    beat: int
    blob: bytes


@dataclass(frozen=True, slots=True)
class BadLine:
    """A sample the store refused for good."""

    tag: str
    time: int
    value: float
    quality: int
    reason: str


@dataclass(frozen=True, slots=True)
class SourceLedger:
    """Samples of one source: where each of those received is now."""

    received: int
    stored: int
    spooled: int
    rejected: Mapping[str, int]

    @property
    def balance(self) -> int:
        """received - stored - spooled - rejected; 0 when the ledger closes."""
        return self.received - self.stored - self.spooled - sum(self.rejected.values())
