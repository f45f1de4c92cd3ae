"""Exports of historians, as they come: wide and long, CSV and Parquet, with their faults."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from collector.export import ExportError, Layout, read_export
from collector.file import FileReader
from collector.replay import ReplayReader
from plant.batch import SECOND, Batch, Quality
from plant.model import Source
from store.embedded import EmbeddedStore

NOON = 1_795_262_400 * SECOND  # 2026-11-21T12:00:00Z


@pytest.fixture
def plant(plant_of, tmp_path):
    options = {"path": str(tmp_path / "*.*"), "poll_s": 0.05}
    rows = [
        {"signal": "v", "address": {"column": "槽电压"}},
        {"signal": "p", "address": {"column": "P_kW"}, "scale": 0.001},
    ]
    return plant_of(Source("f", "file", 10.0, options), rows)


def read(path, plant, **layout):
    parts = list(read_export(path, plant, Layout(**layout)))
    refused = sum((r for _, r in parts), start=type(parts[0][1])()) if parts else {}
    return Batch.concat(b for b, _ in parts), dict(refused)


def test_wide_csv_with_faults(tmp_path, plant):
    path = tmp_path / "a.csv"
    path.write_text(
        "time,c.v,P_kW,other\n"
        "2026-11-21T12:00:00Z,3.95,1500,1\n"
        "2026-11-21T20:00:01+08:00,,Bad,\n"
        "yesterday,3.9,1500,2\n"
        "2026-11-21T12:00:02Z,4.0\n"
        "2026-11-21T12:00:03Z, 4.1 ,1600,\n"
    )
    batch, refused = read(path, plant)
    assert batch.tags.tolist() == [0, 0, 1, 1]
    assert batch.values.tolist() == [3.95, 4.1, 1.5, 1.6]
    assert batch.times.tolist() == [NOON, NOON + 3 * SECOND] * 2
    assert set(batch.quality.tolist()) == {Quality.BACKFILLED}
    assert refused == {"bad_time": 1, "not_a_number": 1, "unknown_tag": 1, "bad_row": 1}


def test_long_csv_in_local_time_in_gbk_with_semicolons(tmp_path, plant):
    path = tmp_path / "a.csv"
    text = (
        "时间;tag;value\r\n"
        "2026-11-21 20:00:00;槽电压;3.95\r\n"
        "2026-11-21 20:00:00.5;c.p;1500\r\n"
        "2026-11-21 20:00:01;nobody;1\r\n"
        "2026-11-21 20:00:01;c.p;\r\n"
        "2026-11-21 20:00:02;c.p;text\r\n"
    )
    path.write_bytes(text.encode("gb18030"))
    batch, refused = read(path, plant, time_zone="Asia/Shanghai")
    assert batch.tags.tolist() == [0, 1]
    assert batch.values.tolist() == [3.95, 1.5]
    assert batch.times.tolist() == [NOON, NOON + SECOND // 2]
    assert refused == {"unknown_tag": 1, "no_value": 1, "not_a_number": 1}


@pytest.mark.parametrize(
    "times",
    [
        pa.array([NOON, NOON + SECOND], pa.int64()),
        pa.array([NOON // 10**6, NOON // 10**6 + 1000], pa.int64()),
        pa.array([NOON / 1e9, NOON / 1e9 + 1]),
        pa.array([NOON, NOON + SECOND], pa.timestamp("ns", "UTC")),
        pa.array([NOON // 1000, NOON // 1000 + 10**6], pa.timestamp("us")),
        pa.array(["2026-11-21T12:00:00Z", "2026-11-21T12:00:01Z"]),
    ],
    ids=["ns", "ms", "float seconds", "timestamp", "zoneless timestamp", "text"],
)
def test_parquet_wide_and_long_with_every_kind_of_time(tmp_path, plant, times):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"time": times, "c.v": [3.95, None]}), path)
    batch, refused = read(path, plant)
    assert (batch.values.tolist(), batch.times.tolist(), refused) == ([3.95], [NOON], {})
    pq.write_table(pa.table({"time": times, "tag": ["c.v", "c.p"], "value": [3, 1500]}), path)
    seen = []
    parts = list(read_export(path, plant, progress=seen.append))
    assert parts[0][0].times.tolist() == [NOON, NOON + SECOND]
    assert seen[-1] == 1.0


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.csv", b"when,c.v\n1,2\n", "no time column"),
        ("a.csv", b"time,x,y\n1,2,3\n", "no column is named like a tag"),
        ("a.parquet", b"PAR1 not", "not readable as Parquet"),
        ("absent.csv", None, "No such file"),
    ],
)
def test_what_is_no_export_is_one_clear_line(tmp_path, plant, name, content, words):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ExportError, match=words) as raised:
        list(read_export(path, plant))
    assert "\n" not in str(raised.value)


async def test_a_file_is_followed_as_it_grows_line_by_line(tmp_path, plant, collecting, until):
    reader = FileReader(plant.sources[0], plant)
    async with collecting(reader) as seen:
        await until(lambda: "no file matches" in reader.health.last_error)
        path = tmp_path / "log.csv"
        path.write_text("time,c.v\n2026-11-21T12:00:00Z,1\n2026-11-21T12:0")
        await until(lambda: seen.values(0) == [1.0])
        assert reader.health.link == "connected"
        with path.open("a") as file:
            file.write("0:01Z,2\n")
        await until(lambda: seen.values(0) == [1.0, 2.0])
        pq.write_table(pa.table({"time": [NOON], "c.p": [2000.0]}), tmp_path / "b.parquet")
        await until(lambda: seen.values(1) == [2.0])
        (tmp_path / "bad.csv").write_text("nothing\n1\n")
        await until(lambda: seen.refused("unreadable_file") == 1)
    assert len(seen.batch) == 3


async def test_replay_delivers_the_range_at_the_asked_speed(plant_of, tmp_path, collecting, until):
    rows = [{"signal": "v"}, {"signal": "p"}]
    plant = plant_of(Source("r", "replay", 10.0, {"path": str(tmp_path)}), rows)
    times = NOON + np.arange(10) * SECOND
    reader = ReplayReader(plant.sources[0], plant)
    async with collecting(reader) as seen:
        await until(lambda: reader.health.link == "disconnected")
    store = EmbeddedStore(tmp_path / "store", plant)
    store.open()
    store.write_samples(Batch.of([0] * 10, times, np.arange(10.0)))
    async with collecting(ReplayReader(plant.sources[0], plant)) as seen:
        await until(lambda: len(seen.batch) == 10)
    assert seen.batch.times.tolist() == times.tolist()
    assert set(seen.batch.quality.tolist()) == {Quality.BACKFILLED}
    begin, end = (datetime.fromtimestamp(t / 1e9, UTC) for t in (times[0], times[6]))
    options = {"path": str(tmp_path), "start": begin, "end": end, "speed": 5.0}
    slow = ReplayReader(Source("r", "replay", 10.0, options), plant)
    async with collecting(slow) as seen:
        assert await until(lambda: len(seen.batch) == 6) > 0.8
    assert seen.values(0) == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
