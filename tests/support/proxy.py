"""A line that can be held: what a caller has sent stays in it until it is let go."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Self, TypeVar
from urllib.parse import urlsplit

from tests.support.line_end import end_of_line

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator


T = TypeVar("T")


class HeldLine:
    """Forwards bytes between a caller and a server; while held, the caller's wait on the way."""

    def __init__(self, target: str) -> None:
        parts = urlsplit(target)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._open = asyncio.Event()
        self._open.set()
        self._held = bytearray()
        self.url = ""

    def start(self) -> Self:
        self._thread.start()
        self._server = self._run(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    def stop(self) -> None:
        self._run(end_of_line(self._server))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def hold(self) -> None:
        self._loop.call_soon_threadsafe(self._open.clear)

    def let_go(self) -> None:
        self._loop.call_soon_threadsafe(self._open.set)

    @property
    def held(self) -> bytes:
        """What is on the way now."""
        return bytes(self._held)

    def _run(self, work: Coroutine[object, object, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

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
