"""[[source]]: a model for each kind, and where its tags are read."""

from __future__ import annotations

import codecs
import tomllib
from importlib.resources import files
from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, Field, ValidationInfo, field_validator, model_validator

from plant.schema.base import NotNegative, Positive, Row, TimeFormat, TimeZone
from plant.schema.brokers import BrokerKeys, SparkplugKeys
from plant.schema.modbus import ModbusKeys


def opcua_profile_names() -> list[str]:
    """Of plant/data/opcua_profiles.toml, in its order."""
    text = (files("plant") / "data" / "opcua_profiles.toml").read_text("utf-8")
    return [row["name"] for row in tomllib.loads(text)["profile"]]


_OPC_URL = Field(pattern=r"^opc\.tcp://[^/@\s]+(/\S*)?$")


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
    url: Annotated[str, _OPC_URL] = Field(default="", examples=["opc.tcp://127.0.0.1:4840"])
    urls: list[Annotated[str, _OPC_URL]] = Field(
        default_factory=list,
        examples=[["opc.tcp://127.0.0.1:4840", "opc.tcp://127.0.0.1:4841"]],
        validate_default=True,
        description="of redundant servers, instead of url or with it",
    )
    redundancy: Literal["cold", "warm", "hot"] = "cold"
    namespace: str = Field(min_length=1, examples=["urn:vendor:potline"], description="a URI")
    security: Literal["None", "Basic256Sha256", "Aes128Sha256RsaOaep", "Aes256Sha256RsaPss"] = (
        "None"
    )
    security_mode: Literal["Sign", "SignAndEncrypt"] = "SignAndEncrypt"
    server_name: str = Field(
        default="", examples=["plc1.plant"], description="in its certificate, when not in the url"
    )
    user_certificate_file: str = Field(default="", examples=["secrets/user.der"])
    user_key_file: str = Field(default="", examples=["secrets/user.pem"], validate_default=True)
    anonymous: bool = Field(default=False, validate_default=True)
    allow_password_in_clear: bool = Field(default=False, validate_default=True)
    publishing_interval_s: Positive = 1.0
    sampling_interval_s: NotNegative = Field(default=0.0, description="0: the tag's interval_s")
    queue_size: int = Field(default=0, ge=0, description="0: ample for the intervals")
    max_per_request: int = Field(default=0, ge=0, description="0: the server's own limits")
    profile: str = Field(
        default="",
        examples=["siemens-s7-1500"],
        description="its maker's caps; found when left out",
    )
    history: bool = Field(default=False, description="fill gaps from the server's history")
    history_rate_per_s: Positive = Field(default=5000.0, description="values a second, at most")

    @field_validator("urls")
    @classmethod
    def _somewhere(cls, urls: list[str], row: ValidationInfo) -> list[str]:
        """All of them; the one of `url` is the first."""
        url = row.data.get("url")
        if url is None:
            return urls  # told there
        found = list(dict.fromkeys([*([url] if url else []), *urls]))
        if not found:
            raise ValueError('no address is written; write url = "opc.tcp://host:4840"')
        if any("{" in address for address in found):
            raise ValueError("placeholders stay empty in a list; write a table of lists by line")
        if urls and len(found) < 2:
            raise ValueError("redundant servers are at least two; write one address more, or url")
        return found

    @field_validator("redundancy")
    @classmethod
    def _of_several(cls, redundancy: str, row: ValidationInfo) -> str:
        if len(row.data.get("urls", ("", ""))) < 2:
            raise ValueError("is for several servers; write their urls, or leave it out")
        return redundancy

    @model_validator(mode="after")
    def _first_url(self) -> Self:
        object.__setattr__(self, "url", self.urls[0])  # frozen
        return self

    @field_validator("profile")
    @classmethod
    def _known_profile(cls, name: str) -> str:
        names = opcua_profile_names()
        if name and name not in names:
            raise ValueError(f'unknown profile "{name}"; write one of {", ".join(names)}')
        return name

    @field_validator("security_mode")
    @classmethod
    def _mode_of_a_policy(cls, mode: str, row: ValidationInfo) -> str:
        if row.data.get("security") == "None":
            raise ValueError(
                'needs a policy; write security = "Basic256Sha256", or leave security_mode out'
            )
        return mode

    @field_validator("user_key_file")
    @classmethod
    def _certificate_with_key(cls, key: str, row: ValidationInfo) -> str:
        certificate = row.data.get("user_certificate_file", "")
        if bool(certificate) != bool(key):
            raise ValueError("user_certificate_file and user_key_file go together; write both")
        if certificate and row.data.get("security") == "None":
            raise ValueError(
                "a user certificate proves nothing on an open channel; "
                'write security = "Basic256Sha256"'
            )
        return key

    @field_validator("anonymous")
    @classmethod
    def _one_login(cls, anonymous: bool, row: ValidationInfo) -> bool:
        logins = [anonymous, *(row.data.get(k) for k in ("username", "user_certificate_file"))]
        if not any(logins):
            raise ValueError(
                "no login is written; write anonymous = true, or username and password_file, "
                "or user_certificate_file and user_key_file"
            )
        if sum(map(bool, logins)) > 1:
            raise ValueError(
                "more than one login is written; keep one of anonymous, username, "
                "user_certificate_file"
            )
        return anonymous

    @field_validator("allow_password_in_clear")
    @classmethod
    def _password_is_covered(cls, allowed: bool, row: ValidationInfo) -> bool:
        if row.data.get("username") and row.data.get("security") == "None" and not allowed:
            raise ValueError(
                'with security = "None" anyone on the way can read the password; '
                'write security = "Basic256Sha256", or allow_password_in_clear = true'
            )
        return allowed


