"""Subscriptions are moved to another version of their plan's price: from the first period on that may cost it.

That is the first one not opened yet, none that starts before the version's day, and for a rise none that is charged
within the days of its notice. What costs more is planned, and made only with the customer's consent
(``billing.price_changes``). What refuses one named subscription refuses all of them. A whole version is moved in chunks
of 500, each a commit with its audit; begun again it goes on where it was.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from billing import promotions
from billing.calendars import calendar_of
from billing.change_prices import named_version, versions_of
from billing.price_changes import change_row, effective_at
from domain.consent import NOTICE_AHEAD, ChangeKind, needs_consent
from domain.errors import BadInput, Conflict, NotFound
from domain.price import refuse_too_much
from domain.subscription import SubscriptionState
from models.queries import consent, installation
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
    """A subscription that is moved. Won a period; ``ordinal`` is the first period that costs ``new_won``.

    ``decided_at``: when it is decided, as that period is charged; None: it is moved at once. UTC.
    """

    subscription_id: UUID
    customer_ref: str
    quantity: int
    old_won: int
    new_won: int
    ordinal: int
    period_start: datetime
    decided_at: datetime | None
    asks_consent: bool


@dataclass(slots=True)
class Moved:
    """What a move comes to, or would. Won a period."""

    plan: str
    to_version: int
    moved: int = 0
    old_won: int = 0
    new_won: int = 0
    prices: Counter[tuple[int, int]] = field(default_factory=Counter)  # subscriptions by (old, new) won a period
    planned: int = 0  # of those moved, so many are decided only when their period is due
    asks_consent: int = 0  # and so many of them only if their customer has consented
    first_start: datetime | None = None  # of the periods from which on the new price is owed
    last_start: datetime | None = None
    standing: int = 0  # have it already, or are to
    left: int = 0  # their trial is over before a notice could be given, or their coupon's end is ahead: they stay
    told: list[MovedOne] = field(default_factory=list)

    def add(self, one: MovedOne) -> None:
        """Count one that is moved."""
        self.moved += 1
        self.old_won += one.old_won
        self.new_won += one.new_won
        self.prices[one.old_won, one.new_won] += 1
        self.planned += one.decided_at is not None
        self.asks_consent += one.asks_consent
        self.first_start = min(self.first_start or one.period_start, one.period_start)
        self.last_start = max(self.last_start or one.period_start, one.period_start)
        if len(self.told) < TOLD:
            self.told.append(one)


def move_version(
    database: Database, plan: str, *, from_version: int, to_version: int, by: By, dry_run: bool = False
) -> Moved:
    """Move every subscription of one version of a plan's price to another one.

    Those are left whose trial is over too soon, or ahead of which the end of a coupon is: what was said to that counts.

    Raises:
        NotFound: There is no such plan or version.
        BadInput: Both versions are one.
    """
    if from_version == to_version:
        raise BadInput(f"version {to_version} is both where they are and where they go; name two versions")
    with database.reading() as tx:
        rows = versions_of(tx, plan)
        source, target = named_version(rows, plan, from_version), named_version(rows, plan, to_version)
    moved = Moved(plan=plan, to_version=to_version)
    after: UUID | None = None
    while True:
        with database.transaction() as tx:
            page = queries.lock_pinned(tx, source.id, after=after, limit=CHUNK)
            moving = [row for row in page if row.planned_price_id != target.id]
            chosen = [row for row in moving if not _is_too_late(tx, row) and not row.in_promotion]
            done = _move(tx, chosen, target, by, dry_run=dry_run)
        moved.standing += len(page) - len(moving)
        moved.left += len(moving) - len(chosen)
        for one in done:
            moved.add(one)
        if len(page) < CHUNK:
            return moved
        after = page[-1].id


def move_named(
    database: Database, ids: Sequence[UUID], *, to_version: int | None, by: By, dry_run: bool = False
) -> Moved:
    """Move subscriptions of one plan to a version of its price; None: the one in force now. All of them, or none.

    Where the end of a coupon is ahead, the coupon goes on, and its end is planned anew once the move is made.

    Raises:
        NotFound: There is no such subscription or version.
        BadInput: They are too many, or not of one plan.
        Conflict: One has ended, or its trial is over before a notice could be given.
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
        chosen = [row for row in rows if target.id != (row.planned_price_id or row.plan_price_id)]
        for row in chosen:
            _refuse_named(tx, row)
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
    done = [_moved(tx, row, target) for row in rows]
    if dry_run or not done:
        return done
    pairs = list(zip(rows, done, strict=True))
    at_once = [row for row, one in pairs if one.decided_at is None]
    planned = [(row, one) for row, one in pairs if one.decided_at is not None]
    consent.withdraw_planned(tx, [row.id for row in rows])
    consent.free_price(tx, [row.id for row in at_once])
    consent.plan_changes(
        tx,
        [_planned(tx, row, one, target, by) for row, one in planned],
        [{"id": row.id, "changes_from": one.ordinal, "changes_at": one.decided_at} for row, one in planned],
    )
    queries.write_moved(
        tx,
        subscriptions=[{"id": row.id, "plan_price_id": target.id} for row in at_once],
        audits=[
            {
                "occurred_at": tx.now,
                "actor": by.actor,
                "action": "subscription.price_planned" if one.decided_at else "subscription.price_moved",
                "subject": "subscription",
                "subject_id": row.id,
                "reason": by.reason,
                "details": _told(row, one, target),
            }
            for row, one in pairs
        ],
        events=[
            installation.event(tx, "subscription.price_planned", subscription_id=row.id, **_told(row, one, target))
            if one.decided_at
            else installation.event(tx, "subscription.price_moved", subscription_id=row.id, **_told(row, one, target))
            for row, one in pairs
        ],
    )
    promotions.plan_ends(tx, [row.id for row in at_once], actor=by.actor)
    return done


