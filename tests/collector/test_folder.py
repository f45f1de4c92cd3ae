"""A drop directory: files are taken when complete, and moved when their samples are durable."""

from __future__ import annotations

import asyncio
import gzip
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from spooling import total

from collector.folder import FolderReader
from collector.intake import Intake
from collector.supervise import Supervisor
from plant.batch import SECOND, Quality
from plant.model import Source
from plant.schema.sources import FolderRow
from store.embedded import EmbeddedStore
from store.spool import Spool
from store.writer import Writer

NOON = 1_795_262_400 * SECOND  # 2026-11-21T12:00:00Z
ROWS = [{"signal": "v"}, {"signal": "p", "address": {"column": "功率"}, "scale": 0.001}]
HEAD = "time,c.v,功率\n"


def source(path: Path, **keys: object) -> Source:
    row = {"id": "f", "kind": "folder", "path": str(path), "poll_s": 0.02, "settle_s": 0.05}
    options = FolderRow.model_validate(row | keys).model_dump()
    return Source("f", "folder", 10.0, options)


def lines(start: int, count: int, value: float = 4.0) -> str:
    stamps = np.datetime_as_string(
        np.arange(start, start + count).astype("datetime64[s]") + 0, timezone="UTC"
    )
    return "".join(f"{t},{value},1500\n" for t in stamps)


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "in"
    path.mkdir()
    return path


@pytest.fixture
def reader_of(plant_of, folder):
    def build(**keys: object) -> FolderReader:
        plant = plant_of(source(folder, **keys), ROWS)
        return FolderReader(plant.sources[0], plant)

    return build


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir()) if folder.exists() else []


