"""At most one charge a customer and civil day, for those who catch up with all their periods."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from domain.instants import ONE_DAY, civil_date, civil_day, instant_of
from domain.schedule import BILLING_TIME
from models.queries import claim

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from sqlalchemy import Row

    from models.session import Transaction


def postpone_second_charges(tx: Transaction, due: Sequence[Row[Any]]) -> list[Row[Any]]:
    """Leave out catch-up charges whose customer has another charge on this civil day, made or due.

    They are put off to the next civil day. Customers that another run is at are left for later: their rows are
    locked here, so that two runs cannot both find the day free.
    """
    if not any(row.is_catch_up for row in due):
        return list(due)
    mine = claim.lock_customers(tx, [row.customer_id for row in due if row.is_catch_up])
    taken: set[UUID] = set()
    kept, postponed = [], []
    for row in due:
        if not row.is_catch_up:
            kept.append(row)
        elif row.customer_id in mine:
            begin, end = civil_day(tx.now, row.timezone)
            if row.customer_id in taken or claim.is_charged_within(
                tx, customer_id=row.customer_id, begin=begin, end=end, but=row.id
            ):
                tomorrow = civil_date(tx.now, row.timezone) + ONE_DAY
                postponed.append(
                    {
                        "id": row.id,
                        "next_attempt_at": instant_of(tomorrow, row.charge_time or BILLING_TIME, row.timezone),
                    }
                )
            else:
                taken.add(row.customer_id)
                kept.append(row)
    claim.postpone(tx, postponed)
    return kept
