"""The connection to InfluxDB: token, buckets, writes, queries, and what each error means."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import influxdb_client
import numpy as np
import orjson
import pyarrow as pa
from influxdb_client.rest import ApiException
from urllib3.exceptions import HTTPError

from plant.model import StoreSettings
from store.contract import StoreUnavailable
from store.flux import Rows, moment, quoted

TIMEOUT_MS = 30_000
DAY_S = 86400
NOT_FOUND = 404
api: Any = influxdb_client  # half typed, which is worse than not
REFUSED = {400: "invalid", 413: "too large", 422: "unprocessable"}
DENIED = {401, 403}
LOOPBACK = {"localhost", "127.0.0.1", "::1"}


class Refused(Exception):
    """The server will never take this as it is."""


class Unreadable(StoreUnavailable):
    """The answer broke off, or has values of another type than was asked for."""


class _Missing(Exception):
    """There is no such bucket."""


class Client:
    """buckets: name -> days kept, 0 for ever. The token is read when the first call needs it, and
    again after it was refused."""

    def __init__(self, settings: StoreSettings, buckets: Mapping[str, int]) -> None:
        self._settings = settings
        self._buckets = buckets
        self._made: Any = None
        # On loopback compressing costs more than it saves.
        self._gzip = urlsplit(settings.url).hostname not in LOOPBACK

    def make_buckets(self) -> None:
        """Make the buckets that are missing; give each the retention of the plant file."""
        org = self._settings.org
        try:
            with self._errors():
                buckets = self._client().buckets_api()
                there = {b.name: b for b in buckets.find_buckets_iter(org=org, limit=100)}
                for name, days in self._buckets.items():
                    rules = [api.BucketRetentionRules(type="expire", every_seconds=days * DAY_S)]
                    rules = rules if days else []
                    bucket = there.get(name)
                    if bucket is None:
                        buckets.create_bucket(bucket_name=name, retention_rules=rules, org=org)
                    elif sum(r.every_seconds for r in bucket.retention_rules) != days * DAY_S:
                        bucket.retention_rules = rules
                        buckets.update_bucket(bucket)
        except (_Missing, Refused) as error:
            raise StoreUnavailable(
                f"InfluxDB at {self._settings.url}: no buckets can be made in org {org!r}: "
                f"{error}; see [store] org and what the token allows"
            ) from None

    def write(self, bucket: str, text: bytes) -> None:
        """Write lines, ns. Refused: some of them, or all, were not taken."""
        if not text:
            return
        try:
            self._post(bucket, text)
        except _Missing:
            self.make_buckets()
            self._post(bucket, text)

    def write_checked(self, bucket: str, text: bytes) -> None:
        """Write lines of our own making: what the server can refuse of them is their number or
        their age, so they are halved until it takes them, and too old ones left out."""
        todo = [text]
        while todo:
            part = todo.pop()
            try:
                self.write(bucket, part)
            except Refused as error:
                rows = part.splitlines(keepends=True)
                if len(rows) > 1:
                    middle = len(rows) // 2
                    todo += [b"".join(rows[middle:]), b"".join(rows[:middle])]
                elif "retention policy" not in str(error):
                    raise

    def delete(self, bucket: str, start: int, end: int, tags: Mapping[str, str]) -> None:
        """Delete the points of [start, end) ns with these tags."""
        predicate = " AND ".join(f"{name}={quoted(value)}" for name, value in tags.items())
        with self._errors():
            service = api.DeleteService(self._client().api_client)
            service.post_delete(
                api.DeletePredicateRequest(
                    start=moment(start), stop=moment(end - 1), predicate=predicate
                ),
                org=self._settings.org,
                bucket=bucket,
            )

    def query(self, flux: str, dtype: np.dtype[np.generic] | None) -> Rows:
        """Rows of a query, none while the bucket is not there. dtype: of _value, None without."""
        try:
            with self._errors():
                answer = (
                    self._client().query_api().query_raw(flux, dialect=api.Dialect(annotations=[]))
                )
                text = answer.read()
        except _Missing:
            return Rows.none()
        try:
            return Rows.parse(text, dtype)
        except pa.ArrowInvalid as error:
            raise Unreadable(
                f"InfluxDB at {self._settings.url} answers no table: {error}"
            ) from None

    def close(self) -> None:
        if self._made is not None:
            self._made.close()
            self._made = None

    def _post(self, bucket: str, text: bytes) -> None:
        encoding = {}
        if self._gzip:
            packer = zlib.compressobj(1, wbits=31)
            text = packer.compress(text) + packer.flush()
            encoding = {"content_encoding": "gzip"}
        with self._errors():
            service = api.WriteService(self._client().api_client)
            org = self._settings.org
            service.post_write(org=org, bucket=bucket, body=text, precision="ns", **encoding)

    def _client(self) -> Any:
        if self._made is None:
            settings = self._settings
            self._made = api.InfluxDBClient(
                settings.url, token=self._token(), org=settings.org, timeout=TIMEOUT_MS
            )
        return self._made

    def _token(self) -> str:
        settings = self._settings
        if settings.token_file:
            try:
                return Path(settings.token_file).read_text("utf-8").strip()
            except OSError as error:
                raise StoreUnavailable(
                    f"[store] token_file {settings.token_file}: {error.strerror}; "
                    "write the InfluxDB token into that file"
                ) from None
        token = os.environ.get(settings.token_env, "")
        if not token:
            raise StoreUnavailable(
                f"[store] token_env: set {settings.token_env} to the InfluxDB token"
            )
        return token

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """What the server or the network says, as our own errors."""
        url = self._settings.url
        try:
            yield
        except ApiException as error:
            message = _message(error)
            if error.status == NOT_FOUND:
                raise _Missing(message) from None
            if error.status in REFUSED:
                raise Refused(message or REFUSED[error.status]) from None
            if error.status in DENIED:
                self.close()
                raise StoreUnavailable(
                    f"InfluxDB at {url} refuses the token for org {self._settings.org!r} "
                    f"({error.status}): see [store] token_file, token_env and org"
                ) from None
            raise StoreUnavailable(f"InfluxDB at {url}: {error.status} {message}") from None
        except (HTTPError, OSError) as error:
            reason = str(error).rsplit(": ", 1)[-1]
            raise StoreUnavailable(f"InfluxDB at {url} cannot be reached: {reason}") from None


def _message(error: ApiException) -> str:
    """What the server says is wrong."""
    try:
        return str(orjson.loads(error.body or b"{}").get("message", error.reason))
    except orjson.JSONDecodeError:
        return str(error.reason)
