"""The embedded store's own matters: merging, readers beside the writer, retention, damage."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import time

import numpy as np
import orjson
import pytest

from plant.batch import SECOND, Batch
from store import shelf
from store.contract import FigureBlock, StoreUnavailable
from store.embedded import EmbeddedStore

NOW = 1_795_261_200 * SECOND
DAY = 86400 * SECOND


@pytest.fixture
def embedded(tmp_path, plant):
    return EmbeddedStore(tmp_path / "store", plant)


def files(store, name="raw"):
    return sorted(p.name for p in (store.path / name).glob("*/*.parquet"))


def named(store):
    manifests = (store.path / "raw").glob("*/manifest.json")
    return [f for path in manifests for f in orjson.loads(path.read_bytes())["files"]]


def test_small_files_are_merged_and_nothing_changes(embedded, samples, plant):
    lots = [samples(NOW + k * SECOND, seed=k) for k in range(shelf.FAN**2 + 3)]
    for lot in lots:
        embedded.write_samples(lot)
    assert sorted(f["level"] for f in named(embedded)) == [0, 0, 0, 2]
    whole = Batch.concat(lots)
    whole = whole.take(np.lexsort((whole.times, whole.tags)))
    found = embedded.samples(None, 0, NOW * 2)
    assert found.values.tobytes() == whole.values.tobytes()
    assert np.array_equal(found.times, whole.times)
    assert embedded.count(0, NOW * 2).tolist() == [len(lots)] * len(plant.tags)
    assert embedded.extent() == (NOW, NOW + (len(lots) - 1) * SECOND)


def test_figures_are_merged_to_the_newest_statement(embedded, plant):
    for k in range(shelf.FAN + 1):
        cube = np.full((2, 1, 2), float(k))
        times = np.array([NOW, NOW + (k + 1) * SECOND])
        embedded.write_figures(FigureBlock("line", ("current",), ("L1", "L2"), times, cube))
    found = embedded.figures("line", ["current"], None, 0, NOW * 2)
    last = float(shelf.FAN)
    assert found.values[:, 0, 1].tolist() == [last, *range(shelf.FAN + 1)]
    embedded._figures.settle(NOW * 2)
    again = embedded.figures("line", ["current"], None, 0, NOW * 2)
    assert again.values.tobytes() == found.values.tobytes()


def test_old_files_stay_for_readers_and_go_after_the_grace_time(embedded, samples):
    for k in range(shelf.FAN):
        embedded.write_samples(samples(NOW + k * SECOND))
    assert len(files(embedded)) == shelf.FAN + 1
    assert len(named(embedded)) == 1
    long_ago = time.time() - shelf.GRACE_S - 1
    for path in (embedded.path / "raw").glob("*/*.parquet"):
        os.utime(path, (long_ago, long_ago))
    embedded._raw.settle(NOW * 2)
    assert files(embedded) == [named(embedded)[0]["name"]]


def test_a_file_that_no_manifest_names_does_not_count(embedded, samples, plant):
    """kill -9 after the file and before the manifest."""
    embedded.write_samples(samples(NOW))
    day = embedded.path / "raw" / "2026-11-21"
    (first,) = day.glob("*.parquet")
    (day / "orphan.parquet").write_bytes(first.read_bytes())
    (day / "manifest.tmp").write_bytes(b"{half")
    assert embedded.count(0, NOW * 2).tolist() == [1] * len(plant.tags)
    embedded.write_samples(samples(NOW + SECOND))
    assert embedded.count(0, NOW * 2).tolist() == [2] * len(plant.tags)


def test_days_are_folders_and_leave_with_the_retention(tmp_path, plant, samples):
    settings = dataclasses.replace(plant.store, raw_days=2)
    store = EmbeddedStore(tmp_path / "store", plant)
    today = time.time_ns() // DAY * DAY
    for days in (5, 1, 0):
        store.write_samples(samples(today - days * DAY))
    assert len(list((store.path / "raw").iterdir())) == 3
    kept = EmbeddedStore(store.path, dataclasses.replace(plant, store=settings))
    written = kept.write_samples(samples(today - 5 * DAY))
    assert written.stored == 0
    assert "older than the 2 days" in written.rejected[0][1]
    assert len(list((store.path / "raw").iterdir())) == 2
    assert kept.extent() == (today - DAY, today)


def test_a_lot_over_midnight(embedded, samples, plant):
    midnight = NOW // DAY * DAY + DAY
    batch = samples(midnight - 2 * SECOND, 4)
    embedded.write_samples(batch)
    assert len(files(embedded)) == 2
    assert embedded.count(midnight - SECOND, midnight + SECOND).tolist() == [2] * len(plant.tags)


def test_a_reader_in_another_process_sees_whole_lots_all_the_time(embedded, samples, plant):
    code = (
        "import sys; from pathlib import Path; from plant.load import load\n"
        "from store.embedded import EmbeddedStore\n"
        "plant = load('deploy/plants/demo.toml')\n"
        "store = EmbeddedStore(Path(sys.argv[1]), plant)\n"
        "seen = 0\n"
        "print('ready', flush=True)\n"
        "while seen < int(sys.argv[2]):\n"
        "    counts = set(store.count(0, 2**62).tolist())\n"
        "    assert len(counts) == 1, counts\n"
        "    assert counts.copy().pop() >= seen\n"
        "    seen = counts.pop()\n"
        "print(seen)\n"
    )
    lots = 3 * shelf.FAN
    reader = subprocess.Popen(
        [sys.executable, "-c", code, str(embedded.path), str(lots)],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "ready\n"
        for k in range(lots):
            embedded.write_samples(samples(NOW + k * SECOND))
        assert reader.communicate(timeout=60)[0] == f"{lots}\n"
    finally:
        reader.kill()


def test_a_failing_disk_is_unavailable(embedded, samples):
    embedded.write_samples(samples(NOW))
    (path,) = (embedded.path / "raw").glob("*/*.parquet")
    path.unlink()
    with pytest.raises(StoreUnavailable, match="see to the disk"):
        embedded.samples(None, NOW, NOW + 1)
    (embedded.path / "figures").write_bytes(b"a file where a folder should be")
    block = FigureBlock("line", ("current",), ("L1",), np.array([NOW]), np.ones((1, 1, 1)))
    with pytest.raises(StoreUnavailable, match="see to the disk"):
        embedded.write_figures(block)
