"""SQL of the invariants of stops, resumes and holds; read, told and parametrised as ``models.queries.invariants``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from models.queries.hold import OF_SUBSCRIPTIONS
from models.queries.stop import HAS_COME

if TYPE_CHECKING:
    from collections.abc import Mapping

#: A claim reads the clock as it begins, and may see a release that was committed after that.
_CLAIM_TAKES: Final = "interval '30 seconds'"

#: What must never be found.
STOP_BROKEN: Final[Mapping[str, str]] = {
    "what_has_come_is_made": (
        "SELECT s.id, CASE WHEN s.stops_at < :slow_now THEN s.stops_as || ' was to come at ' || s.stops_at"
        " WHEN s.resumes_at < :slow_now AND s.state = 'paused' THEN 'was to go on at ' || s.resumes_at"
        " WHEN s.term_ends_at < :slow_now THEN 'was to complete at ' || s.term_ends_at"
        " ELSE 'its price was to be decided at ' || s.changes_at END || ' and did not' FROM subscription s"
        " WHERE least(s.stops_at, s.resumes_at, s.term_ends_at, s.changes_at) < :slow_now"
        f" AND ({HAS_COME.replace(':now', ':slow_now')})"
        " AND s.created_at < :slow_real"
        # Until these it could not be made.
        " AND NOT EXISTS (SELECT FROM outbox_event e WHERE e.subscription_id = s.id AND e.recorded_at >= :slow_real"
        "  AND e.kind IN ('subscription.pause', 'subscription.change_card', 'subscription.released'))"
        # A term completes only when its last debt is settled.
        " AND (least(s.stops_at, s.resumes_at) < :slow_now OR NOT EXISTS (SELECT FROM outbox_event e"
        "  WHERE e.subscription_id = s.id AND e.recorded_at >= :slow_real"
        "  AND e.kind IN ('invoice.paid', 'invoice.uncollectible')))"
    ),
    # After it was made `nothing_is_sent_after_the_end` and `nothing_is_sent_during_a_pause` look.
    "nothing_is_sent_past_a_stop": (
        "SELECT a.id, 'claimed at ' || a.started_at || ', stopped at ' || (e.data ->> 'planned_at')"
        " FROM outbox_event e JOIN invoice i ON i.subscription_id = e.subscription_id"
        " JOIN charge_attempt a ON a.invoice_id = i.id"
        " WHERE e.kind IN ('subscription.cancel', 'subscription.cancel_requested', 'subscription.pause',"
        "  'subscription.pause_requested') AND a.started_at < e.occurred_at AND NOT i.is_delivered"
        " AND a.started_at >= CAST(e.data ->> 'planned_at' AS timestamptz)"
    ),
    "nothing_is_sent_during_a_hold": (
        "SELECT a.id, 'sent at ' || d.committed_at || ', held since ' || h.placed_real_at"
        f" FROM {OF_SUBSCRIPTIONS} h JOIN invoice i ON i.subscription_id = h.held_id"
        " JOIN charge_attempt a ON a.invoice_id = i.id JOIN send d ON d.attempt_id = a.id AND d.send_no = a.send_no"
        " WHERE d.committed_at > h.placed_real_at AND (h.until IS NULL OR a.started_at < h.until)"
        f" AND (h.ended_real_at IS NULL OR d.committed_at < h.ended_real_at - {_CLAIM_TAKES})"
    ),
}

#: What is not broken, and needs a person.
STOP_ATTENTION: Final[Mapping[str, str]] = {
    # One with a date ends by itself.
    "hold_has_no_end": (
        "SELECT h.id, h.kind || ': ' || count(*) || ' charges of ' || sum(i.amount) || ' won wait for its release'"
        f" FROM {OF_SUBSCRIPTIONS} h JOIN invoice i ON i.subscription_id = h.held_id AND i.next_attempt_at < :slow_now"
        " WHERE h.state = 'standing' AND h.until IS NULL GROUP BY h.id, h.kind"
    ),
}
