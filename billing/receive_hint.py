"""A hook comes in: it is written down, and nothing else happens. Whoever sent it is answered at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.queries import hint as inbox

if TYPE_CHECKING:
    from domain.hint import Hint
    from models.session import Database


def receive_hint(database: Database, hint: Hint) -> int:
    """Write a hook down; gives how often the same one has come in this hour.

    Raises:
        DatabaseTrouble: It is not written down. Nothing is lost with it but speed.
    """
    with database.transaction() as tx:
        return inbox.store(tx, hint)
