"""A line that can be held: what a caller has sent stays in it until it is let go."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from tests.support.stream_server import StreamServer

if TYPE_CHECKING:
    from collections.abc import Iterator


class HeldLine:
    """Forwards bytes between a caller and a server; while held, the caller's wait on the way."""

    def __init__(self, target: str) -> None:
        parts = urlsplit(target)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80
        self._server = StreamServer(self._serve)
        self._open = asyncio.Event()
        self._open.set()
        self._held = bytearray()
        self.url = ""

    def start(self) -> Self:
        self.url = f"http://127.0.0.1:{self._server.start().port}"
        return self

    def stop(self) -> None:
        self._server.stop()

    def hold(self) -> None:
        self._server.soon(self._open.clear)

    def let_go(self) -> None:
        self._server.soon(self._open.set)

    @property
    def held(self) -> bytes:
        """What is on the way now."""
        return bytes(self._held)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection(self._host, self._port)
        except BaseException:
            writer.transport.abort()
            raise
        try:
            with suppress(ConnectionError):
                await asyncio.gather(self._forward(reader, back, is_held=True), self._forward(there, writer))
        finally:
            for end in (writer, back):
                end.close()
                with suppress(ConnectionError, asyncio.CancelledError):
                    await end.wait_closed()
                end.transport.abort()  # one that was not to be emptied

    async def _forward(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_held: bool = False
    ) -> None:
        while chunk := await reader.read(65536):
            if is_held and not self._open.is_set():
                self._held += chunk
                await self._open.wait()
                self._held.clear()
            writer.write(chunk)
            await writer.drain()
        with suppress(OSError):
            writer.write_eof()


@contextmanager
def held_line(target: str) -> Iterator[HeldLine]:
    """A line to ``target`` for a test."""
    line = HeldLine(target).start()
    try:
        yield line
    finally:
        line.stop()
