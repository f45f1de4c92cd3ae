"""[[source]] kind = "modbus", and the keys of its tags."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from plant.schema.base import Port, Positive, Row


def _text_of_number(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Digits = Annotated[
    str,
    BeforeValidator(_text_of_number),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string"}]}),
]
"""A whole number, or a template that gives one."""

Table = Literal["", "holding", "input", "coil", "discrete"]
# fmt: off
Type = Literal[
    "", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64",
    "bool", "bcd16", "bcd32",
]
# fmt: on


class ModbusAddress(Row):
    address: Digits = Field(
        default="", examples=[3059], description="modbus: 0 is the first; 0x… is hexadecimal"
    )
    table: Table = Field(default="", description="modbus: holding when left out")
    unit_id: Digits = Field(default="", description="modbus: the source's when left out")
    bit: Digits = Field(default="", description="modbus: bool in a register; 0 is the lowest")
    type: Type = Field(default="", examples=["float32"], description="modbus")


class ModbusKeys(Row):
    kind: Literal["modbus"]
    host: str = Field(min_length=1, examples=["192.0.2.30"])
    port: Port = 502
    unit_id: int = Field(default=1, ge=0, le=255, description="of tags that name none")
    numbering: Literal["", "protocol", "modicon"] = Field(
        default="", description="of addresses such as 40001: as on the wire, or the first one"
    )
    word_order: Literal["big", "little"] = Field(
        default="big", description="of values in several registers; big: the highest first"
    )
    byte_order: Literal["big", "little"] = Field(default="big", description="in a register")
    timeout_s: Positive = 2.0
    retries: int = Field(default=1, ge=0, le=10, description="of a request, within a poll")
    max_registers: int = Field(default=125, ge=4, le=125, description="in one request")
    max_coils: int = Field(default=2000, ge=1, le=2000, description="in one request")
    max_gap: int = Field(
        default=4, ge=0, description="registers nobody asked for that join two requests, at most"
    )
