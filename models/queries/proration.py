"""SQL of changes within opened periods: which periods run, what they are worth, what a change came to, who paid."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import text

from domain.invoice import CHARGEABLE, InvoiceState, Purpose
from domain.invoice_line import RECURRING, LineKind
from models.base import listed
from models.proration import Proration
from models.queries.beside import WAITS
from models.queries.bulk import insert_rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from sqlalchemy import Row

    from models.session import Transaction

#: Periods that are opened and not over, with the terms they have now: those of the latest change within them. The
#: coupon is the one that was on the invoice; one of a subscription runs at a time.
_RUNNING: Final = text(
    "SELECT i.id, i.ordinal, i.period_start, i.period_end, i.state, i.quantity AS opened_quantity,"
    " opened.amount AS opened_unit, coalesce(x.quantity, i.quantity) AS quantity, pp.id AS plan_price_id, pp.plan_id,"
    " pp.amount AS unit_amount, pp.tax_free AS unit_tax_free, pp.vat,"
    " (SELECT sum(l.amount) FROM invoice_line l WHERE l.invoice_id = i.id"
    f"  AND l.kind = '{LineKind.BASE}')::bigint AS base,"
    " coalesce(x.new_won, (SELECT sum(l.amount) FROM invoice_line l WHERE l.invoice_id = i.id"
    f"  AND l.kind IN ({listed(RECURRING)}))::bigint) AS worth, r.percent, r.won AS coupon_won"
    " FROM invoice i LEFT JOIN plan_price opened ON opened.id = i.plan_price_id"
    " LEFT JOIN LATERAL (SELECT p.quantity, p.plan_price_id, p.new_won, p.is_cut FROM proration p"
    "  WHERE p.subscription_id = i.subscription_id AND p.ordinal = i.ordinal ORDER BY p.number DESC LIMIT 1) x ON true"
    " LEFT JOIN plan_price pp ON pp.id = coalesce(x.plan_price_id, i.plan_price_id)"
    " LEFT JOIN LATERAL (SELECT d.percent, d.won FROM redemption d WHERE d.subscription_id = i.subscription_id"
    "  AND d.used > 0 AND d.redeemed_at <= i.opened_at AND (d.ended_at IS NULL OR d.ended_at >= i.opened_at)"
    "  AND EXISTS (SELECT FROM invoice_line l WHERE l.invoice_id = i.id AND l.kind = 'coupon')"
    "  ORDER BY d.redeemed_at LIMIT 1) r ON true"
    f" WHERE i.subscription_id = :id AND i.purpose = '{Purpose.PERIOD}' AND i.period_end > :now"
    " AND x.is_cut IS NOT TRUE ORDER BY i.ordinal"
)
#: What was paid for some periods and for changes within them, oldest first.
_PAID: Final = text(
    "SELECT p.id, p.recorded_at, i.id AS invoice_id, i.ordinal, i.purpose"
    " FROM invoice i JOIN payment p ON p.invoice_id = i.id AND p.counts"
    f" WHERE i.subscription_id = :id AND ((i.purpose = '{Purpose.PERIOD}' AND i.ordinal = ANY(:ordinals))"
    f"  OR (i.purpose = '{Purpose.CHANGE}' AND i.id IN (SELECT x.invoice_id FROM proration x"
    "   WHERE x.subscription_id = :id AND x.ordinal = ANY(:ordinals)))) ORDER BY p.id"
)


def running_periods(tx: Transaction, subscription_id: UUID) -> Sequence[Row[Any]]:
    """Opened periods of a locked subscription that are not over, the first first."""
    return tx.connection.execute(_RUNNING, {"id": subscription_id, "now": tx.now}).all()


def payments_for(tx: Transaction, subscription_id: UUID, ordinals: Sequence[int]) -> Sequence[Row[Any]]:
    """Payments that count for some periods, and for changes within them, the oldest first."""
    return tx.connection.execute(_PAID, {"id": subscription_id, "ordinals": list(ordinals)}).all()


def credit_used(tx: Transaction, subscription_id: UUID, ordinals: Sequence[int]) -> int:
    """Won of credit that some periods' invoices used."""
    return int(
        tx.connection.execute(
            text(
                "SELECT coalesce(sum(-l.amount), 0) FROM invoice i JOIN invoice_line l ON l.invoice_id = i.id"
                f" WHERE i.subscription_id = :id AND i.purpose = '{Purpose.PERIOD}' AND i.ordinal = ANY(:ordinals)"
                f" AND l.kind = '{LineKind.CREDIT}'"
            ),
            {"id": subscription_id, "ordinals": list(ordinals)},
        ).scalar_one()
    )


def credited_for_changes(tx: Transaction, subscription_id: UUID, ordinals: Sequence[int]) -> int:
    """Won of credit that changes within some periods came to."""
    return int(
        tx.connection.execute(
            text(
                "SELECT coalesce(sum(each.won), 0) FROM (SELECT DISTINCT x.number, -x.all_won AS won FROM proration x"
                " WHERE x.subscription_id = :id AND x.ordinal = ANY(:ordinals) AND x.all_won < 0) each"
            ),
            {"id": subscription_id, "ordinals": list(ordinals)},
        ).scalar_one()
    )


def owed_for_changes(tx: Transaction, subscription_id: UUID, ordinals: Sequence[int]) -> int:
    """Won that invoices for changes within some periods ask for and nobody paid, though the ladder may be over."""
    return int(
        tx.connection.execute(
            text(
                "SELECT coalesce(sum(i.amount), 0) FROM invoice i WHERE i.subscription_id = :id"
                f" AND i.purpose = '{Purpose.CHANGE}'"
                f" AND i.state IN ({listed((*CHARGEABLE, InvoiceState.UNCOLLECTIBLE))})"
                " AND i.id IN (SELECT x.invoice_id FROM proration x WHERE x.subscription_id = :id"
                "  AND x.ordinal = ANY(:ordinals))"
            ),
            {"id": subscription_id, "ordinals": list(ordinals)},
        ).scalar_one()
    )


def waiting_changes(tx: Transaction, subscription_id: UUID) -> Sequence[Row[Any]]:
    """Items of changes within periods that no invoice has: their ids and won."""
    return tx.connection.execute(
        text(
            "SELECT w.id, w.quantity * w.unit_amount AS won FROM invoice_item w WHERE w.subscription_id = :id"
            f" AND {WAITS} AND w.id IN (SELECT x.item_id FROM proration x WHERE x.subscription_id = :id)"
        ),
        {"id": subscription_id},
    ).all()


def next_number(tx: Transaction, subscription_id: UUID) -> int:
    """The number of the next change within a period of a locked subscription, from 0."""
    return int(
        tx.connection.execute(
            text("SELECT coalesce(max(number) + 1, 0) FROM proration WHERE subscription_id = :id"),
            {"id": subscription_id},
        ).scalar_one()
    )


def write_prorations(tx: Transaction, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write down what a change within opened periods came to."""
    insert_rows(tx, Proration, rows)
