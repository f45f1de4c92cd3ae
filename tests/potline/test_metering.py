"""`potline meters` and `potline plausible` as a user has them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from harness import potline, write_plant

from api.encode import dumps
from api.metering import metering
from api.meters import document
from plant.batch import SECOND, Batch
from potline.exits import INVALID, Failure
from potline.metering import show_meters, show_verdicts
from potline.opening import opened_for_writing

START = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)
STEP_S, STEPS = 10, 241  # 40 minutes
KILOAMPERE, CELLS = 600.0, 8
RECTIFIER_EFFICIENCY, BARS_V = 0.983, 0.12

REGISTER = """
level = "site"
accuracy_class = "0.5S"
calibrated = 2024-12-01
calibration_expires = 2026-12-01
"""


def rows(rng, wrong):
    """Samples of a sound plant; `wrong` changes a column once it is made."""
    n = STEPS
    line = 600 + rng.normal(0, 0.5, n)
    volts = {f"L1-{c:03}.voltage": 3.95 + rng.normal(0, 0.01, n) for c in range(1, CELLS + 1)}
    dc = (sum(volts.values()) + BARS_V) * line / 1000
    ac, aux = dc / RECTIFIER_EFFICIENCY, 12_000 + rng.normal(0, 20, n)
    columns = (
        volts
        | {
            "L1.current": line,
            "L1-R.ac_power": ac,
            "L1-R.ac_energy": 5e5 + np.cumsum(np.r_[0, ac[:-1]]) * STEP_S / 3600,
            "L1-AUX.power": aux,  # kW and kWh on this meter's wire
            "L1-AUX.energy": 7e6 + np.cumsum(np.r_[0, aux[:-1]]) * STEP_S / 3600,
        }
    )
    wrong(columns)
    return columns


def plant_file(folder):
    store = f'[store]\nkind = "embedded"\npath = "{folder / "var"}"\n'
    path = write_plant(folder, store, mqtt=1883, opcua=4840)
    text = path.read_text()
    for table in ('line = "L1"\n\n[[meter]]', 'line = "L1"\n\n[[boiler]]'):
        assert table in text
        text = text.replace(table, table.replace("\n\n", REGISTER + "\n", 1))
    for signals in (
        'signals = ["voltage"',
        'signals = ["current"]',
        "signals = { ac_power",
        "signals = { power",
    ):
        assert signals in text
        text = text.replace(signals, f"accuracy_percent = 0.3\n{signals}")
    path.write_text(text)
    return path


def times():
    return [START + timedelta(seconds=k * STEP_S) for k in range(STEPS)]


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """The sound plant by way of an import, which computes its figures too."""
    folder = tmp_path_factory.mktemp("sound")
    path = plant_file(folder)
    columns = rows(np.random.default_rng(1), lambda columns: None)
    lines = [",".join(["time", *columns])]
    for k, at in enumerate(times()):
        values = [f"{column[k]:.6f}" for column in columns.values()]
        lines.append(",".join([at.isoformat(), *values]))
    (folder / "export.csv").write_text("\n".join(lines) + "\n")
    potline("import", path, folder / "export.csv", "--json")
    asked = ("--from", "2026-11-20T10:00:00", "--to", "2026-11-20T10:40:00", "--json")
    return json.loads(potline("meters", path, *asked).stdout)


@pytest.fixture(scope="module")
def faulty(tmp_path_factory):
    """Samples alone, with faults. -> the plant file and the report"""

    def wrong(columns):
        columns["L1-R.ac_energy"][100:] -= columns["L1-R.ac_energy"][100]  # restarted
        columns["L1-AUX.energy"][60] = 9e8  # a false reading
        columns["L1-AUX.power"] *= 1.04  # reads 4 % high: thirteen times its limits
        columns["L1-003.voltage"][60:] = columns["L1-003.voltage"][60]  # frozen
        columns["L1-006.voltage"][150:] *= 10  # in another unit

    path = plant_file(tmp_path_factory.mktemp("faulty"))
    columns = rows(np.random.default_rng(1), wrong)
    moments = np.array([int(at.timestamp()) for at in times()], np.int64) * SECOND
    with opened_for_writing(path) as kept:
        for name, values in columns.items():
            tag = kept.plant.tags[kept.plant.column_of[name]]
            column = np.full(STEPS, tag.column)
            kept.store.write_samples(Batch.of(column, moments, values * tag.scale))
        report = metering(
            kept.plant, kept.history, int(moments[0]), int(moments[0]) + 2400 * SECOND
        )
    return path, json.loads(dumps(document(report)))


def test_sound_meters_close(sound):
    report = sound
    assert {row["calibration"] for row in report["instruments"]} == {"expires_30"}
    for row in report["counters"]:
        assert row["counted_MWh"] == pytest.approx(row["integrated_MWh"], rel=1e-6)
        assert row["set_aside_MWh"] == pytest.approx(0, abs=1e-6)
        assert row["events"] == []
    result = report["reconciliation"]
    flows = {row["id"]: row for row in result["flows"]}
    ac = flows["L1-R.ac_energy"]
    assert ac["raw"] == pytest.approx((8 * 3.95 + 0.12) * 0.6 / 0.983 * 2 / 3, rel=1e-3)
    assert ac["adjusted_uncertainty"] < ac["uncertainty"]
    cells = flows["L1.cells"]
    assert cells["raw"] == pytest.approx(8 * 3.95 * 0.6 * 2 / 3, rel=1e-3)
    assert result["gross"] == []
    assert result["degrees"] == 3  # two totalisers, and AC against the cells
    assert result["p_value"] > 0.05
    assert report["suspects"] == []


def test_coverage_counts_what_the_plant_file_names(sound):
    report = sound
    cells = next(row for row in report["coverage"] if row["section"] == "A")
    assert cells["line"] == "L1"
    assert (cells["expected"], cells["good"]) == (56, 8)  # only voltages were imported
    assert cells["share"] == pytest.approx(8 / 56)
    assert "L1-001.bath_temperature" in report["missing"]
    assert "L1-001.voltage" not in report["missing"]


def test_a_restart_and_a_false_reading_cost_no_energy(faulty, sound):
    counted = {row["tag"]: row for row in faulty[1]["counters"]}
    right = {row["tag"]: row for row in sound["counters"]}
    rectifier = counted["L1-R.ac_energy"]
    one_reading = rectifier["integrated_MWh"] / STEPS
    assert rectifier["counted_MWh"] == pytest.approx(
        right["L1-R.ac_energy"]["counted_MWh"], abs=1.5 * one_reading
    )
    assert [e["what"] for e in rectifier["events"]] == ["restarted"]
    auxiliary = counted["L1-AUX.energy"]
    assert auxiliary["counted_MWh"] == pytest.approx(right["L1-AUX.energy"]["counted_MWh"])
    assert [e["what"] for e in auxiliary["events"]] == ["jumped", "false reading before"]


def test_gross_errors_are_named_and_adjusted_values_stand_beside_the_raw(faulty):
    result = faulty[1]["reconciliation"]
    assert result["p_value"] < 1e-3
    named = {name for gross in result["gross"] for name in gross["ids"]}
    assert {"L1-AUX.energy", "L1-AUX.power"} <= named
    assert any("which" in gross["sentence"] for gross in result["gross"])
    assert all(row["raw"] is None or "adjusted" in row for row in result["flows"])


def test_suspects_are_found_with_their_time(faulty):
    found = {row["tag"]: row for row in faulty[1]["suspects"]}
    assert found["L1-003.voltage"]["kind"] == "stuck"
    assert found["L1-003.voltage"]["since"] == "2026-11-20T02:10:00Z"
    assert found["L1-006.voltage"]["kind"] == "unit"
    assert found["L1-006.voltage"]["since"] == "2026-11-20T02:25:00Z"


def test_the_report_for_people(faulty, capsys):
    show_meters(faulty[0], None, None, False)
    shown = capsys.readouterr().out
    for text in ("meter register", "gross error: one of", "stuck: L1-003.voltage", "set aside"):
        assert text in shown
    with pytest.raises(Failure, match="is not before"):
        show_meters(faulty[0], "2026-11-21", "2026-11-20", False)


CLAIMS = """
[[claim]]
kind = "saving"
what = "cooling towers"
value = 24000
unit = "tce"
tCO2 = 62000
carrier = "coal"
measure = "cooling towers"
period = "2022"
place = "plant"
"""


def test_claims_stand_or_fall(tmp_path, capsys):
    file = tmp_path / "claims.toml"
    file.write_text(CLAIMS)
    show_verdicts(file, None, False)
    assert "cooling towers: 24000 tce: plausible" in capsys.readouterr().out
    file.write_text(CLAIMS + CLAIMS.replace("62000", "162000"))
    done = potline("plausible", file, "--json", status=1)
    document = json.loads(done.stdout)
    assert document["plausible"] is False
    first, second = document["verdicts"]
    assert first["plausible"]
    assert len(second["reasons"]) == 2
    assert any("claimed twice" in reason for reason in second["reasons"])


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("c.toml", "[[claim]\n", "write TOML"),
        ("c.json", "{", "write TOML, or JSON"),
        ("c.json", '[{"kind": "share"}]', "claim 1.value"),
        ("c.toml", CLAIMS.replace('"tce"', '"V"'), 'unit "V" of a saving; write tce'),
        ("c.toml", None, "No such file"),
    ],
)
def test_wrong_claims_are_one_clear_line(tmp_path, name, text, said):
    file = tmp_path / name
    if text is not None:
        file.write_text(text)
    with pytest.raises(Failure) as failure:
        show_verdicts(file, None, False)
    assert failure.value.status == INVALID
    assert any(said in line for line in failure.value.lines)
