"""plant.toml to Plant: what a good file gives, and how problems are told."""

from __future__ import annotations

import copy
import json
import math
import tomllib
from collections import Counter
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from plant.load import PlantError, load
from plant.model import Plant
from plant.schema import json_schema

PLANTS = Path(__file__).parents[2] / "deploy/plants"
DEMO = (PLANTS / "demo.toml").read_text("utf-8")


@pytest.fixture(scope="module")
def demo() -> Plant:
    return load(PLANTS / "demo.toml")


def made(tmp_path: Path, text: str) -> Plant:
    (tmp_path / "plant.toml").write_text(text, "utf-8")
    return load(tmp_path / "plant.toml")


def problems(tmp_path: Path, text: str) -> list[str]:
    with pytest.raises(PlantError) as caught:
        made(tmp_path, text)
    return caught.value.errors


def test_demo_entities(demo: Plant) -> None:
    assert [line.id for line in demo.lines] == ["L1", "L2"]
    assert len(demo.cells) == 48
    assert demo.cells[0].id == "L1-001"
    assert demo.cells[-1].id == "L2-024"
    assert [s.id for s in demo.lines[0].sections] == ["A", "B"]
    assert demo.lines[0].sections[1].cells[0] == "L1-013"
    assert demo.lines[0].cells == tuple(c.id for c in demo.cells if c.line == "L1")
    assert demo.site.grid_year == 2023
    assert demo.lines[0].extrapolated_voltage_V == 1.65
    assert [s.id for s in demo.sources] == ["pots-L1", "pots-L2", "meters"]
    assert demo.sources[1].options["url"] == "opc.tcp://127.0.0.1:48402"
    assert demo.sources[1].options["namespace"] == "urn:potline:simulator:L2"
    assert "port" not in demo.sources[1].options


def test_demo_tags(demo: Plant) -> None:
    kinds = Counter(tag.signal.entity for tag in demo.tags)
    assert kinds == {"cell": 48 * 12, "line": 2, "rectifier": 4, "meter": 4, "boiler": 6}
    assert [tag.column for tag in demo.tags] == list(range(len(demo.tags)))
    tags = {tag.id: tag for tag in demo.tags}
    voltage = tags["L2-007.voltage"]
    assert voltage.source == "pots-L2"
    assert voltage.address == {"node": "s=L2.007.voltage", "namespace": "urn:potline:simulator:L2"}
    assert (voltage.interval_s, voltage.hold_s) == (1, 10)
    assert tags["L2-007.feed_mode"].interval_s == 60
    assert math.isinf(tags["L2-007.feed_mode"].hold_s)
    power = tags["L1-AUX.power"]
    assert (power.unit, power.signal.unit, power.scale, power.offset) == ("kW", "MW", 0.001, 0.0)
    assert power.address["topic"] == "demo/L1/meter/L1-AUX"
    assert power.address["pointer"] == "/P_kW"
    assert np.all(demo.columns("cell", "voltage") >= 0)
    assert np.all(demo.columns("cell", "bath_level") == -1)


def test_demo_alarms(demo: Plant) -> None:
    rules = {rule.id: rule for rule in demo.alarms}
    assert rules["anode-effect"].each == "cell"
    assert rules["line-current-drop"].each == "line"
    assert rules["stale-source"].each == "source"
    assert rules["excess-energy"].on == "excess_specific_energy_minute"
    assert math.isnan(rules["excess-energy"].low)
    assert rules["bath-temperature-high"].label == "Bath temperature high"
    assert rules["boiler-oxygen"].label_zh == "烟气含氧量高或低"


