"""Due times that are moved to business days, computed anew: a release may know holidays that the one before did not.

Run whenever the schema is brought up to date. A day that has become a holiday is found by the opening, too, when it
comes; one that is no holiday any more, or before which a charge is due now, only here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from billing.calendars import calendar_of
from billing.forecast import expect_more
from models.queries import installation, open_period

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from models.session import Database

#: Subscriptions in one commit.
_BATCH: Final = 500


def refresh_due_times(database: Database) -> int:
    """Give subscriptions of plans that shift the due times that the holidays say now; how many changed."""
    with database.reading() as tx:
        wrong = [
            row.id
            for row in open_period.shifting_subscriptions(tx)
            if row.next_billing_at != calendar_of(row).due_at(row.ordinal + 1)
        ]
    return sum(_refresh(database, wrong[begin : begin + _BATCH]) for begin in range(0, len(wrong), _BATCH))


def _refresh(database: Database, ids: Sequence[UUID]) -> int:
    with database.transaction() as tx:
        rows = open_period.lock_shifting(tx, ids)
        due = {row.id: calendar_of(row).due_at(row.ordinal + 1) for row in rows}
        moved = [row for row in rows if row.next_billing_at != due[row.id]]
        open_period.write_due_times(tx, [{"id": row.id, "next_billing_at": due[row.id]} for row in moved])
        expect_more(tx, [row.id for row in moved])
        installation.write_events(
            tx,
            [
                installation.event(
                    tx,
                    "subscription.due_time_moved",
                    subscription_id=row.id,
                    ordinal=row.ordinal + 1,
                    was=row.next_billing_at.isoformat(),
                    due_at=due[row.id].isoformat(),
                )
                for row in moved
            ],
        )
    return len(moved)