@pytest.mark.parametrize(
    ("name", "content", "keys"),
    [
        ("a.csv", (HEAD + lines(NOON // SECOND, 2)).encode(), {}),
        ("a.csv", (HEAD + lines(NOON // SECOND, 2)).encode("utf-8-sig"), {}),
        ("a.csv", (HEAD + lines(NOON // SECOND, 2)).encode("gbk"), {}),
        ("a.csv", (HEAD + lines(NOON // SECOND, 2)).encode("gbk"), {"encoding": "gbk"}),
        ("a.txt", (HEAD + lines(NOON // SECOND, 2)).encode("utf-16"), {"encoding": "utf-16"}),
        ("a.csv.gz", gzip.compress((HEAD + lines(NOON // SECOND, 2)).encode()), {}),
        (
            "a.csv",
            "Zeit;tag;W\n2026-11-21T12:00:00Z;c.v;4,0\n2026-11-21T12:00:01Z;c.v;4,0\n"
            "2026-11-21T12:00:00Z;功率;1.500,0\n2026-11-21T12:00:01Z;功率;1500\n".encode(),
            {"layout": "long", "time": "Zeit", "value": "W", "decimal": ",", "delimiter": ";"},
        ),
    ],
    ids=["utf-8", "bom", "gbk found", "gbk told", "utf-16", "gz", "decimal comma"],
)
async def test_every_form_gives_the_same(reader_of, folder, collecting, until, name, content, keys):
    (folder / name).write_bytes(content)
    async with collecting(reader_of(**keys)) as seen:
        await until(lambda: names(folder / "archive") == [name])
    assert (seen.values(0), seen.values(1)) == ([4.0, 4.0], [1.5, 1.5])
    assert sorted(seen.batch.times.tolist()) == sorted([NOON, NOON + SECOND] * 2)
    assert set(seen.batch.quality.tolist()) == {Quality.BACKFILLED}
    assert sum(map(len, [d.refused for d in seen.deliveries])) == 0


async def test_order_names_and_what_is_left_alone(reader_of, folder, collecting, until):
    late, early = folder / "1.csv", folder / "2.csv"
    late.write_text(HEAD + lines(NOON // SECOND, 1, 1.0))
    early.write_text(HEAD + lines(NOON // SECOND + 1, 1, 2.0))
    os.utime(early, (1, 1))
    pq.write_table(pa.table({"time": [NOON + 9 * SECOND], "c.v": [3.0]}), folder / "3.parquet")
    for name in (".hidden.csv", "notes.md"):
        (folder / name).write_text(HEAD + lines(NOON // SECOND, 1))
    (folder / "empty.csv").touch()
    (folder / "archive").mkdir()
    (folder / "archive" / "1.csv").write_text("older")
    async with collecting(reader_of(order="time", pattern="*[!m][!d]")) as seen:
        await until(lambda: len(names(folder / "archive")) == 4)
    assert seen.values(0) == [2.0, 1.0, 3.0]
    assert names(folder / "archive") == ["1.1.csv", "1.csv", "2.csv", "3.parquet"]
    assert (folder / "archive" / "1.csv").read_text() == "older"
    assert names(folder) == [".hidden.csv", "archive", "empty.csv", "notes.md"]


async def test_a_file_being_written_waits_until_it_stands_still(
    reader_of, folder, collecting, until
):
    path = folder / "a.csv"
    path.write_text(HEAD)
    async with collecting(reader_of(settle_s=0.5)) as seen:
        for i in range(8):
            with path.open("a") as file:
                file.write(lines(NOON // SECOND + i, 1))
            await asyncio.sleep(0.1)
            assert not seen.deliveries
        await until(lambda: names(folder / "archive") == ["a.csv"])
    assert len(seen.values(0)) == 8


async def test_a_marker_says_that_a_file_is_complete(reader_of, folder, collecting, until):
    path, marker = folder / "a.csv", folder / "a.csv.done"
    marker.touch()  # left over from a file of the same name
    os.utime(marker, (1, 1))
    path.write_text(HEAD + lines(NOON // SECOND, 3))
    async with collecting(reader_of(marker=".done")) as seen:
        await asyncio.sleep(0.3)
        assert not seen.deliveries
        marker.touch()
        await until(lambda: names(folder) == ["archive"])
    assert len(seen.values(0)) == 3


BROKEN = {
    "no_time.csv": (b"when,c.v\n1,2\n", "no time column"),
    "cut.parquet": (b"PAR1 not", "not readable as Parquet"),
    "cut.csv.gz": (gzip.compress(b"time,c.v\n" * 9999)[:40], "end-of-stream"),
    "not.csv.gz": (b"time,c.v\n", "Not a gzipped file"),
    "twice.csv": (b"time,c.v,c.v\n1,2,3\n", "column c.v stands twice"),
    "text.csv": (b"time,c.v\n2026-11-21T12:00:00Z,4;05\n", "1 not_a_number"),
    "binary.csv": (bytes(range(256)) * 40, "no time column"),
}


@pytest.mark.parametrize(
    "odd", ["0001-01-01T00:00:00", "9999-12-31T23:59:59", "9999-12-31T23:59:59Z"]
)
async def test_a_time_that_stands_for_none_costs_its_row(reader_of, folder, collecting, until, odd):
    (folder / "a.csv").write_text(f"{HEAD}{odd},3,1500\n" + lines(NOON // SECOND, 2))
    async with collecting(reader_of()) as seen:
        await until(lambda: names(folder / "archive") == ["a.csv"])
    assert seen.values(0) == [4.0, 4.0]
    assert seen.refused("bad_time") == 1


async def test_broken_files_are_set_aside_with_the_reason(reader_of, folder, collecting, until):
    for name, (content, _) in BROKEN.items():
        (folder / name).write_bytes(content)
    (folder / "good.csv").write_text(HEAD + lines(NOON // SECOND, 1))
    reader = reader_of()
    async with collecting(reader) as seen:
        await until(lambda: names(folder) == ["archive", "failed"])
    assert len(names(folder / "failed")) == 2 * len(BROKEN)
    for name, (content, words) in BROKEN.items():
        assert (folder / "failed" / name).read_bytes() == content
        reason = (folder / "failed" / f"{name}.reason.txt").read_text()
        assert words in reason
        assert name in reason
        assert reason.count("\n") == 1
    assert seen.refused("unreadable_file") == len(BROKEN) - 1
    assert seen.refused("not_a_number") == 1
    assert reader.health.link == "connected"
    assert seen.values(0) == [4.0]


async def test_nothing_moves_before_it_is_durable(reader_of, folder, collecting, until):
    (folder / "a.csv").write_text(HEAD + lines(NOON // SECOND, 3))
    async with collecting(reader_of(), durable=False) as seen:
        await until(lambda: seen.deliveries)
        await asyncio.sleep(0.2)
        assert names(folder) == ["a.csv"]
        seen.deliveries[-1].durable()
        await until(lambda: names(folder) == ["archive"])


async def test_a_directory_that_is_away_comes_back(reader_of, folder, collecting, until):
    folder.rmdir()
    reader = reader_of()
    async with collecting(reader) as seen:
        await until(lambda: reader.health.link == "disconnected")
        assert "No such file" in reader.health.last_error
        folder.mkdir()
        (folder / "a.csv").write_text(HEAD + lines(NOON // SECOND, 1))
        await until(lambda: len(seen.batch) == 2)
        assert reader.health.link == "connected"


async def test_what_cannot_be_moved_is_told_and_not_read_again(
    reader_of, folder, collecting, until
):
    (folder / "a.csv").write_text(HEAD + lines(NOON // SECOND, 1))
    (folder / "archive").write_text("a file where the directory should be")
    reader = reader_of(pattern="*.csv")
    async with collecting(reader) as seen:
        await until(lambda: "cannot be moved" in reader.health.last_error)
        await asyncio.sleep(0.2)
        assert len(seen.deliveries) == 1
        (folder / "archive").unlink()
        await until(lambda: names(folder) == ["archive"])
    assert len(seen.deliveries) == 1


PLANT = """
[site]
id = "s"
time_zone = "UTC"
grid_region = "CN-SD"
gwp = "AR5"
[store]
kind = "embedded"
path = "unused"
[[meter]]
id = "M"
[[source]]
id = "f"
kind = "folder"
path = "{folder}"
poll_s = 0.05
settle_s = 0.1
[[tags]]
each = "meter"
source = "f"
column = "P"
signals = ["power"]
"""
VICTIM = """
import asyncio, os, signal, sys
sys.path.insert(0, {root!r})
from pathlib import Path
from collector.intake import Intake
from collector.supervise import Supervisor
from plant.load import load
from store.spool import Spool
Path.rename = lambda *_: os.kill(os.getpid(), signal.SIGKILL)  # durable, not moved yet
plant = load(sys.argv[1])
asyncio.run(Supervisor(plant, Intake(plant, Spool(Path(sys.argv[2]), plant), print)).run())
"""


async def test_kill_between_durable_and_moved_gives_counted_duplicates(tmp_path, folder, until):
    from plant.load import load

    count = 120_000  # several deliveries
    stamps = (NOON // SECOND - 2 * count + np.arange(count)).astype("datetime64[s]")
    text = "".join(f"{t}Z,{i % 100}\n" for i, t in enumerate(stamps.astype(str)))
    (folder / "big.csv").write_text("time,P\n" + text)
    file, database = tmp_path / "plant.toml", tmp_path / "spool.sqlite"
    file.write_text(PLANT.format(folder=folder))
    root = str(Path(__file__).parents[2])
    victim = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", VICTIM.format(root=root), str(file), str(database)],
        stdout=subprocess.DEVNULL,
        timeout=100,
    )
    assert victim.returncode == -signal.SIGKILL
    assert names(folder) == ["archive", "big.csv"]
    plant = load(file)
    spool = Spool(database, plant)
    store = EmbeddedStore(tmp_path / "store", plant)
    store.open()
    running = asyncio.create_task(Supervisor(plant, Intake(plant, spool, lambda _: None)).run())
    writer = Writer(spool, store)
    try:
        writer.start()
        await until(lambda: names(folder) == ["archive"])
        await until(lambda: total(spool)[2] == 0, 60)
        assert total(spool) == (2 * count, count, 0, {"duplicate": count})
        assert len(store.samples(None, 0, 2**62)) == count
    finally:
        running.cancel()
        await asyncio.wait((running,))
        await asyncio.to_thread(writer.stop)
        spool.close()
        store.close()