def test_smelter_is_complete() -> None:
    plant = load(PLANTS / "smelter.toml")
    assert len(plant.lines) == 4
    assert len(plant.cells) == 4 * 336
    assert len(plant.tags) > 9000
    assert len({tag.id for tag in plant.tags}) == len(plant.tags)
    assert {line.id: len(line.sections) for line in plant.lines} == dict.fromkeys(
        ("L1", "L2", "L3", "L4"), 8
    )
    special = next(cell for cell in plant.cells if cell.id == "L4-017")
    assert (special.target_voltage_V, special.target_dc_kWh_per_t) == (4.10, 13100)
    tags = {tag.id: tag for tag in plant.tags}
    assert tags["L3.current"].scale == 0.001
    assert tags["L2-100.voltage"].address["node"] == "s=L2.C.100.V"
    gauge = tags["B1.steam_pressure"]
    assert 12.0 * gauge.scale + gauge.offset == pytest.approx(1.301325)


def test_templates_narrow(tmp_path: Path) -> None:
    text = DEMO + (
        '\n[[tags]]\neach = "cell"\nsource = "meters"\n'
        'topic = "lab/{line}/{section}/{cell}/{signal}"\n'
        'format = "number"\nsignals = ["bath_level"]\nlines = ["L2"]\ncells = "003-004,024"\n'
    )
    plant = made(tmp_path, text)
    levels = [tag for tag in plant.tags if tag.signal.name == "bath_level"]
    assert [tag.id for tag in levels] == [f"L2-{n}.bath_level" for n in ("003", "004", "024")]
    assert levels[2].address["topic"] == "lab/L2/B/024/bath_level"
    assert levels[2].address["pointer"] == ""


ELEMENTS = (
    '\n[[tags]]\neach = "cell"\nsource = "pots-{line}"\nnode = "s={id}.levels"\nindex = "{name}"\n'
    'signals = { bath_level = "0", cathode_drop = "INDEX" }\nlines = ["L1"]\ncells = "001"\n'
)


def test_elements_of_an_array(tmp_path: Path) -> None:
    plant = made(tmp_path, DEMO + ELEMENTS.replace("INDEX", "12"))
    address = {tag.id: tag.address for tag in plant.tags}
    places = [address[f"L1-001.{name}"] for name in ("bath_level", "cathode_drop")]
    assert [(a["node"], a["index"]) for a in places] == [
        ("s=L1-001.levels", "0"),
        ("s=L1-001.levels", "12"),
    ]
    assert "index" not in address["L1-001.voltage"]
    (problem,) = problems(tmp_path, DEMO + ELEMENTS.replace("INDEX", "-1"))
    assert '"-1" is no element of an array; write one like "0"' in problem
    (problem,) = problems(tmp_path, DEMO + ELEMENTS.replace("INDEX", "0"))
    assert "L1-001.bath_level" in problem  # two tags of one element


def test_redundant_servers(tmp_path: Path) -> None:
    url = 'url = "opc.tcp://127.0.0.1:{port}"\nport = { L1 = 48401, L2 = 48402 }\n'
    assert url in DEMO
    pairs = 'urls = { L1 = ["opc.tcp://a:1", "opc.tcp://b:1"], '
    pairs += 'L2 = ["opc.tcp://c:1", "opc.tcp://d:1"] }\n'
    first, second, _ = made(tmp_path, DEMO.replace(url, pairs + 'redundancy = "hot"\n')).sources
    assert first.options["url"] == "opc.tcp://a:1"
    assert second.options["urls"] == ["opc.tcp://c:1", "opc.tcp://d:1"]
    assert second.options["redundancy"] == "hot"
    (plain, *_) = made(tmp_path, DEMO).sources
    assert plain.options["urls"] == ["opc.tcp://127.0.0.1:48401"]
    for wrong, says in {
        "": "no address is written",
        'urls = ["opc.tcp://a:1"]\n': "at least two",
        'urls = ["opc.tcp://a:1", "opc.tcp://b:{line}"]\n': "placeholders stay empty in a list",
        'url = "opc.tcp://a:1"\nredundancy = "warm"\n': "is for several servers",
        'url = "opc.tcp://a:1"\nurls = ["http://b"]\n': "has the wrong form",
    }.items():
        assert any(says in text for text in problems(tmp_path, DEMO.replace(url, wrong))), wrong


