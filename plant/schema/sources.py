"""[[source]]: a model for each kind, and where its tags are read."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime, Field

from plant.schema.base import NotNegative, Port, Positive, Row, TimeFormat, TimeZone


class SourceRow(Row):
    id: str = Field(min_length=1, examples=["meters"])
    stale_after_s: Positive = Field(
        default=10.0, description="no sample for so long raises the alarm"
    )


class Login(SourceRow):
    """Secrets are never in the file itself."""

    username: str = ""
    password_file: str = Field(default="", examples=["secrets/password"])
    password_env: str = Field(default="", examples=["POTLINE_PASSWORD"])


class OpcUaRow(Login):
    kind: Literal["opcua"]
    url: str = Field(pattern=r"^opc\.tcp://[^/@\s]+(/\S*)?$", examples=["opc.tcp://127.0.0.1:4840"])
    namespace: str = Field(min_length=1, examples=["urn:vendor:potline"], description="a URI")
    security: Literal["None"] = "None"
    publishing_interval_s: Positive = 1.0
    sampling_interval_s: NotNegative = Field(default=0.0, description="0: the tag's interval_s")
    queue_size: int = Field(default=0, ge=0, description="0: ample for the intervals")
    max_per_request: int = Field(default=0, ge=0, description="0: the server's own limits")


class MqttRow(Login):
    kind: Literal["mqtt"]
    host: str = Field(min_length=1, examples=["127.0.0.1"])
    port: Port = 1883
    protocol: Literal["5", "3.1.1"] = "5"
    client_id: str = Field(
        min_length=1, examples=["potline"], description="stable: names the session"
    )
    session_expiry_s: int = Field(default=604800, ge=0, lt=2**32)
    keepalive_s: int = Field(default=30, ge=1, le=65535)
    subscribe: Literal["prefix", "topics"] = Field(
        default="prefix", description="all below what the topics share, or the topics alone"
    )
    receive_maximum: int = Field(default=1000, ge=1, le=65535)
    max_payload_bytes: int = Field(default=1 << 20, ge=1)
    tls: bool = False
    ca_file: str = ""


class FileRow(SourceRow):
    kind: Literal["file"]
    path: str = Field(min_length=1, examples=["import/*.csv"])
    layout: Literal["wide", "long"] = "wide"
    time: str = Field(default="time", description="column of the time")
    time_format: TimeFormat = "iso8601"
    time_zone: TimeZone = Field(default="UTC", description="of times that carry none")
    tag: str = Field(default="tag", description="long: column of the names")
    value: str = Field(default="value", description="long: column of the values")
    poll_s: Positive = 5.0


class ReplayRow(SourceRow):
    kind: Literal["replay"]
    path: str = Field(min_length=1, examples=["var/demo"], description="[store] path of a plant")
    start: AwareDatetime | None = None
    end: AwareDatetime | None = None
    speed: Positive | None = Field(default=None, description="times real time; as fast as it goes")


SOURCES: dict[str, type[SourceRow]] = {
    "opcua": OpcUaRow,
    "mqtt": MqttRow,
    "file": FileRow,
    "replay": ReplayRow,
}
ADDRESS = {
    "opcua": ("node", "namespace"),
    "mqtt": ("topic", "pointer", "time", "time_format", "format"),
    "file": ("column",),
    "replay": (),  # by the tag's own id
}
"""Keys that say where a tag is read, by kind of source."""
