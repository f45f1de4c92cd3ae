"""GET /metrics: the ledger, the sources and the beat for Prometheus, read when it asks."""

from __future__ import annotations

from collections.abc import Iterator

from fastapi import APIRouter
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector
from starlette.responses import Response

from api.context import Context, Ctx

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


class PlantCollector(Collector):
    """What the context knows, as metrics with their units in the name."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def describe(self) -> list[Metric]:
        return []  # registering must not read the ledger

    def collect(self) -> Iterator[Metric]:
        yield from self._ledger()
        yield from self._sources()
        context, live = self._context, self._context.live
        yield CounterMetricFamily("potline_beats", "Beats shown", value=live.beats)
        yield GaugeMetricFamily(
            "potline_beat_lag_seconds", "From the end of a beat to its display", value=live.lag_s
        )
        yield GaugeMetricFamily(
            "potline_stream_clients", "Clients on the live stream", value=live.clients
        )
        yield self._alarms()
        yield GaugeMetricFamily(
            "potline_store_up", "1 while the store takes samples", value=not context.store_error()
        )
        yield GaugeMetricFamily(
            "potline_spool_bytes", "Size of the spool in use", value=context.spool.used_bytes()
        )

    def _ledger(self) -> Iterator[Metric]:
        received = CounterMetricFamily(
            "potline_samples_received", "Samples received", labels=["source"]
        )
        stored = CounterMetricFamily("potline_samples_stored", "Samples stored", labels=["source"])
        spooled = GaugeMetricFamily(
            "potline_spool_samples", "Samples in the spool, not yet stored", labels=["source"]
        )
        rejected = CounterMetricFamily(
            "potline_samples_rejected", "Samples rejected", labels=["source", "reason"]
        )
        for source, row in self._context.spool.ledger().items():
            received.add_metric([source], row.received)
            stored.add_metric([source], row.stored)
            spooled.add_metric([source], row.spooled)
            for reason, count in row.rejected.items():
                rejected.add_metric([source, reason], count)
        yield from (received, stored, spooled, rejected)

    def _sources(self) -> Iterator[Metric]:
        connected = GaugeMetricFamily(
            "potline_source_connected", "1 while the link is up", labels=["source"]
        )
        flowing = GaugeMetricFamily(
            "potline_source_flowing", "1 while samples come", labels=["source"]
        )
        age = GaugeMetricFamily(
            "potline_source_age_seconds", "Since the newest sample", labels=["source"]
        )
        unresolved = GaugeMetricFamily(
            "potline_source_unresolved_tags", "Tags that cannot be read", labels=["source"]
        )
        for source in self._context.sources():
            connected.add_metric([source.id], source.link == "connected")
            flowing.add_metric([source.id], source.flowing)
            age.add_metric([source.id], source.age_s)
            unresolved.add_metric([source.id], len(source.unresolved))
        yield from (connected, flowing, age, unresolved)

    def _alarms(self) -> Metric:
        alarms = GaugeMetricFamily("potline_alarms_open", "Open alarms", labels=["priority"])
        counts = {rule.priority: 0 for rule in self._context.plant.alarms}
        for alarm in self._context.alarms.open():
            counts[alarm.priority] = counts.get(alarm.priority, 0) + 1
        for priority, count in sorted(counts.items()):
            alarms.add_metric([str(priority)], count)
        return alarms
