"""`potline audit` where the spool's file is damaged."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np

from plant.batch import SECOND, Batch
from plant.load import load
from store.open import open_store
from store.records import Gap
from store.spool import Spool
from tests.harness import potline, unused_port, write_plant

PAGE = 4096


def test_a_damaged_spool_is_one_clear_line(tmp_path: Path) -> None:
    store = f'[store]\nkind = "embedded"\npath = "{tmp_path / "var"}"\n'
    file = write_plant(tmp_path, store, mqtt=unused_port())
    plant = load(file)
    path = Path(plant.store.path) / "spool.sqlite"
    spool = Spool(path, plant)
    now = 1_900_000_000 * SECOND
    gaps = [Gap(tag.id, now + k, now + k + 1, "silent") for k in range(20) for tag in plant.tags]
    batch = Batch.of([0], [now], [3.9])
    spool.append(batch, {plant.tags[0].source: 1}, {}, gaps, np.zeros(1, np.bool_))
    spool.close()
    whole = path.read_bytes()
    path.write_bytes(whole[: 3 * PAGE] + b"\xa5" * (len(whole) - 3 * PAGE))
    done = potline("audit", file, status=1)
    assert "is damaged" in done.stderr
    assert "potline run" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_was_stored_and_then_damaged_is_told_and_closes(tmp_path: Path) -> None:
    """Killed between the store's answer and the note of it, and the segment's bits turned."""
    store = f'[store]\nkind = "embedded"\npath = "{tmp_path / "var"}"\n'
    file = write_plant(tmp_path, store, mqtt=unused_port())
    plant = load(file)
    path = Path(plant.store.path) / "spool.sqlite"
    batch = Batch.of([0, 1], [1_900_000_000 * SECOND] * 2, [3.9, 4.0])
    with closing(Spool(path, plant)) as spool, closing(open_store(plant)) as there:
        there.open()
        spool.append(batch, {plant.tags[0].source: 2}, {}, [], np.zeros(2, np.bool_))
        there.write_samples(batch.take([0]))
        with closing(sqlite3.connect(path)) as db, db:
            db.execute("UPDATE blobs SET crc = crc + 1")
        assert not spool.pending(10)
    report = json.loads(potline("audit", file, "--json").stdout)
    (row,) = (row for row in report["sources"] if row["received"])
    assert report["closes"]
    assert (row["in_store"], row["stored"], row["in_store_though_damaged"]) == (1, 0, 1)
    assert row["rejected"] == {"spool_corrupt": 2}
    assert "2 rejected: spool_corrupt; the store had 1 of them" in potline("audit", file).stdout
    with closing(open_store(plant)) as there:
        there.open()
        there.write_samples(Batch.of([0, 1], [1_900_000_001 * SECOND] * 2, [3.9, 4.0]))
    report = json.loads(potline("audit", file, "--json", status=1).stdout)
    assert not report["closes"], "more than was ever damaged"
