"""The end of a promotion is planned as a rise: a coupon of some periods goes on until its end is decided.

Nothing ends such a coupon but a decision (``billing.price_changes``): where none is planned it lowers what is opened,
and the opening plans its end, if nobody did before. That is the first period after its last use that a notice can still
be in time for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from billing.calendars import calendar_of
from billing.price_changes import change_row, effective_at
from domain.consent import NOTICE_AHEAD, ChangeKind
from domain.coupon import Discount, uses_left
from domain.subscription import BILLABLE
from models.queries import beside, consent, installation, price

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import Row

    from domain.billing_period import Calendar
    from models.session import Database, Transaction

#: Subscriptions in one commit.
_BATCH: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """The first period without a coupon, if that is agreed to, and when it is decided: as it is charged. UTC."""

    ordinal: int
    at: datetime


def end_after(calendar: Calendar, *, first: int, left: int, now: datetime) -> End | None:
    """Where a coupon may end that lowers ``left`` more periods from ``first`` on; None: its subscription ends before.

    Not before a notice that is given after ``now`` is in time: nobody could be told of an earlier one.
    """
    ordinal = first + left
    while calendar.has(ordinal):
        at = effective_at(calendar, ordinal, ChangeKind.PROMOTION)
        if at > now + NOTICE_AHEAD:
            return End(ordinal=ordinal, at=at)
        ordinal += 1
    return None


def planned_end(tx: Transaction, subscription: Row[Any], coupon: Row[Any], *, actor: str) -> dict[str, Any] | None:
    """The change by which a coupon ends, to be written; None: it has no end, or its subscription ends before.

    Args:
        tx: The subscription is locked in it, and no change is ahead of it.
        subscription: With its calendar, price and ``without_consent``.
        coupon: The one that it has.
        actor: Who plans it.
    """
    left = uses_left(periods=coupon.periods, used=coupon.used)
    if left is None:
        return None
    end = end_after(calendar_of(subscription), first=subscription.ordinal + 1, left=left, now=tx.now)
    if end is None:
        return None
    whole = subscription.quantity * subscription.amount
    return change_row(
        tx,
        subscription_id=subscription.id,
        kind=ChangeKind.PROMOTION,
        from_price_id=subscription.plan_price_id,
        to_price_id=subscription.plan_price_id,
        old_won=whole - Discount(percent=coupon.percent, won=coupon.won).off(whole),
        new_won=whole,
        from_ordinal=end.ordinal,
        effective_at=end.at,
        otherwise=subscription.without_consent,
        planned_by=actor,
    )


def end_planned(tx: Transaction, change: dict[str, Any]) -> dict[str, Any]:
    """The event of an end that is planned."""
    return installation.event(
        tx,
        "subscription.promotion_end_planned",
        subscription_id=change["subscription_id"],
        ordinal=change["from_ordinal"],
        at=change["effective_at"].isoformat(),
        old_won=change["old_won"],
        new_won=change["new_won"],
    )


def plan_ends(tx: Transaction, ids: Sequence[UUID], *, actor: str) -> int:
    """Plan the ends of the coupons of these subscriptions, locked, as far as they have one and nothing is ahead.

    One that is not billed now has its end planned by the opening: nobody knows which its next period is.
    """
    coupons = {row.subscription_id: row for row in beside.running_coupons(tx, ids) if row.periods is not None}
    rows = [
        row
        for row in (price.lock_named(tx, sorted(coupons)) if coupons else ())
        if row.changes_at is None and row.state in BILLABLE
    ]
    found = [planned_end(tx, row, coupons[row.id], actor=actor) for row in rows]
    changes = [change for change in found if change is not None]
    consent.plan_changes(
        tx,
        changes,
        [
            {
                "id": change["subscription_id"],
                "changes_from": change["from_ordinal"],
                "changes_at": change["effective_at"],
            }
            for change in changes
        ],
    )
    installation.write_events(tx, [end_planned(tx, change) for change in changes])
    return len(changes)


def plan_end_anew(tx: Transaction, subscription_id: UUID, *, actor: str) -> None:
    """Plan the end of a locked subscription's coupon again: it comes to other won, or on another day.

    What was said about it as it was planned before does not count for it.
    """
    consent.withdraw_planned(tx, [subscription_id])
    consent.free_price(tx, [subscription_id])
    plan_ends(tx, [subscription_id], actor=actor)


def plan_missing_ends(database: Database) -> int:
    """Plan the ends of coupons that a release before this one left without: run when the schema is brought up to date.

    The opening would, too, but later: whose end it is would be told and asked later.
    """
    with database.reading() as tx:
        ids = beside.without_an_end(tx)
    planned = 0
    for begin in range(0, len(ids), _BATCH):
        with database.transaction() as tx:
            planned += plan_ends(tx, price.lock_ids(tx, ids[begin : begin + _BATCH]), actor=beside.ENGINE)
    return planned