def _planned(tx: Transaction, row: Row[Any], one: MovedOne, target: Row[Any], by: By) -> dict[str, Any]:
    return change_row(
        tx,
        subscription_id=row.id,
        kind=_kind(row),
        from_price_id=None if row.in_trial else row.plan_price_id,
        to_price_id=target.id,
        old_won=one.old_won,
        new_won=one.new_won,
        from_ordinal=one.ordinal,
        effective_at=one.decided_at,
        otherwise=row.without_consent,
        planned_by=by.actor,
    )


def _told(row: Row[Any], one: MovedOne, target: Row[Any]) -> dict[str, Any]:
    told = {
        "plan": row.plan,
        "to_version": target.version,
        "from_won": one.old_won,
        "to_won": one.new_won,
        "ordinal": one.ordinal,
    }
    if one.decided_at is not None:
        told |= {"at": one.decided_at.isoformat(), "asks_consent": one.asks_consent}
    return told


def _moved(tx: Transaction, row: Row[Any], target: Row[Any]) -> MovedOne:
    refuse_too_much(amount=target.amount, quantity=row.quantity)
    calendar = calendar_of(row)
    kind = _kind(row)
    asks = needs_consent(kind, old=row.amount, new=target.amount)
    ordinal = row.ordinal + 1
    if not row.in_trial:
        ordinal = max(ordinal, calendar.first_from(target.effective_from))
        while asks and effective_at(calendar, ordinal, kind) < tx.now + NOTICE_AHEAD:
            ordinal += 1
    is_at_once = not asks and ordinal == row.ordinal + 1
    return MovedOne(
        subscription_id=row.id,
        customer_ref=row.customer_ref,
        quantity=row.quantity,
        old_won=0 if row.in_trial else row.quantity * row.amount,
        # The first invoice after a trial has the setup fee.
        new_won=row.quantity * target.amount + (target.setup_fee if ordinal == 0 else 0),
        ordinal=ordinal,
        period_start=calendar.start(ordinal),
        decided_at=None if is_at_once else effective_at(calendar, ordinal, kind),
        asks_consent=asks,
    )


def _kind(row: Row[Any]) -> ChangeKind:
    return ChangeKind.CONVERSION if row.in_trial else ChangeKind.PRICE


def _is_too_late(tx: Transaction, row: Row[Any]) -> bool:
    """Its trial is to become paid too soon for a notice that tells another price."""
    return bool(row.in_trial and row.changes_at < tx.now + NOTICE_AHEAD)


def _refuse_named(tx: Transaction, row: Row[Any]) -> None:
    if row.state == SubscriptionState.ENDED:
        raise Conflict(f"subscription {row.id} has ended: it owes no more periods")
    if _is_too_late(tx, row):
        raise Conflict(
            f"the trial of subscription {row.id} is over {row.changes_at:%Y-%m-%d %H:%M} UTC, less than"
            f" {NOTICE_AHEAD.days} days from now: no notice of another price would be in time; move it after that"
        )


def withdraw_changes(
    database: Database, *, plan: str | None = None, ids: Sequence[UUID] = (), by: By, dry_run: bool = False
) -> int:
    """Take back moves to another price that are ahead, of named subscriptions or of a plan.

    The ends of trials and of coupons stay to be decided.

    Raises:
        NotFound: There is no such subscription.
        Conflict: A named one has none ahead.
    """
    with database.transaction() as tx:
        rows = consent.lock_planned(tx, plan=plan, ids=ids)
        for missing in sorted(set(ids) - {row.id for row in rows}):
            raise Conflict(f"no change of price is ahead of subscription {missing} that could be taken back")
        if rows and not dry_run:
            found = [row.id for row in rows]
            consent.withdraw_planned(tx, found)
            consent.free_price(tx, found)
            promotions.plan_ends(tx, found, actor=by.actor)
            installation.write_events(
                tx, [installation.event(tx, "subscription.price_withdrawn", subscription_id=each) for each in found]
            )
            installation.write_audit(
                tx,
                actor=by.actor,
                action="subscription.price_withdrawn",
                subject="subscription",
                subject_id=found[0] if len(found) == 1 else None,
                reason=by.reason,
                subscriptions=[str(each) for each in found],
            )
        return len(rows)
