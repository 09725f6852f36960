"""SQL of what a person looks at: lists in pages, one thing with all that belongs to it. Reads only."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from sqlalchemy import text

from domain.charge_attempt import UNDECIDED
from domain.errors import BadInput, NotFound
from models.base import listed
from models.queries import stop

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Row

    from models.session import Transaction

#: Rows of one page, at most.
PAGE: Final = 1_000
#: Rows of each kind that one page of details holds, newest first.
DETAILS: Final = 200

_TABLES: Final = {
    "invoice": "invoice",
    "subscription": "subscription",
    "attempt": "charge_attempt",
    "refund": "refund",
    "payment": "payment",
    "foreign_payment": "foreign_payment",
    "foreign_schedule": "foreign_schedule",
    "window": "maintenance_window",
    "hold": "hold",
    "item": "invoice_item",
    "add-on": "add_on",
}
_ID_LENGTH: Final = 32
_SHORTEST: Final = 8
_HEX: Final = re.compile(r"[0-9a-f]+")

_INVOICES: Final = (
    "SELECT i.id, i.subscription_id, c.customer_ref, p.code AS plan, i.purpose, i.ordinal,"
    " i.period_start, i.period_end, i.share_days, i.share_of_days, i.amount, i.tax_free, i.vat_amount, i.card_quota,"
    " i.state, i.next_attempt_at, i.next_trigger, i.ladder_step, i.ladder_at, i.attempt_count,"
    " i.is_catch_up, i.is_delivered, i.set_aside_reason, i.opened_at, s.state AS subscription_state"
    " FROM invoice i JOIN subscription s ON s.id = i.subscription_id JOIN customer c ON c.id = s.customer_id"
    " JOIN plan p ON p.id = s.plan_id"
)
_SUBSCRIPTIONS: Final = (
    "SELECT s.id, c.customer_ref, c.name, c.email, c.tel, p.code AS plan, p.every, p.cron,"
    " s.quantity * price.amount AS amount, s.quantity, price.amount AS unit_amount, price.effective_from AS price_from,"
    " s.timezone,"
    " s.started_on, s.anchored_on, s.anchor_ordinal, s.stub_from, s.billing_day, s.trial_until,"
    " s.state, s.ended_reason, s.ordinal, s.next_billing_at, s.paused_at,"
    " s.requested_change, s.stops_at, s.stops_as, s.resumes_at, s.periods, s.term_ends_at, s.minimum_periods,"
    " s.final_ordinal, s.final_at, s.set_aside_reason, s.carried, k.customer_uid,"
    " k.channel, k.revoked_at"
    " FROM subscription s JOIN customer c ON c.id = s.customer_id JOIN plan p ON p.id = s.plan_id"
    " JOIN plan_price price ON price.id = s.plan_price_id LEFT JOIN billing_key k ON k.id = s.billing_key_id"
)
_INVOICE_PAGE: Final = text(
    f"{_INVOICES} WHERE (CAST(:after AS uuid) IS NULL OR i.id > :after)"
    " AND (CAST(:state AS text) IS NULL OR i.state = :state)"
    " AND (CAST(:subscription AS uuid) IS NULL OR i.subscription_id = :subscription)"
    f" AND (NOT :due OR (i.next_attempt_at <= :now AND i.set_aside_reason IS NULL AND {stop.IS_BILLED}))"
    " AND (NOT :set_aside OR i.set_aside_reason IS NOT NULL) ORDER BY i.id LIMIT :limit"
)
_SUBSCRIPTION_PAGE: Final = text(
    f"{_SUBSCRIPTIONS} WHERE (CAST(:after AS uuid) IS NULL OR s.id > :after)"
    " AND (CAST(:state AS text) IS NULL OR s.state = :state)"
    " AND (CAST(:customer AS text) IS NULL OR c.customer_ref = :customer)"
    " AND (CAST(:plan AS text) IS NULL OR p.code = :plan)"
    " AND (NOT :set_aside OR s.set_aside_reason IS NOT NULL) ORDER BY s.id LIMIT :limit"
)
_ATTEMPTS: Final = (
    "SELECT a.id, a.invoice_id, a.attempt_no, a.merchant_uid, a.amount, a.trigger, a.state, a.send_no, a.absent_count,"
    " a.decline_code, a.unknown_reason, a.raw_reason, a.next_look_up_at, a.first_sent_at, a.operator_since,"
    " a.operator_reason, a.started_at, a.ended_at FROM charge_attempt a"
)
_ATTEMPT_PAGE: Final = text(
    f"{_ATTEMPTS} WHERE (CAST(:after AS uuid) IS NULL OR a.id > :after)"
    f" AND (NOT :unknown OR a.state IN ({listed(UNDECIDED)}))"
    " AND (NOT :operator OR a.operator_since IS NOT NULL)"
    " AND (NOT :late OR EXISTS (SELECT FROM outbox_event e WHERE e.attempt_id = a.id"
    "   AND e.kind = 'attempt.approved_late')) ORDER BY a.id LIMIT :limit"
)


def find_id(tx: Transaction, kind: str, given: str) -> UUID:
    """The id of an invoice, subscription or attempt, given whole or by its first eight hex digits or more.

    Raises:
        BadInput: It is no id, is too short, or fits more than one.
        NotFound: It fits none.
    """
    digits = given.strip().lower().replace("-", "")
    if not _HEX.fullmatch(digits) or not _SHORTEST <= len(digits) <= _ID_LENGTH:
        raise BadInput(f"{given[:40]!r} is no {kind}'s id; give it whole, or its first {_SHORTEST} hex digits or more")
    found = (
        tx.connection.execute(
            text(f"SELECT id FROM {_TABLES[kind]} WHERE id BETWEEN :low AND :high ORDER BY id LIMIT 2"),
            {"low": UUID(digits.ljust(_ID_LENGTH, "0")), "high": UUID(digits.ljust(_ID_LENGTH, "f"))},
        )
        .scalars()
        .all()
    )
    if not found:
        raise NotFound(f"there is no {kind} {given}")
    if len(found) > 1:
        raise BadInput(f"{given} fits more than one {kind}; give more of its digits")
    first: UUID = found[0]
    return first


def list_invoices(
    tx: Transaction,
    *,
    state: str | None,
    subscription_id: UUID | None,
    due: bool,
    set_aside: bool,
    limit: int,
    after: UUID | None,
) -> Sequence[Row[Any]]:
    """Invoices by id, which is by time; ``after`` is the last one of the page before."""
    return tx.connection.execute(
        _INVOICE_PAGE,
        {
            "state": state,
            "subscription": subscription_id,
            "due": due,
            "set_aside": set_aside,
            "limit": min(limit, PAGE),
            "after": after,
            "now": tx.now,
        },
    ).all()


def list_subscriptions(
    tx: Transaction,
    *,
    state: str | None,
    customer_ref: str | None,
    plan: str | None,
    set_aside: bool,
    limit: int,
    after: UUID | None,
) -> Sequence[Row[Any]]:
    """Subscriptions by id; ``after`` is the last one of the page before."""
    return tx.connection.execute(
        _SUBSCRIPTION_PAGE,
        {
            "state": state,
            "customer": customer_ref,
            "plan": plan,
            "set_aside": set_aside,
            "limit": min(limit, PAGE),
            "after": after,
        },
    ).all()


def list_attempts(
    tx: Transaction, *, unknown: bool, operator: bool, late: bool, limit: int, after: UUID | None
) -> Sequence[Row[Any]]:
    """Attempts by id, which is by time; ``after`` is the last one of the page before."""
    values = {"unknown": unknown, "operator": operator, "late": late, "limit": min(limit, PAGE), "after": after}
    return tx.connection.execute(_ATTEMPT_PAGE, values).all()


def invoice(tx: Transaction, invoice_id: UUID) -> Row[Any]:
    """One invoice."""
    return tx.connection.execute(text(f"{_INVOICES} WHERE i.id = :id"), {"id": invoice_id}).one()


def subscription(tx: Transaction, subscription_id: UUID) -> Row[Any]:
    """One subscription."""
    return tx.connection.execute(text(f"{_SUBSCRIPTIONS} WHERE s.id = :id"), {"id": subscription_id}).one()


def lines_of(tx: Transaction, invoice_id: UUID) -> Sequence[Row[Any]]:
    """What an invoice consists of, in order."""
    return _details(
        tx,
        "SELECT l.line_no, l.kind, l.description, l.quantity, l.unit_amount, l.amount, l.tax_free, l.vat_amount"
        " FROM invoice_line l WHERE l.invoice_id = :id ORDER BY l.line_no",
        invoice_id,
    )


def attempts_of(tx: Transaction, invoice_id: UUID) -> Sequence[Row[Any]]:
    """An invoice's attempts, in order."""
    return _details(tx, f"{_ATTEMPTS} WHERE a.invoice_id = :id ORDER BY a.attempt_no", invoice_id)


