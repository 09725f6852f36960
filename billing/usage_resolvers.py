"""The merchant's own code: which entry points are installed, and one of them asked, for no longer than it may take.

It runs in a thread of its own, for Python lets nobody end a call: one that overruns goes on, and is not waited for.
Whatever it does (it raises, hangs, gives something else), the caller gets words of our own.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Final

from domain.errors import BadInput
from domain.usage import GROUP, usage_items

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from importlib.metadata import EntryPoint

    from domain.invoice_line import Item
    from domain.usage import UsagePeriod

#: So many calls of an entry point may overrun and still run in this process; none is begun beside them.
MOST_OVERRUN: Final = 16
_overrun: dict[str, list[threading.Thread]] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a resolver told: lines; or why there are none. ``overran``: it took longer than it may."""

    items: tuple[Item, ...] = ()
    failed: str | None = None
    overran: bool = False


def installed() -> Mapping[str, EntryPoint]:
    """The entry points that there are, by name."""
    return {found.name: found for found in entry_points(group=GROUP)}


def refuse_not_installed(names: Sequence[str | None]) -> None:
    """Refuse names of entry points that are not there.

    Raises:
        BadInput: The sentence names those that are.
    """
    found = installed()
    for name in names:
        if name is not None and name not in found:
            raise BadInput(f"usage = {name!r} {_not_installed(found)}; install its package, or correct the name")


def ask_resolver(found: Mapping[str, EntryPoint], name: str, period: UsagePeriod, *, seconds: float) -> Told:
    """Ask an entry point what a period used; no transaction is open. Raises nothing."""
    entry = found.get(name)
    if entry is None:
        return Told(failed=f"{name!r} {_not_installed(found)}")
    running = _overrun[name] = [thread for thread in _overrun.get(name, ()) if thread.is_alive()]
    if len(running) >= MOST_OVERRUN:
        return Told(failed=f"{len(running)} calls that overran still run here; mend it, then start the workers again")
    given: list[Told] = []
    thread = threading.Thread(target=_call, args=(entry, period, given), name=f"usage {name}", daemon=True)
    thread.start()
    thread.join(seconds)
    if given:
        return given[0]
    running.append(thread)
    return Told(failed=f"it gave no answer within {seconds:g} seconds", overran=True)


def _call(entry: EntryPoint, period: UsagePeriod, given: list[Told]) -> None:
    try:
        answer = entry.load()(period)
    except BaseException as error:  # noqa: BLE001 - foreign code; what it says may hold somebody's data
        given.append(Told(failed=f"it raised {type(error).__name__}"))
        return
    try:
        given.append(Told(items=usage_items(answer)))
    except BadInput as error:
        given.append(Told(failed=str(error)))
    except BaseException as error:  # noqa: BLE001 - a list or a Usage of the merchant's own making
        given.append(Told(failed=f"what it gave raised {type(error).__name__}"))


def _not_installed(found: Mapping[str, EntryPoint]) -> str:
    return f"is not installed; installed are {', '.join(sorted(found)) or 'none'}"
