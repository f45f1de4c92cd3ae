"""[pair]: two collectors of one plant, of which one writes and publishes at a time."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from plant.schema.base import Id, Row


def _host_and_port(text: str) -> str:
    host, _, port = text.rpartition(":")
    if not host.strip("[]") or not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError(f'"{text}" is no host and port; write one like "10.0.0.5:8610"')
    return text


Address = Annotated[str, AfterValidator(_host_and_port)]


class PairRow(Row):
    """Secrets are never in the file itself."""

    name: Id = Field(examples=["north"], description="of this collector; the other has another")
    listen: Address = Field(
        examples=["10.0.0.5:8610"], description="where the other one reaches us"
    )
    peer: Address = Field(examples=["10.0.0.6:8610"], description="where we reach the other one")
    secret_file: str = Field(default="", examples=["secrets/pair"], description="the same in both")
    secret_env: str = Field(default="", examples=["POTLINE_PAIR_SECRET"], validate_default=True)
    priority: int = Field(
        default=1, ge=1, le=9, description="of two that start together the lower becomes active"
    )
    heartbeat_s: float = Field(default=0.5, ge=0.1, le=10)
    lease_s: float = Field(
        default=3.0, ge=0.5, le=60, description="unrenewed for so long, the other one takes over"
    )
    shared_store: bool = Field(
        default=True, description="influxdb: false when each has one of its own"
    )

    @field_validator("secret_env")
    @classmethod
    def _one_secret(cls, name: str, row: ValidationInfo) -> str:
        file = row.data.get("secret_file", "")
        if bool(file) == bool(name):
            found = "both are written" if name else "no secret is written"
            raise ValueError(f'{found}; write secret_file = "…" or secret_env = "…"')
        return name

    @field_validator("lease_s")
    @classmethod
    def _several_heartbeats(cls, lease_s: float, row: ValidationInfo) -> float:
        heartbeat_s = row.data.get("heartbeat_s", 0.0)
        if lease_s < 3 * heartbeat_s:
            raise ValueError(
                f"must be three heartbeats at least; write lease_s = {3 * heartbeat_s:g}"
            )
        return lease_s
