"""A command that must speak to the gateway waits out a token's last minute, in which nobody may ask for one."""

from __future__ import annotations

from threading import Event
from typing import TYPE_CHECKING, Final, TypeVar

from cli.output import warn
from domain.errors import TokenNotYet

if TYPE_CHECKING:
    from collections.abc import Callable

    from billing.ports import Ports

T = TypeVar("T")

_ROUND_SECONDS: Final = 0.5
#: A token's last minute, what asking in it would add, and a round: then something else is wrong.
_LONGEST_SECONDS: Final = 420


def once_there_is_a_token(ports: Ports, work: Callable[[], T]) -> T:
    """Do the work, again and again while no token may be asked for.

    Raises:
        TokenNotYet: That did not end.
    """
    never = Event()
    end = ports.boottime() + _LONGEST_SECONDS
    is_told = False
    while True:
        try:
            return work()
        except TokenNotYet as not_yet:
            if ports.boottime() > end:
                raise
            if not is_told:
                warn(f"waiting: {not_yet}")
                is_told = True
            never.wait(_ROUND_SECONDS)
