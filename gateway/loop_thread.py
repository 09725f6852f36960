"""One asyncio loop that lives as long as its process, in a daemon thread: where every call to the gateway runs."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from typing import TYPE_CHECKING, Any, TypeVar

from domain.errors import GatewayUnreachable

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar("T")


class LoopThread:
    """A running loop; ``ask`` runs a coroutine there from any other thread and waits for it."""

    def __init__(self) -> None:
        # Python's own loop: uvloop leaves the descriptor of a TLS handshake that was given up to the garbage collector,
        # which may then close another's; a process was seen to abort so.
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="gateway-loop", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    def ask(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run it on the loop and wait; on our own way out (an interrupt, too) it is cancelled.

        Raises:
            GatewayUnreachable: The loop was stopped meanwhile.
        """
        try:
            future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        except RuntimeError:
            coroutine.close()
            raise GatewayUnreachable("the line to the gateway was closed") from None
        try:
            return future.result()
        except concurrent.futures.CancelledError:
            raise GatewayUnreachable("the line to the gateway was closed") from None
        except BaseException:
            future.cancel()
            raise

    def soon(self, callback: Callable[[], object]) -> None:
        """Have the loop call it, as soon as it can."""
        self._loop.call_soon_threadsafe(callback)

    def stop(self, last: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Cancel what still runs there, wait for it to end, run ``last``, and end the thread."""
        self.ask(_cancel_all())
        self.ask(last())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _cancel_all() -> None:
    current = asyncio.current_task()
    tasks = [task for task in asyncio.all_tasks() if task is not current]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
