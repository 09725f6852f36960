"""A period was paid to somebody else's charge: its invoice is owed no more. Called inside a transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from domain.errors import Conflict, NotFound
from domain.invoice import CHARGEABLE, INVOICE_TABLE, InvoiceEvent, InvoiceState
from domain.states import advance
from domain.subscription import SUBSCRIPTION_TABLE, SubscriptionEvent, SubscriptionState
from models.queries import beside, foreign, installation, record

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy import Row

    from models.session import Transaction


def settle_elsewhere(
    tx: Transaction,
    subscription: Row[Any],
    *,
    ordinal: int | None = None,
    invoice_id: UUID | None = None,
    imp_uid: str = "",
) -> None:
    """Make an invoice of a locked subscription void, by its period or its id; one that is void already stays so.

    Raises:
        NotFound: There is none.
        Conflict: It was paid to us, or an attempt of it is open: a charge of ours may have been made.
    """
    owed = foreign.lock_owed(tx, subscription_id=subscription.id, ordinal=ordinal, invoice_id=invoice_id)
    if owed is None:
        if ordinal is not None:
            return  # skipped before
        raise NotFound(f"subscription {subscription.id} has no invoice {invoice_id}")
    if owed.state == InvoiceState.VOID:
        return
    if owed.state not in CHARGEABLE:
        raise Conflict(f"invoice {owed.id} is {owed.state}: nothing is owed for its period")
    if owed.is_attempted:
        raise Conflict(f"an attempt of invoice {owed.id} is open: what the gateway did is asked first")
    state = advance(INVOICE_TABLE, InvoiceState(owed.state), InvoiceEvent.VOIDED)
    foreign.settle_elsewhere(tx, invoice_id=owed.id, state=state)
    beside.give_back(tx, [owed.id])  # what was asked for beside the period, nobody has paid for
    events = [
        installation.event(
            tx,
            "invoice.paid_elsewhere",
            subscription_id=subscription.id,
            invoice_id=owed.id,
            ordinal=owed.ordinal,
            imp_uid=imp_uid or None,
        )
    ]
    installation.write_events(tx, events)
    now = SubscriptionState(subscription.state)
    if (now, SubscriptionEvent.DEBT_CLEARED) in SUBSCRIPTION_TABLE and not record.in_debt(tx, [subscription.id]):
        moved = advance(SUBSCRIPTION_TABLE, now, SubscriptionEvent.DEBT_CLEARED)
        if moved != now:
            record.write_subscription_states(tx, [{"id": subscription.id, "state": moved}])
