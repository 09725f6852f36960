"""SQL of what is to come: subscriptions with a period to be opened, invoices with an attempt to be made. Streamed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import text

from domain.charge_attempt import UNDECIDED
from domain.consent import ChangeState
from domain.subscription import BILLABLE, SubscriptionState
from models.base import listed
from models.queries import consent, stop
from models.queries.periods import CALENDAR

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from sqlalchemy import Row, TextClause

    from models.session import Transaction

#: Rows that are held at once.
PAGE: Final = 5_000

_FROM: Final = (
    " FROM subscription s JOIN plan p ON p.id = s.plan_id JOIN plan_price pp ON pp.id = s.plan_price_id"
    " JOIN customer c ON c.id = s.customer_id JOIN billing_key k ON k.id = s.billing_key_id"
)
#: A card that was revoked is charged no more; a subscription that is set aside waits for a person.
#: With the change of price that is ahead, the price that it leads to, and what is known about it.
_PERIODS: Final = text(
    "SELECT s.id, s.customer_id, s.ordinal, s.next_billing_at, s.catch_up_below, s.stops_at, s.stops_before,"
    f" s.changes_from, s.quantity, s.carried, s.carried_tax_free, {CALENDAR}, p.catch_up, p.after_outage,"
    " p.without_consent, p.code AS plan, p.name AS plan_name, pp.amount, pp.tax_free, pp.vat, pp.card_quota,"
    " pp.setup_fee, c.customer_ref, k.channel, pc.kind AS change_kind,"
    " pc.effective_at, pc.otherwise, coalesce(f.amount, 0) AS old_unit, t.amount AS new_amount,"
    " t.tax_free AS new_tax_free, t.vat AS new_vat, t.card_quota AS new_card_quota, t.setup_fee AS new_setup_fee,"
    f" {consent.AGREED}{_FROM}"
    f" LEFT JOIN price_change pc ON pc.subscription_id = s.id AND pc.state = '{ChangeState.PLANNED}'"
    " LEFT JOIN plan_price t ON t.id = pc.to_price_id LEFT JOIN plan_price f ON f.id = pc.from_price_id"
    f" WHERE s.next_billing_at <= :until AND s.set_aside_reason IS NULL AND k.revoked_at IS NULL AND {stop.IS_FORESEEN}"
    f" AND s.state IN ({listed((*BILLABLE, SubscriptionState.TRIALING))})"
)
#: Whose final invoice is to be opened.
_FINALS: Final = text(
    "SELECT s.id, s.customer_id, s.ordinal, s.final_ordinal, s.final_at, s.quantity, s.carried, s.carried_tax_free,"
    f" {CALENDAR}, p.code AS plan, p.name AS plan_name, pp.amount, pp.tax_free, pp.vat, pp.card_quota, pp.setup_fee,"
    f" c.customer_ref, k.channel{_FROM} WHERE s.final_at <= :until AND s.set_aside_reason IS NULL"
    " AND k.revoked_at IS NULL"
)
#: An undecided attempt is no charge to come: it has gone out, or is sent again as itself.
_STANDING: Final = text(
    "SELECT i.subscription_id, i.purpose, i.ordinal, i.amount, i.next_attempt_at, i.attempt_count, p.code AS plan,"
    f" c.customer_ref, k.channel{_FROM} JOIN invoice i ON i.subscription_id = s.id"
    f" WHERE {stop.IS_BILLED} AND s.set_aside_reason IS NULL AND k.revoked_at IS NULL"
    " AND i.next_attempt_at <= :until AND i.set_aside_reason IS NULL"
    " AND (i.is_delivered OR s.stops_at IS NULL OR i.next_attempt_at < s.stops_at)"
    " AND NOT EXISTS (SELECT FROM charge_attempt a WHERE a.invoice_id = i.id"
    f"  AND a.state IN ({listed(UNDECIDED)}))"
)


def subscriptions_due(tx: Transaction, *, until: datetime) -> Iterator[Row[Any]]:
    """Subscriptions with a period that is due by an instant and not opened, in no order."""
    return _streamed(tx, _PERIODS, until)


def finals_due(tx: Transaction, *, until: datetime) -> Iterator[Row[Any]]:
    """Ended subscriptions whose final invoice is to be opened, in no order."""
    return _streamed(tx, _FINALS, until)


def standing_invoices(tx: Transaction, *, until: datetime) -> Iterator[Row[Any]]:
    """Invoices with an attempt to be made by an instant, in no order."""
    return _streamed(tx, _STANDING, until)


def _streamed(tx: Transaction, statement: TextClause, until: datetime) -> Iterator[Row[Any]]:
    in_pages = statement.execution_options(stream_results=True, yield_per=PAGE)
    yield from tx.connection.execute(in_pages, {"until": until})
