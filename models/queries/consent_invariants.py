"""SQL of the invariants of consent and trials; read, told and parametrised as ``models.queries.invariants``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from domain.consent import CONSENT_WITHIN, NOTICE_AHEAD
from domain.subscription import BILLABLE
from models.base import listed

if TYPE_CHECKING:
    from collections.abc import Mapping

#: What must never be found.
CONSENT_BROKEN: Final[Mapping[str, str]] = {
    "no_rise_without_consent": (
        "SELECT pc.subscription_id, pc.kind || ' of ' || pc.decided_for || ' to ' || t.amount || ' won a unit'"
        " || ' without consent or notice in time' FROM price_change pc JOIN plan_price t ON t.id = pc.to_price_id"
        " LEFT JOIN plan_price f ON f.id = pc.from_price_id"
        " WHERE pc.state = 'made' AND (pc.kind = 'promotion' OR t.amount > coalesce(f.amount, 0)) AND NOT ("
        " coalesce((SELECT c.answer = 'agreed' AND c.given_at >= pc.decided_for"
        f"  - make_interval(days => {CONSENT_WITHIN.days}) FROM consent c WHERE c.price_change_id = pc.id"
        "  AND c.given_at <= pc.decided_for AND c.recorded_at <= pc.decided_at"
        "  ORDER BY c.given_at DESC, c.id DESC LIMIT 1), false)"
        " AND EXISTS (SELECT FROM notice n WHERE n.price_change_id = pc.id"
        f"  AND n.told_at <= pc.decided_for - make_interval(days => {NOTICE_AHEAD.days})))"
    ),
    "promotion_end_is_decided": (
        "SELECT r.subscription_id, 'its coupon of ' || r.periods || ' periods ended ' || r.ended_at"
        " || ', which was not decided' FROM redemption r WHERE r.ended_at IS NOT NULL AND NOT r.ended_unasked"
        " AND NOT EXISTS (SELECT FROM price_change pc WHERE pc.id = r.ended_by AND pc.kind = 'promotion'"
        "  AND pc.subscription_id = r.subscription_id AND pc.state = 'made')"
        # It is used up, and nobody is going to be asked: the opening has planned its end with the last use of it.
        " UNION ALL SELECT s.id, 'its coupon is used up, and its end is not planned' FROM redemption r"
        " JOIN subscription s ON s.id = r.subscription_id WHERE r.ended_at IS NULL AND r.used >= r.periods"
        f" AND s.changes_from IS NULL AND s.state IN ({listed(BILLABLE)}) AND s.next_billing_at > :now"
        # Before its term is over there may be no period that could still be asked about.
        " AND s.periods IS NULL"
        " UNION ALL SELECT i.id, 'not lowered by the coupon that runs since ' || r.redeemed_at FROM redemption r"
        " JOIN LATERAL (SELECT o.id FROM invoice o WHERE o.subscription_id = r.subscription_id"
        "  AND o.purpose = 'period' ORDER BY o.ordinal DESC LIMIT 1) i ON true"
        " WHERE r.ended_at IS NULL AND r.used > 0"
        " AND NOT EXISTS (SELECT FROM invoice_line n JOIN invoice o ON o.id = n.invoice_id WHERE n.kind = 'coupon'"
        "  AND (o.id = i.id OR (o.purpose = 'final' AND o.subscription_id = r.subscription_id)))"
    ),
    "nothing_is_opened_before_its_price_is_decided": (
        "SELECT s.id, 'period ' || i.ordinal || ' is opened, and its price from ' || s.changes_from"
        " || ' on is not decided'"
        " FROM subscription s JOIN invoice i ON i.subscription_id = s.id AND i.ordinal >= s.changes_from"
        " WHERE s.changes_from IS NOT NULL AND i.purpose = 'period'"
    ),
    "a_trial_owes_nothing": (
        "SELECT s.id, 'period ' || i.ordinal || ' is opened, and its trial never became paid' FROM subscription s"
        " JOIN invoice i ON i.subscription_id = s.id AND i.purpose = 'period'"
        " WHERE s.trial_until IS NOT NULL AND NOT EXISTS (SELECT"
        " FROM price_change pc WHERE pc.subscription_id = s.id AND pc.kind = 'conversion' AND pc.state = 'made'"
        " AND pc.from_ordinal <= i.ordinal)"
    ),
    "what_is_to_be_decided_is_known": (
        "SELECT s.id, 'its price is to be decided from ' || s.changes_from || ' on, and no change is planned'"
        " FROM subscription s WHERE s.changes_from IS NOT NULL AND NOT EXISTS (SELECT FROM price_change pc"
        " WHERE pc.subscription_id = s.id AND pc.state = 'planned')"
        # It ends for want of consent, once the outcome of a charge is known.
        " AND s.requested_change IS DISTINCT FROM 'cancel'"
        " UNION ALL SELECT pc.subscription_id, 'a change of price is planned that nothing waits for'"
        " FROM price_change pc JOIN subscription s ON s.id = pc.subscription_id"
        " WHERE pc.state = 'planned' AND s.changes_from IS NULL"
    ),
}
