"""All that can be shown about one customer: what they agreed to, were told, owed, paid and got back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from domain.errors import NotFound
from models.queries import evidence_file

if TYPE_CHECKING:
    from models.session import Transaction


def export_evidence(tx: Transaction, customer_ref: str) -> dict[str, Any]:
    """A customer's evidence, oldest first in every list. Won; instants aware UTC. No card, no contact data.

    Raises:
        NotFound: There is no such customer.
    """
    parts = evidence_file.parts_of(tx, customer_ref)
    if parts is None:
        raise NotFound(f"there is no customer {customer_ref!r}; `jeonggi subscription list` tells whom there is")
    return {
        "customer_ref": customer_ref,
        "written_at": tx.now,
        **{name: [dict(row) for row in rows] for name, rows in parts.items()},
    }
