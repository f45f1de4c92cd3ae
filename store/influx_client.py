"""The connection to InfluxDB: token, buckets, writes, queries, and what each error means."""

from __future__ import annotations

import os
import re
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar, cast
from urllib.parse import urlencode, urlsplit

import influxdb_client
import numpy as np
import orjson
import pyarrow as pa
import structlog
from influxdb_client.rest import ApiException
from urllib3 import PoolManager, Timeout
from urllib3.exceptions import HTTPError, InvalidHeader
from urllib3.util.retry import Retry

from plant.model import StoreSettings
from store.contract import StoreUnavailable
from store.flux import Rows, moment, quoted

T = TypeVar("T")
TIMEOUT_S = 30.0
CONNECT_S = 5.0
DAY_S = 86400
NO_SUCCESS, NOT_FOUND = 300, 404
SERVER_ERROR = 500
api: Any = influxdb_client  # half typed, which is worse than not
BAD_REQUEST, TOO_LARGE, UNPROCESSABLE = 400, 413, 422
REFUSED = {BAD_REQUEST: "invalid", TOO_LARGE: "too large", UNPROCESSABLE: "unprocessable"}
DENIED = {401, 403}
LOOPBACK = {"localhost", "127.0.0.1", "::1"}
LANES = 3
PRINTABLE = re.compile(rb"[ -~]+")

log = structlog.get_logger()


class Refused(Exception):
    """The server will never take this as it is.

    too_large: all of it. dropped: how many lines it did not take, None if it does not say; it took
    the others. field, measurement: of which there are values of another type, "" if it is not that.
    """

    def __init__(self, reason: str, status: int = BAD_REQUEST) -> None:
        super().__init__(reason)
        self.too_large = status == TOO_LARGE
        dropped = re.search(r"dropped=(\d+)", reason)
        self.dropped = int(dropped[1]) if dropped else None
        conflict = re.search(r'input field "(.+?)" on measurement "(.+?)" is type', reason)
        self.field, self.measurement = conflict.groups() if conflict else ("", "")


class Unreadable(StoreUnavailable):
    """The answer broke off, or has values of another type than was asked for."""


class _Away(StoreUnavailable):
    """This server does not answer; another may."""


class _Denied(StoreUnavailable):
    """The token is refused."""


class _Missing(Exception):
    """There is no such bucket."""


