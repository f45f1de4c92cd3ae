"""Sparkplug sources in the plant file: what is good, and what is said of what is not."""

from __future__ import annotations

from pathlib import Path

import pytest
from harness import unused_port, write_plant

from plant.load import PlantError, load

SOURCE = """
[[source]]
id = "nodes"
kind = "sparkplug"
host = "127.0.0.1"
client_id = "host"
host_id = "potline"
"""
SIGNALS = "".join(
    f'\n[[signal]]\nentity = "cell"\nname = "{name}"\nunit = "degC"\nkind = "gauge"\n'
    "low = 0\nhigh = 900\n"
    for name in ("shell_temperature", "room_temperature")
)
TAGS = """
[[tags]]
each = "cell"
source = "nodes"
{address}
signals = {{ shell_temperature = "T", room_temperature = "Room" }}
"""


def read(folder: Path, address: str, source: str = SOURCE):
    path = write_plant(folder, '[store]\nkind = "embedded"\npath = "var"', unused_port())
    path.write_text(path.read_text() + SIGNALS + source + TAGS.format(address=address))
    return load(path)


def test_devices_and_edge_nodes(tmp_path):
    plant = read(tmp_path, 'device = "Smelter/{line}/{id}"\nmetric = "{name}"')
    tag = plant.tags[plant.column_of[f"{plant.cells[0].id}.shell_temperature"]]
    assert tag.address == {
        "metric": "T", "edge_node": "", "device": f"Smelter/L1/{plant.cells[0].id}"
    }  # fmt: skip
    read(tmp_path, 'edge_node = "Smelter/{line}"\nmetric = "{id}/{name}"')


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ('metric = "{name}"', "missing; write"),
        ('edge_node = "G/N"\ndevice = "G/N/D"\nmetric = "{id}/{name}"', "both are written"),
        ('device = "G/N"\nmetric = "{id}/{name}"', 'write "group/node/device"'),
        ('edge_node = "G/N"', "missing for sparkplug"),
        ('edge_node = "G/N"\nmetric = "{name}"', 'have the same address "T"'),
        ('edge_node = "G/N"\nmetric = "{id}/{name}"\ntopic = "x"', "has no topic"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, address, problem):
    with pytest.raises(PlantError) as error:
        read(tmp_path, address)
    assert problem in str(error.value)


@pytest.mark.parametrize(
    ("line", "problem"),
    [('host_id = "a/b"', "single levels"), ('host_id = ""', "host_id"), ("rebirth = 1", "rebirth")],
)
def test_ids_are_single_levels(tmp_path, line, problem):
    key = line.partition(" ")[0]
    source = "\n".join(row for row in SOURCE.split("\n") if not row.startswith(key)) + line + "\n"
    with pytest.raises(PlantError) as error:
        read(tmp_path, 'edge_node = "G/N"\nmetric = "{id}/{name}"', source)
    assert problem in str(error.value)
