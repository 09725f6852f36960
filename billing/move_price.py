"""Subscriptions are moved to another version of their plan's price: from their next period on that is not opened yet.

A rise needs the customer's consent (Korean law), and consent cannot be recorded in this version: only a price that is
not higher is moved to. What refuses one named subscription refuses all of them. A whole version is moved in chunks of
500, each a commit with its audit; begun again it goes on where it was.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from billing.change_prices import named_version, versions_of
from domain.errors import BadInput, Conflict, NotFound
from domain.price import refuse_too_much
from domain.subscription import SubscriptionState
from models.queries import installation
from models.queries import price as queries

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import Row

    from billing.change_subscription import By
    from models.session import Database, Transaction

#: Subscriptions in one commit; also the most that may be named.
CHUNK: Final = 500
#: Subscriptions that an answer tells one by one; their number is told whole.
TOLD: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class MovedOne:
    """A subscription that is moved. Won a period; ``ordinal`` is the first period that costs ``new_won``."""

    subscription_id: UUID
    customer_ref: str
    quantity: int
    old_won: int
    new_won: int
    ordinal: int
    period_start: datetime | None


@dataclass(slots=True)
class Moved:
    """What a move comes to, or would. Won a period."""

    plan: str
    to_version: int
    moved: int = 0
    old_won: int = 0
    new_won: int = 0
    prices: Counter[tuple[int, int]] = field(default_factory=Counter)  # subscriptions by (old, new) won a period
    first_start: datetime | None = None  # of the periods from which on the new price is owed
    last_start: datetime | None = None
    standing: int = 0  # have it already
    too_early: int = 0  # their next period begins before the version's day: they stay as they are
    told: list[MovedOne] = field(default_factory=list)

    def add(self, one: MovedOne) -> None:
        """Count one that is moved."""
        self.moved += 1
        self.old_won += one.old_won
        self.new_won += one.new_won
        self.prices[one.old_won, one.new_won] += 1
        if one.period_start is not None:
            self.first_start = min(self.first_start or one.period_start, one.period_start)
            self.last_start = max(self.last_start or one.period_start, one.period_start)
        if len(self.told) < TOLD:
            self.told.append(one)


def move_version(
    database: Database, plan: str, *, from_version: int, to_version: int, by: By, dry_run: bool = False
) -> Moved:
    """Move every subscription of one version of a plan's price to another one.

    Those whose next period begins before the new version's day are left, and counted.

    Raises:
        NotFound: There is no such plan or version.
        BadInput: Both versions are one.
        Conflict: The new price is higher.
    """
    if from_version == to_version:
        raise BadInput(f"version {to_version} is both where they are and where they go; name two versions")
    with database.reading() as tx:
        rows = versions_of(tx, plan)
        source, target = named_version(rows, plan, from_version), named_version(rows, plan, to_version)
    _refuse_rise(f"version {to_version} of plan {plan!r}", source.amount, target.amount)
    moved = Moved(plan=plan, to_version=to_version)
    after: UUID | None = None
    while True:
        with database.transaction() as tx:
            page = queries.lock_pinned(tx, source.id, after=after, limit=CHUNK)
            chosen = []
            for row in page:
                if _is_too_early(row, target):
                    moved.too_early += 1
                else:
                    chosen.append(row)
            done = _move(tx, chosen, target, by, dry_run=dry_run)
        for one in done:
            moved.add(one)
        if len(page) < CHUNK:
            return moved
        after = page[-1].id


def move_named(
    database: Database, ids: Sequence[UUID], *, to_version: int | None, by: By, dry_run: bool = False
) -> Moved:
    """Move subscriptions of one plan to a version of its price; None: the one in force now. All of them, or none.

    Raises:
        NotFound: There is no such subscription or version.
        BadInput: They are too many, or not of one plan.
        Conflict: One has ended, would pay more, or its next period begins before the version's day.
    """
    if len(ids) > CHUNK:
        raise BadInput(f"{len(ids)} subscriptions are named, more than {CHUNK}; move a version by --plan")
    with database.transaction() as tx:
        rows = queries.lock_named(tx, ids)
        for missing in sorted(set(ids) - {row.id for row in rows}):
            raise NotFound(f"there is no subscription {missing}")
        plans = sorted({row.plan for row in rows})
        if len(plans) != 1:
            raise BadInput(f"they are of {len(plans)} plans ({', '.join(plans)}); move those of one plan at a time")
        versions = versions_of(tx, plans[0])
        target = _target(versions, plans[0], to_version)
        chosen = [row for row in rows if row.plan_price_id != target.id]
        for row in chosen:
            _refuse_named(row, target)
        moved = Moved(plan=plans[0], to_version=target.version, standing=len(rows) - len(chosen))
        for one in _move(tx, chosen, target, by, dry_run=dry_run):
            moved.add(one)
    return moved


def _target(versions: Sequence[Row[Any]], plan: str, to_version: int | None) -> Row[Any]:
    if to_version is not None:
        return named_version(versions, plan, to_version)
    for row in versions:
        if row.is_in_force:
            return row
    raise NotFound(f"no price of plan {plan!r} is in force yet; say --to-version")


def _move(tx: Transaction, rows: Sequence[Row[Any]], target: Row[Any], by: By, *, dry_run: bool) -> Sequence[MovedOne]:
    done = [_moved(row, target) for row in rows]
    if not dry_run:
        details = [
            {
                "plan": row.plan,
                "to_version": target.version,
                "from_won": one.old_won,
                "to_won": one.new_won,
                "ordinal": one.ordinal,
            }
            for row, one in zip(rows, done, strict=True)
        ]
        queries.write_moved(
            tx,
            subscriptions=[{"id": row.id, "plan_price_id": target.id} for row in rows],
            audits=[
                {
                    "occurred_at": tx.now,
                    "actor": by.actor,
                    "action": "subscription.price_moved",
                    "subject": "subscription",
                    "subject_id": row.id,
                    "reason": by.reason,
                    "details": told,
                }
                for row, told in zip(rows, details, strict=True)
            ],
            events=[
                installation.event(tx, "subscription.price_moved", subscription_id=row.id, **told)
                for row, told in zip(rows, details, strict=True)
            ],
        )
    return done


def _moved(row: Row[Any], target: Row[Any]) -> MovedOne:
    refuse_too_much(amount=target.amount, quantity=row.quantity)
    return MovedOne(
        subscription_id=row.id,
        customer_ref=row.customer_ref,
        quantity=row.quantity,
        old_won=row.quantity * row.amount,
        new_won=row.quantity * target.amount,
        ordinal=row.ordinal + 1,
        period_start=row.next_billing_at,
    )


def _is_too_early(row: Row[Any], target: Row[Any]) -> bool:
    early: bool = row.next_billing_at < target.effective_from
    return early


def _refuse_named(row: Row[Any], target: Row[Any]) -> None:
    if row.state == SubscriptionState.ENDED:
        raise Conflict(f"subscription {row.id} has ended: it owes no more periods")
    _refuse_rise(f"version {target.version} for subscription {row.id}", row.amount, target.amount)
    if _is_too_early(row, target):
        raise Conflict(
            f"the next period of subscription {row.id} begins {row.next_billing_at:%Y-%m-%d %H:%M} UTC, before version"
            f" {target.version} is in force; move it once that period is opened"
        )


def _refuse_rise(what: str, old: int, new: int) -> None:
    """Source: 전자상거래법 art. 13(6): a rise needs the customer's consent, given within the 30 days before."""
    if new > old:
        raise Conflict(
            f"{what} costs {new:,} won a unit, more than the {old:,} won paid now: a rise needs the customer's consent,"
            " and consent cannot be recorded in this version; offer it to new subscriptions, or move to a lower price"
        )
