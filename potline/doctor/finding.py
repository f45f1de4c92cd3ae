"""What a check found: fine or not, in words, and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Finding:
    """remedy: what to do, "" when nothing is wrong. unreachable: it fails for want of a server."""

    area: str
    subject: str
    state: State
    found: str
    remedy: str = ""
    unreachable: bool = False
