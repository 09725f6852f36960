"""How does a line of a test end without leaving a connection behind?"""

from __future__ import annotations

import asyncio


async def end_of_line(server: asyncio.Server) -> None:
    """Close the door, then cancel whatever is under way, until nothing is.

    A connection that was just accepted has a task that has not begun: it must begin, to be able to close its ends.
    """
    server.close()
    for _ in range(3):
        await asyncio.sleep(0)
    while tasks := asyncio.all_tasks() - {asyncio.current_task()}:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for _ in range(3):
            await asyncio.sleep(0)
