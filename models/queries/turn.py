"""SQL of turns: how many runs work for one channel at once, over all workers."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from sqlalchemy import text

from models.ids import new_id

if TYPE_CHECKING:
    from uuid import UUID

    from models.session import Transaction

#: The first place that is free. Two runs that see the same one meet at its key, and the later one gets nothing of it.
_TAKE: Final = text(
    "INSERT INTO channel_turn (channel, queue, number, holder, until)"
    " SELECT :channel, :queue, n, :holder, :until FROM generate_series(1, :most) AS n"
    " WHERE NOT EXISTS (SELECT FROM channel_turn t"
    "  WHERE t.channel = :channel AND t.queue = :queue AND t.number = n AND t.until > :real)"
    " ORDER BY n LIMIT 1"
    " ON CONFLICT (channel, queue, number) DO UPDATE SET holder = excluded.holder, until = excluded.until"
    " WHERE channel_turn.until <= :real RETURNING number"
)


def take(tx: Transaction, *, channel: str, queue: str, most: int, seconds: float) -> UUID | None:
    """Take a place among at most ``most``; gives who holds it now, or None: all of them are taken."""
    holder = new_id(tx.real)
    parameters = {
        "channel": channel,
        "queue": queue,
        "holder": holder,
        "until": tx.real + timedelta(seconds=seconds),
        "real": tx.real,
        "most": most,
    }
    for _ in range(most):  # each statement sees who came first to the place before
        if tx.connection.execute(_TAKE, parameters).one_or_none() is not None:
            return holder
    return None


def give_back(tx: Transaction, holder: UUID, *, channel: str) -> None:
    """Free a place, unless somebody else has it by now."""
    tx.connection.execute(
        text("DELETE FROM channel_turn WHERE channel = :channel AND holder = :holder"),
        {"channel": channel, "holder": holder},
    )
