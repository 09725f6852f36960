"""Wait for a condition of the outside world that tells nobody when it comes true."""

from __future__ import annotations

import math
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_LOOK_EVERY_SECONDS = 0.02


def came_true(condition: Callable[[], bool], *, within_seconds: float) -> bool:
    """Look until ``condition`` holds; False if it did not within some ``within_seconds`` (pauses are counted)."""
    pause = threading.Event()
    for _ in range(math.ceil(within_seconds / _LOOK_EVERY_SECONDS)):
        if condition():
            return True
        pause.wait(_LOOK_EVERY_SECONDS)
    return condition()
