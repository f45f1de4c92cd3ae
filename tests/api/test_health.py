"""Readiness and metrics."""

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from plant.batch import SECOND, Batch


async def ready(house):
    async with house.client() as client:
        answer = await client.get("/readyz")
    return answer.status_code, "" if answer.status_code == 200 else answer.json()["detail"]


async def test_ready_only_while_data_are_fresh(house):
    assert await ready(house) == (503, "starting: no beat yet")
    house.beat()
    assert await ready(house) == (200, "")
    house.now += 6 * SECOND
    assert await ready(house) == (503, "data are stale: the newest beat ended 6 s ago")
    house.beat()
    assert (await ready(house))[0] == 200


async def test_a_silent_source_is_named(house):
    house.beat()
    house.sources[1].flowing = False
    house.sources[1].link = "disconnected"
    house.sources[1].last_error = "connection refused"
    status, detail = await ready(house)
    assert status == 503
    assert house.sources[1].id in detail
    assert "connection refused" in detail


async def test_not_ready_while_the_store_is_away(house):
    house.beat()
    house.context.store_error = lambda: "no route to host"
    status, detail = await ready(house)
    assert status == 503
    assert "no route to host" in detail


async def test_alive_without_data(house):
    async with house.client() as client:
        assert (await client.get("/healthz")).json() == {"status": "ok"}


@pytest.fixture
def counted(house):
    source = house.plant.tags[0].source
    batch = Batch.of([0, 0], [house.now - SECOND, house.now], [3.9, 4.0])
    house.spool.append(
        batch, {source: 5}, {(source, "out_of_limits"): 3}, (), np.zeros(2, dtype=bool)
    )
    house.beat()
    return source


async def test_metrics_have_units_and_agree_with_the_ledger(house, counted):
    async with house.client() as client:
        answer = await client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    samples = {
        (s.name, *(s.labels[k] for k in sorted(s.labels, reverse=True))): s.value
        for family in text_string_to_metric_families(answer.text)
        for s in family.samples
    }
    assert samples["potline_samples_received_total", counted] == 5
    assert samples["potline_spool_samples", counted] == 2
    assert samples["potline_samples_stored_total", counted] == 0
    assert samples["potline_samples_rejected_total", counted, "out_of_limits"] == 3
    assert samples["potline_source_connected", counted] == 1
    assert samples["potline_source_age_seconds", counted] == 0.4
    assert samples["potline_beat_lag_seconds",] == 0
    assert samples["potline_stream_clients",] == 0
    assert samples["potline_alarms_open", "1"] == 0
    assert samples["potline_store_up",] == 1


async def test_sources_tell_which_tags_cannot_be_read(house):
    house.sources[0].unresolved = {"L1-001.voltage": "BadNodeIdUnknown"}
    async with house.client() as client:
        first = (await client.get("/api/v1/sources")).json()["sources"][0]
    assert first["unresolved"] == 1
    assert first["unresolved_tags"] == {"L1-001.voltage": "BadNodeIdUnknown"}
