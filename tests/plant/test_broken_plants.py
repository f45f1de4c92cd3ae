"""Broken plant files: each gives exactly one line, with file, line number, key and remedy."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from plant.load import PlantError, load

DEMO = Path(__file__).parents[2] / "deploy/plants/demo.toml"
FIGURES = {"cell": {"voltage_hour", "resistance"}, "line": {"carbon_intensity_hour"}}
BROKEN: list[dict[str, Any]] = tomllib.loads(
    Path(__file__).with_name("broken.toml").read_text("utf-8")
)["broken"]


def errors_of(file: Path, text: str) -> list[str]:
    file.write_text(text, "utf-8")
    with pytest.raises(PlantError) as caught:
        load(file, FIGURES)
    return caught.value.errors


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken["name"])
def test_one_clear_line(broken: dict[str, Any], tmp_path: Path) -> None:
    text = DEMO.read_text("utf-8")
    old, new = broken.get("old"), broken["new"]
    assert old is None or old in text
    changed = f"{text}\n{new}" if old is None else text.replace(old, new, 1)
    errors = errors_of(tmp_path / "plant.toml", changed)

    assert len(errors) == 1, errors
    file, number, key, what = errors[0].split(":", 3)
    assert file == str(tmp_path / "plant.toml")
    pointed = changed.splitlines()[int(number) - 1]
    last = key.rsplit(".", 1)[-1].split("[")[0].strip()
    assert last in pointed or pointed.startswith("[") or "table" in what or "missing" in what
    assert "hunter2" not in errors[0]
    assert "\n" not in errors[0]
    for part in broken["says"]:
        assert part in errors[0]
