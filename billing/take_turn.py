"""Each channel has its own share of the workers: a run works for it in its turn, or not at all.

A gateway that hangs keeps the runs that wait for it, and no others: the rest of the workers are the other channels'.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from models.queries import turn
from models.session import CommitInDoubt, DatabaseTrouble

if TYPE_CHECKING:
    from collections.abc import Iterator

    from billing.ports import Ports


@contextmanager
def taken_turn(ports: Ports, queue: str, *, most: int | None) -> Iterator[bool]:
    """Hold one of a channel's ``most`` places in a queue's workers; gives whether there was one. None: no bound.

    A run that dies keeps its place for ``turn_seconds``, after which no run is alive any more.

    Raises:
        DatabaseTrouble, CommitInDoubt: There was no asking; a place that was taken nevertheless frees itself.
    """
    if most is None:
        yield True
        return
    channel = ports.channel.name
    with ports.database.transaction() as tx:
        holder = turn.take(tx, channel=channel, queue=queue, most=most, seconds=ports.limits.turn_seconds)
    try:
        yield holder is not None
    finally:
        if holder is not None:
            # What the run did stands, whatever becomes of this.
            with suppress(DatabaseTrouble, CommitInDoubt), ports.database.transaction() as tx:
                turn.give_back(tx, holder, channel=channel)
