"""Which charges will fall due? The periods that the opening will open, by its own code, and what stands open already.

Foreseen is what falls due by itself and as things stand: no decline that is still to come, no pause that ends, no
change that a person makes. A change of price that is ahead is decided by the consent and the notice that are there
now; without them the old price stays, a trial goes on, or the subscription ends. What a brake or a hold keeps back is
due all the same, and is told with its due time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from billing.due_periods import due_periods
from billing.lines import owed_by
from domain.consent import ChangeEvent, ChangeKind, decided
from domain.price import Price, Vat
from models.queries import foresight
from models.queries.consent import agreed_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import Row

    from domain.invoice_line import Owed
    from models.session import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreseen:
    """One charge to come: won, and UTC. ``attempts``: so many were declined before it; 0 for a first one."""

    due_at: datetime
    subscription_id: UUID
    customer_ref: str
    plan: str
    channel: str
    ordinal: int
    amount: int
    attempts: int = 0


def foresee(tx: Transaction, *, until: datetime) -> Iterator[Foreseen]:
    """Every charge that falls due by ``until``, in no order; what is due already and not made yet, too.

    Args:
        tx: A reading one; it is streamed from.
        until: Billing time.

    Raises:
        BillingError: A subscription has terms that nothing can be reckoned by; its opening will set it aside.
    """
    for row in foresight.standing_invoices(tx, until=until):
        yield Foreseen(
            due_at=row.next_attempt_at,
            subscription_id=row.subscription_id,
            customer_ref=row.customer_ref,
            plan=row.plan,
            channel=row.channel,
            ordinal=row.ordinal,
            amount=row.amount,
            attempts=row.attempt_count,
        )
    for subscription in foresight.subscriptions_due(tx, until=until):
        owed, owed_then = owed_by(subscription), _owed_then(subscription)
        for due in due_periods(subscription, now=tx.now, until=until):
            if subscription.changes_from is not None and due.period.ordinal >= subscription.changes_from:
                if owed_then is None:
                    break
                owed = owed_then
            if due.attempt_at <= until:
                yield Foreseen(
                    due_at=due.attempt_at,
                    subscription_id=subscription.id,
                    customer_ref=subscription.customer_ref,
                    plan=subscription.plan,
                    channel=subscription.channel,
                    ordinal=due.period.ordinal,
                    amount=owed.amount,
                )


def _owed_then(subscription: Row[Any]) -> Owed | None:
    """What each period owes from a change of price on that is ahead, as things stand; None: nothing."""
    if subscription.changes_from is None:
        return None
    kind = ChangeKind(subscription.change_kind)
    becomes = decided(
        kind,
        agreed_of(subscription),
        old=subscription.old_unit,
        new=subscription.new_amount,
        at=max(subscription.effective_at, subscription.next_billing_at),
        otherwise=subscription.otherwise,
    )
    if becomes is ChangeEvent.MADE:
        price = Price(
            amount=subscription.new_amount,
            tax_free=subscription.new_tax_free,
            vat=Vat(subscription.new_vat),
            card_quota=subscription.new_card_quota,
        )
        return owed_by(subscription, price)
    return owed_by(subscription) if becomes is ChangeEvent.LAPSED and kind is ChangeKind.PRICE else None
