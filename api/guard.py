"""What every answer carries and what no request may do: headers, names of the host, origin."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import Problem, respond

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data: blob:; style-src 'self';"
    " style-src-attr 'unsafe-inline'; object-src 'none'; base-uri 'none'; form-action 'self';"
    " frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class Guard:
    """A page of another site can neither read the plant nor acknowledge an alarm.

    On a loopback address only loopback's own names are answered: another name that leads there is
    a rebound one. A request that changes something comes from our own page or from no page.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        refusal = _refusal(scope["server"][0], scope["method"], Headers(scope=scope))
        if refusal is not None:
            await respond(refusal, scope["path"])(scope, receive, with_headers)
        else:
            await self._app(scope, receive, with_headers)


def _refusal(address: str, method: str, headers: Headers) -> Problem | None:
    host = headers.get("host", "")
    if address in LOOPBACK and _name(f"//{host}") not in LOOPBACK:
        return Problem(
            403,
            "Not a name of this server",
            f"a request to {address} for the host {host!r} is not answered",
            "use http://127.0.0.1 or http://localhost, or another address that potline listens on",
        )
    origin = headers.get("origin")
    if method not in SAFE and origin is not None and origin.partition("://")[2] != host:
        return Problem(
            403,
            "From another site",
            f"{method} from a page of {origin!r} is refused",
            "use this server's own page, or send the request from a program without Origin",
        )
    return None


def _name(address: str) -> str | None:
    try:
        return urlsplit(address).hostname
    except ValueError:
        return None
