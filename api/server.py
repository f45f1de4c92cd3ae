"""Runs the application on a socket of its own, inside the caller's event loop."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import uvicorn
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from api.live import LiveHub

CLOSING_S = 2
STALLED_MS = 30_000
"""A client that takes nothing for this long is cut off by the kernel, its buffers freed."""


def listen(host: str, port: int) -> socket.socket:
    """A socket to serve on; port 0 picks a free one. OSError when the address is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=1024)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux; connections inherit it
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, STALLED_MS)
    return listener


class Server(uvicorn.Server):
    """uvicorn that leaves signals to the wiring and ends the live streams when it stops. Set
    `should_exit` to stop it."""

    def __init__(self, app: FastAPI, live: LiveHub) -> None:
        super().__init__(
            uvicorn.Config(
                self._answer,
                interface="asgi3",
                lifespan="off",
                log_config=None,
                access_log=False,
                timeout_graceful_shutdown=CLOSING_S,
            )
        )
        self._app = app
        self._live = live

    def show(self, app: FastAPI, live: LiveHub) -> None:
        """Answer by this application from now on. Requests under way end by the one before; its
        streams end, and their clients come again."""
        before, self._app, self._live = self._live, app, live
        before.close()

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._live.close()
        await super().shutdown(sockets)
