"""Modbus addresses: numbering, tables, types, and what is refused with its remedy."""

from __future__ import annotations

import pytest

from plant.registers import RegisterError, resolve


def at(address: str, table: str = "", kind: str = "uint16", bit: str = "", unit: str = ""):
    return {"address": address, "table": table, "unit_id": unit, "bit": bit, "type": kind}


@pytest.mark.parametrize(
    ("address", "numbering", "wire"),
    [
        (at("0"), "", ("0", "holding", "1", "uint16")),
        (at("0x0BF3", "input", unit="17"), "", ("3059", "input", "17", "uint16")),
        (at("40101"), "protocol", ("40101", "holding", "1", "uint16")),
        (at("40101"), "modicon", ("100", "holding", "1", "uint16")),
        (at("400101"), "modicon", ("100", "holding", "1", "uint16")),
        (at("465536"), "modicon", ("65535", "holding", "1", "uint16")),
        (at("30001"), "modicon", ("0", "input", "1", "uint16")),
        (at("10017", kind=""), "modicon", ("16", "discrete", "1", "bool")),
        (at("17", kind=""), "modicon", ("16", "coil", "1", "bool")),
        (at("65532", kind="float64"), "", ("65532", "holding", "1", "float64")),
        (at("9", "coil", kind="bool"), "", ("9", "coil", "1", "bool")),
    ],
)
def test_addresses_as_on_the_wire(address, numbering, wire):
    found = resolve(address, numbering, 1)
    assert (found["address"], found["table"], found["unit_id"], found["type"]) == wire


@pytest.mark.parametrize(
    ("address", "numbering", "key", "words"),
    [
        (at("40101"), "", "address", 'write 100, or in the source numbering = "modicon"'),
        (at("30001", "input"), "", "address", "write 0, or"),
        (at("400101"), "", "address", "registers count from 0 to 65535"),
        (at("70001"), "protocol", "address", "there is no 70001"),
        (at("20001"), "modicon", "address", "in no table"),
        (at("40000"), "modicon", "address", "in no table"),
        (at("30001", "holding"), "modicon", "table", "leave table out"),
        (at("12a"), "", "address", "no whole number"),
        (at("-1"), "", "address", "no whole number"),
        (at("65535", kind="float32"), "", "address", "beyond register 65535"),
        (at("1", kind=""), "", "type", "missing for a register"),
        (at("1", "coil", kind="float32"), "", "type", "a coil is a bool"),
        (at("1", kind="bool"), "", "bit", "write bit = 0 to 15"),
        (at("1", kind="bool", bit="16"), "", "bit", "no bit 16"),
        (at("1", bit="3"), "", "bit", "leave it out"),
        (at("1", unit="256"), "", "unit_id", "from 0 to 255"),
    ],
)
def test_what_cannot_be_is_refused_with_its_remedy(address, numbering, key, words):
    with pytest.raises(RegisterError, match=words) as raised:
        resolve(address, numbering, 1)
    assert raised.value.key == key
    assert "\n" not in str(raised.value)
