"""`potline dataset`: what it writes, that it agrees with itself, that it is the same again."""

from __future__ import annotations

import filecmp
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from plant.batch import SECOND
from potline.datasets import write_dataset
from potline.exits import Failure

HERE = Path(__file__).parent
SCENARIO = """
[[fault]]
kind = "alumina"
cell = "L1-002"
percent = 1.2
at_s = 7200
"""


@pytest.fixture(scope="module")
def plant_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    text = (HERE.parent / "simulators/plant.toml").read_text(encoding="utf-8")
    text = text.replace("{opcua}", "4840").replace("{mqtt}", "1883")
    for key in ("voltage", "interval_s"):
        text = text.replace(f"{key} = 0.5", f"{key} = 1")
    lab = """
[[tags]]
each = "cell"
source = "meters"
topic = "lab/{id}/{name}"
pointer = "/value"
time = "/time"
signals = ["metal_level", "tap_mass"]
interval_s = 28800
"""
    path = tmp_path_factory.mktemp("plant") / "plant.toml"
    path.write_text(text + lab, encoding="utf-8")
    return path


def make(plant_file: Path, folder: Path, seed: int = 4, days: int = 1) -> Path:
    scenario = plant_file.with_name("scenario.toml")
    scenario.write_text(SCENARIO, encoding="utf-8")
    write_dataset(plant_file, folder, days, seed, "2026-03-01", scenario, sensor_errors=True)
    return folder


@pytest.fixture(scope="module")
def dataset(plant_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(plant_file, tmp_path_factory.mktemp("first"))


def files(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def test_same_seed_same_bytes(dataset: Path, plant_file: Path, tmp_path: Path) -> None:
    again = make(plant_file, tmp_path / "again")
    assert files(again) == files(dataset)
    _, differ, broken = filecmp.cmpfiles(dataset, again, files(dataset), shallow=False)
    assert not differ
    assert not broken


def test_labels_agree_with_samples(dataset: Path) -> None:
    """A cell is above 8 V exactly where the label says, but for the error of its meter."""
    labels = pq.read_table(dataset / "labels/anode_effects.parquet").to_pylist()
    assert {row["cell"] for row in labels} >= {"L1-002"}
    samples = pq.read_table(dataset / "samples/2026-03-01/cell-fast.parquet")
    tags, times = samples["tag"].combine_chunks(), samples["time"].to_numpy()
    names = np.array(tags.dictionary.to_pylist())[tags.indices.to_numpy()]
    mine = names == "L1-002.voltage"
    assert mine.sum() == 86_400
    volts, times = samples["value"].to_numpy()[mine], times[mine]
    inside = np.zeros(len(times), bool)
    for row in labels:
        if row["cell"] == "L1-002":
            inside |= (times >= row["start"]) & (times < row["end"])
    assert inside.sum() > 20
    assert np.mean(inside == (volts > 8)) > 1 - 1e-4


def test_minutes_and_hours(dataset: Path) -> None:
    minutes = pq.read_table(dataset / "truth/minutes/2026-03-01.parquet")
    assert minutes.num_rows == 4 * 1440
    assert 1.5 < np.mean(minutes["alumina_percent"].to_numpy()) < 3.0
    assert minutes["anode_effect"].to_numpy(zero_copy_only=False).any()
    hours = pq.read_table(dataset / "truth/cells.parquet")
    assert hours.num_rows == 4 * 24
    taps = pq.read_table(dataset / "samples/2026-03-01/cell-slow.parquet")
    delay = taps["told"].to_numpy() - taps["time"].to_numpy()
    assert delay.min() >= 0
    assert delay.max() > 600 * SECOND


def test_readme_names_every_file(dataset: Path) -> None:
    text = (dataset / "README.md").read_text(encoding="utf-8")
    assert "CC0 1.0" in text
    assert "--seed 4 --from 2026-03-01 --scenario scenario.toml" in text
    assert "{" not in text
    for name in set(files(dataset)) - {"README.md"}:
        stem = Path(name).stem
        place = "ENTITY-PACE" if "/2026" in name and "samples" in name else stem
        assert place in text or "minutes" in name, name


def test_refusals_are_one_line(plant_file: Path, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    with pytest.raises(Failure, match="is not empty"):
        make(plant_file, tmp_path / "full")
    with pytest.raises(Failure, match="begin at a full minute"):
        write_dataset(plant_file, tmp_path / "a", 1, 1, "2026-01-01T00:00:30", None, True)
    broken = tmp_path / "broken.toml"
    broken.write_text("[[fault]]\nkind = 'melt'\n")
    with pytest.raises(Failure, match="kind 'melt' is none of"):
        write_dataset(plant_file, tmp_path / "b", 1, 1, "2026-01-01", broken, True)
    wire = tmp_path / "wire.toml"
    wire.write_text("[[fault]]\nkind = 'drop_connection'\nsource = 'meters'\n")
    with pytest.raises(Failure, match="needs a connection"):
        write_dataset(plant_file, tmp_path / "c", 1, 1, "2026-01-01", wire, True)
    assert not (tmp_path / "c").exists()