def test_per_signal_tables(tmp_path: Path) -> None:
    text = DEMO.replace(
        'signals = ["current"]\ninterval_s = 1',
        'signals = { current = "I" }\ninterval_s = 2\nunit = "A"\nscale = 2\noffset = 500\n'
        "hold_s = 7\nhigh = { current = 700 }",
    )
    tag = next(t for t in made(tmp_path, text).tags if t.id == "L1.current")
    assert tag.address["node"] == "s=L1.I"
    assert (tag.scale, tag.offset) == (0.002, 0.5)  # (wire * 2 + 500) A
    assert (tag.high, tag.low, tag.hold_s, tag.interval_s) == (700, -5, 7, 2)


def test_own_signal_and_factor(tmp_path: Path) -> None:
    text = DEMO.replace('grid_region = "CN-SD"', 'grid_region = "NO2"') + (
        '\n[[signal]]\nentity = "cell"\nname = "shell_temperature"\nunit = "degC"\nkind = "gauge"\n'
        "low = -40\nhigh = 600\n"
        '\n[[tags]]\neach = "cell"\nsource = "pots-{line}"\nnode = "s={id}.{name}"\n'
        'signals = ["shell_temperature"]\nunit = "degF"\n'
        '\n[[factor]]\nname = "grid.NO2.average.2024"\nvalue = 19\nunit = "kg/MWh"\nyear = 2024\n'
        'source = "national statistics"\n'
    )
    plant = made(tmp_path, text)
    tag = next(t for t in plant.tags if t.id == "L1-001.shell_temperature")
    assert 212 * tag.scale + tag.offset == pytest.approx(100)
    assert plant.signals["cell.shell_temperature"].hold_s == 30
    assert plant.site.grid_year == 2024
    factor = plant.factors["grid.NO2.average.2024"]
    assert (factor.value, factor.unit, factor.certainty) == (0.019, "t/MWh", "unverified")


def test_paths_of_secrets_count_from_the_plant_file(tmp_path: Path) -> None:
    text = DEMO.replace(
        'client_id = "potline-demo"',
        'client_id = "a"\nusername = "me"\npassword_file = "secrets/mqtt"\ntls = true\n'
        'ca_file = "/etc/ca.pem"',
    )
    options = made(tmp_path, text).sources[2].options
    assert options["password_file"] == str(tmp_path / "secrets/mqtt")
    assert options["ca_file"] == "/etc/ca.pem"


CSV = "source,entity,signal,node,topic,pointer,time,time_format,unit,interval_s,high\n"


def test_csv_tags(tmp_path: Path) -> None:
    (tmp_path / "tags.csv").write_text(
        "\ufeff" + CSV + "pots-L1,L1-001,bath_level,s=lab.001,,,,,mm,3600,40\n"
        "meters,L1-002,bath_level,,lab/2,/h,/t,unix_ms,,,\n",
        "utf-8",
    )
    plant = made(tmp_path, DEMO + '\n[[tags_csv]]\nfile = "tags.csv"\n')
    one, two = plant.tags[-2:]
    assert (one.id, one.source, one.unit, one.scale) == ("L1-001.bath_level", "pots-L1", "mm", 0.1)
    assert (one.interval_s, one.high) == (3600, 40)
    assert one.address == {"node": "s=lab.001", "namespace": "urn:potline:simulator:L1"}
    assert two.address == {
        "topic": "lab/2",
        "pointer": "/h",
        "time": "/t",
        "time_format": "unix_ms",
        "format": "json",
    }


