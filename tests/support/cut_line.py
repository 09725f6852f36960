"""A line to PostgreSQL that is cut around a COMMIT: before it is forwarded, or before its answer comes back."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager, suppress
from enum import StrEnum
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit, urlunsplit

from tests.support.stream_server import StreamServer

if TYPE_CHECKING:
    from collections.abc import Iterator


class Cut(StrEnum):
    """Where the line is cut."""

    BEFORE_COMMIT = "before_commit"  # PostgreSQL never hears of it, and rolls back
    AFTER_COMMIT = "after_commit"  # PostgreSQL has answered, and nobody hears the answer
    NOW = "now"  # whatever is asked next


class CutLine:
    """Forwards bytes both ways; ``cut(where, nth)`` arms it once."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 5432
        self._parts = parts
        self._cut: Cut | None = None
        self._nth = 0
        self._server = StreamServer(self._serve)
        self.url = ""

    def start(self) -> Self:
        port = self._server.start().port
        who = self._parts.netloc.rpartition("@")[0]
        self.url = urlunsplit(self._parts._replace(netloc=f"{who}@127.0.0.1:{port}" if who else f"127.0.0.1:{port}"))
        return self

    def stop(self) -> None:
        self._server.stop()

    def cut(self, where: Cut, *, nth: int = 1) -> None:
        """The nth COMMIT from now loses its line."""

        async def arm() -> None:
            self._cut, self._nth = where, nth

        self._server.run(arm())

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection(self._host, self._port)
        except BaseException:
            writer.transport.abort()
            raise
        answers = asyncio.create_task(self._answers(there, writer))
        try:
            with suppress(ConnectionError):
                await self._questions(reader, there, back, answers)
        finally:
            answers.cancel()
            for end in (writer, back):
                end.transport.abort()

    async def _questions(
        self,
        reader: asyncio.StreamReader,
        there: asyncio.StreamReader,
        back: asyncio.StreamWriter,
        answers: asyncio.Task[None],
    ) -> None:
        while chunk := await reader.read(65536):
            cut = self._meets(chunk)
            if cut is Cut.AFTER_COMMIT:
                answers.cancel()
                await asyncio.gather(answers, return_exceptions=True)
                back.write(chunk)
                await there.read(1)  # it has answered
            if cut is not None:
                return
            back.write(chunk)
            await back.drain()

    def _meets(self, chunk: bytes) -> Cut | None:
        if self._cut is None or (self._cut is not Cut.NOW and b"COMMIT" not in chunk):
            return None
        self._nth -= 1
        if self._nth > 0:
            return None
        cut, self._cut = self._cut, None
        return cut

    async def _answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while chunk := await reader.read(65536):
                writer.write(chunk)
                await writer.drain()


@contextmanager
def cut_line(url: str) -> Iterator[CutLine]:
    """A line to the database of a test."""
    line = CutLine(url).start()
    try:
        yield line
    finally:
        line.stop()
