"""Hooks are deleted after a while, followed or not: they were only hints, and what was found is in the books.

So are those beyond a number: strangers who make hooks up must not fill the disk of the database that charges.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from models.queries import hint as inbox

if TYPE_CHECKING:
    from billing.ports import Ports

#: Batches that one call deletes at most; the next call goes on.
BATCHES: Final = 20


def forget_hints(ports: Ports) -> int:
    """Delete hooks that are older than their retention, or beyond the newest that are kept; gives how many."""
    deleted = 0
    for _ in range(BATCHES):
        with ports.database.transaction() as tx:
            batch = inbox.delete_old(tx, before=tx.real - ports.limits.hint_retention)
            batch += inbox.delete_beyond(tx, keep_rows=ports.limits.hint_rows)
        deleted += batch
        if batch < inbox.BATCH:
            break
    return deleted
