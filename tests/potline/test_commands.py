"""The command line as a user has it: what it prints, and with which status it ends."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from importlib.metadata import version

import pytest
from harness import potline, write_plant

DAY = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)  # 10:00 in the plant's zone


@pytest.fixture(scope="module")
def plant(tmp_path_factory):
    """A plant into which half an hour was imported: L1-001 at 4.0 V, L1-002 with one bad value."""
    folder = tmp_path_factory.mktemp("plant")
    store = f'[store]\nkind = "embedded"\npath = "{folder / "var"}"\n'
    path = write_plant(folder, store, mqtt=1883, opcua=4840)
    rows = ["time,L1-001.voltage,L1-002.voltage,L1.current,nonsense"]
    for i in range(1800):
        at = (DAY + timedelta(seconds=i)).isoformat()
        rows.append(f"{at},4.0,{'bad' if i == 5 else 4.1},600,1")
    (folder / "export.csv").write_text("\n".join(rows) + "\n")
    done = potline("import", path, folder / "export.csv", "--json")
    assert json.loads(done.stdout)["refused"] == {"unknown_tag": 1800, "not_a_number": 1}
    return path


def test_it_tells_its_version():
    assert potline("--version").stdout == f"potline {version('potline')}\n"


def test_imported_samples_give_figures(plant):
    done = potline(
        "figures", plant, "--of", "L1-001", "--figure", "dc_specific_energy_hour",
        "--from", "2026-11-20T10:29:00", "--to", "2026-11-20T10:30:01", "--format", "json",
    )  # fmt: skip
    rows = json.loads(done.stdout)
    assert len(rows) == 2  # a figure of a window is kept once a minute
    assert rows[-1]["dc_specific_energy_hour"] == pytest.approx(2979.98 * 4.0 / 0.935, rel=1e-5)


def test_csv_and_parquet(plant, tmp_path):
    asked = ("figures", plant, "--of", "L1", "--figure", "metal_hour", "--from", "2026-11-20T10:00")
    until = ("--to", "2026-11-20T10:40")
    assert potline(*asked, *until, "--format", "csv").stdout.startswith('"time","metal_hour"\n')
    potline(*asked, *until, "--format", "parquet", "--output", tmp_path / "f.parquet")
    assert (tmp_path / "f.parquet").stat().st_size > 1000
    assert "--output" in potline(*asked, *until, "--format", "parquet", status=2).stderr


def test_explain_walks_to_the_factors(plant):
    done = potline(
        "explain", plant, "--of", "L1-001", "--figure", "dc_specific_energy_hour",
        "--at", "2026-11-20T10:30:00", "--json",
    )  # fmt: skip
    document = json.loads(done.stdout)
    inputs = {row["name"]: row["value"] for row in document["inputs"]}
    assert inputs["charge_hour"] == pytest.approx(300.0)
    assert {f["name"] for f in document["factors"]} >= {"constant.faraday"}
    assert document["coverage"] == pytest.approx(1.0)


def test_audit_and_replay_of_an_import(plant):
    report = json.loads(potline("audit", plant, "--json").stdout)
    assert report["closes"]
    rejected = {row["source"]: row["rejected"] for row in report["sources"]}
    assert rejected["import"] == {"unknown_tag": 1800, "not_a_number": 1}
    assert json.loads(potline("replay", plant, "--json").stdout)["identical"]


def test_the_same_file_again_is_all_duplicates_and_changes_nothing(plant):
    again = potline("import", plant, plant.parent / "export.csv", "--json")
    assert json.loads(again.stdout)["figures"] == 0
    report = json.loads(potline("audit", plant, "--json").stdout)
    assert report["closes"]
    pots = next(row for row in report["sources"] if row["source"] == "pots")
    assert pots["rejected"] == {"duplicate": 5399}
    assert pots["stored"] == 5399


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("figures", "@", "--of", "L9"), "no such cell, line, boiler or site"),
        (("figures", "@", "--of", "L1", "--figure", "nope"), "no such figure"),
        (("figures", "@", "--of", "L1", "--from", "yesterday"), "is not a time"),
        (("explain", "@", "--of", "L1", "--figure", "nope"), "no such figure"),
        (("check", "absent.toml"), "no such file"),
        (("import", "@", "absent.csv"), "absent.csv"),
        (("analyse", "absent.csv"), "no such file"),
        (("simulate", "@", "--scenario", "absent.toml"), "absent.toml"),
        (("nonsense",), "nonsense"),
    ],
)
def test_wrong_input_is_one_clear_line_and_status_2(plant, arguments, said):
    done = potline(*(plant if a == "@" else a for a in arguments), status=2)
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_servers_out_of_reach_are_status_3(plant):
    done = potline("check", plant, "--connect", status=3)
    assert "pots: " in done.stdout
    assert "cannot be reached" in done.stdout


def test_a_trace_without_any_configuration(tmp_path):
    path = tmp_path / "trace.csv"
    volts = [4.0] * 60 + [8.0] * 5 + [25.0] * 30 + [4.0] * 60 + [25.0] * 2 + [4.0] * 60
    path.write_text("time,voltage_V\n" + "".join(f"{i},{v}\n" for i, v in enumerate(volts)))
    done = potline("analyse", path, "--current-kA", 600, "--target-V", 4.0, "--json")
    result = json.loads(done.stdout)
    (effect,) = result["anode_effects"]
    assert effect["start"].startswith("1970-01-01T00:01:05")
    assert (effect["above_s"], effect["max_V"], effect["incomplete"]) == (30.0, 25.0, False)
    assert len(result["spikes"]) == 1
    assert result["energy_kWh"] == pytest.approx(sum(volts) * 600 / 3600)
    assert result["charge_kAh"] == pytest.approx(600 * len(volts) / 3600)
    assert result["aeo_positive_mV"] == pytest.approx(1000 * 30 * 21.0 / len(volts))
    assert result["completeness"] == 1.0


def test_the_schema_is_json(plant):
    assert json.loads(potline("schema").stdout)["$schema"].startswith("https://json-schema.org")
