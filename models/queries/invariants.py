"""SQL of the invariants: each finds the rows that must not be. Reads only.

Every statement gives (subject, told): whose row it is, and what is wrong with it. Parameters: ``now`` and ``slow_now``
(billing time, and the leeway before it), ``slow_real`` (real time less the leeway).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from sqlalchemy import text

from domain.billing_period import AfterOutage, SkipReason
from domain.charge_attempt import OPEN_ATTEMPT, UNDECIDED
from domain.decline import codes_of
from domain.dunning import NO_STRIKE
from domain.invoice import CHARGEABLE
from domain.refund import OPEN_REFUND, UNDECIDED_REFUND
from domain.subscription import BILLABLE
from models.base import listed
from models.queries.beside_invariants import BESIDE_ATTENTION, BESIDE_BROKEN
from models.queries.consent_invariants import CONSENT_BROKEN
from models.queries.foreign_invariants import FOREIGN_ATTENTION, FOREIGN_BROKEN
from models.queries.periods import CALENDAR
from models.queries.stop import IS_BILLED, IS_OPENED
from models.queries.stop_invariants import STOP_ATTENTION, STOP_BROKEN
from models.queries.usage_invariants import FINAL_BROKEN, IS_LONG_KNOWN, USAGE_ATTENTION, USAGE_BROKEN

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime, timedelta

    from sqlalchemy import Row

    from models.session import Transaction

#: Rows told of one invariant: the rest is of the same kind.
TOLD: Final = 100
_PAGE: Final = 5_000

_OPEN: Final = listed(OPEN_ATTEMPT)
_UNDECIDED: Final = listed(UNDECIDED)
_BILLABLE: Final = listed(BILLABLE)
_OPEN_REFUND: Final = listed(OPEN_REFUND)
#: The newest attempt of an invoice was refused for the shop's contract or for the request itself.
_NOT_THE_CUSTOMERS: Final = (
    "FROM charge_attempt d WHERE d.invoice_id = i.id AND d.attempt_no = i.attempt_count AND d.state = 'declined'"
    f" AND d.decline_code IN ({listed(codes_of(*NO_STRIKE))})"
)

#: What must never be found.
BROKEN: Final[Mapping[str, str]] = {
    **FOREIGN_BROKEN,
    **STOP_BROKEN,
    **CONSENT_BROKEN,
    **BESIDE_BROKEN,
    **USAGE_BROKEN,
    **FINAL_BROKEN,
    "paid_invoice_has_its_payment": (
        "SELECT i.id, 'invoice is ' || i.state || CASE WHEN p.id IS NULL THEN ' without' ELSE ' with' END"
        " || ' a counting payment' FROM invoice i LEFT JOIN payment p ON p.invoice_id = i.id AND p.counts"
        # What owes nothing is paid without one.
        " WHERE (i.state = 'paid' AND i.amount > 0) <> (p.id IS NOT NULL)"
    ),
    "paid_amount_is_the_invoices": (
        "SELECT i.id, 'owes ' || i.amount || ' won, payment ' || p.imp_uid || ' is ' || p.amount"
        " FROM payment p JOIN invoice i ON i.id = p.invoice_id WHERE p.counts AND p.amount <> i.amount"
    ),
    "invoice_is_the_sum_of_its_lines": (
        "SELECT i.id, 'owes ' || i.amount || ' won, its ' || count(l.line_no) || ' lines are '"
        " || coalesce(sum(l.amount), 0) || ', or their tax parts differ'"
        " FROM invoice i LEFT JOIN invoice_line l ON l.invoice_id = i.id GROUP BY i.id"
        " HAVING (i.amount, i.tax_free, i.vat_amount) IS DISTINCT FROM"
        " (sum(l.amount)::bigint, sum(l.tax_free)::bigint, sum(l.vat_amount)::bigint)"
    ),
    "payment_has_its_invoices_tax_parts": (
        "SELECT i.id, 'payment ' || p.imp_uid || ' has other tax parts than its invoice'"
        " FROM payment p JOIN invoice i ON i.id = p.invoice_id"
        " WHERE p.counts AND (p.tax_free, p.vat_amount) IS DISTINCT FROM (i.tax_free, i.vat_amount)"
    ),
    "payment_belongs_to_an_approved_attempt": (
        "SELECT a.id, 'attempt is ' || a.state || ' but has payment ' || p.imp_uid"
        " FROM payment p JOIN charge_attempt a ON a.id = p.attempt_id"
        " WHERE a.state <> 'approved' OR a.invoice_id <> p.invoice_id"
    ),
    "approved_attempt_has_a_payment": (
        "SELECT a.id, 'approved without a payment' FROM charge_attempt a WHERE a.state = 'approved'"
        " AND NOT EXISTS (SELECT FROM payment p WHERE p.attempt_id = a.id)"
    ),
    "due_period_is_opened": (
        "SELECT s.id, 'period ' || s.ordinal + 1 || ' is due since ' || s.next_billing_at || ' and not opened'"
        f" FROM subscription s WHERE s.state IN ({_BILLABLE}) AND s.set_aside_reason IS NULL"
        f" AND s.next_billing_at < :slow_now AND s.created_at < :slow_real AND {IS_OPENED}"
        f" AND {IS_LONG_KNOWN}"
        # Before these it was not billed: what is due since long is due to be opened only since then.
        " AND NOT EXISTS (SELECT FROM outbox_event e WHERE e.subscription_id = s.id"
        "  AND e.kind IN ('subscription.resumed', 'subscription.change_card') AND e.recorded_at >= :slow_real)"
    ),
    "every_period_has_an_invoice_or_a_skip": (
        "SELECT s.id, 'periods to ' || s.ordinal || ': ' || coalesce(i.count, 0) || ' invoices, ' ||"
        " coalesce(x.count, 0) || ' skipped' FROM subscription s"
        " LEFT JOIN (SELECT subscription_id, count(*) AS count, max(ordinal) AS last FROM invoice"
        "  WHERE purpose = 'period' GROUP BY subscription_id) i ON i.subscription_id = s.id"
        " LEFT JOIN (SELECT subscription_id, sum(last_ordinal - first_ordinal + 1) AS count,"
        "  max(last_ordinal) AS last FROM skipped_period GROUP BY subscription_id) x ON x.subscription_id = s.id"
        " WHERE coalesce(i.count, 0) + coalesce(x.count, 0) <> s.ordinal + 1"
        " OR greatest(i.last, x.last) > s.ordinal"
    ),
    "periods_follow_each_other": (
        "SELECT i.id, 'period ' || i.ordinal || ' ends at ' || i.period_end || ', the one after it begins at '"
        " || n.period_start FROM invoice i JOIN invoice n ON n.subscription_id = i.subscription_id"
        " AND n.purpose = i.purpose AND n.ordinal = i.ordinal + 1"
        " WHERE i.purpose = 'period'"
        # Another plan may bill at another hour of that day.
        " AND (n.period_start >= i.period_end + interval '1 day'"
        "  OR n.period_start <= i.period_end - interval '1 day')"
        " AND NOT EXISTS (SELECT FROM proration x WHERE x.subscription_id = i.subscription_id"
        "  AND x.ordinal = i.ordinal AND x.is_cut)"
        # In arrears a period begins where a pause ended.
        " AND NOT (n.is_delivered AND n.share_days IS NOT NULL AND n.period_start > i.period_end AND EXISTS (SELECT"
        "  FROM outbox_event e WHERE e.subscription_id = n.subscription_id AND e.kind = 'subscription.resumed'"
        "  AND e.occurred_at >= i.period_end))"
    ),
    "no_period_is_both_skipped_and_owed": (
        "SELECT i.id, 'period ' || i.ordinal || ' is skipped and has an invoice' FROM skipped_period x"
        " JOIN invoice i ON i.subscription_id = x.subscription_id AND i.purpose = 'period'"
        " AND i.ordinal BETWEEN x.first_ordinal AND x.last_ordinal"
    ),
    "outage_is_skipped_where_the_plan_says_so": (
        "SELECT s.id, 'periods ' || x.first_ordinal || ' to ' || x.last_ordinal || ' are skipped for an outage, and its"
        " plan charges them' FROM skipped_period x JOIN subscription s ON s.id = x.subscription_id"
        f" JOIN plan p ON p.id = s.plan_id WHERE x.reason = '{SkipReason.OUTAGE}'"
        f" AND p.after_outage = '{AfterOutage.ALL}'"
        # By another plan than that it had then, nobody knows.
        " AND NOT EXISTS (SELECT FROM outbox_event e WHERE e.subscription_id = s.id"
        "  AND e.kind = 'subscription.plan_changed')"
    ),
    "no_new_number_before_a_definite_decline": (
        "SELECT a.id, 'attempt ' || a.attempt_no || ' is ' || a.state || ', and a later one exists'"
        " FROM charge_attempt a WHERE a.state <> 'declined' AND EXISTS (SELECT FROM charge_attempt later"
        "  WHERE later.invoice_id = a.invoice_id AND later.attempt_no > a.attempt_no)"
        # Money that came late for an older attempt is an incident of its own.
        " AND NOT (a.state = 'approved' AND EXISTS (SELECT FROM outbox_event e WHERE e.invoice_id = a.invoice_id"
        "  AND e.attempt_id = a.id AND e.kind = 'attempt.approved_late'))"
    ),
    "attempts_are_numbered_without_gaps": (
        "SELECT i.id, 'has ' || count(a.id) || ' attempts up to number ' || max(a.attempt_no) || ', counts ' ||"
        " i.attempt_count FROM invoice i JOIN charge_attempt a ON a.invoice_id = i.id GROUP BY i.id"
        " HAVING count(a.id) <> max(a.attempt_no) OR max(a.attempt_no) <> i.attempt_count"
    ),
    "no_open_attempt_on_what_is_settled": (
        "SELECT a.id, 'attempt is ' || a.state || ', its invoice ' || i.state || ', its subscription ' || s.state"
        " FROM charge_attempt a JOIN invoice i ON i.id = a.invoice_id JOIN subscription s ON s.id = i.subscription_id"
        f" WHERE a.state IN ({_OPEN}) AND ((s.state = 'ended' AND NOT i.is_delivered)"
        "  OR i.state IN ('void', 'uncollectible')"
        # An older attempt may have paid the invoice while this one was out.
        f"  OR (i.state = 'paid' AND NOT (a.state IN ({_UNDECIDED}) AND EXISTS (SELECT FROM payment p"
        "   WHERE p.invoice_id = i.id AND p.counts AND p.attempt_id <> a.id))))"
    ),
    "nothing_is_sent_after_the_end": (
        "SELECT a.id, 'sent at ' || d.committed_at || ', cancelled at ' || e.recorded_at FROM outbox_event e"
        " JOIN invoice i ON i.subscription_id = e.subscription_id JOIN charge_attempt a ON a.invoice_id = i.id"
        " JOIN send d ON d.attempt_id = a.id WHERE e.kind = 'subscription.cancel' AND d.committed_at > e.recorded_at"
        " AND NOT i.is_delivered"
    ),
    "nothing_is_sent_during_a_pause": (
        "SELECT a.id, 'sent at ' || d.committed_at || ', paused at ' || e.recorded_at FROM outbox_event e"
        " JOIN invoice i ON i.subscription_id = e.subscription_id JOIN charge_attempt a ON a.invoice_id = i.id"
        " JOIN send d ON d.attempt_id = a.id WHERE e.kind = 'subscription.pause' AND d.committed_at > e.recorded_at"
        " AND NOT i.is_delivered"
        " AND NOT EXISTS (SELECT FROM outbox_event r WHERE r.subscription_id = e.subscription_id AND r.id > e.id"
        "  AND r.kind = 'subscription.resumed' AND r.recorded_at < d.committed_at)"
    ),
    "nothing_is_sent_to_a_revoked_card": (
        "SELECT d.attempt_id, 'sent at ' || d.committed_at || ', revoked at ' || k.revoked_at"
        " FROM billing_key k JOIN send d ON d.billing_key_id = k.id WHERE d.committed_at > k.revoked_at"
    ),
    "unknown_is_never_forgotten": (
        "SELECT a.id, 'unknown without a next look-up or an operator' FROM charge_attempt a"
        " WHERE a.state = 'unknown' AND a.next_look_up_at IS NULL AND a.operator_since IS NULL"
    ),
    "in_flight_is_asked_about_in_time": (
        "SELECT a.id, 'in flight, its lease ended at ' || coalesce(a.next_look_up_at::text, '(none)')"
        " FROM charge_attempt a WHERE a.state = 'in_flight'"
        " AND (a.next_look_up_at IS NULL OR a.next_look_up_at < :slow_real)"
    ),
    "every_send_is_its_attempts": (
        "SELECT a.id, 'counts ' || a.send_no || ' sends, has ' || count(d.send_no) FROM charge_attempt a"
        " LEFT JOIN send d ON d.attempt_id = a.id GROUP BY a.id"
        " HAVING count(d.send_no) <> a.send_no OR coalesce(max(d.send_no), 0) <> a.send_no"
        " OR bool_or(d.amount <> a.amount)"
    ),
    "attempt_asks_for_what_is_owed": (
        "SELECT a.id, 'asks for ' || a.amount || ' won, its invoice owes ' || i.amount"
        " FROM charge_attempt a JOIN invoice i ON i.id = a.invoice_id WHERE a.amount <> i.amount"
    ),
    "card_is_the_customers": (
        "SELECT s.id, 'its card belongs to another customer' FROM subscription s"
        " JOIN billing_key k ON k.id = s.billing_key_id WHERE k.customer_id <> s.customer_id"
    ),
    "past_due_means_a_debt": (
        "SELECT s.id, 'is ' || s.state FROM subscription s WHERE s.state IN ('active', 'past_due')"
        " AND (s.state = 'past_due') <> EXISTS (SELECT FROM invoice i"
        "  WHERE i.subscription_id = s.id AND i.state = 'past_due')"
    ),
    "open_invoice_is_on_its_way": (
        "SELECT i.id, 'open, never attempted by itself' FROM invoice i JOIN subscription s ON s.id = i.subscription_id"
        f" WHERE i.state = 'open' AND i.next_attempt_at IS NULL AND {IS_BILLED} AND NOT EXISTS"
        f" (SELECT FROM charge_attempt a WHERE a.invoice_id = i.id AND a.state IN ({_OPEN}))"
        # Refused for what is not the customer's: it waits for an operator.
        f" AND NOT EXISTS (SELECT {_NOT_THE_CUSTOMERS})"
    ),
    "no_more_goes_back_than_was_paid": (
        "SELECT p.invoice_id, p.imp_uid || ': ' || p.amount || ' won paid, ' || p.cancelled_amount || ' cancelled, '"
        " || sum(r.amount) || ' kept for refunds' FROM payment p JOIN refund r ON r.payment_id = p.id"
        f" WHERE r.state IN ({_OPEN_REFUND}) AND r.overtaken_at IS NULL GROUP BY p.id"
        " HAVING p.cancelled_amount + sum(r.amount) > p.amount"
    ),
    "cancelled_amount_is_the_sum_of_cancels": (
        "SELECT p.invoice_id, p.imp_uid || ': ' || p.cancelled_amount || ' won cancelled, its cancels are '"
        " || coalesce(sum(c.amount), 0) FROM payment p LEFT JOIN payment_cancellation c ON c.payment_id = p.id"
        " GROUP BY p.id HAVING p.cancelled_amount <> coalesce(sum(c.amount), 0)"
    ),
    "refund_that_succeeded_is_booked": (
        "SELECT r.id, 'refund is ' || r.state || ', its cancel is ' || coalesce(c.amount::text, 'not booked')"
        " FROM refund r LEFT JOIN payment_cancellation c ON c.refund_id = r.id"
        " WHERE (r.state = 'succeeded') <> (c.refund_id IS NOT NULL) OR c.amount <> r.amount"
        " OR c.payment_id <> r.payment_id"
    ),
    "refund_is_asked_about_in_time": (
        "SELECT r.id, r.state || ', to be looked at since ' || coalesce(r.next_at::text, '(never)') FROM refund r"
        f" WHERE r.state IN ({listed(UNDECIDED_REFUND)}) AND (r.next_at IS NULL OR r.next_at < :slow_real)"
    ),
}

#: What a person must look at; nothing is broken.
ATTENTION: Final[Mapping[str, str]] = {
    **FOREIGN_ATTENTION,
    **STOP_ATTENTION,
    **BESIDE_ATTENTION,
    **USAGE_ATTENTION,
    "invoice_set_aside": "SELECT i.id, i.set_aside_reason FROM invoice i WHERE i.set_aside_reason IS NOT NULL",
    "subscription_set_aside": (
        "SELECT s.id, s.set_aside_reason FROM subscription s WHERE s.set_aside_reason IS NOT NULL"
    ),
    "surplus_payment": (
        "SELECT p.invoice_id, p.imp_uid || ': ' || p.amount - p.cancelled_amount || ' won to give back'"
        " FROM payment p WHERE NOT p.counts AND p.cancelled_amount < p.amount"
        # What is proposed is told as such; what a person said no to stays.
        f" AND NOT EXISTS (SELECT FROM refund r WHERE r.payment_id = p.id AND r.state IN ({_OPEN_REFUND}, 'rejected'))"
    ),
    "refused_not_the_customers": (
        "SELECT i.id, 'refused, and not for the customer: charge it once that is mended' FROM invoice i"
        f" WHERE i.state IN ({listed(CHARGEABLE)}) AND i.next_attempt_at IS NULL AND EXISTS"
        f" (SELECT {_NOT_THE_CUSTOMERS})"
    ),
    "waits_for_an_operator": (
        "SELECT a.id, coalesce(a.operator_reason, 'no reason told') FROM charge_attempt a"
        " WHERE a.operator_since IS NOT NULL"
    ),
    "refund_waits_for_a_person": (
        "SELECT r.id, r.amount || ' won of ' || p.imp_uid || ': ' || coalesce(r.operator_reason, r.reason)"
        " FROM refund r JOIN payment p ON p.id = r.payment_id"
        " WHERE r.state = 'proposed' OR r.operator_since IS NOT NULL"
    ),
    # A halt, a breaker's pause and another refund of the same payment end; a channel that nobody configures does not.
    "refund_is_not_sent": (
        "SELECT r.id, r.amount || ' won of ' || p.imp_uid || ' by channel ' || r.channel || ', due since ' || r.next_at"
        " FROM refund r JOIN payment p ON p.id = r.payment_id WHERE r.state IN ('requested', 'not_executed')"
        " AND r.operator_since IS NULL AND r.next_at < :slow_real - interval '2 hours'"
    ),
    "channel_halted": ("SELECT c.name, coalesce(c.halt_reason, '') FROM channel_state c WHERE c.halted_at IS NOT NULL"),
}


def found(tx: Transaction, statement: str, *, leeway: timedelta) -> list[tuple[str, str]]:
    """The first that an invariant's statement finds: whose, and what is wrong. ``leeway`` is real time."""
    parameters = {
        "now": tx.now,
        "slow_now": tx.now - leeway * max(1, tx.moment.rate),
        "slow_real": tx.real - leeway,
    }
    named = {name: value for name, value in parameters.items() if f":{name}" in statement}
    rows = tx.connection.execute(
        text(f"SELECT f.subject, f.told FROM ({statement} LIMIT {TOLD}) f(subject, told)"), named
    )
    return [(str(row.subject), str(row.told)) for row in rows]


