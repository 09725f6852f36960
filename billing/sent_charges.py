"""What exactly was asked by an attempt's latest send, and which cards its sends named: rows in, domain values out."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from domain.evidence import SentCharge
from models.queries import resolve

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from sqlalchemy import Row

    from models.session import Transaction


def sent_charges(
    tx: Transaction, attempt_ids: Sequence[UUID], attempts: Mapping[UUID, Row[Any]]
) -> dict[UUID, SentCharge]:
    """The latest send of each attempt; ``attempts`` gives merchant_uid and amount."""
    if not attempt_ids:
        return {}
    sends: defaultdict[UUID, list[Row[Any]]] = defaultdict(list)
    for row in resolve.sends_of(tx, attempt_ids):
        sends[row.attempt_id].append(row)
    return {
        attempt_id: SentCharge(
            merchant_uid=attempts[attempt_id].merchant_uid,
            customer_uids=frozenset(row.customer_uid for row in rows),
            amount=attempts[attempt_id].amount,
            send_no=rows[-1].send_no,
            committed_at=rows[-1].committed_at,
            token_digest=rows[-1].token_digest,
            token_dead_at=rows[-1].token_dead_at,
        )
        for attempt_id, rows in sends.items()
    }
