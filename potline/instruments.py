"""What the running collector counts, for /metrics; `api.metrics_table` declares it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from api.metrics_table import Reading, fill
from collector.mqtt.session import Session
from collector.opcua.certificates import thumbprint
from plant.batch import SECOND
from potline.doctor.certificates import held

if TYPE_CHECKING:
    from potline.stack import Stack


class Instruments(Collector):
    def __init__(self, stack: Stack) -> None:
        self._stack = stack

    def describe(self) -> list[Metric]:
        return []

    def collect(self) -> list[Metric]:
        return fill("run", self._readings())

    def _readings(self) -> Iterator[Reading]:
        yield from self._sources()
        yield from self._intake()
        yield from self._writer()
        yield from self._figures()
        yield from self._certificates()
        yield from self._pair()
        if self._stack.server is not None:
            state = self._stack.server.server_state
            yield "http_connections", (), len(state.connections)
            yield "http_requests", (), state.total_requests
        yield "process_threads", (), threading.active_count()

    def _sources(self) -> Iterator[Reading]:
        for source, reader in self._stack.supervisor.readers.items():
            of, health = (source,), reader.health
            yield "source_lost_notifications", of, health.missed_notifications
            yield "source_overflows", of, health.overflows.total()
            yield "source_overflowed_tags", of, len(health.overflows)
            yield "source_republished_notifications", of, health.republished
            yield "source_resumed_connections", of, health.resumed
            yield "source_switches", of, health.switched
            for level, stalls in health.stalls.items():
                yield "source_stalls", (source, level), stalls
            session = getattr(reader, "session", None)
            if isinstance(session, Session):
                yield "mqtt_unacknowledged_messages", of, session.unacknowledged
                yield "mqtt_window_messages", of, session.receive_maximum
                yield "mqtt_paused_seconds", of, session.paused_s
                yield "mqtt_lost_sessions", of, session.lost

    def _intake(self) -> Iterator[Reading]:
        intake = self._stack.intake
        for labels, count in intake.counts.flagged.items():
            yield "samples_flagged", labels, count
        yield "intake_commits", (), intake.counts.commits
        yield "intake_commit_seconds", (), intake.counts.commit_seconds
        yield "intake_waiting_deliveries", (), intake.waiting
        yield "intake_blocked", (), bool(intake.blocked)

    def _writer(self) -> Iterator[Reading]:
        writer = self._stack.writer
        yield "writer_samples", (), writer.written
        yield "writer_retries", (), writer.retries
        yield "writer_lot_samples", (), writer.lot_samples

    def _figures(self) -> Iterator[Reading]:
        stack, keeper = self._stack, self._stack.keeper
        run, restating = stack.pipeline.run, stack.pipeline.restating
        now = time.time_ns()
        if run is not None:
            stands = run.builder.start
            yield "calculation_lag_seconds", (), (now - stands) / SECOND
            yield "restatement_progress_ratio", (), restating.progress(stands)
        yield "figures_kept", (), keeper.figures_kept
        yield "figures_dropped", (), keeper.figures_dropped
        yield "figures_blocked", (), bool(keeper.blocked)
        yield "anode_effects", (), len(stack.anode_effects)
        yield "restatements_not_done", (), restating.not_done
        yield "alarms_raised", (), stack.alarm_sink.raised

    def _pair(self) -> Iterator[Reading]:
        if self._stack.pair is None:
            return
        pair = self._stack.pair.status
        yield "pair_active", (), pair.role == "active"
        yield "pair_takeovers", (), pair.takeovers
        yield "pair_epoch_takeovers", (), pair.epoch
        if pair.peer_age_s is not None:
            yield "pair_peer_age_seconds", (), pair.peer_age_s
        yield "pair_refused_connections", (), pair.strangers
        yield "pair_held_samples", (), pair.held

    def _certificates(self) -> Iterator[Reading]:
        now = datetime.now(UTC)
        left = {
            (row.whose, thumbprint(row.certificate)): row.left_days(now)
            for row in held(self._stack.plant)
            if row.certificate is not None
        }
        for labels, days in left.items():
            yield "certificate_left_days", labels, days
