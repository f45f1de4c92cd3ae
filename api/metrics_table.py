"""Every metric of /metrics, declared once: `fill` makes them and docs/metrics.md shows them.

A number's unit is in its name. A counter's samples are shown with `_total`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

Reading = tuple[str, tuple[str, ...], float]
"""Name of the metric without "potline_", values of its labels, value."""
Filler = Literal["api", "run", "elsewhere"]
"""What the API knows, what the wiring of a run knows, or where it is measured."""


@dataclass(frozen=True, slots=True)
class Instrument:
    """unit: "" for 0 or 1. by: who fills it."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    unit: str
    labels: tuple[str, ...]
    help: str
    by: Filler = "api"

    @property
    def shown(self) -> str:
        """As it stands on /metrics."""
        return f"{self.name}_total" if self.kind == "counter" else self.name


def _counter(name: str, unit: str, help: str, *labels: str, by: Filler = "api") -> Instrument:
    return Instrument(f"potline_{name}", "counter", unit, labels, help, by)


def _gauge(name: str, unit: str, help: str, *labels: str, by: Filler = "api") -> Instrument:
    return Instrument(f"potline_{name}", "gauge", unit, labels, help, by)


def _of_library(
    name: str, kind: Literal["counter", "gauge"], unit: str, help: str, *labels: str
) -> Instrument:
    return Instrument(name, kind, unit, labels, help, "elsewhere")


