"""What the API is handed by the wiring."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Protocol

from fastapi import Depends, Request
from prometheus_client import CollectorRegistry

from plant.model import Plant
from store.alarms import AlarmTable
from store.contract import Store
from store.history import History
from store.spool import Spool

if TYPE_CHECKING:
    from api.live import LiveHub


class SourceStatus(Protocol):
    """How a source is doing now."""

    @property
    def id(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def link(self) -> str:
        """connecting, connected or disconnected"""

    @property
    def flowing(self) -> bool:
        """Samples came within its stale_after_s."""

    @property
    def age_s(self) -> float:
        """Since its newest sample; NaN before the first."""

    @property
    def last_error(self) -> str: ...
    @property
    def unresolved(self) -> Mapping[str, str]:
        """Tag id -> why it cannot be read."""


def reachable() -> str:
    return ""


@dataclass
class Context:
    plant: Plant
    live: LiveHub
    store: Store
    history: History
    spool: Spool
    alarms: AlarmTable
    sources: Callable[[], Sequence[SourceStatus]]
    store_error: Callable[[], str] = reachable  # why the writer cannot write, "" while it can
    registry: CollectorRegistry = field(
        default_factory=CollectorRegistry
    )  # the wiring adds its own


def of_request(request: Request) -> Context:
    context: Context = request.app.state.context
    return context


Ctx = Annotated[Context, Depends(of_request)]
