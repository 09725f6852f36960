"""How many requests a second are taken? Buckets in this process's memory, a bounded number of them.

Nothing rests on it but that a flood does not fill the inbox: no counter is shared, and none outlives the process.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

#: Hosts that are remembered: the others of a flood from everywhere share what is left to all.
_HOSTS: Final = 10_000
#: All hosts together may send so many times what one may.
_ALL: Final = 4


class _Bucket:
    """Holds at most one second's worth; refilled all the time."""

    __slots__ = ("_filled_at", "_left", "_per_second")

    def __init__(self, per_second: float, now: float) -> None:
        self._per_second = per_second
        self._left = per_second
        self._filled_at = now

    def take(self, now: float) -> bool:
        self._left = min(self._per_second, self._left + (now - self._filled_at) * self._per_second)
        self._filled_at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Rate:
    """At most ``per_second`` requests of one host, and four times as many of all."""

    def __init__(self, per_second: int, clock: Callable[[], float]) -> None:
        self._per_second = per_second
        self._clock = clock
        self._all = _Bucket(per_second * _ALL, clock())
        self._hosts: OrderedDict[str, _Bucket] = OrderedDict()

    def take(self, host: str) -> bool:
        """Whether one more request of a host is taken now."""
        now = self._clock()
        bucket = self._hosts.pop(host, None) or _Bucket(self._per_second, now)
        self._hosts[host] = bucket
        if len(self._hosts) > _HOSTS:
            self._hosts.popitem(last=False)
        # The host's own first: one that sends too much must not use up what is the others'.
        return bucket.take(now) and self._all.take(now)
