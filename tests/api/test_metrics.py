"""/metrics shows what the table declares, and nothing else."""

from __future__ import annotations

import asyncio
import re
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from harness import unused_port, write_plant
from prometheus_client.parser import text_string_to_metric_families

from api.metrics_page import FILE, page
from api.metrics_table import TABLE, fill, instruments
from plant.batch import SECOND, Batch
from plant.load import load
from potline.stack import Stack


def families(text: str) -> dict[str, tuple[str, str]]:
    """Family -> (kind, help), without the moments at which the library made its counters."""
    found = {
        family.name: (family.type, family.documentation)
        for family in text_string_to_metric_families(text)
    }
    return {name: row for name, row in found.items() if not name.endswith("_created")}


def values(text: str) -> dict[tuple[str, ...], float]:
    return {
        (s.name, *(s.labels[k] for k in sorted(s.labels))): s.value
        for family in text_string_to_metric_families(text)
        for s in family.samples
    }


@pytest.fixture
async def run(tmp_path: Path):
    """A run whose sources are absent; the text of its /metrics."""
    store = f'[store]\nkind = "embedded"\npath = "{tmp_path / "var"}"\n'
    plant = load(write_plant(tmp_path, store, mqtt=unused_port()))
    stack = Stack(plant)
    try:
        async with stack.running("127.0.0.1", 0) as address:
            yield lambda: asyncio.to_thread(read, f"{address}/metrics")
    finally:
        stack.close()


def read(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read().decode()


async def test_a_run_shows_every_metric_of_the_table_and_no_other(run):
    text = await run()
    declared = {row.name: (row.kind, row.help) for row in instruments()}
    assert families(text) == declared
    found = values(text)
    assert found["potline_source_connected", "pots"] == 0
    assert found["potline_mqtt_window_messages", "meters"] == 20_000
    assert found["potline_intake_waiting_deliveries",] == 0
    assert found["potline_spool_limit_bytes",] == 8e9
    assert found["process_resident_memory_bytes",] > 1e7
    assert found["potline_http_connections",] == 1
    again = values(await run())
    assert again["potline_http_requests_total",] == found["potline_http_requests_total",] + 1


async def test_labels_are_those_declared(run):
    declared = {row.name: set(row.labels) for row in instruments()}
    for family in text_string_to_metric_families(await run()):
        for sample in family.samples:
            if family.name in declared:
                assert set(sample.labels) - {"le"} == declared[family.name], sample


def test_names_carry_their_unit():
    rows = list(instruments())
    assert len({row.name for row in rows}) == len(rows) >= 60
    for row in rows:
        assert re.fullmatch(r"[a-z]+(_[a-z]+)+", row.name)
        assert row.unit in row.name
        assert not row.name.endswith("_total"), "the library adds it"
    base = {row.unit for row in rows} & {"ms", "minutes", "hours", "kilobytes", "MB", "percent"}
    assert not base, "base units of Prometheus"


def test_the_page_is_of_this_table():
    assert FILE.read_text("utf-8") == page(), "run python -m api.metrics_page"
    assert all(title in page() for title in TABLE)


def test_a_reading_that_is_not_declared_is_an_error():
    with pytest.raises(KeyError):
        fill("api", [("nonsense", (), 1.0)])


async def test_what_waits_in_the_spool_and_what_was_set_aside(house):
    column = 0
    source = house.plant.tags[column].source
    batch = Batch.of([column, column], [house.now - 30 * SECOND, house.now], [3.9, 4.0])
    for n in (2, 2):
        house.spool.append(batch, {source: n}, {}, (), np.zeros(2, np.bool_))
    with house.spool._write() as db:
        db.execute("UPDATE blobs SET blob = x'00' WHERE id = 1")
    house.spool.pending(10)  # finds it damaged
    house.restatements.note(1, 2, "late samples of meters")
    async with house.client() as client:
        found = values((await client.get("/metrics")).text)
    assert found["potline_spool_segments", "samples"] == 1
    assert found["potline_spool_age_seconds",] == 30
    assert found["potline_spool_quarantined_segments",] == 1
    assert found["potline_spool_lost_samples_total", "spool_corrupt"] == 2
    assert found["potline_samples_rejected_total", "spool_corrupt", source] == 2
    assert found["potline_restatements_noted_total",] == 1
    assert found["potline_restatements_waiting",] == 1
    assert found["potline_source_lag_seconds", house.sources[0].id] == 0.2


async def test_sources_tell_rates_lag_and_skew(house):
    house.sources[0].received = 12
    house.sources[0].skew_s = float("nan")
    async with house.client() as client:
        first = (await client.get("/api/v1/sources")).json()["sources"][0]
    assert first["received"] == 12
    assert first["skew_s"] is None
    assert first["lag_s"] == 0.2
    assert first["since"].endswith("Z")