def standing_subscriptions(tx: Transaction) -> Iterator[Row[Any]]:
    """Every subscription that is still billed some day, with its schedule, streamed by id."""
    return _streamed(
        tx,
        f"SELECT s.id, s.ordinal, s.next_billing_at, s.term_ends_at, {CALENDAR} FROM subscription s"
        " JOIN plan p ON p.id = s.plan_id WHERE s.state <> 'ended' AND s.id > :after ORDER BY s.id LIMIT :limit",
    )


def invoices_with_calendar(tx: Transaction) -> Iterator[Row[Any]]:
    """Every period's invoice, with its subscription's schedule, streamed by id."""
    return _streamed(
        tx,
        f"SELECT i.id, i.ordinal, i.period_start, i.period_end, i.share_days, i.share_of_days, {CALENDAR}"
        " FROM invoice i JOIN subscription s ON s.id = i.subscription_id JOIN plan p ON p.id = s.plan_id"
        " WHERE i.purpose = 'period' AND i.id > :after ORDER BY i.id LIMIT :limit",
    )


def attempts_with_identity(tx: Transaction) -> Iterator[Row[Any]]:
    """Every attempt, with what its ``merchant_uid`` is made of, streamed by id."""
    return _streamed(
        tx,
        "SELECT a.id, a.merchant_uid, a.attempt_no, i.subscription_id, i.purpose, i.ordinal FROM charge_attempt a"
        " JOIN invoice i ON i.id = a.invoice_id WHERE a.id > :after ORDER BY a.id LIMIT :limit",
    )