def test_csv_problems_name_the_csv_and_its_line(tmp_path: Path) -> None:
    (tmp_path / "tags.csv").write_text(
        CSV + "pots-L1,L1-099,bath_level,s=a,,,,,,,\n"
        "pots-L1,L1-001,bath_levl,s=b,,,,,,,\n"
        "pots-L1,L1-001,bath_level,s=c,,,,,t,,\n"
        "pots-L1,L1-001,bath_level,s=d,,,,,,soon,\n"
        "pots-L9,L1-001,bath_level,s=e,,,,,,,\n"
        "pots-L1,L1-001,bath_level,,,,,,,,\n"
        "pots-L1,L1-001\n"
        "pots-L1,L1-002,bath_level,s=f,,,,,,,\n"
        "pots-L1,L1-003,bath_level,s=f,,,,,,,\n"
        "pots-L1,L1-002,bath_level,s=g,,,,,,,\n"
        "pots-L1,L1-004,bath_level,s=h,,,,,,,,,\n",
        "utf-8",
    )
    found = problems(tmp_path, DEMO + '\n[[tags_csv]]\nfile = "tags.csv"\n')
    csv = f"{tmp_path / 'tags.csv'}"
    own = [error.removeprefix(f"{csv}:") for error in found if error.startswith(f"{csv}:")]
    assert [error.split(":")[0] for error in own] == [
        "2",
        "3",
        "4",
        "5",
        "6",
        "7",
        "8",
        "10",
        "11",
        "12",
    ]
    for error, part in zip(
        own,
        (
            'entity: there is no "L1-099"; did you mean',
            'signal: a cell has no signal "bath_levl"; did you mean "bath_level"?',
            'unit: cell.bath_level: "t" cannot be converted to "cm"',
            'interval_s: must be a number, not "soon"',
            'source: there is no source "pots-L9"; did you mean',
            'node: missing for opcua source "pots-L1"',
            "signal: missing; write signal",
            "L1-003.bath_level and L1-002.bath_level have the same address",
            f"signal: L1-002.bath_level is already read by {csv}:9",
            "row: has more cells than the header",
        ),
        strict=True,
    ):
        assert part in error
    assert len(found) == len(own)


def test_csv_unknown_column(tmp_path: Path) -> None:
    (tmp_path / "tags.csv").write_text("source,entity,signl\n", "utf-8")
    (error,) = problems(tmp_path, DEMO + '\n[[tags_csv]]\nfile = "tags.csv"\n')
    assert 'unknown column "signl"; did you mean "signal"?' in error


def test_all_problems_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = (
        DEMO.replace("beat_s = 1", "beat_s = 0")
        .replace("current_efficiency = 0.935", "current_efficiency = 1.2", 1)
        .replace("client_id", "clientid")
        .replace("high = 975", "high = 975\nhigest = 3")
    )
    found = problems(tmp_path, text)
    assert [error.split(":")[2].strip() for error in found] == [
        "time.beat_s",
        "line[L1].current_efficiency",
        "source[meters].clientid",
        "alarm[bath-temperature-high].higest",
    ]
    numbers = [int(error.split(":")[1]) for error in found]
    assert numbers == sorted(numbers)


def test_a_screen_of_problems_then_a_count(tmp_path: Path) -> None:
    wrong = "".join(f'\n[[cell]]\nid = "L1-{n}"\n' for n in range(500, 540))
    found = problems(tmp_path, DEMO + wrong)
    assert len(found) == 26
    assert found[-1].endswith("… and 15 more; correct these first")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"[site\n", ":1:"),
        (b"a = 1\na = 2\n", "the key stands twice, remove one"),
        (b"[site]\nid = 'x'\n\xff", ":3: is not UTF-8; save the file as UTF-8"),
        (b"x = ", "correct the TOML of this line"),
        (b"", ":1: site: missing; write a [site] table"),
    ],
)
def test_files_that_are_no_plant(tmp_path: Path, content: bytes, says: str) -> None:
    file = tmp_path / "plant.toml"
    file.write_bytes(content)
    with pytest.raises(PlantError) as caught:
        load(file)
    assert says in caught.value.errors[0]
    assert caught.value.errors[0].startswith(str(file))


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(PlantError, match="there is no such file; give the path"):
        load(tmp_path / "none.toml")
    with pytest.raises(PlantError, match="cannot be read"):
        load(tmp_path)


