"""SQL of the invariants of what was used: billed once, on its lines; what waits for an answer, and final invoices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from domain.subscription import BILLABLE
from models.base import listed
from models.queries.stop import IS_OPENED
from models.queries.usage import IS_FINAL_KNOWN, IS_WAITED_FOR

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Of subscription ``s``: it does not wait for what was used, nor was that told just now.
IS_LONG_KNOWN: Final = (
    f"NOT EXISTS (SELECT FROM plan p WHERE p.id = s.plan_id AND p.usage IS NOT NULL AND (({IS_WAITED_FOR})"
    " OR EXISTS (SELECT FROM usage u WHERE u.subscription_id = s.id AND u.resolved_at >= :slow_now)))"
)

USAGE_BROKEN: Final[Mapping[str, str]] = {
    "usage_is_owed_once": (
        "SELECT i.id, 'invoice is ' || i.state || ', its usage lines are ' || coalesce(l.won, 0) || ' won, what was"
        " told is ' || coalesce(u.won, 0)"
        " FROM (SELECT invoice_id, sum(amount) AS won FROM invoice_line WHERE kind = 'usage' GROUP BY 1) l"
        " FULL JOIN (SELECT invoice_id, sum(amount) AS won FROM usage WHERE invoice_id IS NOT NULL GROUP BY 1) u"
        " ON u.invoice_id = l.invoice_id JOIN invoice i ON i.id = coalesce(l.invoice_id, u.invoice_id)"
        " WHERE (CASE WHEN i.state = 'void' THEN 0 ELSE coalesce(l.won, 0) END) <> coalesce(u.won, 0)"
    ),
}
FINAL_BROKEN: Final[Mapping[str, str]] = {
    "final_invoice_is_opened": (
        "SELECT s.id, 'ended at ' || s.final_at || ', and its final invoice is not opened' FROM subscription s"
        " JOIN plan p ON p.id = s.plan_id WHERE s.final_at < :slow_now AND s.set_aside_reason IS NULL"
        f" AND {IS_FINAL_KNOWN}"
        " AND NOT EXISTS (SELECT FROM outbox_event e WHERE e.subscription_id = s.id AND e.recorded_at >= :slow_real)"
    ),
    "delivered_outlives_the_end": (
        "SELECT i.id, 'was delivered, and is void' FROM invoice i WHERE i.is_delivered AND i.state = 'void'"
        " AND NOT EXISTS (SELECT FROM outbox_event e WHERE e.invoice_id = i.id AND e.kind = 'invoice.paid_elsewhere')"
    ),
    "final_invoice_follows_the_end": (
        "SELECT i.id, 'its subscription is ' || s.state FROM invoice i JOIN subscription s ON s.id = i.subscription_id"
        " WHERE i.purpose = 'final' AND (s.state <> 'ended' OR s.final_ordinal IS NOT NULL)"
    ),
}
USAGE_ATTENTION: Final[Mapping[str, str]] = {
    "usage_not_resolved": (
        "SELECT s.id, 'due since ' || s.next_billing_at || ', not opened: what was used is not known: ' ||"
        " coalesce((SELECT u.reason FROM usage u WHERE u.subscription_id = s.id AND u.resolved_at IS NULL"
        "  AND u.failures > 0 LIMIT 1), 'not answered yet')"
        " FROM subscription s JOIN plan p ON p.id = s.plan_id"
        f" WHERE s.state IN ({listed(BILLABLE)}) AND s.set_aside_reason IS NULL AND s.next_billing_at < :slow_now"
        f" AND {IS_OPENED} AND {IS_WAITED_FOR}"
        " UNION ALL SELECT s.id, 'ended at ' || s.final_at || ', its final invoice is not opened: what was used is not"
        " known: ' || coalesce((SELECT u.reason FROM usage u WHERE u.subscription_id = s.id AND u.resolved_at IS NULL"
        "  AND u.failures > 0 LIMIT 1), 'not answered yet') FROM subscription s JOIN plan p ON p.id = s.plan_id"
        " WHERE s.final_at < :slow_now AND s.set_aside_reason IS NULL"
        f" AND NOT {IS_FINAL_KNOWN}"
    ),
}
