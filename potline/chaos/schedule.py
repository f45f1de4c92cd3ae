"""Which fault strikes what, when, and for how long: the same seed, the same schedule."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from potline.chaos.faults import Kind, Where

SETTLE_S = {"collector": 6.0, "disk": 8.0, "simulator": 6.0, "clock": 4.0}
"""After a fault there, what it struck is left alone for so long; 2.5 s after any other."""
OTHERS_S = 2.5
CHOICE = 8
SHORTEST_STORM_S = 60.0
"""Below this many seconds of storm, faults are as short as their kind allows."""


@dataclass(frozen=True, slots=True)
class Planned:
    """at_s, for_s: since the storm began. touches: the sources (and "store") it may disturb; no
    other fault touches them meanwhile. seed: of what is drawn when it is done."""

    kind: Kind
    target: str
    at_s: float
    for_s: float
    touches: frozenset[str]
    seed: int


Targets = Mapping[Where, Mapping[str, frozenset[str]]]
"""What there is to strike: by place, each target with what it touches."""


def plan(
    kinds: Iterable[Kind], targets: Targets, seconds: float, faults: int, seed: int
) -> list[Planned]:
    """At most `faults` that end before `seconds`, in the order of their beginnings. Each kind comes
    once before any comes twice; of the next few, the one whose target is free first."""
    luck = random.Random(seed)
    possible = [kind for kind in kinds if targets.get(kind.where)]
    free: dict[str, float] = {}
    planned: list[Planned] = []
    bag: list[Kind] = []
    for number in range(faults if possible else 0):
        if not bag:
            bag = luck.sample(possible, len(possible))
        wanted_s = seconds * number / faults
        best = min(bag[:CHOICE], key=lambda kind: max(wanted_s, _free_s(free, targets, kind)))
        bag.remove(best)
        choice = targets[best.where]
        target = min(
            luck.sample(sorted(choice), len(choice)),
            key=lambda name: max(wanted_s, *(free.get(t, 0.0) for t in choice[name])),
        )
        touches = choice[target]
        low, high = best.lasts_s
        longest = high if seconds >= SHORTEST_STORM_S else low + 0.1 * (high - low)
        at_s = max(wanted_s, *(free.get(t, 0.0) for t in touches))
        for_s = luck.uniform(low, longest)
        if at_s + for_s > seconds:
            continue
        planned.append(Planned(best, target, at_s, for_s, touches, luck.getrandbits(32)))
        for each in touches:
            free[each] = at_s + for_s + SETTLE_S.get(best.where, OTHERS_S)
    return sorted(planned, key=lambda fault: fault.at_s)


def _free_s(free: Mapping[str, float], targets: Targets, kind: Kind) -> float:
    """When the first target of a kind can be struck."""
    return min(max(free.get(t, 0.0) for t in touches) for touches in targets[kind.where].values())
