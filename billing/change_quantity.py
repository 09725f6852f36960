"""A subscription gets another quantity, seats for example, from its next period on that is not opened yet.

It is the customer's own act, and no rise of a price: the unit costs what it did. What is opened keeps its amount.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from billing.change_subscription import lock_subscription
from billing.forecast import expect_item
from billing.one_off_items import next_due, refuse_too_much, refuse_without_next
from domain.errors import BadInput, Conflict
from domain.price import refuse_too_much as refuse_quantity
from models.queries import installation, price

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from billing.change_subscription import By
    from models.session import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class Requantified:
    """Another quantity: won a period before and after, the first period that has it, when that is due (UTC).

    ``due_at`` None: it is paused, within a trial, or has no card yet.
    """

    subscription_id: UUID
    old_quantity: int
    new_quantity: int
    old_won: int
    new_won: int
    ordinal: int
    due_at: datetime | None


def change_quantity(
    database: Database, subscription_id: UUID, quantity: int, *, by: By, dry_run: bool = False
) -> Requantified:
    """Give a subscription another quantity from its next period on, or only tell what it comes to.

    Raises:
        NotFound, Conflict: There is none, it has ended or will before that period, or has that quantity already.
        BadInput: So many cannot be charged at once.
    """
    if quantity < 1:
        raise BadInput(f"quantity {quantity} is below 1; `jeonggi subscription cancel` ends it")
    with database.transaction() as tx:
        subscription = lock_subscription(tx, subscription_id)
        refuse_without_next(subscription)
        (row,) = price.lock_named(tx, [subscription_id])
        if row.quantity == quantity:
            raise Conflict(f"subscription {subscription_id} has {quantity:,} already")
        refuse_quantity(amount=row.amount, quantity=quantity)
        more = (quantity - row.quantity) * row.amount
        if more > 0:
            refuse_too_much(tx, subscription_id, more)
        changed = Requantified(
            subscription_id=subscription_id,
            old_quantity=row.quantity,
            new_quantity=quantity,
            old_won=row.quantity * row.amount,
            new_won=quantity * row.amount,
            ordinal=subscription.ordinal + 1,
            due_at=next_due(subscription),
        )
        if not dry_run:
            price.write_quantity(tx, subscription_id, quantity)
            if more > 0:
                expect_item(tx, subscription_id, won=more)
            told: dict[str, Any] = {
                "old_quantity": changed.old_quantity,
                "new_quantity": changed.new_quantity,
                "old_won": changed.old_won,
                "new_won": changed.new_won,
                "ordinal": changed.ordinal,
            }
            installation.write_events(
                tx,
                [installation.event(tx, "subscription.quantity_changed", subscription_id=subscription_id, **told)],
            )
            installation.write_audit(
                tx,
                actor=by.actor,
                action="subscription.quantity_changed",
                subject="subscription",
                subject_id=subscription_id,
                reason=by.reason,
                **told,
            )
        return changed
