"""Several threads at once, let go together; what any of them raised is raised."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Gave = TypeVar("Gave")

#: Nobody waits for ever for somebody who has failed.
PATIENCE_SECONDS = 60


def race(*runners: Callable[[], Gave]) -> Sequence[Gave]:
    """Run all of them at once, from one barrier; gives what they gave, in order."""
    barrier = threading.Barrier(len(runners))

    def run(runner: Callable[[], Gave]) -> Gave:
        barrier.wait(PATIENCE_SECONDS)
        return runner()

    with ThreadPoolExecutor(max_workers=len(runners)) as pool:
        return list(pool.map(run, runners))
