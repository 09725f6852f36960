"""A server at the socket for one test, which leaves no connection behind when it stops."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar("T")


class StreamServer:
    """Has ``talk`` with every accepted connection, on a free port of loopback, on a loop in a thread of its own."""

    def __init__(
        self, talk: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[object, object, None]]
    ) -> None:
        self._talk = talk
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._talks: set[asyncio.Task[None]] = set()
        self._writers: list[asyncio.StreamWriter] = []
        self.port = 0

    def start(self) -> Self:
        self._thread.start()
        self._server = self.run(asyncio.start_server(self._begin, "127.0.0.1", 0))
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def stop(self) -> None:
        self.run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def run(self, work: Coroutine[object, object, T]) -> T:
        """What ``work`` returns, done on the server's loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def soon(self, act: Callable[[], object]) -> None:
        self._loop.call_soon_threadsafe(act)

    def _begin(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Not a coroutine: from the first moment of a connection on, somebody here can end it.
        self._writers.append(writer)
        talk = asyncio.create_task(self._talk(reader, writer))
        self._talks.add(talk)
        talk.add_done_callback(self._talks.discard)

    async def _end(self) -> None:
        self._server.close()
        # A connection that is being accepted has a task of asyncio's own, which must finish to be ended here.
        while asyncio.all_tasks() - {asyncio.current_task()}:
            for talk in self._talks:
                talk.cancel()
            await asyncio.sleep(0)
        for writer in self._writers:
            writer.transport.abort()
        for _ in range(3):  # the loop closes sockets in the turn after the one in which they are given up
            await asyncio.sleep(0)
