"""The API of a running potline, asked from the command line."""

from __future__ import annotations

from typing import Any

import orjson
import urllib3

ANSWER_S = 2.0


class ApiAway(Exception):
    """No potline answers there; why, in a line."""


class Api:
    """One connection that is kept; `get` raises ApiAway, and works again when the API is back."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._pool = urllib3.PoolManager(
            timeout=urllib3.Timeout(total=ANSWER_S), retries=False, maxsize=1
        )

    def get(self, path: str) -> Any:
        """The JSON document there. ApiAway also for an answer that is no success."""
        status, body = self.fetch(path)
        try:
            document = orjson.loads(body)
        except orjson.JSONDecodeError:
            raise ApiAway(f"{self.url} is not a potline: {path} is no JSON") from None
        if status != 200:
            raise ApiAway(f"{self.url}{path}: {document.get('detail', status)}")
        return document

    def text(self, path: str) -> str:
        status, body = self.fetch(path)
        if status != 200:
            raise ApiAway(f"{self.url}{path} answers with status {status}")
        return body.decode(errors="replace")

    def fetch(self, path: str) -> tuple[int, bytes]:
        try:
            answer = self._pool.request("GET", self.url + path, redirect=False)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise ApiAway(f"{self.url} does not answer: {_why(error)}") from None
        return answer.status, answer.data


def plain(text: str) -> str:
    """What a server says, on one line and without orders to a terminal."""
    return "".join(c if c.isprintable() else " " for c in text)


def _why(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    if isinstance(error, urllib3.exceptions.TimeoutError | TimeoutError):
        return f"nothing within {ANSWER_S:g} s"
    return getattr(error, "strerror", None) or str(error).rsplit(": ", 1)[-1]