class Client:
    """buckets: name -> days kept, 0 for ever. The token is read when the first call needs it, and
    again after it was refused. Of several urls the next is asked while one is away. `largest` is
    the most bytes that the server takes at once, as far as it has said."""

    def __init__(self, settings: StoreSettings, buckets: Mapping[str, int]) -> None:
        self._settings = settings
        self._buckets = buckets
        self._urls = settings.urls or (settings.url,)
        self._at = 0
        self._made: Any = None
        self._known_token = ""
        self._lock = threading.Lock()
        self._pool = PoolManager(
            maxsize=LANES, retries=False, timeout=Timeout(connect=CONNECT_S, read=TIMEOUT_S)
        )
        self.largest = 1 << 40

    def make_buckets(self) -> None:
        """Make the buckets that are missing; give each the retention of the plant file."""
        org = self._settings.org

        def make() -> None:
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

        try:
            self._ask(make)
        except (_Missing, Refused) as error:
            raise StoreUnavailable(
                f"InfluxDB at {self._url}: no buckets can be made in org {org!r}: "
                f"{error}; see [store] org and what the token allows"
            ) from None

    def write(self, bucket: str, text: bytes | memoryview) -> None:
        """Write lines, ns. Refused: some of them, or all, were not taken."""
        if not text:
            return
        packed = None if self._near else _gzipped(text)
        try:
            self._ask(lambda: self._post(bucket, text, packed))
        except _Missing:
            self.make_buckets()
            try:
                self._ask(lambda: self._post(bucket, text, packed))
            except _Missing as error:
                raise StoreUnavailable(f"InfluxDB at {self._url}: {error}") from None

    def write_checked(self, bucket: str, text: bytes | memoryview) -> None:
        """Write lines of our own making: what the server can refuse of them is their number or
        their age, so they are halved until it takes them, and what it takes never is left out: too
        old ones, and with a line in the log others, as of a type that another program has set."""
        todo: list[bytes | memoryview] = [text]
        left_out, reason = 0, ""
        while todo:
            part = todo.pop()
            try:
                self.write(bucket, part)
            except Refused as error:
                rows = bytes(part).splitlines(keepends=True)
                told = error.dropped if error.field else None  # it took the others
                if len(rows) > 1 and told is None:
                    middle = len(rows) // 2
                    todo += [b"".join(rows[middle:]), b"".join(rows[:middle])]
                elif "retention policy" not in str(error):
                    left_out, reason = left_out + (told or 1), str(error)
        if left_out:
            log.error("lines that the store never takes are left out",
                      bucket=bucket, lines=left_out, reason=reason)  # fmt: skip

    def delete(self, bucket: str, start: int, end: int, tags: Mapping[str, str]) -> None:
        """Delete the points of [start, end) ns with these tags."""
        predicate = " AND ".join(f"{name}={quoted(value)}" for name, value in tags.items())

        def delete() -> None:
            api.DeleteService(self._client().api_client).post_delete(
                api.DeletePredicateRequest(
                    start=moment(start), stop=moment(end - 1), predicate=predicate
                ),
                org=self._settings.org,
                bucket=bucket,
            )

        with suppress(_Missing):
            self._ask(delete)

    def query(self, flux: str, dtype: np.dtype[np.generic] | None) -> Rows:
        """Rows of a query, none while the bucket is not there. dtype: of _value, None without."""

        def ask() -> bytes:
            dialect = api.Dialect(annotations=[])
            answer: bytes = self._client().query_api().query_raw(flux, dialect=dialect).read()
            return answer

        try:
            text = self._ask(ask)
        except _Missing:
            return Rows.none()
        try:
            return Rows.parse(text, dtype)
        except pa.ArrowInvalid as error:
            raise Unreadable(f"InfluxDB at {self._url} answers no table: {error}") from None

    def close(self) -> None:
        self._forget()
        self._pool.clear()

    # -- inside

    @property
    def _url(self) -> str:
        return self._urls[self._at].rstrip("/")

    @property
    def _near(self) -> bool:
        """On loopback compressing costs more than it saves."""
        return urlsplit(self._url).hostname in LOOPBACK

    def _ask(self, call: Callable[[], T]) -> T:
        """What the call gives: again with another token where that was changed, from the next
        server while one is away."""
        for _ in self._urls[1:]:
            at = self._at
            try:
                return self._with_token(call)
            except _Away:
                with self._lock:
                    if self._at == at:  # else another thread has gone on already
                        self._at = (at + 1) % len(self._urls)
                self._forget()
        return self._with_token(call)

    def _with_token(self, call: Callable[[], T]) -> T:
        used = self._known_token
        try:
            with self._errors():
                return call()
        except _Denied:
            self._forget()
            if not used or self._token() == used:
                raise
        with self._errors():
            return call()

    def _forget(self) -> None:
        """The next call makes its connection anew and reads the token again."""
        with self._lock:
            made, self._made, self._known_token = self._made, None, ""
        if made is not None:
            made.close()

    def _post(self, bucket: str, text: bytes | memoryview, packed: bytes | None) -> None:
        query = {"org": self._settings.org, "bucket": bucket, "precision": "ns"}
        headers = {"Authorization": f"Token {self._token()}", "Content-Type": "text/plain"}
        if packed is not None:
            headers["Content-Encoding"] = "gzip"
        url = f"{self._url}/api/v2/write?{urlencode(query)}"
        body = text if packed is None else packed
        answer = self._pool.request("POST", url, body=cast(bytes, body), headers=headers)
        if answer.status == TOO_LARGE:
            self.largest = min(self.largest, len(text) // 2)
        if answer.status >= NO_SUCCESS:
            raise self._meaning(answer.status, answer.reason, answer.data, answer.headers)

    def _client(self) -> Any:
        with self._lock:
            if self._made is not None:
                return self._made
        token, settings = self._token(), self._settings
        made = api.InfluxDBClient(
            self._url, token=token, org=settings.org, timeout=int(TIMEOUT_S * 1000)
        )
        with self._lock:
            self._made = made
        return made

    def _token(self) -> str:
        if not self._known_token:
            self._known_token = self._read_token()
        return self._known_token

    def _read_token(self) -> str:
        settings = self._settings
        if settings.token_file:
            try:
                token = Path(settings.token_file).read_bytes().strip()
            except OSError as error:
                raise StoreUnavailable(
                    f"[store] token_file {settings.token_file}: {error.strerror}; "
                    "write the InfluxDB token into that file"
                ) from None
            where = f"token_file {settings.token_file}: write"
        else:
            token = os.environb.get(settings.token_env.encode(), b"")
            where = f"token_env: set {settings.token_env} to"
        if not PRINTABLE.fullmatch(token):
            what = "it holds something else" if token else "there is none"
            raise StoreUnavailable(f"[store] {where} the InfluxDB token, in one line; {what}")
        return token.decode()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """What the server or the network says, as our own errors."""
        try:
            yield
        except ApiException as error:
            raise self._meaning(error.status, error.reason, error.body, error.headers) from None
        except (HTTPError, OSError) as error:
            reason = str(error).rsplit(": ", 1)[-1]
            raise _Away(f"InfluxDB at {self._url} cannot be reached: {reason}") from None

    def _meaning(
        self, status: int, reason: str | None, body: Any, headers: Mapping[str, str] | None
    ) -> Exception:
        url, message = self._url, _message(body)
        if status == NOT_FOUND and message:
            return _Missing(message)
        if status == TOO_LARGE or (status in REFUSED and message):
            return Refused(message or REFUSED[status], status)
        if status in DENIED:
            return _Denied(
                f"InfluxDB at {url} refuses the token for org {self._settings.org!r} "
                f"({status}): see [store] token_file, token_env and org"
            )
        # Without a message of InfluxDB's it is something in between that speaks.
        kind = _Away if status >= SERVER_ERROR else StoreUnavailable
        return kind(f"InfluxDB at {url}: {status} {message or reason}", _after_s(headers))


def _gzipped(text: bytes | memoryview) -> bytes:
    packer = zlib.compressobj(1, wbits=31)
    return packer.compress(text) + packer.flush()


def _message(body: Any) -> str:
    """What InfluxDB says is wrong, "" when the answer is not InfluxDB's."""
    try:
        said = orjson.loads(body or b"")
    except orjson.JSONDecodeError:
        return ""
    return str(said.get("message") or said.get("code") or "") if isinstance(said, dict) else ""


def _after_s(headers: Mapping[str, str] | None) -> float:
    """How long the server asks to be left alone [s]."""
    asked = headers.get("Retry-After") if headers else None
    try:
        return float(Retry().parse_retry_after(asked)) if asked else 0.0
    except InvalidHeader:
        return 0.0
