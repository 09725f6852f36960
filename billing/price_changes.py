"""Changes of price that are ahead: how one is planned, and what becomes of it once its period is due.

What costs more, a trial that becomes paid, and a coupon that ends, need the customer's consent and a notice in time;
without them the old price stays or the subscription ends, as the merchant chose. No period that one is about is opened
before it is decided.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from billing.calendars import calendar_of
from billing.change_subscription import By, change_within, lock_subscription
from domain.billing_period import SkipReason
from domain.consent import CHANGE_TABLE, ChangeEvent, ChangeKind, ChangeState, decided, lacks
from domain.errors import Conflict
from domain.states import advance
from domain.subscription import SUBSCRIPTION_TABLE, Change, SubscriptionEvent, SubscriptionState
from models.ids import new_id
from models.queries import consent, coupon, installation

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import Row

    from domain.billing_period import Calendar
    from models.session import Transaction

_NO_CONSENT = "no consent, or no notice, in time"


def effective_at(calendar: Calendar, ordinal: int, kind: ChangeKind) -> datetime:
    """When a change from a period on is decided: as it is charged, and not before a trial is over. UTC."""
    due = calendar.due_at(ordinal)
    return max(due, calendar.start(ordinal)) if kind is ChangeKind.CONVERSION else due


def change_row(
    tx: Transaction,
    **columns: Any,  # noqa: ANN401 - of the table
) -> dict[str, Any]:
    """The row of a change that is ahead from now on."""
    return {"id": new_id(tx.real), "state": ChangeState.PLANNED, "planned_at": tx.now, **columns}


def planned_of(tx: Transaction, subscription_id: UUID) -> Row[Any]:
    """The change that is ahead of a subscription, which is locked.

    Raises:
        Conflict: None is.
    """
    change = consent.planned_change(tx, subscription_id)
    if change is None:
        raise Conflict(
            f"no change of price is ahead of subscription {subscription_id}; `jeonggi price-change list` tells of which"
        )
    return change


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What is due now that nobody expected: all that a subscription owes, or so many won more a period."""

    is_billed_anew: bool = False
    rise_won: int = 0


def decide_price(tx: Transaction, subscription: Row[Any]) -> Decided:
    """Decide the change whose period is due, of a locked subscription."""
    change = planned_of(tx, subscription.id)
    kind = ChangeKind(change.kind)
    at = max(change.effective_at, subscription.next_billing_at)
    promotion = coupon.running(tx, subscription.id) if kind is ChangeKind.PROMOTION else None
    if kind is ChangeKind.PROMOTION and (promotion is None or promotion.used < promotion.periods):
        # Periods were skipped that it was to lower: its end is planned anew.
        consent.withdraw_planned(tx, [subscription.id])
        consent.free_price(tx, [subscription.id])
        return Decided()
    agreed = consent.agreed_of(change)
    happened = decided(kind, agreed, old=change.old_unit, new=change.new_unit, at=at, otherwise=change.otherwise)
    consent.write_decided(
        tx, change.id, state=advance(CHANGE_TABLE, ChangeState(change.state), happened), decided_for=at
    )
    told = {
        "price_change_id": str(change.id),
        "ordinal": subscription.ordinal + 1,
        "old_won": change.old_won,
        "new_won": change.new_won,
    }
    if happened is ChangeEvent.MADE and promotion is not None:
        coupon.end(tx, promotion.id, by=change.id)
        consent.free_price(tx, [subscription.id])
        _tell(tx, "subscription.promotion_ended", subscription.id, told)
        return Decided()  # the days ahead expect the whole price anyway
    if happened is ChangeEvent.MADE:
        return _make(tx, subscription, change, told)
    told["lacks"] = [str(lack) for lack in lacks(agreed, at=at)]
    if happened is ChangeEvent.ENDED:
        by = By(actor=change.planned_by, reason=_NO_CONSENT)
        # Locked anew: its row tells now why it ends.
        change_within(tx, lock_subscription(tx, subscription.id), Change.CANCEL, by=by, **told)
    elif kind is ChangeKind.CONVERSION:
        _go_on_free(tx, subscription, change, told)
    elif kind is ChangeKind.PROMOTION:
        consent.free_price(tx, [subscription.id])  # its end is planned anew
        _tell(tx, "subscription.promotion_goes_on", subscription.id, told)
    else:
        consent.free_price(tx, [subscription.id])
        _tell(tx, "subscription.price_stays", subscription.id, told)
    return Decided()


def _make(tx: Transaction, subscription: Row[Any], change: Row[Any], told: dict[str, Any]) -> Decided:
    state = SubscriptionState(subscription.state)
    is_converted = change.kind == ChangeKind.CONVERSION
    if is_converted:
        state = advance(SUBSCRIPTION_TABLE, state, SubscriptionEvent.TRIAL_ENDED)
    consent.write_price(tx, subscription.id, state=state, plan_price_id=change.to_price_id)
    if is_converted:
        _tell(tx, "subscription.converted", subscription.id, told)
        return Decided(is_billed_anew=True)
    _tell(tx, "subscription.price_changed", subscription.id, told)
    return Decided(rise_won=max(0, change.new_won - change.old_won))


def _go_on_free(tx: Transaction, subscription: Row[Any], change: Row[Any], told: dict[str, Any]) -> None:
    """Another period of the trial; the customer is asked again for the one after it."""
    calendar = calendar_of(subscription)
    ordinal = subscription.ordinal + 1
    at = effective_at(calendar, ordinal + 1, ChangeKind.CONVERSION)
    consent.write_free_period(
        tx,
        subscription.id,
        ordinal=ordinal,
        reason=SkipReason.TRIAL,
        next_billing_at=calendar.due_at(ordinal + 1),
        changes_at=at,
    )
    row = change_row(
        tx,
        subscription_id=subscription.id,
        kind=ChangeKind.CONVERSION,
        from_price_id=None,
        to_price_id=change.to_price_id,
        old_won=0,
        new_won=change.new_won,
        from_ordinal=ordinal + 1,
        effective_at=at,
        otherwise=change.otherwise,
        planned_by=change.planned_by,
    )
    consent.plan_changes(tx, [row], [])
    _tell(tx, "subscription.trial_goes_on", subscription.id, {**told, "until": at.isoformat()})


def _tell(tx: Transaction, kind: str, subscription_id: UUID, told: dict[str, Any]) -> None:
    installation.write_events(tx, [installation.event(tx, kind, subscription_id=subscription_id, **told)])
