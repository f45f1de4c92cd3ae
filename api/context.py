"""What the API is handed by the wiring."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request
from prometheus_client import CollectorRegistry

from api.live import LiveHub
from api.pair_status import PairStatus
from api.source_status import SourceStatus
from plant.model import Plant
from store.alarms import AlarmTable
from store.contract import Store
from store.entries import Entries
from store.history import History
from store.restatements import Restatements
from store.spool import Spool


def reachable() -> str:
    return ""


def alone() -> None:
    return None


@dataclass
class Context:
    plant: Plant
    live: LiveHub
    store: Store
    history: History
    spool: Spool
    alarms: AlarmTable
    restatements: Restatements
    entries: Entries
    sources: Callable[[], Sequence[SourceStatus]]
    store_error: Callable[[], str] = reachable  # why the writer cannot write, "" while it can
    pair: Callable[[], PairStatus | None] = alone  # None: this collector has no second one
    registry: CollectorRegistry = field(
        default_factory=CollectorRegistry
    )  # the wiring adds its own


def of_request(request: Request) -> Context:
    context: Context = request.app.state.context
    return context


Ctx = Annotated[Context, Depends(of_request)]