def sends_of(tx: Transaction, invoice_id: UUID) -> Sequence[Row[Any]]:
    """What was asked for an invoice, in order; real time."""
    return _details(
        tx,
        "SELECT a.attempt_no, s.send_no, s.amount, s.committed_at, s.send_before, s.lease_until, s.answered_at,"
        " s.result, k.customer_uid FROM send s JOIN charge_attempt a ON a.id = s.attempt_id"
        " JOIN billing_key k ON k.id = s.billing_key_id WHERE a.invoice_id = :id ORDER BY a.attempt_no, s.send_no",
        invoice_id,
    )


def payments_of(tx: Transaction, invoice_id: UUID) -> Sequence[Row[Any]]:
    """Money received for an invoice."""
    return _details(
        tx,
        "SELECT p.imp_uid, a.attempt_no, p.amount, p.tax_free, p.vat_amount, p.cancelled_amount, p.counts, p.paid_at,"
        " p.recorded_at FROM payment p JOIN charge_attempt a ON a.id = p.attempt_id WHERE p.invoice_id = :id"
        " ORDER BY p.id",
        invoice_id,
    )


def evidence_of(tx: Transaction, invoice_id: UUID) -> Sequence[Row[Any]]:
    """What the gateway said about an invoice's attempts, without the bodies; real time."""
    return _details(
        tx,
        "SELECT a.attempt_no, e.send_no, e.source, e.said, e.began_at FROM evidence e"
        " JOIN charge_attempt a ON a.id = e.attempt_id WHERE a.invoice_id = :id ORDER BY e.id",
        invoice_id,
    )


