"""How much a server takes in one call: what it says, what its maker is known for, what it shows."""

from __future__ import annotations

import tomllib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TypeVar

import structlog
from asyncua.ua import uaerrors

from collector.opcua.services import Services, standard_node

CHUNK = 1000
"""Operations in a call where nobody sets a limit."""
TOLD = {
    "read": "MaxNodesPerRead",
    "monitor": "MaxMonitoredItemsPerCall",
    "browse": "MaxNodesPerBrowse",
    "history": "MaxNodesPerHistoryReadData",
}
MAKER = tuple(
    f"ServerStatus_BuildInfo_{name}" for name in ("ProductUri", "ManufacturerName", "ProductName")
)
TOO_LARGE = (
    uaerrors.BadTooManyOperations,
    uaerrors.BadTcpMessageTooLarge,
    uaerrors.BadRequestTooLarge,
    uaerrors.BadResponseTooLarge,
    uaerrors.BadEncodingLimitsExceeded,
)
LOST = (OSError, TimeoutError)

T = TypeVar("T")
R = TypeVar("R")

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Profile:
    """What a maker's servers bear. most: by kind of operation, those of `Limits.most`."""

    name: str
    matches: tuple[str, ...]
    most: Mapping[str, int]
    publish_requests: int


@cache
def profiles() -> Mapping[str, Profile]:
    """By name, in the file's order; the last one fits any server."""
    text = (files("plant") / "data" / "opcua_profiles.toml").read_text("utf-8")
    rows = tomllib.loads(text)["profile"]
    return {
        row["name"]: Profile(
            row["name"],
            tuple(word.lower() for word in row["matches"]),
            {kind: row[kind] for kind in TOLD},
            row["publish_requests"],
        )
        for row in rows
    }


def profile_of(*names: object) -> Profile:
    """The first that knows the server by its product's URI, or a name of its maker or product."""
    text = " ".join(str(name) for name in names if name).lower()
    fits = (p for p in profiles().values() if any(word in text for word in p.matches))
    return next(fits, profiles()["generic"])


class Limits:
    """Of one source, over all its sessions. most: operations in a call, by kind."""

    def __init__(self, source: str, most: int = 0, profile: str = "") -> None:
        """most: of the plant file, 0: none. profile: its name, "": by what the server says."""
        self.profile = profiles()[profile or "generic"]
        self._source = source
        self._named = bool(profile)
        self._asked = most
        self._told: dict[str, int] = {}
        self._shown: dict[str, int] = {}  # it took no more, whatever it said
        self._ended: dict[str, int] = {}  # the size of the call that the connection ended in

    async def learn(self, services: Services) -> None:
        """Ask the server for its limits and its maker."""
        nodes = [*(f"ServerCapabilities_OperationLimits_{name}" for name in TOLD.values()), *MAKER]
        try:
            answers = await services.values([standard_node(name) for name in nodes])
        except TOO_LARGE:
            answers = [(await services.values([standard_node(name)]))[0] for name in nodes]
        limits, names = answers[: len(TOLD)], answers[len(TOLD) :]
        self._told = {
            kind: limit
            for kind, limit in zip(TOLD, limits, strict=True)
            if isinstance(limit, int) and limit > 0
        }
        if not self._named:
            self.profile = profile_of(*names)

    def most(self, kind: str) -> int:
        known = (self._asked, self._told.get(kind, 0), self._shown.get(kind, 0))
        return min(limit for limit in (*known, self.profile.most[kind]) if limit)

    async def in_calls(
        self, kind: str, rows: Sequence[T], call: Callable[[Sequence[T]], Awaitable[Sequence[R]]]
    ) -> list[R]:
        """The results of all rows, in calls as large as the server takes."""
        results: list[R] = []
        while len(results) < len(rows):
            part = rows[len(results) : len(results) + self.most(kind)]
            try:
                answer = await call(part)
            except TOO_LARGE:
                if len(part) == 1:
                    raise
                self._halve(kind, len(part))
                continue
            except LOST:
                self._lost(kind, len(part))
                raise
            if len(answer) != len(part):
                raise ConnectionError(f"{len(answer)} results for {len(part)} operations")
            self._ended.pop(kind, None)
            results += answer
        return results

    def _lost(self, kind: str, size: int) -> None:
        """Some servers answer a call that is too large by closing the connection: twice in a row
        at the same size is taken for that."""
        if self._ended.get(kind) == size > 1:
            self._halve(kind, size)
        self._ended[kind] = size

    def _halve(self, kind: str, size: int) -> None:
        if kind not in self._shown:
            log.warning(
                "the server takes less in a call than it says, asking for half",
                source=self._source,
                operation=kind,
                refused=size,
            )
        self._shown[kind] = max(1, size // 2)