@pytest.mark.parametrize("name", ["demo", "smelter"])
def test_json_schema_accepts_the_shipped_plants(name: str) -> None:
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    raw = tomllib.loads((PLANTS / f"{name}.toml").read_text("utf-8"))
    plant = json.loads(json.dumps(raw, default=str))  # an editor sees a date as text
    validator.validate(plant)
    json.dumps(schema)
    for table, key in (("site", "gpw"), ("store", "pth")):
        broken = copy.deepcopy(plant)
        broken[table][key] = 1
        assert not validator.is_valid(broken)


def test_tags_of_a_replay_are_read_by_their_own_id(tmp_path):
    head, alarms = DEMO[: DEMO.index("[[source]]")], DEMO[DEMO.index("[[alarm]]") :]
    source = '[[source]]\nid = "r"\nkind = "replay"\npath = "var/demo"\nspeed = 10\n'
    tags = '[[tags]]\neach = "cell"\nsource = "r"\nsignals = ["voltage", "bath_temperature"]\n'
    path = tmp_path / "plant.toml"
    path.write_text(head + source + tags + alarms[: alarms.index('id = "boiler-oxygen"') - 10])
    plant = load(path)
    assert len(plant.tags) == 96
    assert plant.sources[0].options["speed"] == 10
    path.write_text(path.read_text().replace('source = "r"\n', 'source = "r"\nnode = "s=x"\n', 1))
    with pytest.raises(PlantError, match="has no node; leave it out"):
        load(path)


def test_accuracies_register_and_prices_of_the_demo(demo: Plant) -> None:
    assert (demo.site.currency, demo.site.electricity_price_per_MWh) == ("CNY", 420)
    assert math.isnan(demo.site.contract_factor_t_per_MWh)
    line = demo.lines[0]
    assert line.current_efficiency_uncertainty == 0.02
    assert (line.net_carbon_uncertainty_percent, line.metal_pad_area_m2) == (2, 84)
    assert (line.anodes, line.anode_length_cm, line.cathode_area_cm2) == (56, 175, 8.4e5)
    tags = {tag.id: tag for tag in demo.tags}
    assert tags["L1-001.voltage"].accuracy == 0.005
    assert math.isnan(tags["L1-001.voltage"].accuracy_percent)
    assert tags["L2.current"].accuracy_percent == 0.2
    assert math.isnan(tags["L1-001.feed_mode"].accuracy)
    assert math.isnan(tags["L1-R.ac_energy"].rollover)
    register = demo.rectifiers[0].register
    assert (register.level, register.accuracy_class, register.calibrated) == (
        "site",
        "0.5S",
        "2026-03-16",
    )
    assert (demo.meters[1].kind, demo.meters[1].register.calibration_expires) == (
        "auxiliary",
        "2028-03-15",
    )


def test_cells_keep_their_history() -> None:
    plant = load(PLANTS / "smelter.toml")
    cells = {cell.id: cell for cell in plant.cells}
    (only,) = cells["L2-064"].history
    assert (only.since, only.anode, only.cathode, only.started) == (
        -(2**63),
        "carbon",
        "graphitic",
        "",
    )
    before, after = cells["L2-063"].history
    assert before == only
    assert after.since == 1_772_294_400 * 10**9  # midnight in Shanghai
    assert (after.anode, after.cathode, after.started) == ("carbon", "graphitised", "2026-03-01")


def test_changes_of_cells_add_up_whatever_their_order(tmp_path: Path) -> None:
    change = '\n[[cell_change]]\nline = "L1"\ncells = "001-002"\nsince = {}\n{}\n'
    text = DEMO.replace("anodes = 56", 'anodes = 56\ncathode = "graphitic"\nlining = "old"', 1) + (
        '\n[[cell]]\nid = "L1-001"\ntarget_voltage_V = 4.1\ntechnology = "NEUI600"\n'
        + change.format("2026-06-01", 'anode = "inert"')
        + change.format("2026-03-01", 'lining = "new"')
        + '\n[[meter]]\nid = "PV"\nline = "L1"\nkind = "dc_source"\n'
    ).replace('cells = "001-002"\nsince = 2026-06-01', 'cells = "001"\nsince = 2026-06-01')
    cells = {cell.id: cell for cell in made(tmp_path, text).cells}
    first, second, third = cells["L1-001"].history
    assert (first.technology, first.cathode, first.lining) == ("NEUI600", "graphitic", "old")
    assert (second.technology, second.lining, second.anode) == ("NEUI600", "new", "carbon")
    assert (third.technology, third.lining, third.anode) == ("NEUI600", "new", "inert")
    assert first.since < second.since < third.since
    assert cells["L1-001"].target_voltage_V == 4.1
    assert len(cells["L1-002"].history) == 2
    assert cells["L1-002"].history[0].technology == ""