def events_of(
    tx: Transaction, *, invoice_id: UUID | None = None, subscription_id: UUID | None = None
) -> Sequence[Row[Any]]:
    """What happened to an invoice, or to a subscription and its invoices; the newest of them, in order."""
    column = "invoice_id" if invoice_id is not None else "subscription_id"
    rows = tx.connection.execute(
        text(
            "SELECT occurred_at, kind, is_incident, invoice_id, data FROM outbox_event"
            f" WHERE {column} = :id ORDER BY id DESC LIMIT {DETAILS}"
        ),
        {"id": invoice_id or subscription_id},
    ).all()
    return rows[::-1]


def audits_of(tx: Transaction, subject_id: UUID) -> Sequence[Row[Any]]:
    """What people did to a thing."""
    return _details(
        tx,
        "SELECT occurred_at, actor, action, reason FROM audit_entry WHERE subject_id = :id ORDER BY id",
        subject_id,
    )


def skips_of(tx: Transaction, subscription_id: UUID) -> Sequence[Row[Any]]:
    """Periods of a subscription that got no invoice, and why."""
    return _details(
        tx,
        "SELECT first_ordinal, last_ordinal, reason FROM skipped_period WHERE subscription_id = :id"
        " ORDER BY first_ordinal",
        subscription_id,
    )


def channels(tx: Transaction) -> Sequence[Row[Any]]:
    """Every channel as it stands, by name, and what waits for it."""
    return tx.connection.execute(
        text(
            "SELECT c.name, c.halted_at, c.halt_reason, c.missing_since, c.rate_used_until,"
            " (SELECT count(*) FROM billing_key k WHERE k.channel = c.name AND k.revoked_at IS NULL) AS cards,"
            " (SELECT count(*) FROM charge_attempt a JOIN send x ON x.attempt_id = a.id AND x.send_no = a.send_no"
            "  JOIN billing_key k ON k.id = x.billing_key_id"
            f"  WHERE a.state IN ({listed(UNDECIDED)}) AND k.channel = c.name) AS undecided,"
            " (SELECT max(t.dies_at) FROM seen_token t WHERE t.channel = c.name) AS token_dies_at"
            " FROM channel_state c ORDER BY c.name"
        )
    ).all()


def newest_payment(tx: Transaction, *, channel: str) -> str | None:
    """The gateway's number of the payment through a channel that was written down last."""
    found: str | None = tx.connection.execute(
        text("SELECT imp_uid FROM payment WHERE channel = :channel ORDER BY id DESC LIMIT 1"),
        {"channel": channel},
    ).scalar()
    return found


def database_facts(tx: Transaction) -> Row[Any]:
    """Whose database this is, of what version, and whether a crash may lose what it confirmed."""
    return tx.connection.execute(
        text(
            "SELECT (SELECT namespace FROM installation) AS namespace, current_setting('server_version') AS version,"
            " current_setting('fsync') AS fsync, current_setting('synchronous_commit') AS synchronous_commit"
        )
    ).one()


def _details(tx: Transaction, statement: str, of: UUID) -> Sequence[Row[Any]]:
    return tx.connection.execute(text(f"{statement} LIMIT {DETAILS}"), {"id": of}).all()
