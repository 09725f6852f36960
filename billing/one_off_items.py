"""Put something on a subscription's next invoice, once; or take it back while no invoice has it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from billing.change_subscription import lock_subscription
from billing.forecast import expect_item
from domain.errors import BadInput, Conflict, NotFound
from domain.price import MAXIMUM_AMOUNT
from domain.stop import Stop
from domain.subscription import BILLABLE, SubscriptionState
from models.ids import new_id
from models.queries import installation
from models.queries import item as queries

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import Row

    from billing.change_subscription import By
    from domain.invoice_line import Item
    from models.session import Database, Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemWaits:
    """An item, in won, and the period whose invoice will have it: the next one.

    ``due_at``: when that is charged, UTC; None: the subscription is not billed now, and another period may be the next.
    """

    item_id: UUID
    subscription_id: UUID
    description: str
    amount: int
    ordinal: int
    due_at: datetime | None


def add_item(database: Database, subscription_id: UUID, item: Item, *, by: By, dry_run: bool = False) -> ItemWaits:
    """Let an item wait for the next invoice of a subscription, in one commit with one audit entry.

    Args:
        database: Where it is kept.
        subscription_id: Whose next invoice.
        item: What is owed.
        by: Who asks, and why.
        dry_run: Only say what would be written.

    Raises:
        NotFound, Conflict: There is no such subscription, or no invoice of it follows.
        BadInput: It would be more than can be charged at once.
    """
    with database.transaction() as tx:
        subscription = lock_subscription(tx, subscription_id)
        refuse_without_next(subscription)
        won = item.quantity * item.unit_amount
        refuse_too_much(tx, subscription_id, won)
        waits = ItemWaits(
            item_id=new_id(tx.real),
            subscription_id=subscription_id,
            description=item.description,
            amount=won,
            ordinal=subscription.ordinal + 1,
            due_at=next_due(subscription),
        )
        if not dry_run:
            queries.add_item(
                tx,
                {
                    "id": waits.item_id,
                    "subscription_id": subscription_id,
                    "description": item.description,
                    "quantity": item.quantity,
                    "unit_amount": item.unit_amount,
                    "unit_tax_free": item.unit_tax_free,
                    "added_by": by.actor,
                    "reason": by.reason,
                    "added_at": tx.now,
                },
            )
            expect_item(tx, subscription_id, won=won)
            _tell(tx, "item.added", waits, by)
    return waits


def remove_item(database: Database, item_id: UUID, *, by: By, dry_run: bool = False) -> ItemWaits:
    """Take back an item that waits: it is never owed.

    Raises:
        NotFound, Conflict: There is none, an invoice has it already, or it was removed before.
    """
    with database.transaction() as tx:
        owner = queries.owner_of(tx, item_id)
        if owner is None:
            raise NotFound(f"there is no item {item_id}; `jeonggi item list` tells which wait")
        subscription = lock_subscription(tx, owner)
        row = queries.item(tx, item_id)
        if row.invoice_id is not None:
            raise Conflict(
                f"invoice {row.invoice_id} has item {item_id} already: `jeonggi credit grant` gives it back, or"
                " `jeonggi refund request` once it is paid"
            )
        if row.removed_at is not None:
            raise Conflict(f"item {item_id} was removed at {row.removed_at} already")
        waited = ItemWaits(
            item_id=item_id,
            subscription_id=owner,
            description=row.description,
            amount=row.quantity * row.unit_amount,
            ordinal=subscription.ordinal + 1,
            due_at=next_due(subscription),
        )
        if not dry_run:
            queries.remove_item(tx, item_id)
            _tell(tx, "item.removed", waited, by)
    return waited


def next_due(subscription: Row[Any]) -> datetime | None:
    """When the next invoice of a subscription is due, UTC; None: it is paused, or has no card yet."""
    found: datetime | None = subscription.next_billing_at if subscription.state in BILLABLE else None
    return found


def refuse_without_next(subscription: Row[Any]) -> None:
    """Refuse a subscription, locked, that no invoice follows for.

    Raises:
        Conflict: It has ended, or ends before its next period.
    """
    if subscription.state == SubscriptionState.ENDED:
        raise Conflict(f"subscription {subscription.id} has ended ({subscription.ended_reason}): no invoice follows")
    ends = subscription.stops_as == Stop.CANCEL and subscription.stops_before <= subscription.ordinal + 1
    if ends:
        raise Conflict(
            f"subscription {subscription.id} ends at {subscription.stops_at}, and no invoice follows; `jeonggi"
            f" subscription keep {subscription.id}` lets it go on"
        )


def refuse_too_much(tx: Transaction, subscription_id: UUID, won: int) -> None:
    """Refuse what would make the next invoice of a locked subscription more than can be charged at once.

    Raises:
        BadInput: The sentence tells how much is too much.
    """
    already = queries.owed_next(tx, subscription_id)
    if already + won > MAXIMUM_AMOUNT:
        raise BadInput(
            f"the next invoice has {already:,} won already, and with {won:,} more it is above {MAXIMUM_AMOUNT:,} won;"
            f" at most {MAXIMUM_AMOUNT - already:,} can be put on it"
        )


def _tell(tx: Transaction, kind: str, item: ItemWaits, by: By) -> None:
    told = installation.event(
        tx,
        kind,
        subscription_id=item.subscription_id,
        item_id=str(item.item_id),
        description=item.description,
        amount=item.amount,
    )
    installation.write_events(tx, [told])
    installation.write_audit(
        tx,
        actor=by.actor,
        action=kind,
        subject="subscription",
        subject_id=item.subscription_id,
        reason=by.reason,
        item_id=str(item.item_id),
        amount=item.amount,
    )
