"""What is delivered and not billed yet, when a subscription ends? In arrears a part of a period, in advance its use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from billing.calendars import calendar_of
from billing.lines import Reckoning, gather
from domain.billing_period import Billed
from domain.errors import Conflict
from domain.subscription import BILLABLE, SubscriptionState
from models.queries import anchor

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Row

    from billing.lines import PeriodOwed
    from domain.proration import Share
    from models.session import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """The period that a final invoice is for, up to an instant (UTC)."""

    ordinal: int
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalBill:
    """What a final invoice would be: of so many civil days, and won as things stand.

    ``days`` None: of a plan in advance, it has use alone. ``waits_for_use``: what was used is asked for after the end,
    and comes on top.
    """

    ordinal: int
    days: int | None
    of_days: int | None
    won: int
    waits_for_use: bool


def is_in_arrears(subscription: Row[Any]) -> bool:
    """Whether its periods are charged when they are over: what it owes is for what was delivered."""
    return bool(subscription.billed == Billed.IN_ARREARS)


def left_to_bill(subscription: Row[Any], *, now: datetime) -> Left | None:
    """What a locked subscription leaves to be billed if it ends now, or at a stop that has come.

    Raises:
        Conflict: A whole period is to be opened before.
    """
    row, calendar = subscription, calendar_of(subscription)
    until = now if row.stops_at is None else min(now, row.stops_at)
    state = SubscriptionState(row.state)
    if not is_in_arrears(row):
        has_used = row.usage is not None and row.ordinal >= 0 and not row.in_trial
        if not has_used or state not in (*BILLABLE, SubscriptionState.PAUSED):
            return None
        # It may have been paid ahead: use is that of the period that runs.
        ordinal = min(int(row.ordinal), calendar.first_from(until) - 1)
        return None if ordinal < 0 else Left(ordinal=ordinal, until=until)
    ordinal = int(row.ordinal) + 1
    if state not in BILLABLE or not calendar.has(ordinal) or calendar.start(ordinal) >= until:
        return None
    if calendar.has(ordinal + 1) and calendar.start(ordinal + 1) < until:
        raise Conflict(
            f"period {ordinal} of subscription {row.id} is over and not opened yet; ask again once it is, or end the"
            " subscription with the period that runs: --at-period-end"
        )
    return Left(ordinal=ordinal, until=until)


def final_of(left: Left | None) -> tuple[int, datetime] | None:
    """As the end writes it into the subscription's row."""
    return None if left is None else (left.ordinal, left.until)


def share_left(subscription: Row[Any], left: Left) -> Share | None:
    """In arrears, how much of its last period was delivered; None: all of a whole one, or it is in advance."""
    if not is_in_arrears(subscription):
        return None
    share = calendar_of(subscription).delivered(left.ordinal, left.until)
    return None if share.days == share.of_days else share


def final_owed(subscription: Row[Any], reckoning: Reckoning, left: Left) -> PeriodOwed | None:
    """What a final invoice owes as things stand; None: nothing, and there is none.

    Raises:
        RuleBroken: It is more than can be charged at once.
    """
    return reckoning.final(left.ordinal, share_left(subscription, left))


def final_bill(tx: Transaction, subscription: Row[Any], left: Left) -> FinalBill:
    """Tell what the final invoice of a locked subscription would be."""
    terms = anchor.terms_of(tx, subscription.id)
    owed = final_owed(subscription, Reckoning(terms, gather(tx, [terms])), left)
    share = calendar_of(subscription).delivered(left.ordinal, left.until) if is_in_arrears(subscription) else None
    return FinalBill(
        ordinal=left.ordinal,
        days=None if share is None else share.days,
        of_days=None if share is None else share.of_days,
        won=0 if owed is None else owed.owed.amount,
        waits_for_use=subscription.usage is not None,
    )
