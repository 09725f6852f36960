"""Wait for a condition with a deadline: the only waiting that tests do."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


def eventually(condition: Callable[[], T], deadline_seconds: float = 30, what: str = "the condition") -> T:
    """The first truthy answer of ``condition``; fails, naming ``what``, if none came in time."""
    end = time.monotonic() + deadline_seconds
    while True:
        if found := condition():
            return found
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not come about within {deadline_seconds:g} s; last seen: {found!r}")
        time.sleep(0.02)
