"""What must stand in the ledger: a naive model that shares nothing with the engine, and the comparison with it.

Which cards pay is told by their names, and how many periods have begun by whoever asks.
"""

from __future__ import annotations

import base64
from collections import Counter
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import text

from tests.support.fleet import AMOUNT
from tests.support.polling import eventually

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from tests.support.fleet import Fleet


def pays(customer_uid: str) -> bool:
    """Whether a card pays in the end."""
    return ".sim.decline.limit" not in customer_uid


def check_the_ledger(fleet: Fleet, cards: Mapping[str, str], *, periods: int) -> None:
    """Exactly one payment for each period of a card that pays, none for the others, nothing else.

    ``cards`` are the customer_uids by customer_ref.
    """
    with fleet.database.reading() as tx:
        rows = tx.connection.execute(
            text("SELECT s.id, c.customer_ref FROM subscription s JOIN customer c ON c.id = s.customer_id")
        ).all()
    owner = {row.id: row.customer_ref for row in rows}
    assert len(owner) == len(cards)
    paid = [row for row in fleet.ledger() if row["status"] == "paid"]
    charged: Counter[tuple[str, int]] = Counter()
    for row in paid:
        sub_id, ordinal = read_merchant_uid(row["merchant_uid"])
        charged[owner[sub_id], ordinal] += 1
        assert row["amount"] == AMOUNT
        assert row["customer_uid"] == cards[owner[sub_id]]
    expected = Counter((ref, ordinal) for ref, uid in cards.items() if pays(uid) for ordinal in range(periods))
    assert charged == expected, unpaid(fleet)
    assert not [row for row in fleet.ledger() if row["status"] in {"ready", "cancelled"}]


def act_as_the_operator(fleet: Fleet, *, until: datetime) -> None:
    """An attempt that was absent three times asks a person, who has it sent again.

    One that is unknown for long asks too, and is looked up on: a person waits for what that finds.
    """
    for _ in range(5):
        eventually(lambda: not _undecided(fleet), 200, "what is unknown before a person is decided")
        with fleet.database.reading() as tx:
            waiting = tx.connection.execute(
                text(
                    "SELECT invoice_id FROM charge_attempt"
                    " WHERE operator_since IS NOT NULL AND state = 'not_executed' ORDER BY 1"
                )
            ).all()
        if not waiting:
            return
        for row in waiting:
            fleet.jeonggi("invoice", "charge-now", str(row.invoice_id), "--reason", "absent three times")
        fleet.await_rest(until, deadline_seconds=200)


def _undecided(fleet: Fleet) -> int:
    with fleet.database.reading() as tx:
        return int(
            tx.connection.execute(
                text("SELECT count(*) FROM charge_attempt WHERE state IN ('in_flight', 'unknown')")
            ).scalar_one()
        )


def unpaid(fleet: Fleet) -> list[str]:
    """What the engine says of invoices that are neither paid nor given up."""
    with fleet.database.reading() as tx:
        rows = tx.connection.execute(
            text(
                "SELECT c.customer_ref, i.ordinal, i.state, i.next_attempt_at, i.set_aside_reason, a.state AS attempt,"
                " a.unknown_reason, a.operator_reason, a.send_no FROM invoice i"
                " JOIN subscription s ON s.id = i.subscription_id JOIN customer c ON c.id = s.customer_id"
                " LEFT JOIN charge_attempt a ON a.invoice_id = i.id WHERE i.state IN ('open', 'past_due')"
            )
        ).all()
    return [str(row) for row in rows]


def read_merchant_uid(uid: str) -> tuple[UUID, int]:
    """Read the fixed-width fields as the documents tell them: j, 3 tag, 26 subscription, 1 purpose, 6 ordinal, 3 no."""
    alphabet = "abcdefghijklmnopqrstuvwxyz234567"
    sub_id = UUID(bytes=base64.b32decode(uid[4:30].upper() + "======"))
    ordinal = 0
    for digit in uid[31:37]:
        ordinal = ordinal * 32 + alphabet.index(digit)
    return sub_id, ordinal
