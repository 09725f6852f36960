"""How are calls held, and time passed, without outliving the simulator?"""

import asyncio

_LOOK_SECONDS = 0.02


async def pause(closing: asyncio.Event, seconds: float) -> None:
    """Wait, but not beyond the simulator's end."""
    if seconds <= 0:
        return
    try:
        async with asyncio.timeout(seconds):
            await closing.wait()
    except TimeoutError:
        return


class Gate:
    """Open, or closed by a test: calls that arrive then wait, their token not yet looked at."""

    def __init__(self, closing: asyncio.Event) -> None:
        self._closing = closing
        self.is_closed = False
        #: How many calls wait now.
        self.held_count = 0

    async def passed(self) -> bool:
        """Wait while it is closed; return False if the simulator ends before."""
        self.held_count += 1
        try:
            while self.is_closed and not self._closing.is_set():
                await pause(self._closing, _LOOK_SECONDS)
        finally:
            self.held_count -= 1
        return not self.is_closed
