"""May calls still be started? A run's permission: read again and again, and dead soon after it could not be read.

A reading sees every halt that was committed before it began. So its permission, counted from that moment, ends less
than a second after any halt that it has not seen, whatever the database does afterwards.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final, Self

import structlog

from domain.breaker import BreakerState, lets_charge
from domain.slow_down import Slowed, rate_now
from models.queries import brake
from models.session import DatabaseTrouble

if TYPE_CHECKING:
    from types import TracebackType

    from billing.ports import Ports
    from gateway.port import FanOut

_log = structlog.get_logger("billing")

#: A halt stops the next call within a second: the rest of it is for the way of the last call that was let through.
LIVES_SECONDS: Final = 0.6
#: Between two readings: a database that is slow for almost half a second costs nothing.
READ_EVERY_SECONDS: Final = 0.15


class Permission:
    """Keeps the calls of one run allowed, from a thread of its own, for as long as it is entered.

    Claims and recordings may wait for locks; the permission must not wait with them.
    """

    def __init__(self, ports: Ports, calls: FanOut) -> None:
        self._ports = ports
        self._calls = calls
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="permission", daemon=True)
        self._openings: int | None = None  # of the breaker, at the first reading
        #: Why nothing more may be started; empty while calls are allowed.
        self.withdrawn_because = ""

    def __enter__(self) -> Self:
        """Take the first permission.

        Raises:
            DatabaseTrouble: It cannot be read.
        """
        self._read()
        if not self.withdrawn_because:
            self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Give no more of them."""
        self._ended.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _keep(self) -> None:
        while not self.withdrawn_because and not self._ended.wait(READ_EVERY_SECONDS):
            try:
                self._read()
            except DatabaseTrouble as trouble:  # what stands in line waits, for as long as it may be sent at all
                _log.warning("permission.lost", channel=self._ports.channel.name, code=trouble.code)

    def _read(self) -> None:
        began = self._ports.boottime()
        with self._ports.database.reading() as tx:
            state = brake.read_channel(tx, self._ports.channel.name)
            slowed = Slowed(steps=state.slow_steps, at=state.slowed_at)
            rate = rate_now(slowed, rate=self._ports.limits.rate, now=tx.real)
            breaker = brake.breaker_of(state)
            pauses = not lets_charge(breaker, now=tx.real) and breaker.state is BreakerState.OPEN
        if self._openings is None:
            self._openings = breaker.openings
        # One that had opened before this run began lets it probe once its pause is over; what was in line when one
        # opens does not probe.
        has_opened = breaker.state is BreakerState.OPEN and breaker.openings != self._openings
        if state.halted_at is not None:
            self.withdrawn_because = "channel_halted"
        elif pauses or has_opened:
            self.withdrawn_because = "breaker_open"
        else:
            self._calls.allow(until_boottime=began + LIVES_SECONDS, spacing_seconds=1 / rate)
            return
        self._calls.hand_back()
