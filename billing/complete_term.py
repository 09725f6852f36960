"""An agreement on a number of periods completes: the last one is over, and nothing of it is owed any more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from billing.left_to_bill import final_of, left_to_bill
from domain.errors import RuleBroken
from domain.states import advance
from domain.subscription import SUBSCRIPTION_TABLE, EndedReason, SubscriptionEvent, SubscriptionState
from models.queries import change, installation

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Row

    from models.session import Transaction

_BY: Final = "engine"
_BECAUSE: Final = "the last of the periods agreed on is over"


def is_resumed_now(subscription: Row[Any], *, now: datetime) -> bool:
    """Whether it is paused, and goes on by itself at an instant that has come: that is made first."""
    resumes_at = subscription.resumes_at
    return subscription.state == SubscriptionState.PAUSED and resumes_at is not None and resumes_at <= now


def complete_within(tx: Transaction, subscription: Row[Any]) -> None:
    """End a subscription whose term is over; it is locked, and owes nothing.

    Raises:
        RuleBroken: Its term is not over.
    """
    if subscription.term_ends_at is None or subscription.term_ends_at > tx.now:
        raise RuleBroken(f"the term of subscription {subscription.id} is not over")
    change.write_changed(
        tx,
        subscription_id=subscription.id,
        state=advance(SUBSCRIPTION_TABLE, SubscriptionState(subscription.state), SubscriptionEvent.ENDED),
        billing_key_id=subscription.billing_key_id,
        ended_reason=EndedReason.COMPLETED,
        final=final_of(left_to_bill(subscription, now=tx.now)),
    )
    data = {"periods": subscription.periods, "at": subscription.term_ends_at.isoformat()}
    installation.write_events(
        tx, [installation.event(tx, "subscription.completed", subscription_id=subscription.id, **data)]
    )
    installation.write_audit(
        tx,
        actor=_BY,
        action="subscription.completed",
        subject="subscription",
        subject_id=subscription.id,
        reason=_BECAUSE,
        **data,
    )
