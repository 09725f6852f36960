"""SQL of one-off items: what waits, who asked for it, which invoice has it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from models.beside import InvoiceItem
from models.queries.beside import WAITS
from models.queries.bulk import insert_rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from sqlalchemy import Row

    from models.session import Transaction


def owed_next(tx: Transaction, subscription_id: UUID) -> int:
    """Won that the next invoice of a subscription has before it is lowered: its price, and what stands beside it."""
    return int(
        tx.connection.execute(
            text(
                "SELECT s.quantity * pp.amount + s.carried + CASE WHEN s.ordinal < 0 THEN pp.setup_fee ELSE 0 END"
                " + coalesce((SELECT sum(o.quantity * o.unit_amount) FROM add_on o WHERE o.subscription_id = s.id"
                "  AND (o.until_ordinal IS NULL OR o.until_ordinal > s.ordinal + 1)), 0)::bigint"
                " + coalesce((SELECT sum(u.amount) FROM usage u WHERE u.subscription_id = s.id"
                "  AND u.resolved_at IS NOT NULL AND u.invoice_id IS NULL), 0)::bigint"
                " + coalesce((SELECT sum(w.quantity * w.unit_amount)"
                f"  FROM invoice_item w WHERE w.subscription_id = s.id AND {WAITS}), 0)::bigint"
                " FROM subscription s JOIN plan_price pp ON pp.id = s.plan_price_id WHERE s.id = :id"
            ),
            {"id": subscription_id},
        ).scalar_one()
    )


def add_item(tx: Transaction, row: Mapping[str, Any]) -> None:
    """Let an item wait for the next invoice of a locked subscription."""
    insert_rows(tx, InvoiceItem, [row])


def owner_of(tx: Transaction, item_id: UUID) -> UUID | None:
    """Whose item it is: the subscription's id."""
    found: UUID | None = tx.connection.execute(
        text("SELECT subscription_id FROM invoice_item WHERE id = :id"), {"id": item_id}
    ).scalar_one_or_none()
    return found


def item(tx: Transaction, item_id: UUID) -> Row[Any]:
    """One item, whose subscription is locked."""
    return tx.connection.execute(
        text(
            "SELECT w.id, w.subscription_id, w.description, w.quantity, w.unit_amount, w.invoice_id, w.removed_at"
            " FROM invoice_item w WHERE w.id = :id"
        ),
        {"id": item_id},
    ).one()


def remove_item(tx: Transaction, item_id: UUID) -> None:
    """An item that waits is owed no more."""
    tx.connection.execute(
        text("UPDATE invoice_item SET removed_at = :now WHERE id = :id"), {"id": item_id, "now": tx.now}
    )


def list_items(
    tx: Transaction, *, customer_ref: str | None, subscription_id: UUID | None, over: bool, limit: int
) -> Sequence[Row[Any]]:
    """Items, the newest first; ``over``: also those that an invoice has, or that were removed."""
    return tx.connection.execute(
        text(
            "SELECT w.id, c.customer_ref, w.subscription_id, w.description, w.quantity, w.unit_amount,"
            " w.unit_tax_free, w.quantity * w.unit_amount AS amount, w.added_at, w.added_by, w.reason, w.invoice_id,"
            " w.removed_at FROM invoice_item w JOIN subscription s ON s.id = w.subscription_id"
            f" JOIN customer c ON c.id = s.customer_id WHERE (:over OR ({WAITS}))"
            " AND (CAST(:customer AS text) IS NULL OR c.customer_ref = :customer)"
            " AND (CAST(:subscription AS uuid) IS NULL OR w.subscription_id = :subscription)"
            " ORDER BY w.id DESC LIMIT :limit"
        ),
        {"over": over, "customer": customer_ref, "subscription": subscription_id, "limit": limit},
    ).all()
