"""`potline audit` where the spool's file is damaged."""

from pathlib import Path

import numpy as np

from plant.batch import SECOND, Batch
from plant.load import load
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
