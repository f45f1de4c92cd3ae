"""An HTTP server that answers every request in the same way, in place of a database."""

from __future__ import annotations

import asyncio
import contextlib
import re
from typing import Self

from potline.chaos.rehearsal import HOST

_LENGTH = re.compile(rb"content-length:\s*(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"transfer-encoding:\s*chunked", re.IGNORECASE)


class Answers:
    """Listens on `port` while the context is entered. status: as "503 Service Unavailable";
    headers: more lines of the answer."""

    def __init__(self, status: str, *headers: str) -> None:
        body = b'{"code":"internal error","message":"a storm"}'
        lines = [f"HTTP/1.1 {status}", "content-type: application/json",
                 f"content-length: {len(body)}", *headers]  # fmt: skip
        self._answer = "\r\n".join([*lines, "", ""]).encode() + body

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, HOST, 0)
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self

    async def __aexit__(self, *error: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                if _CHUNKED.search(head):
                    await reader.readuntil(b"0\r\n\r\n")
                elif length := _LENGTH.search(head):
                    await reader.readexactly(int(length[1]))
                writer.write(self._answer)
                await writer.drain()
        writer.close()
