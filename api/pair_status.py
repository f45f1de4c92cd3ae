"""How one of a pair of collectors stands, as the wiring tells the API."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class PairStatus:
    """since: ns. peer_age_s: since the other one was heard, None: never. trouble: why the two do
    not understand each other, "" while they do."""

    name: str
    role: Literal["active", "standby"]
    since: int
    reason: str
    epoch: int
    takeovers: int
    peer: str
    peer_active: bool
    peer_age_s: float | None
    trouble: str
    strangers: int
    held: int
