"""Modbus: what values in registers look like, and where a tag's register lies."""

from __future__ import annotations

import re
from collections.abc import Mapping

TABLES = {"coil": 1, "discrete": 2, "input": 4, "holding": 3}
"""Table -> function code that reads it."""
BITS = ("coil", "discrete")
WIDTHS = {
    **{"bool": 1, "int16": 1, "uint16": 1, "bcd16": 1},
    **{"int32": 2, "uint32": 2, "float32": 2, "bcd32": 2},
    **{"int64": 4, "uint64": 4, "float64": 4},
}
"""Type -> registers that a value takes."""
DTYPES = {
    **{"int16": ">i2", "uint16": ">u2", "int32": ">i4", "uint32": ">u4"},
    **{"int64": ">i8", "uint64": ">u8", "float32": ">f4", "float64": ">f8"},
}
"""Type -> numpy's, highest byte first; those that numpy knows."""

_MODICON = {"0": "coil", "1": "discrete", "3": "input", "4": "holding"}
_FIRST = {"holding": 40001, "input": 30001, "discrete": 10001}


class RegisterError(Exception):
    """An address that cannot be; key, and what is wrong with the remedy."""

    def __init__(self, key: str, text: str) -> None:
        super().__init__(text)
        self.key = key


def resolve(address: Mapping[str, str], numbering: str, unit_id: int) -> dict[str, str]:
    """The address with the register as on the wire, table, unit id and type. RegisterError"""
    register = _whole("address", address["address"])
    table = address["table"]
    if numbering == "modicon":
        register, table = _modicon(register, table)
    table = table or "holding"
    if register > 65_535:
        raise RegisterError(
            "address",
            f"registers count from 0 to 65535, so there is no {register}; write what goes over the "
            'wire, or numbering = "modicon" in the source where 400001 is the first',
        )
    first = _FIRST.get(table, 1 << 16)
    if not numbering and first <= register < first + 9_999:
        raise RegisterError(
            "address",
            f"{register} may be the {register - first} of the wire, counted from {first}; write "
            f'{register - first}, or in the source numbering = "modicon" when it is, "protocol" '
            "when it is not",
        )
    kind = _type(address, table)
    if register + (1 if table in BITS else WIDTHS[kind]) > 1 << 16:
        raise RegisterError("address", f"{kind} at {register} goes beyond register 65535")
    unit = _whole("unit_id", address["unit_id"]) if address["unit_id"] else unit_id
    if unit > 255:
        raise RegisterError("unit_id", f"{unit} is no unit id; write one from 0 to 255")
    return {
        "address": str(register),
        "table": table,
        "unit_id": str(unit),
        "bit": _bit(address, table, kind),
        "type": kind,
    }


def _whole(key: str, text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,6}|0x[0-9A-Fa-f]{1,4}", text):
        raise RegisterError(key, f'"{text}" is no whole number; write one like 3059')
    return int(text, 16 if text.startswith("0x") else 10)


def _modicon(number: int, table: str) -> tuple[int, str]:
    """40001 and 400001 are the first holding register."""
    digits = str(number).zfill(5)
    named, register = _MODICON.get(digits[0]), int(digits[1:]) - 1
    if named is None or len(digits) > 6 or register < 0:
        raise RegisterError(
            "address", f"{number} is in no table; write one like 40001, 30001, 10001 or 1"
        )
    if table not in ("", named):
        raise RegisterError("table", f"{number} is in {named}, not in {table}; leave table out")
    return register, named


def _type(address: Mapping[str, str], table: str) -> str:
    kind = address["type"]
    if table in BITS:
        if kind not in ("", "bool"):
            raise RegisterError("type", f"a {table} is a bool, not {kind}; leave type out")
        return "bool"
    if not kind:
        raise RegisterError("type", f"missing for a register; write one of {', '.join(WIDTHS)}")
    return kind


def _bit(address: Mapping[str, str], table: str, kind: str) -> str:
    if kind == "bool" and table not in BITS:
        if not address["bit"]:
            raise RegisterError("bit", "missing for a bool in a register; write bit = 0 to 15")
        if (bit := _whole("bit", address["bit"])) > 15:
            raise RegisterError("bit", f"a register has no bit {bit}; write bit = 0 to 15")
        return str(bit)
    if address["bit"]:
        raise RegisterError("bit", 'is for type = "bool" in a register; leave it out')
    return ""
