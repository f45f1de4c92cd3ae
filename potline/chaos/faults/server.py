"""An OPC UA server that misbehaves: the simulator's own hostile modes."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING

from potline.chaos.faults.kind import fault
from simulators.scenario import ONCE

if TYPE_CHECKING:
    from potline.chaos.storm import Storm

SKEWS_S = tuple(3.1 + 0.0001 * i for i in range(1, 10))
"""Clock errors that no sample has by itself: intervals and phases are whole milliseconds."""


def _hostile(
    name: str,
    lasts_s: tuple[float, float],
    what: str,
    *,
    silent: bool = False,
    then_reset: bool = False,
    **amounts: Callable[[random.Random], float],
) -> None:
    """then_reset: connections too, for only a new one meets it."""

    @fault("server", lasts_s, what, name=name, silent=silent)
    async def course(storm: Storm, target: str, luck: random.Random) -> AsyncIterator[None]:
        how = {key: amount(luck) for key, amount in amounts.items()}
        number = storm.simulator.ask({"kind": name, "source": target, **how})["id"]
        if then_reset:
            storm.proxies[target].reset()
        try:
            yield
        finally:
            if name not in ONCE:
                storm.simulator.ask({"clear": number})


def _share(low: float, high: float) -> Callable[[random.Random], float]:
    return lambda luck: round(luck.uniform(low, high), 3)


def _whole(low: int, high: int) -> Callable[[random.Random], float]:
    return lambda luck: float(luck.randrange(low, high))


_hostile("freeze_server", (6, 10), "keep-alives and Read go on, no data is told", silent=True)
_hostile("stall_publishing", (6, 10), "no publish response, all else works", silent=True)
_hostile("half_open", (2, 8), "takes connections and bytes, never answers")
_hostile("slow_answers", (2, 8), "each answer 0.2-1 s later", seconds=_share(0.2, 1.0))
_hostile(
    "lie_about_limits",
    (3, 8),
    "takes 20-200 operations a call and says 10,000",
    then_reset=True,
    operations=_whole(20, 200),
)
_hostile("limit_message_size", (3, 8), "requests above 8 kB end the connection", then_reset=True)
_hostile("limit_publish_requests", (2, 8), "one publish request at a time")
_hostile("refuse_transfer", (3, 8), "no TransferSubscriptions; connections reset", then_reset=True)
_hostile("drop_sessions", (0.1, 0.5), "sessions and subscriptions gone, connections stay")
_hostile("restart_server", (1, 5), "server down, then there without sessions")
_hostile("drop_connection", (1, 8), "connections and port closed, sessions kept")
_hostile("permute_namespaces", (2, 6), "restarts with other namespace indices, and back")
_hostile("vanish_nodes", (2, 8), "5-20 % of the nodes unknown", share=_share(0.05, 0.2))
_hostile("not_finite", (2, 6), "1 % of the values NaN or infinite", share=_share(0.005, 0.02))
_hostile(
    "change_types",
    (2, 6),
    "5-15 % of the tags come as Float, Int64 or String",
    share=_share(0.05, 0.15),
)
_hostile(
    "drop_notifications", (2, 8), "10-30 % not sent; Republish has them", share=_share(0.1, 0.3)
)
_hostile("lose_notifications", (2, 8), "10-30 % never sent", share=_share(0.1, 0.3))
_hostile("duplicate_notifications", (2, 8), "10-30 % sent twice", share=_share(0.1, 0.3))
_hostile("reorder_notifications", (2, 8), "10-30 % sent after the next", share=_share(0.1, 0.3))
_hostile("skip_sequence", (2, 8), "numbers left out that were never used", share=_share(0.1, 0.3))
_hostile(
    "skew_clock",
    (2, 8),
    "the server's clock 3.1 s ahead, then right again",
    seconds=lambda luck: luck.choice(SKEWS_S),
)
