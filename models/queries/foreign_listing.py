"""SQL of what a person looks at of foreign hands, and of the money that came: lists in pages. Reads only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import text

from domain.foreign import QUIET, WAITING
from models.base import listed
from models.queries.foreign import UNANSWERED

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from sqlalchemy import Row

    from models.session import Transaction

_PAGE: Final = "(CAST(:after AS uuid) IS NULL OR x.id > :after)"
_CHANNEL: Final = "(CAST(:channel AS text) IS NULL OR x.channel = :channel)"
_FOREIGN_PAYMENTS: Final = text(
    "SELECT x.id, x.channel, x.imp_uid, x.merchant_uid, x.amount, x.cancelled_amount, x.status, x.is_money,"
    " x.is_sandbox, x.paid_at, x.first_seen_at, x.accepted_at, x.accepted_because, k.customer_uid, c.customer_ref"
    " FROM foreign_payment x LEFT JOIN billing_key k ON k.id = x.billing_key_id"
    " LEFT JOIN customer c ON c.id = k.customer_id"
    f" WHERE {_PAGE} AND {_CHANNEL} AND (:all OR (x.is_money AND x.accepted_at IS NULL)) ORDER BY x.id LIMIT :limit"
)
_PAYMENTS: Final = text(
    "SELECT x.id, x.imp_uid, x.amount, x.cancelled_amount, x.paid_at, x.counts, x.invoice_id, i.ordinal,"
    " c.customer_ref, p.code AS plan FROM payment x JOIN invoice i ON i.id = x.invoice_id"
    " JOIN subscription s ON s.id = i.subscription_id JOIN customer c ON c.id = s.customer_id"
    " JOIN plan p ON p.id = s.plan_id"
    f" WHERE {_PAGE} AND (CAST(:subscription AS uuid) IS NULL OR s.id = :subscription) ORDER BY x.id LIMIT :limit"
)
#: An adoption's schedule blocks whatever was said of it; one that was answered, or does not wait, does not.
_OWED_AN_ANSWER: Final = f"x.id IN (SELECT f.id {UNANSWERED})"
_STANDS: Final = (
    "CASE WHEN d.became = 'open' AND a.state <> 'done' THEN 'adopting'"
    f" WHEN {_OWED_AN_ANSWER} THEN 'asks what it paid'"
    " WHEN x.ignored_at IS NOT NULL AND x.gone_at IS NULL THEN 'ignored'"
    " WHEN x.gone_at IS NOT NULL THEN 'answered'"
    f" WHEN x.state IN ({listed(QUIET)}) THEN 'is looked up'"
    f" WHEN x.state IN ({listed(WAITING)}) THEN 'blocks' ELSE 'asks what it paid' END"
)
_SCHEDULES: Final = text(
    f"SELECT x.id, x.channel, x.merchant_uid, x.schedule_at, x.amount, x.state, x.payment_status, x.imp_uid,"
    f" x.first_seen_at, x.last_seen_at, x.gone_at, x.ignored_because, {_STANDS} AS stands,"
    " k.customer_uid, c.customer_ref FROM foreign_schedule x JOIN billing_key k ON k.id = x.billing_key_id"
    " JOIN customer c ON c.id = k.customer_id"
    " LEFT JOIN adopted_schedule d ON d.channel = x.channel AND d.merchant_uid = x.merchant_uid"
    " LEFT JOIN adoption a ON a.subscription_id = d.subscription_id"
    f" WHERE {_PAGE} AND {_CHANNEL} AND (:all OR x.gone_at IS NULL OR {_OWED_AN_ANSWER}) ORDER BY x.id LIMIT :limit"
)
_HANDS: Final = text(
    "SELECT n.name AS channel, g.finished_at, g.round_began_at,"
    " (SELECT min(k.created_at) FROM billing_key k WHERE k.channel = n.name) AS cards_since,"
    " (SELECT count(*) FROM foreign_payment p WHERE p.channel = n.name AND p.is_money AND p.accepted_at IS NULL)"
    "  AS payments,"
    " (SELECT count(*) FROM billing_key k WHERE k.channel = n.name AND k.foreign_schedule_since IS NOT NULL)"
    "  AS blocked,"
    " (SELECT count(*) FROM adoption a WHERE a.channel = n.name AND a.state <> 'done') AS adoptions"
    " FROM channel_state n LEFT JOIN gateway_comparison g ON g.channel = n.name WHERE n.name = :channel"
)


def foreign_payments(
    tx: Transaction, *, channel: str | None, everything: bool, limit: int, after: UUID | None
) -> Sequence[Row[Any]]:
    """Payments that we did not make: money that nobody answered for, or ``everything`` that was seen."""
    parameters = {"channel": channel, "all": everything, "limit": limit, "after": after}
    return tx.connection.execute(_FOREIGN_PAYMENTS, parameters).all()


def payments(tx: Transaction, *, subscription_id: UUID | None, limit: int, after: UUID | None) -> Sequence[Row[Any]]:
    """Money that came to us."""
    parameters = {"subscription": subscription_id, "limit": limit, "after": after}
    return tx.connection.execute(_PAYMENTS, parameters).all()


def schedules(
    tx: Transaction, *, channel: str | None, everything: bool, limit: int, after: UUID | None
) -> Sequence[Row[Any]]:
    """The gateway's schedules for cards of ours: those that are not answered, or ``everything`` that was seen."""
    parameters = {"channel": channel, "all": everything, "limit": limit, "after": after}
    return tx.connection.execute(_SCHEDULES, parameters).all()


def hands(tx: Transaction, channel: str) -> Row[Any]:
    """What waits for a person at a channel, and when it was last compared whole."""
    return tx.connection.execute(_HANDS, {"channel": channel}).one()
