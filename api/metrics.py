"""GET /metrics: what `api.metrics_table` declares, for Prometheus, read when it asks."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator

from fastapi import APIRouter
from prometheus_client import GCCollector, ProcessCollector
from prometheus_client.core import Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector
from starlette.responses import Response

from api import kept_state
from api.context import Context, Ctx
from api.metrics_table import Reading, fill
from plant.batch import SECOND

STATES = ("unack-active", "ack-active", "rtn-unack")

routes = APIRouter(tags=["health"])


@routes.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
def metrics(context: Ctx) -> Response:
    """Prometheus text format."""
    return Response(
        generate_latest(context.registry), headers={"Content-Type": CONTENT_TYPE_LATEST}
    )


def register(context: Context) -> None:
    context.registry.register(PlantCollector(context))
    ProcessCollector(registry=context.registry)
    GCCollector(registry=context.registry)


class PlantCollector(Collector):
    """What the context knows."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def describe(self) -> list[Metric]:
        return []  # registering must not read the ledger

    def collect(self) -> list[Metric]:
        return fill("api", self._readings())

    def _readings(self) -> Iterator[Reading]:
        yield from self._ledger()
        yield from self._sources()
        yield from self._spool()
        yield from self._past()
        yield from self._alarms()
        live = self._context.live
        yield "store_up", (), not self._context.store_error()
        yield "beats", (), live.beats
        yield "beat_lag_seconds", (), live.lag_s
        yield "beat_stale", (), live.is_stale()
        yield "stream_clients", (), live.clients

    def _ledger(self) -> Iterator[Reading]:
        for source, row in self._context.spool.ledger().items():
            yield "samples_received", (source,), row.received
            yield "samples_stored", (source,), row.stored
            yield "spool_samples", (source,), row.spooled
            for reason, count in row.rejected.items():
                yield "samples_rejected", (source, reason), count

    def _sources(self) -> Iterator[Reading]:
        tags = Counter(tag.source for tag in self._context.plant.tags)
        now = self._context.live.now()
        for source in self._context.sources():
            of = (source.id,)
            yield "source_tags", of, tags[source.id]
            yield "source_unresolved_tags", of, len(source.unresolved)
            yield "source_connected", of, source.link == "connected"
            yield "source_flowing", of, source.flowing
            yield "source_link_seconds", of, (now - source.since) / SECOND
            yield "source_age_seconds", of, source.age_s
            yield "source_lag_seconds", of, source.lag_s
            yield "source_skew_seconds", of, source.skew_s
            yield "source_reconnects", of, source.reconnects
            yield "source_resubscribes", of, source.resubscribes

    def _spool(self) -> Iterator[Reading]:
        context = self._context
        state = kept_state.spool_state(context.spool.path)
        age_s = 0.0 if state.oldest is None else (context.live.now() - state.oldest) / SECOND
        yield "spool_bytes", (), context.spool.used_bytes()
        yield "spool_limit_bytes", (), context.plant.spool.max_GB * 1e9
        yield "disk_free_bytes", (), shutil.disk_usage(context.spool.path.parent).free
        for kind in ("samples", "figures", "events"):
            yield "spool_segments", (kind,), state.segments.get(kind, 0)
        yield "spool_age_seconds", (), max(age_s, 0.0)
        yield "spool_quarantined_segments", (), state.quarantined
        for cause, count in state.lost.items():
            yield "spool_lost_samples", (cause,), count
        yield "spool_gaps", (), state.gaps
        yield "store_refused_samples", (), state.refused

    def _past(self) -> Iterator[Reading]:
        context = self._context
        file = context.spool.path.with_name("restatements.sqlite")
        noted, waiting = kept_state.restatements(file)
        yield "restatements_noted", (), noted
        yield "restatements_waiting", (), waiting
        yield "corrections", (), len(context.restatements.corrections())
        yield "unbooked_entries", (), len(context.entries.unbooked()[1])

    def _alarms(self) -> Iterator[Reading]:
        context = self._context
        counts = Counter((alarm.state, alarm.priority) for alarm in context.alarms.open())
        priorities = {rule.priority for rule in context.plant.alarms} | {p for _, p in counts}
        for priority in sorted(priorities):
            of = str(priority)
            yield "alarms_open", (of,), sum(counts[state, priority] for state in STATES)
            for state in STATES:
                yield "alarms_by_state", (state, of), counts[state, priority]
