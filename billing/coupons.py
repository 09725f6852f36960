"""Coupons: make one, close one, let a subscription have one. Its terms are those of when the subscription got it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Any

from billing import promotions
from billing.calendars import calendar_of
from billing.change_subscription import lock_subscription
from billing.one_off_items import next_due, refuse_without_next
from domain.coupon import MOST_PERIODS, MOST_REDEMPTIONS, Discount, read_code
from domain.errors import BadInput, Conflict, NotFound
from domain.instants import ONE_DAY, civil_date, instant_of
from domain.subscription import BILLABLE
from models.ids import new_id
from models.queries import coupon as queries
from models.queries import installation

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from sqlalchemy import Row

    from billing.change_subscription import By
    from models.session import Database, Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class CouponTerms:
    """What a coupon is: ``periods`` None: for ever; ``limit`` None: any number; no ``plans``: for all.

    ``until`` is the last civil day on which a subscription can get it; None: any.
    """

    code: str
    discount: Discount
    periods: int | None = None
    until: date | None = None
    limit: int | None = None
    plans: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """A subscription has a coupon: from which period on, and what its base costs then without it and with it, in won.

    ``periods`` None: for ever. ``due_at``: when the first of them is charged, UTC; None: it is not billed now.
    ``ends_at``: when it is decided whether it ends, as the first period without it is charged; None: it goes on, or
    its end is planned once it is billed.
    """

    subscription_id: UUID
    code: str
    periods: int | None
    ordinal: int
    due_at: datetime | None
    amount: int
    lowered: int
    ends_at: datetime | None


def add_coupon(database: Database, terms: CouponTerms, *, zone_name: str, by: By, dry_run: bool = False) -> CouponTerms:
    """Make a coupon, in one commit with one audit entry.

    Args:
        database: Where it is kept.
        terms: What it is.
        zone_name: The zone of ``until``.
        by: Who asks, and why.
        dry_run: Only check.

    Raises:
        BadInput: A term cannot be used; the sentence says what can.
        NotFound: There is no such plan.
        Conflict: There is a coupon of that code.
    """
    _check(terms)
    with database.transaction() as tx:
        if terms.until is not None and terms.until < civil_date(tx.now, zone_name):
            raise BadInput(f"--until {terms.until} is past; give today or a later day")
        plans = queries.plan_ids(tx, terms.plans)
        for code in terms.plans:
            if code not in plans:
                raise NotFound(f"there is no plan {code!r}; `jeonggi plan list` tells which there are")
        if queries.lock_coupon(tx, terms.code) is not None:
            raise Conflict(_is_anothers(terms.code))
        if not dry_run:
            coupon_id = new_id(tx.real)
            row = {
                "id": coupon_id,
                "code": terms.code,
                "percent": terms.discount.percent,
                "won": terms.discount.won,
                "periods": terms.periods,
                "redeem_before": None
                if terms.until is None
                else instant_of(terms.until + ONE_DAY, time.min, zone_name),
                "redemption_limit": terms.limit,
            }
            if not queries.add_coupon(tx, row, [plans[code] for code in terms.plans]):
                raise Conflict(_is_anothers(terms.code))
            _audit(tx, "coupon.added", coupon_id, by, code=terms.code)
    return terms


def close_coupon(database: Database, code: str, *, by: By, dry_run: bool = False) -> int:
    """Let nobody get a coupon any more; who has it keeps it. Gives how many have or had it.

    Raises:
        NotFound, Conflict: There is none, or it is closed.
    """
    with database.transaction() as tx:
        found = _locked(tx, code)
        if found.closed_at is not None:
            raise Conflict(f"coupon {found.code} is closed since {found.closed_at} already")
        if not dry_run:
            queries.close_coupon(tx, found.id)
            _audit(tx, "coupon.closed", found.id, by, code=found.code)
    return int(found.redeemed)


def apply_coupon(database: Database, subscription_id: UUID, code: str, *, by: By, dry_run: bool = False) -> Applied:
    """Let a subscription have a coupon from its next invoice on.

    Raises:
        NotFound: There is no such subscription or coupon.
        Conflict: No invoice follows; it cannot be had any more or for this plan; it, or another, was had before; or
            another price is ahead, which is decided first.
    """
    with database.transaction() as tx:
        subscription = lock_subscription(tx, subscription_id)
        refuse_without_next(subscription)
        found = _locked(tx, code)
        agreed = queries.agreed(tx, subscription_id)
        _refuse_over(tx, found)
        if found.plans and agreed.plan not in found.plans:
            raise Conflict(
                f"coupon {found.code} is for {', '.join(found.plans)}, and the subscription has {agreed.plan}"
            )
        for had in queries.redemptions_of(tx, subscription_id):
            if had.code == found.code:
                raise Conflict(
                    f"subscription {subscription_id} had coupon {found.code} since {had.redeemed_at} already"
                )
            if had.ended_at is None:
                raise Conflict(
                    f"subscription {subscription_id} has coupon {had.code}: one at a time, another once it has ended"
                )
        ends_at = _ends_at(tx, subscription, found)
        if not dry_run:
            _redeem(tx, subscription_id, found, by)
            promotions.plan_ends(tx, [subscription_id], actor=by.actor)
    off = Discount(percent=found.percent, won=found.won).off(agreed.amount)
    return Applied(
        subscription_id=subscription_id,
        code=found.code,
        periods=found.periods,
        ordinal=subscription.ordinal + 1,
        due_at=next_due(subscription),
        amount=agreed.amount,
        lowered=agreed.amount - off,
        ends_at=ends_at,
    )


def _ends_at(tx: Transaction, subscription: Row[Any], found: Row[Any]) -> datetime | None:
    """When the end of a coupon that is to be had is decided; None: it has none, or nobody knows yet.

    Raises:
        Conflict: Another price is ahead, and its period is to be decided by that. A trial's end does not mind.
    """
    if found.periods is None or subscription.in_trial:
        return None
    if subscription.changes_at is not None:
        raise Conflict(
            f"a change of price is ahead of subscription {subscription.id}, at {subscription.changes_at}, and coupon"
            f" {found.code} would end beside it; give the coupon after that, or take the change back with `jeonggi"
            " price-change withdraw`"
        )
    if subscription.state not in BILLABLE:
        return None
    end = promotions.end_after(
        calendar_of(subscription), first=subscription.ordinal + 1, left=found.periods, now=tx.now
    )
    return None if end is None else end.at


def list_coupons(tx: Transaction, *, over: bool, limit: int) -> Sequence[Row[Any]]:
    """Coupons, the newest first; ``over``: also those that nobody can get any more."""
    return queries.list_coupons(tx, over=over, limit=limit)


def _check(terms: CouponTerms) -> None:
    if terms.periods is not None and not 1 <= terms.periods <= MOST_PERIODS:
        raise BadInput(f"--periods {terms.periods} cannot be used; give 1 to {MOST_PERIODS:,}, or none for ever")
    if terms.limit is not None and not 1 <= terms.limit <= MOST_REDEMPTIONS:
        raise BadInput(f"--limit {terms.limit} cannot be used; give 1 to {MOST_REDEMPTIONS:,}, or none for any number")


def _locked(tx: Transaction, code: str) -> Row[Any]:
    found = queries.lock_coupon(tx, read_code(code))
    if found is None:
        raise NotFound(f"there is no coupon {read_code(code)}; `jeonggi coupon list --all` tells which there are")
    return found


def _refuse_over(tx: Transaction, found: Row[Any]) -> None:
    if found.closed_at is not None:
        raise Conflict(f"coupon {found.code} is closed since {found.closed_at}")
    if found.redeem_before is not None and found.redeem_before <= tx.now:
        raise Conflict(f"coupon {found.code} could be had until {found.redeem_before}")
    if found.redemption_limit is not None and found.redeemed >= found.redemption_limit:
        raise Conflict(f"coupon {found.code} was given {found.redeemed:,} times, which is its limit")


def _redeem(tx: Transaction, subscription_id: UUID, found: Row[Any], by: By) -> None:
    queries.redeem(
        tx,
        {
            "id": new_id(tx.real),
            "subscription_id": subscription_id,
            "coupon_id": found.id,
            "percent": found.percent,
            "won": found.won,
            "periods": found.periods,
            "used": 0,
            "redeemed_at": tx.now,
        },
    )
    told = installation.event(
        tx, "subscription.coupon_applied", subscription_id=subscription_id, code=found.code, periods=found.periods
    )
    installation.write_events(tx, [told])
    installation.write_audit(
        tx,
        actor=by.actor,
        action="subscription.coupon_applied",
        subject="subscription",
        subject_id=subscription_id,
        reason=by.reason,
        code=found.code,
    )


def _audit(tx: Transaction, action: str, coupon_id: UUID, by: By, *, code: str) -> None:
    installation.write_audit(
        tx, actor=by.actor, action=action, subject="coupon", subject_id=coupon_id, reason=by.reason, code=code
    )


def _is_anothers(code: str) -> str:
    return f"there is a coupon {code} already; give another code, or see `jeonggi coupon list --all`"
