"""The wire between two collectors: length-prefixed frames over TCP, each with an HMAC.

Both ends draw a nonce; the key of a connection comes from the shared secret and both nonces, and
the HMAC of a frame covers its direction and number. So nothing can be forged, changed, played back
or sent back without the secret, which never crosses the wire. Nothing is encrypted: a frame holds
counts and times, no values.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from socket import socket

NONCE_BYTES = 32
TAG_BYTES = 32
MOST_BYTES = 1 << 20
GREETING = b"potline pair 1\n"
HELLO_S = 3.0
MOST_CONNECTIONS = 8

Answer = Callable[[bytes], Awaitable[bytes]]


class NotThePeer(Exception):
    """Who is at the other end does not know the secret, or speaks something else."""


class Channel:
    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        key: bytes,
        ours: bytes,
        theirs: bytes,
    ) -> None:
        self._reader, self._writer = reader, writer
        self._key, self._ours, self._theirs = key, ours, theirs
        self._sent = self._received = 0

    async def close(self) -> None:
        await _closed(self._writer)

    async def send(self, body: bytes) -> None:
        tag = _tag(self._key, self._ours, self._sent, body)
        self._sent += 1
        self._writer.write(len(body).to_bytes(4, "big") + body + tag)
        await self._writer.drain()

    async def receive(self) -> bytes:
        """NotThePeer, or EOFError when the other end has closed."""
        size = int.from_bytes(await self._reader.readexactly(4), "big")
        if size > MOST_BYTES:
            raise NotThePeer(f"a frame of {size} bytes; is it another program?")
        body = await self._reader.readexactly(size)
        tag = await self._reader.readexactly(TAG_BYTES)
        if not hmac.compare_digest(tag, _tag(self._key, self._theirs, self._received, body)):
            raise NotThePeer("the secrets differ; give both collectors the same")
        self._received += 1
        return body


async def ask(host: str, port: int, secret: bytes, within_s: float) -> Channel:
    """A connection to the other one. OSError, TimeoutError, EOFError, NotThePeer."""
    async with asyncio.timeout(within_s):
        reader, writer = await asyncio.open_connection(host, port)
        try:
            ours = secrets.token_bytes(NONCE_BYTES)
            writer.write(GREETING + ours)
            theirs = await _greeting(reader)
        except BaseException:
            await _closed(writer)
            raise
    return Channel(reader, writer, _key(secret, ours, theirs), b"ask", b"answer")


@asynccontextmanager
async def answering(
    listener: socket, secret: bytes, answer: Answer, refused: Callable[[str, str], None]
) -> AsyncIterator[None]:
    """Listen, and answer each frame of whoever knows the secret. refused(address, why)"""
    calls = dict[asyncio.StreamWriter, asyncio.Task[None] | None]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        address = str((writer.get_extra_info("peername") or ("?",))[0])
        if len(calls) >= MOST_CONNECTIONS:
            writer.close()
            return
        calls[writer] = asyncio.current_task()
        try:
            async with asyncio.timeout(HELLO_S):
                theirs = await _greeting(reader)
                ours = secrets.token_bytes(NONCE_BYTES)
                writer.write(GREETING + ours)
            key = _key(secret, theirs, ours)
            channel = Channel(reader, writer, key, b"answer", b"ask")
            async with asyncio.timeout(HELLO_S) as patience:
                while True:
                    body = await channel.receive()
                    await channel.send(await answer(body))
                    patience.reschedule(asyncio.get_running_loop().time() + 60.0)
        except NotThePeer as error:
            refused(address, str(error))
        except (OSError, TimeoutError, EOFError):
            pass  # it went; whoever asks notices for himself
        finally:
            del calls[writer]
            await _closed(writer)

    server = await asyncio.start_server(serve, sock=listener)
    try:
        yield
    finally:
        server.close()
        ending = [task for task in calls.values() if task is not None]
        for writer in calls:
            writer.close()
        if ending:
            await asyncio.wait(ending, timeout=HELLO_S)


async def _closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


async def _greeting(reader: asyncio.StreamReader) -> bytes:
    text = await reader.readexactly(len(GREETING))
    if text != GREETING:
        raise NotThePeer("it does not speak as a potline of this version; see [pair] peer, listen")
    return await reader.readexactly(NONCE_BYTES)


def _key(secret: bytes, asker: bytes, answerer: bytes) -> bytes:
    return hmac.digest(secret, GREETING + asker + answerer, hashlib.sha256)


def _tag(key: bytes, direction: bytes, number: int, body: bytes) -> bytes:
    return hmac.digest(key, direction + number.to_bytes(8, "big") + body, hashlib.sha256)
