"""What sources and outputs that speak MQTT share, and their own keys."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from plant.schema.base import Id, Port, Positive, Row


class BrokerKeys(Row):
    """Secrets are never in the file itself."""

    host: str = Field(min_length=1, examples=["127.0.0.1"])
    port: Port = 1883
    protocol: Literal["5", "3.1.1"] = "5"
    client_id: str = Field(
        min_length=1, examples=["potline"], description="stable: names the session"
    )
    username: str = ""
    password_file: str = Field(default="", examples=["secrets/password"])
    password_env: str = Field(default="", examples=["POTLINE_PASSWORD"])
    keepalive_s: int = Field(default=30, ge=1, le=65535)
    tls: bool = False
    ca_file: str = Field(default="", examples=["secrets/ca.pem"], description="else the system's")
    client_certificate_file: str = Field(default="", examples=["secrets/client.pem"])
    client_key_file: str = Field(
        default="", examples=["secrets/client-key.pem"], validate_default=True
    )
    alpn: list[str] = Field(default_factory=list, examples=[["mqtt"]])

    @field_validator("ca_file", "client_certificate_file", "client_key_file", "alpn")
    @classmethod
    def _only_over_tls(cls, value: str | list[str], row: ValidationInfo) -> str | list[str]:
        if value and not row.data.get("tls", True):
            raise ValueError("is for TLS only; write tls = true, or leave it out")
        return value

    @field_validator("client_key_file")
    @classmethod
    def _key_with_certificate(cls, key: str, row: ValidationInfo) -> str:
        if bool(row.data.get("client_certificate_file")) != bool(key):
            raise ValueError("client_certificate_file and client_key_file go together; write both")
        return key


def _level(text: str) -> str:
    if any(character in text for character in "/+#\0"):
        raise ValueError(f'"{text}" must not hold / + or #; Sparkplug ids are single levels')
    return text


SparkplugId = Annotated[str, Field(min_length=1), AfterValidator(_level)]


class SparkplugKeys(BrokerKeys):
    """A host application."""

    kind: Literal["sparkplug"]
    host_id: SparkplugId = Field(
        examples=["potline"], description="of our STATE; no other host may have it"
    )
    rebirth: bool = Field(
        default=False, description="ask edge nodes for births: the one command that is ever sent"
    )
    reorder_s: Positive = Field(
        default=2.0, description="how long a message is waited for that others overtook"
    )
    receive_maximum: int = Field(default=20_000, ge=1, le=65535)
    max_payload_bytes: int = Field(default=16 << 20, ge=1)


def _own_topics(prefix: str) -> str:
    if prefix.startswith(("$", "spBv", "/")) or prefix.endswith("/") or set("+#\0{}") & set(prefix):
        raise ValueError(
            f'"{prefix}" cannot begin with $ or spBv1.0, nor end with /, nor hold + # {{ }}; '
            'write one like "potline/demo"'
        )
    return prefix


class OutputRow(BrokerKeys):
    """Our figures for other systems."""

    id: Id = Field(examples=["mes"])
    scope: list[Literal["cell", "line", "boiler", "site"]] = Field(
        default=["cell", "line", "boiler", "site"], min_length=1
    )
    figures: list[str] = Field(
        default_factory=list, examples=[["carbon_intensity_hour"]], description="all when left out"
    )
    every_s: Positive = 10.0


class MqttOutputRow(OutputRow):
    kind: Literal["mqtt"]
    prefix: Annotated[str, Field(min_length=1), AfterValidator(_own_topics)] = Field(
        examples=["potline/demo"], description="nothing is published elsewhere"
    )
    topic: str = Field(
        default="{line}/{entity}/{figure}",
        description="below the prefix; without {figure} one JSON document an entity",
    )
    retained: bool = True


class SparkplugOutputRow(OutputRow):
    """An edge node."""

    kind: Literal["sparkplug"]
    group: SparkplugId = Field(examples=["Smelter"])
    edge_node: SparkplugId = Field(examples=["potline"])
    primary_host: str = Field(
        default="", examples=["scada"], description="host id; births wait until it is online"
    )


OUTPUTS: dict[str, type[OutputRow]] = {"mqtt": MqttOutputRow, "sparkplug": SparkplugOutputRow}
