"""How fast may a channel go after the gateway asked for less? Each 429 halves the rate; time gives it back in steps."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

#: The rate is never less than this part of itself: 1/64.
MOST_STEPS: Final = 6
#: The 429s of one burst are one request to slow down.
ONE_BURST: Final = timedelta(seconds=10)
#: So long without another one gives one step back.
STEP_BACK: Final = timedelta(seconds=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slowed:
    """How often the rate was halved by ``at``, in real time; ``at`` None: never."""

    steps: int = 0
    at: datetime | None = None


def steps_now(slowed: Slowed, *, now: datetime) -> int:
    """How often the rate is halved now."""
    if slowed.at is None:
        return 0
    return max(0, slowed.steps - max(0, (now - slowed.at) // STEP_BACK))


def rate_now(slowed: Slowed, *, rate: int, now: datetime) -> float:
    """Calls a second that may be made now."""
    return rate * 0.5 ** steps_now(slowed, now=now)


def after_slow_down(slowed: Slowed, *, now: datetime) -> Slowed:
    """After a 429: one step slower, once a burst."""
    if slowed.at is not None and slowed.at <= now < slowed.at + ONE_BURST:
        return slowed
    return Slowed(steps=min(MOST_STEPS, steps_now(slowed, now=now) + 1), at=now)