def payments_before(tx: Transaction, before: UUID, *, channels: Sequence[str]) -> Iterator[Row[Any]]:
    """Every payment through some channels whose row was made before an id of ours, streamed by id."""
    return _streamed(
        tx,
        "SELECT p.id, p.imp_uid, p.amount, p.counts FROM payment p"
        " WHERE p.id > :after AND p.id < :before AND p.channel = ANY(:channels) ORDER BY p.id LIMIT :limit",
        before=before,
        channels=list(channels),
    )


def id_bound(tx: Transaction) -> UUID:
    """An id that is greater than those made before this moment: ids begin with their milliseconds (RFC 9562)."""
    return UUID(int=int(tx.real.timestamp() * 1000) << 80)


def first_send_at(tx: Transaction) -> datetime | None:
    """When anything was sent first: real time."""
    at: datetime | None = tx.connection.execute(text("SELECT min(first_sent_at) FROM charge_attempt")).scalar_one()
    return at


def attempts_by_merchant_uid(tx: Transaction, uids: Sequence[str]) -> Mapping[str, Row[Any]]:
    """Attempts, each with the cards of its sends."""
    rows = tx.connection.execute(
        text(
            "SELECT a.id, a.invoice_id, a.merchant_uid, a.state, array_agg(k.customer_uid) AS customer_uids"
            " FROM charge_attempt a JOIN send d ON d.attempt_id = a.id JOIN billing_key k ON k.id = d.billing_key_id"
            " WHERE a.merchant_uid = ANY(:uids) GROUP BY a.id"
        ),
        {"uids": list(uids)},
    )
    return {row.merchant_uid: row for row in rows}


def payments_by_imp_uid(tx: Transaction, imp_uids: Sequence[str]) -> Mapping[str, Row[Any]]:
    """Payments by the gateway's number."""
    rows = tx.connection.execute(
        text("SELECT imp_uid, invoice_id, amount, cancelled_amount, counts FROM payment WHERE imp_uid = ANY(:uids)"),
        {"uids": list(imp_uids)},
    )
    return {row.imp_uid: row for row in rows}


def _streamed(tx: Transaction, statement: str, **parameters: object) -> Iterator[Row[Any]]:
    prepared = text(statement)
    after = UUID(int=0)
    while True:
        page = tx.connection.execute(prepared, {**parameters, "after": after, "limit": _PAGE}).all()
        yield from page
        if len(page) < _PAGE:
            return
        after = page[-1].id
