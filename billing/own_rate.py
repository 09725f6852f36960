"""Calls that compare take their share of the channel's own rate, one by one: charges go round them."""

from __future__ import annotations

from threading import Event
from typing import TYPE_CHECKING

from models.queries import installation

if TYPE_CHECKING:
    from billing.ports import Ports


def take_one_call(ports: Ports) -> None:
    """Wait until one call more may leave, halted or not: what the gateway did is asked whatever stops the charges.

    Safe from any thread, the gateway's own too, between two pages of a list.

    Raises:
        DatabaseTrouble, CommitInDoubt: A share may be lost; that costs a fraction of a second.
    """
    with ports.database.transaction() as tx:
        wait_seconds = installation.use_rate(
            tx,
            channel=ports.channel.name,
            per_second=ports.limits.rate,
            window_seconds=ports.limits.send_window_seconds,
        )
    if wait_seconds > 0:
        Event().wait(wait_seconds)
