"""Which charges will fall due? The periods that the opening will open, by its own code, and what stands open already.

Items, coupons, credit and what is carried are used up as the opening will use them; what owes nothing is no charge.
Foreseen is what falls due by itself and as things stand: no decline that is still to come, no pause that ends, no
change that a person makes. A change of price that is ahead is decided by the consent and the notice that are there
now; without them the old price stays, a trial or a coupon goes on, or the subscription ends. What a brake or a hold
keeps back is due all the same, and is told with its due time.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from itertools import islice
from operator import itemgetter
from typing import TYPE_CHECKING, Any, TypeAlias

from billing.due_periods import due_periods
from billing.foreseen_changes import ForeseenChanges
from billing.left_to_bill import Left, final_owed
from billing.lines import Reckoning, gather
from domain.billing_period import Billed, Skip
from domain.invoice import Purpose
from models.queries import foresight
from models.queries.foresight import PAGE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import Row

    from billing.due_periods import DuePeriod
    from domain.price import Price
    from models.session import Transaction

    _Place: TypeAlias = tuple[datetime, datetime, UUID, int]
    _Steps: TypeAlias = Iterator[tuple[_Place, Row[Any], DuePeriod | None, Price | None, Reckoning]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreseen:
    """One charge to come: won, and UTC. ``attempts``: so many were declined before it; 0 for a first one.

    ``ordinal`` is its period's; of another purpose than a period, a number of its own.
    """

    due_at: datetime
    subscription_id: UUID
    customer_ref: str
    plan: str
    channel: str
    ordinal: int
    amount: int
    attempts: int = 0
    purpose: Purpose = Purpose.PERIOD


def foresee(tx: Transaction, *, until: datetime) -> Iterator[Foreseen]:
    """Every charge that falls due by ``until``, in no order; what is due already and not made yet, too.

    Args:
        tx: A reading one; it is streamed from.
        until: Billing time.

    Raises:
        BillingError: A subscription has terms that nothing can be reckoned by; its opening will set it aside.
    """
    for row in foresight.standing_invoices(tx, until=until):
        yield Foreseen(
            due_at=row.next_attempt_at,
            subscription_id=row.subscription_id,
            customer_ref=row.customer_ref,
            plan=row.plan,
            channel=row.channel,
            ordinal=row.ordinal,
            amount=row.amount,
            attempts=row.attempt_count,
            purpose=Purpose(row.purpose),
        )
    for subscription, due, amount in _periods(tx, until=until):
        if due is None:
            if amount:
                yield _final(subscription, amount, now=tx.now)
            continue
        stops_at = None if subscription.billed == Billed.IN_ARREARS else subscription.stops_at
        is_past_its_stop = stops_at is not None and due.attempt_at >= stops_at
        if amount and due.attempt_at <= until and not is_past_its_stop:
            yield Foreseen(
                due_at=due.attempt_at,
                subscription_id=subscription.id,
                customer_ref=subscription.customer_ref,
                plan=subscription.plan,
                channel=subscription.channel,
                ordinal=due.period.ordinal,
                amount=amount,
            )


def _final(subscription: Row[Any], amount: int, *, now: datetime) -> Foreseen:
    """It has ended, and its final invoice is opened and due once what was used is known."""
    return Foreseen(
        due_at=now,
        subscription_id=subscription.id,
        customer_ref=subscription.customer_ref,
        plan=subscription.plan,
        channel=subscription.channel,
        ordinal=subscription.final_ordinal,
        amount=amount,
        purpose=Purpose.FINAL,
    )


def _periods(tx: Transaction, *, until: datetime) -> Iterator[tuple[Row[Any], DuePeriod | None, int]]:
    """Every period to be opened, with what it will owe; and each final invoice, without one.

    Those of customers with credit come last, all of them in the order in which they will be opened: they share it.
    """
    shared: list[_Steps] = []
    credit: dict[UUID, int] = {}
    finals = list(foresight.finals_due(tx, until=tx.now))
    gathered = gather(tx, finals)
    for subscription in finals:
        credit.update({subscription.customer_id: gathered.credit.get(subscription.customer_id, 0)})
        reckoning = Reckoning(subscription, gathered, credit=credit)
        shared.append(iter([((tx.now, tx.now, subscription.id, 0), subscription, None, None, reckoning)]))
    subscriptions = foresight.subscriptions_due(tx, until=until)
    while page := list(islice(subscriptions, PAGE)):
        gathered = gather(tx, page)
        for subscription in page:
            own = gathered.credit.get(subscription.customer_id)
            if own is not None:
                credit.setdefault(subscription.customer_id, own)
                reckoning = Reckoning(subscription, gathered, credit=credit)
                shared.append(_steps(subscription, reckoning, now=tx.now, until=until))
                continue
            reckoning = Reckoning(subscription, gathered)
            for due, price in _priced(subscription, reckoning, now=tx.now, until=until):
                yield subscription, due, reckoning.period(due.period, price=price).owed.amount
    for _, subscription, to_come, price, reckoning in heapq.merge(*shared, key=itemgetter(0)):
        if to_come is None:
            left = Left(ordinal=subscription.final_ordinal, until=subscription.final_at)
            owed = final_owed(subscription, reckoning, left)
            yield subscription, None, 0 if owed is None else owed.owed.amount
            continue
        yield subscription, to_come, reckoning.period(to_come.period, price=price).owed.amount


def _steps(subscription: Row[Any], reckoning: Reckoning, *, now: datetime, until: datetime) -> _Steps:
    """A subscription's periods, each with its place among others': what is due by now is opened whole, and first."""
    for due, price in _priced(subscription, reckoning, now=now, until=until):
        opened_at = max(due.due_at, now)
        within = subscription.next_billing_at if due.due_at <= now else due.due_at
        yield (opened_at, within, subscription.id, due.period.ordinal), subscription, due, price, reckoning


def _priced(
    subscription: Row[Any], reckoning: Reckoning, *, now: datetime, until: datetime
) -> Iterator[tuple[DuePeriod, Price | None]]:
    """Its periods as they will be opened, each with another price than it is pinned to; None: with that one.

    Each is reckoned before the next is asked for: what it used up tells what is to be decided then.
    """
    changes = ForeseenChanges(subscription, reckoning, now=now)
    for due in due_periods(subscription, now=now, until=until):
        if isinstance(due, Skip):
            continue
        if not changes.is_over:
            changes.come_to(due)
        if changes.is_over:
            return
        yield due, changes.price
