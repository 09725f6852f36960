"""SQL of the invariants of foreign hands; read, told and parametrised as those of ``models.queries.invariants``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from models.queries.foreign import ASKS, UNANSWERED

if TYPE_CHECKING:
    from collections.abc import Mapping

#: What must never be found.
FOREIGN_BROKEN: Final[Mapping[str, str]] = {
    "card_is_blocked_by_what_asks": (
        "SELECT k.id, CASE WHEN k.foreign_schedule_since IS NULL THEN 'is charged, and a foreign schedule asks'"
        " ELSE 'is blocked, and nothing asks' END FROM billing_key k"
        f" WHERE (k.foreign_schedule_since IS NOT NULL) <> {ASKS}"
    ),
    "adopted_period_is_paid_once": (
        "SELECT i.id, 'schedule ' || d.merchant_uid || ' paid it, and ' || p.imp_uid || ' of ours did'"
        " FROM adopted_schedule d JOIN invoice i ON i.subscription_id = d.subscription_id AND i.ordinal = d.ordinal"
        "  AND i.purpose = 'period' JOIN payment p ON p.invoice_id = i.id AND p.counts WHERE d.became = 'paid'"
    ),
    "ended_adoption_is_proven": (
        "SELECT d.subscription_id, 'adopted, and nobody knows what became of ' || d.merchant_uid"
        " FROM adopted_schedule d JOIN adoption a ON a.subscription_id = d.subscription_id"
        " WHERE a.state = 'done' AND d.became = 'open'"
    ),
}

#: What is not broken, and needs a person.
FOREIGN_ATTENTION: Final[Mapping[str, str]] = {
    "foreign_payment": (
        "SELECT f.imp_uid, f.amount || ' won by ' || f.merchant_uid || ', which we did not ask for'"
        " FROM foreign_payment f WHERE f.is_money AND f.accepted_at IS NULL"
    ),
    "foreign_schedule_blocks": (
        "SELECT s.id, 'not charged since ' || k.foreign_schedule_since || ': ' || f.merchant_uid || ' ' || f.state"
        " FROM foreign_schedule f JOIN billing_key k ON k.id = f.billing_key_id"
        " JOIN subscription s ON s.billing_key_id = k.id AND s.state <> 'ended'"
        f" WHERE ((f.gone_at IS NULL AND f.ignored_at IS NULL) OR f.id IN (SELECT f.id {UNANSWERED}))"
        " AND NOT EXISTS (SELECT FROM adoption a WHERE a.subscription_id = s.id AND a.state <> 'done')"
    ),
    # An hour is what settling may take; the comparison goes on with it every hour.
    "adoption_unfinished": (
        "SELECT a.subscription_id, 'begun at ' || a.began_at || ' and not ended' FROM adoption a"
        " WHERE a.state <> 'done' AND a.began_at < :slow_real - interval '2 hours'"
    ),
}