TABLE: dict[str, tuple[Instrument, ...]] = {
    "Samples": (
        _counter("samples_received", "samples", "Samples received", "source"),
        _counter("samples_stored", "samples", "Samples stored", "source"),
        _counter("samples_rejected", "samples", "Samples rejected", "source", "reason"),
        _gauge("spool_samples", "samples", "Samples in the spool, not yet stored", "source"),
        _counter("samples_flagged", "samples", "Samples kept with a mark, since the start",
                 "source", "mark", by="run"),
    ),
    "Sources": (
        _gauge("source_tags", "tags", "Tags of the plant file", "source"),
        _gauge("source_unresolved_tags", "tags", "Tags that cannot be read", "source"),
        _gauge("source_connected", "", "1 while the link is up", "source"),
        _gauge("source_flowing", "", "1 while samples come", "source"),
        _gauge("source_link_seconds", "seconds", "Since the link last changed", "source"),
        _gauge("source_age_seconds", "seconds", "Since the newest sample came", "source"),
        _gauge("source_lag_seconds", "seconds",
               "From the source time of the newest sample to its arrival", "source"),
        _gauge("source_skew_seconds", "seconds",
               "How far the clock of the source is ahead of ours, at least", "source"),
        _counter("source_reconnects", "reconnects", "Connections that were lost", "source"),
        _counter("source_resubscribes", "resubscribes",
                 "Connected but not flowing, mended by subscribing again", "source"),
        _counter("source_lost_notifications", "notifications",
                 "OPC UA: missing by the sequence numbers", "source", by="run"),
        _counter("source_overflows", "overflows",
                 "OPC UA: times that the queue of a tag in the server ran over", "source",
                 by="run"),
        _gauge("source_overflowed_tags", "tags",
               "OPC UA: tags whose queue in the server ran over", "source", by="run"),
        _counter("source_republished_notifications", "notifications",
                 "OPC UA: missing notifications that came when asked for again", "source",
                 by="run"),
        _counter("source_resumed_connections", "connections",
                 "OPC UA: connections that went on with the same subscription", "source", by="run"),
        _counter("source_stalls", "stalls",
                 "OPC UA: silences found, by level: channel, publish, subscription, tag", "source",
                 "level", by="run"),
        _counter("source_switches", "switches",
                 "OPC UA: switches to another of redundant servers", "source", by="run"),
    ),
    "MQTT": (
        _gauge("mqtt_unacknowledged_messages", "messages",
               "Messages that wait for the spool before they are acknowledged", "source",
               by="run"),
        _gauge("mqtt_window_messages", "messages", "So many may wait, receive_maximum", "source",
               by="run"),
        _counter("mqtt_paused_seconds", "seconds",
                 "For how long the broker was left waiting, because the spool was behind", "source",
                 by="run"),
        _counter("mqtt_lost_sessions", "sessions", "Sessions that the broker did not keep",
                 "source", by="run"),
    ),
    "Intake": (
        _counter("intake_commits", "commits", "Commits of samples to the spool", by="run"),
        _counter("intake_commit_seconds", "seconds", "Time that these commits took", by="run"),
        _gauge("intake_waiting_deliveries", "deliveries", "Deliveries that wait for a commit",
               by="run"),
        _gauge("intake_blocked", "", "1 while no sample can be made durable", by="run"),
    ),
    "Spool": (
        _gauge("spool_bytes", "bytes", "Size of the spool in use"),
        _gauge("spool_limit_bytes", "bytes", "Its bound, [spool] max_GB"),
        _gauge("disk_free_bytes", "bytes", "Free on the disk of the spool"),
        _gauge("spool_segments", "segments", "Segments that wait for the store", "kind"),
        _gauge("spool_age_seconds", "seconds",
               "Age of the oldest sample that the store has not: how far it is behind"),
        _gauge("spool_quarantined_segments", "segments", "Damaged segments that were set aside"),
        _counter("spool_lost_samples", "samples", "Samples that the spool had to give up",
                 "cause"),
        _gauge("spool_gaps", "gaps", "Gaps on record"),
    ),
    "Store": (
        _gauge("store_up", "", "1 while the store takes samples"),
        _counter("writer_samples", "samples", "Samples that the store took, since the start",
                 by="run"),
        _counter("writer_retries", "retries", "Writes that the store could not take, tried again",
                 by="run"),
        _gauge("writer_lot_samples", "samples", "Samples in one write at most, as the store bears",
               by="run"),
        _gauge("store_refused_samples", "samples",
               "Samples that the store refused for good, the newest 10,000"),
    ),
    "Beats and figures": (
        _counter("beats", "beats", "Beats shown"),
        _gauge("beat_lag_seconds", "seconds", "From the end of a beat to its display"),
        _gauge("beat_stale", "", "1 while what is shown is not of now"),
        Instrument("potline_beat_seconds", "histogram", "seconds", (),
                   "Time to freeze, assess and hand on one beat", "elsewhere"),
        _gauge("calculation_lag_seconds", "seconds", "From the end of the last closed beat to now",
               by="run"),
        _counter("figures_kept", "figures", "Values of figures made durable", by="run"),
        _counter("figures_dropped", "figures",
                 "Values of figures dropped while the disk was full; computed again at a restart",
                 by="run"),
        _gauge("figures_blocked", "", "1 while no figure can be made durable", by="run"),
        _counter("anode_effects", "anode_effects", "Anode effects seen since the start", by="run"),
    ),
    "The past": (
        _counter("restatements_noted", "restatements",
                 "Causes to compute kept figures again, all on record"),
        _gauge("restatements_waiting", "restatements", "Of them, those that are not done"),
        _counter("restatements", "restatements", "Times that kept figures were computed again",
                 by="elsewhere"),
        _counter("restatements_not_done", "restatements",
                 "Given up, since the samples of that time are no longer kept", by="run"),
        _gauge("restatement_progress_ratio", "ratio",
               "How far the restatement under way has come; 1 when there is none", by="run"),
        _gauge("corrections", "corrections", "Corrections of meters that hold"),
        _gauge("unbooked_entries", "entries", "Entered values that wait for the book"),
    ),
    "Alarms": (
        _gauge("alarms_open", "alarms", "Open alarms", "priority"),
        _gauge("alarms_by_state", "alarms", "Open alarms by their state", "state", "priority"),
        _counter("alarms_raised", "alarms", "Alarms raised since the start", by="run"),
    ),
    "API": (
        _gauge("stream_clients", "clients", "Clients on the live stream"),
        _gauge("http_connections", "connections", "Open connections of clients", by="run"),
        _counter("http_requests", "requests", "Requests answered", by="run"),
    ),
    "Certificates": (
        _gauge("certificate_left_days", "days", "Until it expires; negative since it has",
               "whose", "thumbprint", by="run"),
    ),
    "Pair of collectors": (
        _gauge("pair_active", "", "1 while this one writes and publishes", by="run"),
        _counter("pair_takeovers", "takeovers", "Times that this one became active", by="run"),
        _gauge("pair_epoch_takeovers", "takeovers",
               "Take-overs of both, as far as this one knows", by="run"),
        _gauge("pair_peer_age_seconds", "seconds", "Since the other one was heard", by="run"),
        _counter("pair_refused_connections", "connections",
                 "Calls in place of the other one, without the secret", by="run"),
        _gauge("pair_held_samples", "samples",
               "Samples that the standby keeps until the store has them of the active", by="run"),
    ),
    "Process": (
        _counter("reloads", "reloads", "Times that the plant file was read again",
                 "outcome", by="elsewhere"),
        _gauge("process_threads", "threads", "Threads of Python", by="run"),
        _of_library("process_resident_memory_bytes", "gauge", "bytes",
                    "Resident memory size in bytes."),
        _of_library("process_virtual_memory_bytes", "gauge", "bytes",
                    "Virtual memory size in bytes."),
        _of_library("process_cpu_seconds", "counter", "seconds",
                    "Total user and system CPU time spent in seconds."),
        _of_library("process_start_time_seconds", "gauge", "seconds",
                    "Start time of the process since unix epoch in seconds."),
        _of_library("process_open_fds", "gauge", "fds", "Number of open file descriptors."),
        _of_library("process_max_fds", "gauge", "fds",
                    "Maximum number of open file descriptors."),
        _of_library("python_gc_collections", "counter", "collections",
                    "Number of times this generation was collected", "generation"),
        _of_library("python_gc_objects_collected", "counter", "objects",
                    "Objects collected during gc", "generation"),
        _of_library("python_gc_objects_uncollectable", "counter", "objects",
                    "Uncollectable objects found during GC", "generation"),
    ),
}  # fmt: skip


def instruments() -> Iterator[Instrument]:
    for rows in TABLE.values():
        yield from rows


def fill(by: Filler, readings: Iterable[Reading]) -> list[Metric]:
    """The families of one filler, those without a reading too. KeyError: one is not declared."""
    made: dict[str, CounterMetricFamily | GaugeMetricFamily] = {
        row.name: (CounterMetricFamily if row.kind == "counter" else GaugeMetricFamily)(
            row.name, row.help, labels=row.labels
        )
        for row in instruments()
        if row.by == by
    }
    for name, labels, value in readings:
        made[f"potline_{name}"].add_metric(labels, value)
    return list(made.values())