class MqttRow(BrokerKeys, SourceRow):
    kind: Literal["mqtt"]
    session_expiry_s: int = Field(default=604800, ge=0, lt=2**32)
    subscribe: Literal["prefix", "topics"] = Field(
        default="prefix", description="all below what the topics share, or the topics alone"
    )
    share: str = Field(
        default="",
        pattern=r"^[^/+#\s]*$",
        examples=["collectors"],
        description="group of a shared subscription: each message to one of its members",
    )
    receive_maximum: int = Field(
        default=20_000, ge=1, le=65535, description="messages on their way to the spool, at most"
    )
    max_payload_bytes: int = Field(default=1 << 20, ge=1)


class SparkplugRow(SparkplugKeys, SourceRow):
    """Metrics of edge nodes and their devices."""


class ModbusRow(ModbusKeys, SourceRow):
    pass


class ExportRow(SourceRow):
    """How files are read that a historian has written."""

    layout: Literal["wide", "long"] = "wide"
    time: str = Field(default="time", description="column of the time")
    time_format: TimeFormat = "iso8601"
    time_zone: TimeZone = Field(default="UTC", description="of times that carry none")
    tag: str = Field(default="tag", description="long: column of the names")
    value: str = Field(default="value", description="long: column of the values")
    delimiter: str = Field(
        default="", max_length=1, examples=[";"], description="found from the header when left out"
    )
    decimal: Literal[".", ","] = "."
    poll_s: Positive = 5.0


class FileRow(ExportRow):
    kind: Literal["file"]
    path: str = Field(min_length=1, examples=["import/*.csv"])


class FolderRow(ExportRow):
    kind: Literal["folder"]
    path: str = Field(min_length=1, examples=["/srv/historian"], description="a directory")
    pattern: str = Field(default="*", min_length=1, examples=["*.csv"], description="of names")
    order: Literal["name", "time"] = Field(default="name", description="time: last changed")
    settle_s: Positive = Field(default=5.0, description="a file has not changed for so long")
    marker: str = Field(
        default="", examples=[".done"], description="name + marker says that a file is complete"
    )
    archive_dir: str = Field(default="archive", min_length=1, description="from path; when taken")
    failed_dir: str = Field(default="failed", min_length=1, description="from path; with reason")
    encoding: str = Field(
        default="", examples=["gbk"], description="found from its beginning when left out"
    )

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, name: str) -> str:
        try:
            return codecs.lookup(name).name if name else ""
        except LookupError:
            raise ValueError(f'unknown encoding "{name}"; write one like "gbk"') from None


class ReplayRow(SourceRow):
    kind: Literal["replay"]
    path: str = Field(min_length=1, examples=["var/demo"], description="[store] path of a plant")
    start: AwareDatetime | None = None
    end: AwareDatetime | None = None
    speed: Positive | None = Field(default=None, description="times real time; as fast as it goes")


SOURCES: dict[str, type[SourceRow]] = {
    "opcua": OpcUaRow,
    "mqtt": MqttRow,
    "sparkplug": SparkplugRow,
    "modbus": ModbusRow,
    "file": FileRow,
    "folder": FolderRow,
    "replay": ReplayRow,
}
ADDRESS = {
    "opcua": ("node", "namespace", "index"),
    "mqtt": ("topic", "pointer", "time", "time_format", "format"),
    "sparkplug": ("metric", "edge_node", "device"),
    "modbus": ("address", "table", "unit_id", "bit", "type"),
    "file": ("column",),
    "folder": ("column",),
    "replay": (),  # by the tag's own id
}
"""Keys that say where a tag is read, by kind of source."""
HOW = ("time", "time_format", "format", "type")
"""Of them, those that say how it is read: two tags may not differ in these alone."""
