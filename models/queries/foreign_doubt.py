"""SQL of foreign schedules that say that they did not charge, and may have: until their order number was looked up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import text

from domain.foreign import QUIET
from models.base import listed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from sqlalchemy import Row

    from models.session import Transaction

_DOUBT: Final = f"f.gone_at IS NULL AND f.state IN ({listed(QUIET)})"


def in_doubt(tx: Transaction, channel: str, *, until: datetime, after: str, limit: int) -> Sequence[Row[Any]]:
    """Schedules that do not wait any more and whose money is to be looked up, a page at a time.

    Left out is what an adoption looks up itself, and what has shown money already: that waits for a person.

    Args:
        tx: The transaction.
        channel: Whose.
        until: What was to run later, or was last seen otherwise later, may still be under way. Real time.
        after: The last order number of the page before.
        limit: How many.
    """
    return tx.connection.execute(
        text(
            "SELECT f.id, f.merchant_uid, f.billing_key_id, f.last_seen_at, k.customer_uid FROM foreign_schedule f"
            " JOIN billing_key k ON k.id = f.billing_key_id"
            f" WHERE f.channel = :channel AND f.merchant_uid > :after AND {_DOUBT} AND f.ignored_at IS NULL"
            " AND f.schedule_at <= :until AND f.last_seen_at <= :until"
            " AND NOT EXISTS (SELECT FROM adopted_schedule d JOIN adoption a ON a.subscription_id = d.subscription_id"
            "  WHERE d.channel = f.channel AND d.merchant_uid = f.merchant_uid AND a.state <> 'done')"
            " AND NOT EXISTS (SELECT FROM foreign_payment p WHERE p.billing_key_id = f.billing_key_id"
            "  AND p.channel = f.channel AND p.merchant_uid = f.merchant_uid AND p.is_money AND p.accepted_at IS NULL)"
            " ORDER BY f.merchant_uid LIMIT :limit"
        ),
        {"channel": channel, "until": until, "after": after, "limit": limit},
    ).all()


def accepted(tx: Transaction, imp_uids: Iterable[str]) -> set[str]:
    """Those of these payments that a person has answered for."""
    rows = tx.connection.execute(
        text("SELECT imp_uid FROM foreign_payment WHERE imp_uid = ANY(:uids) AND accepted_at IS NOT NULL"),
        {"uids": sorted(set(imp_uids))},
    )
    return {row.imp_uid for row in rows}


def free(tx: Transaction, rows: Sequence[Row[Any]]) -> None:
    """They took no money, so they ask no more; unless they were seen otherwise since these rows were read."""
    if rows:
        tx.connection.execute(
            text(
                f"UPDATE foreign_schedule f SET gone_at = :real WHERE f.id = :id AND {_DOUBT}"
                " AND f.last_seen_at = :last_seen_at"
            ),
            [{"id": row.id, "last_seen_at": row.last_seen_at, "real": tx.real} for row in rows],
        )
