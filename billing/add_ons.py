"""What a subscription owes with every period beside its plan: from its next invoice on, until it ends or is ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from billing.change_subscription import lock_subscription
from billing.forecast import expect_item
from billing.one_off_items import next_due, refuse_too_much, refuse_without_next
from domain.coupon import MOST_PERIODS
from domain.errors import BadInput, Conflict, NotFound
from models.ids import new_id
from models.queries import add_on as queries
from models.queries import installation

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import Row

    from billing.change_subscription import By
    from domain.invoice_line import Item
    from models.session import Database, Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class AddOnRuns:
    """An add-on: won a period, and the periods that owe it: from ``first`` on, not with ``until``; None: for ever.

    ``due_at``: when the next period is charged, UTC; None: it is not billed now.
    """

    add_on_id: UUID
    subscription_id: UUID
    description: str
    amount: int
    first: int
    until: int | None
    due_at: datetime | None


def add_add_on(
    database: Database, subscription_id: UUID, item: Item, *, periods: int | None, by: By, dry_run: bool = False
) -> AddOnRuns:
    """Let a subscription owe something with every period from its next invoice on.

    Args:
        database: Where it is kept.
        subscription_id: Whose.
        item: What it costs a period.
        periods: For so many; None: as long as the subscription lasts.
        by: Who asks, and why.
        dry_run: Only say what would be written.

    Raises:
        NotFound, Conflict: There is no such subscription, or no invoice of it follows.
        BadInput: Too many periods, or it would be more than can be charged at once.
    """
    if periods is not None and not 1 <= periods <= MOST_PERIODS:
        raise BadInput(f"--periods {periods} cannot be used; give 1 to {MOST_PERIODS:,}, or none for ever")
    with database.transaction() as tx:
        subscription = lock_subscription(tx, subscription_id)
        refuse_without_next(subscription)
        won = item.quantity * item.unit_amount
        refuse_too_much(tx, subscription_id, won)
        first = subscription.ordinal + 1
        until = None if periods is None else first + periods
        runs = _runs(subscription, new_id(tx.real), item.description, won, (first, until))
        if not dry_run:
            queries.add(
                tx,
                {
                    "id": runs.add_on_id,
                    "subscription_id": subscription_id,
                    "description": item.description,
                    "quantity": item.quantity,
                    "unit_amount": item.unit_amount,
                    "unit_tax_free": item.unit_tax_free,
                    "first_ordinal": first,
                    "until_ordinal": until,
                    "added_by": by.actor,
                    "reason": by.reason,
                    "added_at": tx.now,
                },
            )
            expect_item(tx, subscription_id, won=won)
            _tell(tx, "subscription.add_on_added", runs, by)
    return runs


def end_add_on(database: Database, add_on_id: UUID, *, by: By, dry_run: bool = False) -> AddOnRuns:
    """Let no later period owe an add-on; what is opened already keeps it.

    Raises:
        NotFound, Conflict: There is none, or no later period owes it.
    """
    with database.transaction() as tx:
        owner = queries.owner_of(tx, add_on_id)
        if owner is None:
            raise NotFound(f"there is no add-on {add_on_id}; `jeonggi add-on list` tells which there are")
        subscription = lock_subscription(tx, owner)
        row = queries.add_on(tx, add_on_id)
        until = max(subscription.ordinal + 1, row.first_ordinal)
        if row.until_ordinal is not None and row.until_ordinal <= until:
            raise Conflict(f"add-on {add_on_id} ends before period {row.until_ordinal} already")
        runs = _runs(
            subscription, add_on_id, row.description, row.quantity * row.unit_amount, (row.first_ordinal, until)
        )
        if not dry_run:
            queries.end(tx, add_on_id, until=until)
            _tell(tx, "subscription.add_on_ended", runs, by)
    return runs


def _runs(
    subscription: Row[Any], add_on_id: UUID, description: str, won: int, span: tuple[int, int | None]
) -> AddOnRuns:
    return AddOnRuns(
        add_on_id=add_on_id,
        subscription_id=subscription.id,
        description=description,
        amount=won,
        first=span[0],
        until=span[1],
        due_at=next_due(subscription),
    )


def _tell(tx: Transaction, kind: str, runs: AddOnRuns, by: By) -> None:
    told: dict[str, Any] = {
        "add_on_id": str(runs.add_on_id),
        "amount": runs.amount,
        "first": runs.first,
        "until": runs.until,
    }
    installation.write_events(
        tx,
        [installation.event(tx, kind, subscription_id=runs.subscription_id, description=runs.description, **told)],
    )
    installation.write_audit(
        tx,
        actor=by.actor,
        action=kind,
        subject="subscription",
        subject_id=runs.subscription_id,
        reason=by.reason,
        **told,
    )
