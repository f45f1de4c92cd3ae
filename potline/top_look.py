"""What a running potline tells of itself over its API, at one moment and since the one before."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from prometheus_client.parser import text_string_to_metric_families

from potline.remote import Api

MOST_ALARMS = 100

Metrics = Mapping[tuple[str, tuple[str, ...]], float]
"""(name, values of the labels in the order of their names) -> value."""


@dataclass(frozen=True, slots=True)
class Look:
    """What the API told at one moment. taken: monotonic s."""

    taken: float
    site: str
    ready: tuple[str, ...]  # why not; empty when it is
    sources: tuple[Mapping[str, Any], ...]
    alarms: tuple[Mapping[str, Any], ...]
    metrics: Metrics
    pair: Mapping[str, Any] | None = None  # as /healthz tells; None: no second collector

    def value(self, name: str, *labels: str) -> float:
        """NaN when there is none."""
        return self.metrics.get((f"potline_{name}", labels), float("nan"))

    def total(self, name: str) -> float:
        return sum(v for (family, _), v in self.metrics.items() if family == f"potline_{name}")


class Watch:
    """Looks at one potline; rates are between this look and the one before."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._site = ""
        self._before: Look | None = None

    def look(self) -> dict[str, Any]:
        """The document that is shown. ApiAway."""
        now = self._take()
        before, self._before = self._before, now
        return document(self._api.url, now, before)

    def _take(self) -> Look:
        metrics = self._api.text("/metrics")
        taken = time.monotonic()
        if not self._site:
            self._site = self._api.get("/api/v1/plant")["site"]["name"]
        status, body = self._api.fetch("/readyz")
        alarms = self._api.get(f"/api/v1/alarms?state=open&limit={MOST_ALARMS}")["alarms"]
        return Look(
            taken=taken,
            site=self._site,
            ready=() if status == 200 else _reasons(body),
            sources=tuple(self._api.get("/api/v1/sources")["sources"]),
            alarms=tuple(alarms),
            metrics=_parsed(metrics),
            pair=self._api.get("/healthz").get("pair"),
        )


def document(url: str, now: Look, before: Look | None) -> dict[str, Any]:
    """Rates are null at the first look and after a restart; units are in the names."""
    return {
        "url": url,
        "site": now.site,
        "ready": not now.ready,
        "not_ready": list(now.ready),
        "pair": now.pair,
        "sources": [_source(source, now, before) for source in now.sources],
        "spool": {
            "bytes": now.value("spool_bytes"),
            "limit_bytes": now.value("spool_limit_bytes"),
            "samples": now.total("spool_samples"),
            "age_s": now.value("spool_age_seconds"),
            "segments": now.total("spool_segments"),
            "quarantined": now.value("spool_quarantined_segments"),
            "gaps": now.value("spool_gaps"),
        },
        "store": {
            "up": now.value("store_up") == 1,
            "stored_per_s": _rate(now, before, "samples_stored_total"),
        },
        "beat": {
            "lag_s": now.value("beat_lag_seconds"),
            "per_s": _rate(now, before, "beats_total"),
            "mean_s": _mean(now, before, "beat_seconds_sum", "beat_seconds_count"),
            "stale": now.value("beat_stale") == 1,
        },
        "process": {
            "resident_bytes": now.metrics.get(("process_resident_memory_bytes", ())),
            "cpu_cores": _growth(now, before, ("process_cpu_seconds_total", ())),
            "open_files": now.metrics.get(("process_open_fds", ())),
            "clients": now.value("stream_clients"),
        },
        "alarms": {
            "open": now.total("alarms_open"),
            "unacknowledged": sum(
                value
                for (name, labels), value in now.metrics.items()
                if name == "potline_alarms_by_state" and any("unack" in of for of in labels)
            ),
            "rows": [
                {key: alarm[key] for key in ("priority", "state", "entity", "label", "raised")}
                for alarm in now.alarms
            ],
        },
    }


def _source(source: Mapping[str, Any], now: Look, before: Look | None) -> dict[str, Any]:
    keys = ("id", "kind", "link", "flowing", "lag_s", "age_s", "skew_s", "unresolved",
            "reconnects", "resubscribes", "last_error")  # fmt: skip
    told = {key: source[key] for key in keys}
    old = {s["id"]: s["received"] for s in before.sources} if before else {}
    rate = None
    if before is not None and source["received"] >= old.get(source["id"], float("inf")):
        rate = (source["received"] - old[source["id"]]) / (now.taken - before.taken)
    return told | {"samples_per_s": rate}


def _rate(now: Look, before: Look | None, name: str) -> float | None:
    """Of a counter over all its labels, a second."""
    if before is None:
        return None
    grown = now.total(name) - before.total(name)
    return grown / (now.taken - before.taken) if grown >= 0 else None


def _growth(now: Look, before: Look | None, key: tuple[str, tuple[str, ...]]) -> float | None:
    if before is None or key not in now.metrics or key not in before.metrics:
        return None
    grown = now.metrics[key] - before.metrics[key]
    return grown / (now.taken - before.taken) if grown >= 0 else None


def _mean(now: Look, before: Look | None, sum_: str, count: str) -> float | None:
    """Since the look before; since the start at the first."""
    took, beats = now.value(sum_), now.value(count)
    if before is not None and beats > before.value(count):
        took, beats = took - before.value(sum_), beats - before.value(count)
    return took / beats if beats > 0 else None


def _parsed(text: str) -> Metrics:
    return {
        (sample.name, tuple(sample.labels[key] for key in sorted(sample.labels))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def _reasons(body: bytes) -> tuple[str, ...]:
    try:
        return tuple(orjson.loads(body)["detail"].split("; "))
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return ("/readyz gives no reason",)
