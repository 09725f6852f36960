"""How long since? The host's clock, for a process's own deadlines; what billing means by time is the database's."""

from __future__ import annotations

import time


def boottime() -> float:
    """Seconds of CLOCK_BOOTTIME: it never goes back, and counts the time that the machine was suspended."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
