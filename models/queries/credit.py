"""SQL of a customer's credit, as a person looks at it. Reads only; ``models/queries/beside.py`` writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from sqlalchemy import Row

    from models.session import Transaction


def balance_of(tx: Transaction, customer_id: UUID) -> int:
    """Won that a customer has; 0 for who never had any."""
    return int(
        tx.connection.execute(
            text("SELECT balance FROM credit_account WHERE customer_id = :id"), {"id": customer_id}
        ).scalar()
        or 0
    )


def entries_of(tx: Transaction, customer_id: UUID, *, limit: int) -> Sequence[Row[Any]]:
    """What made it, the newest first."""
    return tx.connection.execute(
        text(
            "SELECT e.id, e.kind, e.amount, e.invoice_id, e.actor, e.reason, e.recorded_at FROM credit_entry e"
            " WHERE e.customer_id = :id ORDER BY e.id DESC LIMIT :limit"
        ),
        {"id": customer_id, "limit": limit},
    ).all()