def test_parents_of_meters(tmp_path: Path) -> None:
    text = DEMO.replace('id = "L1-AUX"', 'id = "L1-AUX"\nkind = "sub"\nparent = "L2-AUX"')
    meters = {meter.id: meter for meter in made(tmp_path, text).meters}
    assert (meters["L1-AUX"].kind, meters["L1-AUX"].parent) == ("sub", "L2-AUX")
    around = text.replace('id = "L2-AUX"', 'id = "L2-AUX"\nkind = "sub"\nparent = "L1-AUX"')
    found = problems(tmp_path, around)
    assert len(found) == 2
    assert 'meter[L1-AUX].parent: "L2-AUX" contains itself by way of "L1-AUX"' in found[0]
    alone = DEMO + '\n[[meter]]\nid = "PV"\nkind = "dc_source"\n'
    assert any(
        'meter[PV].line: missing for kind "dc_source"' in error
        for error in problems(tmp_path, alone)
    )


def test_accuracy_and_rollover_by_signal_and_from_csv(tmp_path: Path) -> None:
    (tmp_path / "tags.csv").write_text(
        "source,entity,signal,node,accuracy,accuracy_percent,rollover\n"
        "pots-L1,L1-001,bath_level,s=a,0.5,,\n"
        "pots-L1,L1-002,bath_level,s=b,0,,\n"
        "pots-L1,L1-003,bath_level,s=c,,100,\n"
        "pots-L1,L1-004,bath_level,s=d,,,50\n",
        "utf-8",
    )
    text = DEMO.replace("accuracy_percent = 0.2", "accuracy = { current = 0.6 }") + (
        '\n[[tags_csv]]\nfile = "tags.csv"\n'
    )
    found = problems(tmp_path, text)
    assert [error.split(": ", 2)[1] for error in found] == [
        "accuracy",
        "accuracy_percent",
        "rollover",
    ]
    (tmp_path / "tags.csv").write_text(
        "source,entity,signal,node,accuracy\npots-L1,L1-001,bath_level,s=a,0.5\n", "utf-8"
    )
    tags = {tag.id: tag for tag in made(tmp_path, text).tags}
    assert tags["L1-001.bath_level"].accuracy == 0.5
    assert (tags["L1.current"].accuracy, tags["L1.current"].accuracy_percent) != (0.6, 0.6)
    assert tags["L1.current"].accuracy == 0.6
    assert tags["L1-001.bath_level"].signal.pace == "slow"


def test_a_factor_of_the_plant_brings_its_uncertainty(tmp_path: Path) -> None:
    plant = made(
        tmp_path,
        DEMO + '\n[[factor]]\nname = "pfc.cbam-2025.PFPB_M.slope"\nvalue = 0.1\n'
        'unit = "(kg/t)/(min/d)"\nsource = "own measurement"\nvalid_from = 2026-01-01\n'
        'valid_to = "2028-12-31"\nuncertainty_percent = 12\ncertainty = "verified"\n',
    )
    factor = plant.factors["pfc.cbam-2025.PFPB_M.slope"]
    assert (factor.value, factor.uncertainty_percent) == (0.1, 12)
    assert (factor.valid_from, factor.valid_to) == ("2026-01-01", "2028-12-31")
    assert factor.uncertainty_certainty == "verified"
