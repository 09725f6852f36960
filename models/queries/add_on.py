"""SQL of add-ons: what subscriptions owe with every period beside their plan."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from models.beside import AddOn
from models.queries.bulk import insert_rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from sqlalchemy import Row

    from models.session import Transaction


def add(tx: Transaction, row: Mapping[str, Any]) -> None:
    """A locked subscription owes it from now on."""
    insert_rows(tx, AddOn, [row])


def owner_of(tx: Transaction, add_on_id: UUID) -> UUID | None:
    """Whose add-on it is: the subscription's id."""
    found: UUID | None = tx.connection.execute(
        text("SELECT subscription_id FROM add_on WHERE id = :id"), {"id": add_on_id}
    ).scalar_one_or_none()
    return found


def add_on(tx: Transaction, add_on_id: UUID) -> Row[Any]:
    """One add-on, whose subscription is locked."""
    return tx.connection.execute(
        text(
            "SELECT a.id, a.description, a.quantity, a.unit_amount, a.first_ordinal, a.until_ordinal FROM add_on a"
            " WHERE a.id = :id"
        ),
        {"id": add_on_id},
    ).one()


def end(tx: Transaction, add_on_id: UUID, *, until: int) -> None:
    """It is owed up to a period, but not with it."""
    tx.connection.execute(
        text("UPDATE add_on SET until_ordinal = :until WHERE id = :id"), {"id": add_on_id, "until": until}
    )


def list_add_ons(
    tx: Transaction, *, customer_ref: str | None, subscription_id: UUID | None, over: bool, limit: int
) -> Sequence[Row[Any]]:
    """Add-ons, the newest first; ``over``: also those that no later period owes."""
    return tx.connection.execute(
        text(
            "SELECT a.id, c.customer_ref, a.subscription_id, a.description, a.quantity, a.unit_amount, a.unit_tax_free,"
            " a.quantity * a.unit_amount AS amount, a.first_ordinal, a.until_ordinal, a.added_at, a.added_by, a.reason"
            " FROM add_on a JOIN subscription s ON s.id = a.subscription_id JOIN customer c ON c.id = s.customer_id"
            " WHERE (:over OR (s.state <> 'ended' AND (a.until_ordinal IS NULL OR a.until_ordinal > s.ordinal + 1)))"
            " AND (CAST(:customer AS text) IS NULL OR c.customer_ref = :customer)"
            " AND (CAST(:subscription AS uuid) IS NULL OR a.subscription_id = :subscription)"
            " ORDER BY a.id DESC LIMIT :limit"
        ),
        {"over": over, "customer": customer_ref, "subscription": subscription_id, "limit": limit},
    ).all()
