"""A subscription gets another quantity, seats for example: from its next period on, or within the one that runs, too.

It is the customer's own act, and no rise of a price: the unit costs what it did. What is opened keeps its amount; what
a period that runs is worth more or less from today on is settled by ``billing/change_within_period.py``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from billing.change_subscription import lock_subscription
from billing.change_within_period import ChangeWithin
from billing.forecast import expect_item
from billing.one_off_items import next_due, refuse_too_much, refuse_without_next
from domain.errors import BadInput, Conflict
from domain.price import refuse_too_much as refuse_quantity
from models.queries import installation, price

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import Row

    from billing.change_subscription import By
    from billing.change_within_period import Settled
    from models.session import Database, Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Requantified:
    """Another quantity: won a period before and after, the first whole period that has it, when that is due (UTC).

    ``due_at`` None: it is paused, within a trial, or has no card yet. ``settled``: what it comes to for the rest of the
    period that runs; None: that one stays as it is.
    """

    subscription_id: UUID
    old_quantity: int
    new_quantity: int
    old_won: int
    new_won: int
    ordinal: int
    due_at: datetime | None
    settled: Settled | None = None


def change_quantity(
    database: Database, subscription_id: UUID, quantity: int, *, now: bool = False, by: By, dry_run: bool = False
) -> Requantified:
    """Give a subscription another quantity, or only tell what it comes to.

    Args:
        database: Where it is kept.
        subscription_id: Whose.
        quantity: Units of its plan.
        now: Within the period that runs, too; else from the next one on that is not opened yet.
        by: Who asks, and why.
        dry_run: Only tell.

    Raises:
        NotFound, Conflict: There is none, it has ended or will before that period, or has that quantity already; with
            ``now``: nothing within its period can be changed.
        BadInput: So many cannot be charged at once.
    """
    if quantity < 1:
        raise BadInput(f"quantity {quantity} is below 1; `jeonggi subscription cancel` ends it")
    with database.transaction() as tx:
        subscription = lock_subscription(tx, subscription_id)
        (row,) = price.lock_named(tx, [subscription_id])
        within = None
        if now:
            refuse_quantity(amount=row.amount, quantity=quantity)
            within = ChangeWithin(
                tx,
                subscription,
                lambda each: replace(each.rate, quantity=quantity),
                description=f"{quantity:,} of {row.plan}",
            )
        else:
            refuse_without_next(subscription)
        _refuse(tx, row, quantity, within)
        changed = Requantified(
            subscription_id=subscription_id,
            old_quantity=row.quantity,
            new_quantity=quantity,
            old_won=row.quantity * row.amount,
            new_won=quantity * row.amount,
            ordinal=subscription.ordinal + 1,
            due_at=next_due(subscription),
            settled=None if within is None else within.settled,
        )
        if not dry_run:
            _write(tx, changed, by)
            if within is not None:
                within.write(by)
        return changed


def _refuse(tx: Transaction, row: Row[Any], quantity: int, within: ChangeWithin | None) -> None:
    has_already = row.quantity == quantity
    if within is not None:
        has_already = has_already and all(each.rate.quantity == quantity for each in within.periods)
    if has_already:
        raise Conflict(f"subscription {row.id} has {quantity:,} already")
    refuse_quantity(amount=row.amount, quantity=quantity)
    more = (quantity - row.quantity) * row.amount
    if more > 0:
        refuse_too_much(tx, row.id, more)


def _write(tx: Transaction, changed: Requantified, by: By) -> None:
    price.write_quantity(tx, changed.subscription_id, changed.new_quantity)
    more = changed.new_won - changed.old_won
    if more > 0:
        expect_item(tx, changed.subscription_id, won=more)
    told: dict[str, Any] = {
        "old_quantity": changed.old_quantity,
        "new_quantity": changed.new_quantity,
        "old_won": changed.old_won,
        "new_won": changed.new_won,
        "ordinal": changed.ordinal,
        **({} if changed.settled is None else changed.settled.as_data()),
    }
    installation.write_events(
        tx,
        [installation.event(tx, "subscription.quantity_changed", subscription_id=changed.subscription_id, **told)],
    )
    installation.write_audit(
        tx,
        actor=by.actor,
        action="subscription.quantity_changed",
        subject="subscription",
        subject_id=changed.subscription_id,
        reason=by.reason,
        **told,
    )
