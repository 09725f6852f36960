"""Under which terms does a new subscription of a file begin: its trial, its price, what its customer agreed to before?

Never more than was paid last, but with a consent that is fresh enough; never paid after a trial but by a decision.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import time
from typing import TYPE_CHECKING, Any

from billing.price_changes import change_row, effective_at
from domain.billing_period import Billed
from domain.consent import CONSENT_WITHIN, Answer, ChangeKind
from domain.errors import BadInput
from domain.instants import ONE_DAY, civil_date, instant_of
from models.ids import new_id

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date, datetime
    from uuid import UUID

    from sqlalchemy import Row

    from domain.billing_period import Calendar
    from domain.subscription_row import SubscriptionRow
    from models.session import Transaction

#: Who writes down, and through what, what a file tells.
_FILE = "import"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pinned:
    """The price that a new subscription begins with, in won a unit.

    ``is_consented``: it is more than was paid last, and its customer agreed. ``is_kept``: an older one of its plan.
    """

    plan_price_id: UUID
    amount: int
    is_consented: bool = False
    is_kept: bool = False


def trial_day(row: SubscriptionRow, plan: Row[Any], *, now: datetime) -> date | None:
    """The first day that a new subscription pays, if it has a trial: as its row says, or as its plan does.

    Raises:
        BadInput: The trial is over, and the row does not say what was paid since.
    """
    today = civil_date(now, row.timezone)
    if row.trial_until is not None and plan.billed == Billed.IN_ARREARS:
        raise BadInput(
            f"trial_until: plan {row.plan!r} is billed in arrears, and nothing is paid before its first period is over;"
            " leave it empty, and give a coupon for what is to be free"
        )
    if row.trial_until is not None:
        if row.trial_until <= today:
            raise BadInput(
                f"trial_until {row.trial_until} has come; give that day as started_on, with last_paid_amount or"
                " paid_through"
            )
        return row.trial_until
    if plan.trial_days is None or row.paid_through is not None or row.last_paid_amount is not None:
        return None
    until: date = row.started_on + plan.trial_days * ONE_DAY
    if until <= today:
        raise BadInput(f"its trial was over on {until}; say what was paid since: last_paid_amount or paid_through")
    return until


def pinned(
    row: SubscriptionRow,
    plan: Row[Any],
    prices: Sequence[Row[Any]],
    *,
    is_trial: bool,
    first_at: datetime,
    now: datetime,
) -> Pinned:
    """The price that a new subscription is pinned to: never more than was paid last, but with consent.

    ``prices``: all that its plan had until now, the newest first. ``first_at``: when its first period is due.

    Raises:
        BadInput: It would pay more than before.
    """
    count, last = row.quantity or 1, row.last_paid_amount
    if row.consented_on is not None and last is None and not is_trial:
        raise BadInput("last_paid_amount is empty; consent to a price is told with what was paid before it")
    if last is None or count * plan.amount <= last:
        return Pinned(plan_price_id=plan.plan_price_id, amount=plan.amount)
    if row.consented_on is not None and max(first_at, now) - CONSENT_WITHIN <= _given_at(row) <= now:
        return Pinned(plan_price_id=plan.plan_price_id, amount=plan.amount, is_consented=True)
    for price in prices:
        if price.plan_id == plan.id and count * price.amount <= last:
            return Pinned(plan_price_id=price.id, amount=price.amount, is_kept=True)
    raise BadInput(
        f"plan {row.plan!r} costs {count * plan.amount:,} won, more than the {last:,} paid last, and no price that it"
        f" had is so low; give consented_on, at most {CONSENT_WITHIN.days} days before the charge, with consent_ref"
    )


def consent_row(
    tx: Transaction,
    row: SubscriptionRow,
    *,
    subscription_id: UUID,
    price_change_id: UUID | None,
    new_won: int,
    effective_at: datetime,
) -> dict[str, Any]:
    """What a customer had agreed to before they came to us, as the file tells it. Won a period."""
    return {
        "id": new_id(tx.real),
        "subscription_id": subscription_id,
        "price_change_id": price_change_id,
        "answer": Answer.AGREED,
        "given_at": _given_at(row),
        "through": _FILE,
        "text_version": None,
        "ref": row.consent_ref,
        "old_won": row.last_paid_amount or 0,
        "new_won": new_won,
        "effective_at": effective_at,
        "recorded_by": _FILE,
        "recorded_at": tx.now,
    }


def conversion(tx: Transaction, created: Mapping[str, Any], plan: Row[Any], calendar: Calendar) -> dict[str, Any]:
    """The change that makes the trial of a new subscription paid, from its first period on."""
    return change_row(
        tx,
        subscription_id=created["id"],
        kind=ChangeKind.CONVERSION,
        from_price_id=None,
        to_price_id=created["plan_price_id"],
        old_won=0,
        new_won=created["quantity"] * plan.amount + plan.setup_fee,
        from_ordinal=0,
        effective_at=effective_at(calendar, 0, ChangeKind.CONVERSION),
        otherwise=plan.without_consent,
        planned_by=_FILE,
    )


def _given_at(row: SubscriptionRow) -> datetime:
    """The first instant of the day of a consent."""
    if row.consented_on is None:
        raise BadInput("consented_on is empty; give the day on which the customer agreed")
    return instant_of(row.consented_on, time.min, row.timezone)
