"""How a server misbehaves at this moment; nothing of it when all is at its default."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, field

from plant.batch import SECOND
from simulators.scenario import Fault

FATES = {
    "drop_notifications": "drop",
    "lose_notifications": "lose",
    "duplicate_notifications": "duplicate",
    "reorder_notifications": "hold",
    "skip_sequence": "skip",
}
"""Kinds of fault -> what happens to a share of the notifications."""


@dataclass(slots=True)
class Hostility:
    frozen: bool = False  # no data, but keep-alives
    stalled: bool = False  # not even those
    half_open: bool = False  # swallows what comes, says nothing
    answer_delay_s: float = 0.0
    most_operations: int = 0  # really taken in a call, whatever it says; 0: what it says
    most_bytes: int = 0  # of a request; 0: no limit
    most_publish_requests: int = 0  # 0: the library's limit
    refuses_transfer: bool = False
    service_level: int = 255  # what it says of itself
    skew_ns: int = 0
    not_finite: float = 0.0  # share of the values
    retyped: float = 0.0  # share of the tags
    vanished: float = 0.0  # share of the nodes
    fates: dict[str, float] = field(default_factory=dict)  # share of the notifications

    def set(self, faults: Iterable[Fault]) -> None:
        """To what these active faults of the source make of it."""
        for name, value in ((n, getattr(_KIND, n)) for n in self.__slots__):
            setattr(self, name, value)
        self.fates = {}
        for fault in faults:
            if fault.kind in FATES:
                self.fates[FATES[fault.kind]] = fault.amount
            elif fault.kind == "skew_clock":
                self.skew_ns += round(fault.amount * SECOND)
            elif fault.kind in _FLAGS:
                setattr(self, _FLAGS[fault.kind], True)
            elif fault.kind in _AMOUNTS:
                name = _AMOUNTS[fault.kind]
                setattr(self, name, type(getattr(_KIND, name))(fault.amount))

    def fate(self, luck: random.Random) -> str:
        """Of the next notification; "" is told as it should be."""
        return next((fate for fate, share in self.fates.items() if luck.random() < share), "")


_KIND = Hostility()
_FLAGS = {
    "freeze_server": "frozen",
    "stall_publishing": "stalled",
    "half_open": "half_open",
    "refuse_transfer": "refuses_transfer",
}
_AMOUNTS = {
    "lie_about_limits": "most_operations",
    "limit_message_size": "most_bytes",
    "limit_publish_requests": "most_publish_requests",
    "degrade_service": "service_level",
    "slow_answers": "answer_delay_s",
    "not_finite": "not_finite",
    "change_types": "retyped",
    "vanish_nodes": "vanished",
}
