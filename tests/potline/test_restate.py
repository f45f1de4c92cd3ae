"""`potline restate`, `correct`, `corrections` and `restatements` as a user has them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from harness import potline, write_plant
from typer.testing import CliRunner

from analytics.beat.assessment import SCOPES
from analytics.table.figures import figures
from analytics.uncertainty.lineage import tags_of
from plant.batch import SECOND
from potline.exits import INVALID, Failure
from potline.importing import import_file
from potline.main import app
from potline.opening import kept, opened_for_writing
from potline.restating import correct, corrections, restate, restatements

START = datetime(
    2026, 11, 20, 15, 30, tzinfo=UTC
)  # half an hour before midnight in the plant's zone
STEP_S, STEPS, CELLS = 10, 361, 8
FOREVER = 2**62
SLOW_BEATS = "beat_s = 10\nfigures_every_s = 10"


def export(folder, name, steps):
    """Samples of an hour, across a local midnight; `steps` of them."""
    rng = np.random.default_rng(1)
    line = 600 + rng.normal(0, 0.5, STEPS)
    volts = {f"L1-{c:03}.voltage": 3.95 + rng.normal(0, 0.01, STEPS) for c in range(1, CELLS + 1)}
    columns = volts | {
        "L1.current": line,
        "L1-R.ac_power": (sum(volts.values()) + 0.12) * line / 983,
        "L1-AUX.power": 12_000 + rng.normal(0, 20, STEPS),  # kW on this meter's wire
        "B1.fuel_flow": np.full(STEPS, 3.0),
        "B1.steam_flow": np.full(STEPS, 40.0),
    }
    rows = [f"time,{','.join(columns)}"]
    for i in steps:
        at = (START + timedelta(seconds=STEP_S * i)).isoformat()
        rows.append(f"{at},{','.join(repr(float(v[i])) for v in columns.values())}")
    file = folder / name
    file.write_text("\n".join(rows) + "\n")
    return file


def other_grid_factor(path):
    """The plant file with another grid factor, as somebody would write it."""
    with kept(path) as opened:
        site = opened.plant.site
    row = {
        "name": f"grid.{site.grid_region}.average.{site.grid_year}",
        "value": 0.3, "unit": "t/MWh", "source": "a test",
    }  # fmt: skip
    text = "\n".join(f"{key} = {json.dumps(value)}" for key, value in row.items())
    path.write_text(f"{path.read_text()}\n[[factor]]\n{text}\n")


def made(folder):
    store = f'[store]\nkind = "embedded"\npath = "{folder / "var"}"\nraw_days = 0\n'
    path = write_plant(folder, store, mqtt=1883, opcua=4840)
    path.write_text(path.read_text().replace("figures_every_s = 5", SLOW_BEATS))
    return path


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    path = made(tmp_path_factory.mktemp("plant"))
    import_file(path, export(path.parent, "hour.csv", range(STEPS)), None, True)
    return path


@pytest.fixture
def plant(original, tmp_path):
    """A copy of the plant with its hour, that a test may change."""
    path = made(tmp_path)
    source = original.parent / "var"
    for file in source.rglob("*"):
        if file.is_file():
            to = tmp_path / "var" / file.relative_to(source)
            to.parent.mkdir(parents=True, exist_ok=True)
            to.write_bytes(file.read_bytes())
    return path


def run(*arguments):
    """A command of ours in this process. -> what it printed"""
    done = CliRunner().invoke(app, [str(a) for a in arguments])
    if done.exception is not None:
        raise done.exception
    return done.stdout


def all_figures(path):
    """{(scope, figure): bytes of its values at all times}, and those that are ever known."""
    found, known = {}, set()
    with kept(path) as opened:
        for scope in SCOPES:
            names = [f.name for f in figures()[scope]]
            block = opened.history.figures(scope, names, None, 0, FOREVER)
            for i, name in enumerate(names):
                values = np.where(np.isnan(block.values[:, i]), np.nan, block.values[:, i])
                found[scope, name] = block.times.tobytes() + values.tobytes()
                if not np.isnan(values).all():
                    known.add((scope, name))
    return found, known


def depends_on(prefix):
    """Figures that use such a factor, themselves or through their inputs, as the table says."""
    rows = {(scope, f.name): f for scope in SCOPES for f in figures()[scope]}
    found = {key for key, f in rows.items() if any(x.startswith(prefix) for x in f.factors)}
    while True:
        more = {
            key
            for key, f in rows.items()
            for kind, _, name in (i.rpartition(".") for i in f.inputs)
            if (kind or key[0], name) in found
        }
        if more <= found:
            return found
        found |= more


def differing(before, after):
    return {key for key in before if before[key] != after[key]}


def test_another_grid_factor_restates_what_depends_on_it_and_nothing_else(plant, capsys):
    before, known = all_figures(plant)
    line_co2 = value_at_end(plant, "line", "scope2_co2e_hour", "L1")
    other_grid_factor(plant)
    capsys.readouterr()
    done = run("restate", plant, "--cause", "grid factor of a test", "--json")
    row, *book = json.loads(done)["restatements"]
    after, still = all_figures(plant)
    changed = differing(before, after)
    assert changed == depends_on("grid.") & known
    assert still == known
    assert {tuple(name.split(".")) for one in (row, *book) for name in one["changed"]} == changed
    assert {name.rpartition("_")[2] for one in book for name in one["changed"]} == {"30d"}
    assert {one["cause"] for one in (row, *book)} == {"grid factor of a test"}
    assert ("line", "scope2_co2e_hour") in changed
    assert ("line", "ac_specific_energy_hour") not in changed
    assert value_at_end(plant, "line", "scope2_co2e_hour", "L1") < line_co2
    with kept(plant) as opened:
        at = end_of(opened)
        (was,) = opened.restatements.superseded("line", "scope2_co2e_hour", "L1", at)
        assert (was.version, was.value) == (row["version"], line_co2)
        assert opened.restatements.superseded("line", "ac_energy_hour", "L1", at) == []
    restatements(plant, None, None, True)
    told = json.loads(capsys.readouterr().out)["restatements"]
    assert row in told
    restate(plant, None, None, "the same again", True)
    (again,) = json.loads(capsys.readouterr().out)["restatements"]
    assert again["changed"] == {}
    assert again["version"] > row["version"]


def end_of(opened):
    """The last time at which figures of windows are kept."""
    block = opened.history.figures("line", ["scope2_co2e_hour"], None, 0, FOREVER)
    return int(block.times[-1])


def value_at_end(path, scope, figure, entity):
    with kept(path) as opened:
        at = end_of(opened)
        block = opened.history.figures(scope, [figure], [entity], at, at + 1)
        return float(block.values[0, 0, 0])


def test_a_part_of_the_time_is_restated_alone(plant, capsys):
    """A factor that is used from some moment on only: what ends before stays as it is."""
    before, _ = all_figures(plant)
    middle = (START + timedelta(minutes=35)).isoformat()  # of the new day
    other_grid_factor(plant)
    restate(plant, middle, None, "since then", True)
    after, _ = all_figures(plant)
    assert ("line", "scope2_co2e_hour") in differing(before, after)
    with kept(plant) as opened:
        moment = int(START.timestamp()) * SECOND + 20 * 60 * SECOND
        assert opened.restatements.superseded("line", "scope2_co2e_hour", "L1", moment) == []


def test_a_correction_and_its_withdrawal_bring_back_the_bits(plant, capsys):
    before, _ = all_figures(plant)
    since, until = ((START + timedelta(minutes=m)).isoformat() for m in (10, 20))
    done = run(
        "correct", plant, "L1-R.ac_power", "--from", since, "--to", until, "--scale", 1.1,
        "--cause", "wrong ratio", "--who", "Li Wei",
    )  # fmt: skip
    assert done.startswith("correction 1: L1-R.ac_power from 2026-11-20T15:40:00.000")
    assert differing(before, all_figures(plant)[0]) == set()  # nobody has computed yet
    restate(plant, None, None, None, True)
    after, _ = all_figures(plant)
    changed = differing(before, after)
    assert {("line", "ac_energy_day"), ("site", "ac_specific_energy_hour")} <= changed
    with kept(plant) as opened:
        for scope, figure in changed:
            entity = opened.plant.entities(scope)[0]
            tags = tags_of(opened.plant, scope, entity, figure)
            assert "L1-R.ac_power" in {tag.id for tag in tags}, figure
        for minutes, touched in ((5, False), (15, True)):  # before it nothing is touched
            at = int(START.timestamp() + 60 * minutes) * SECOND
            was = opened.restatements.superseded("line", "ac_energy_hour", "L1", at)
            assert bool(was) == touched
    capsys.readouterr()
    corrections(plant, None, True)
    (row,) = json.loads(capsys.readouterr().out)["corrections"]
    assert (row["id"], row["tag"], row["scale"]) == (1, "L1-R.ac_power", 1.1)
    assert (row["who"], row["cause"], row["withdrawn"]) == ("Li Wei", "wrong ratio", None)
    assert "withdrawn" in run("corrections", plant, "--withdraw", 1)
    assert "correction withdrawn: wrong ratio" in run("restate", plant)
    assert all_figures(plant)[0] == before
    capsys.readouterr()
    corrections(plant, None, True)
    (row,) = json.loads(capsys.readouterr().out)["corrections"]
    assert row["withdrawn"] is not None
    restatements(plant, None, None, True)
    causes = [r["cause"] for r in json.loads(capsys.readouterr().out)["restatements"]]
    assert list(dict.fromkeys(c for c in causes if "wrong ratio" in c)) == [
        "correction withdrawn: wrong ratio", "correction: wrong ratio",
    ]  # fmt: skip
    with pytest.raises(Failure, match="no correction 1 holds"):
        corrections(plant, 1, True)


def test_readings_that_count_as_bad_take_their_figures_with_them(plant, capsys):
    """A figure that became unknown is taken out; what it was stays on record."""
    whole = START - timedelta(seconds=1), START + timedelta(seconds=STEP_S * STEPS)
    correct(plant, "B1.fuel_flow", *(t.isoformat() for t in whole), 1.0, 0.0, True, "", "broken")
    before, known = all_figures(plant)
    restate(plant, None, None, None, True)
    after, still = all_figures(plant)
    assert ("boiler", "fuel_flow") in known - still
    assert not still - known
    assert ("cell", "voltage_hour") not in differing(before, after)
    corrections(plant, None, False)
    assert "as bad" in capsys.readouterr().out


def test_an_export_that_overlaps_what_is_kept_is_computed_to_its_end(plant, tmp_path, capsys):
    """All that came before must not hide what is new behind it."""
    expected, _ = all_figures(plant)
    half = tmp_path / "half"
    half.mkdir()
    other = made(half)
    import_file(other, export(half, "first.csv", range(0, 120)), None, True)
    import_file(other, export(half, "gap.csv", [*range(0, 60), *range(240, STEPS)]), None, True)
    import_file(other, export(half, "all.csv", range(STEPS)), None, True)
    assert all_figures(other)[0] == expected


def test_while_it_is_collected_it_is_not_restated(plant):
    with opened_for_writing(plant), pytest.raises(Failure) as caught:
        restate(plant, None, None, "new factors", False)
    assert caught.value.status == INVALID
    assert "another process collects into it; stop that one first" in caught.value.lines[0]
    with kept(plant) as opened:
        assert opened.restatements.due() is None


PERIOD = ("--from", "2026-11-20T15:40:00Z", "--to", "2026-11-20T15:50:00Z", "--cause", "x")
TAG = "L1-R.ac_power"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("correct", "@", TAG, *PERIOD), "that changes nothing"),
        (("correct", "@", TAG, *PERIOD, "--bad", "--scale", 2), "leave them out"),
        (("correct", "@", "L1-R.ac_pover", *PERIOD, "--bad"), 'did you mean "L1-R.ac_power"?'),
        (("restate", "@", "--from", "-1h"), "need a --cause"),
        (("corrections", "@", "--withdraw", 7), "no correction 7 holds"),
    ],
)
def test_what_cannot_be_done_is_one_clear_line(original, arguments, said):
    with pytest.raises(Failure) as caught:
        run(*(original if a == "@" else a for a in arguments))
    assert caught.value.status == INVALID
    assert len(caught.value.lines) == 1
    assert said in caught.value.lines[0]


def test_its_status_is_2(original):
    done = potline("correct", original, TAG, *PERIOD, status=2)
    assert done.stderr == "that changes nothing: give --scale, --offset or --bad\n"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"scale": float("nan")}, "give finite numbers"),
        ({"offset": float("inf")}, "give finite numbers"),
        ({"start": "yesterday"}, "is not a time"),
        ({"start": "2026-11-20T15:55:00Z"}, "is not after 2026-11-20T15:55:00Z"),
        ({"end": "2200-01-01T00:00:00Z"}, "in the future"),
    ],
)
def test_a_correction_that_cannot_be(original, given, said):
    row = {"start": PERIOD[1], "end": PERIOD[3], "scale": 1.1, "offset": 0.0} | given
    with pytest.raises(Failure) as caught:
        correct(original, TAG, *row.values(), False, "", "x")
    assert caught.value.status == INVALID
    assert said in caught.value.lines[0]
    with kept(original) as opened:
        assert opened.restatements.corrections() == []


def test_restating_a_time_of_which_nothing_is_kept(original):
    with pytest.raises(Failure) as caught:
        restate(original, "2030-01-01", None, "x", False)
    assert "samples are kept from 2026-11-20T15:30:00" in caught.value.lines[0]
