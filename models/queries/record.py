"""SQL of recording outcomes: the rows that an ending touches, locked in the one order, and what is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import text

from domain.charge_attempt import UNDECIDED
from models.base import listed
from models.invoice import ChargeAttempt, Evidence, Invoice, Payment, Send
from models.queries.bulk import insert_rows, update_rows
from models.refund import PaymentCancellation, Refund
from models.subscription import Subscription

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from uuid import UUID

    from sqlalchemy import Row

    from models.session import Transaction

_WHOSE: Final = text(
    "SELECT a.id, a.invoice_id, i.subscription_id FROM charge_attempt a JOIN invoice i ON i.id = a.invoice_id"
    " WHERE a.id = ANY(:ids)"
)
_SUBSCRIPTIONS: Final = text(
    "SELECT id, state, requested_change, requested_key_id, requested_by, billing_key_id"
    " FROM subscription WHERE id = ANY(:ids) ORDER BY id FOR UPDATE"
)
_INVOICES: Final = text(
    "SELECT id, subscription_id, state, amount, tax_free, vat_amount, next_attempt_at, next_trigger, ladder_step,"
    " ladder_at, at_once FROM invoice WHERE id = ANY(:ids) ORDER BY id FOR UPDATE"
)
_ATTEMPTS: Final = text(
    "SELECT id, invoice_id, attempt_no, state, amount, trigger, send_no, fence, absent_count, unknown_reason,"
    " raw_reason, decline_code, merchant_uid, first_sent_at, operator_since, operator_reason, next_look_up_at, ended_at"
    " FROM charge_attempt WHERE id = ANY(:ids) ORDER BY id FOR UPDATE"
)


def whose(tx: Transaction, attempt_ids: Sequence[UUID]) -> Sequence[Row[Any]]:
    """The invoice and subscription of attempts; those that do not exist are left out."""
    return tx.connection.execute(_WHOSE, {"ids": list(attempt_ids)}).all()


def lock_subscriptions(tx: Transaction, ids: Iterable[UUID]) -> Mapping[UUID, Row[Any]]:
    """Subscriptions, locked by id."""
    return {row.id: row for row in tx.connection.execute(_SUBSCRIPTIONS, {"ids": sorted(set(ids))})}


def lock_invoices(tx: Transaction, ids: Iterable[UUID]) -> Mapping[UUID, Row[Any]]:
    """Invoices, locked by id; their subscriptions are locked already."""
    return {row.id: row for row in tx.connection.execute(_INVOICES, {"ids": sorted(set(ids))})}


def lock_attempts(tx: Transaction, ids: Iterable[UUID]) -> Mapping[UUID, Row[Any]]:
    """Attempts, locked by id; their invoices are locked already."""
    return {row.id: row for row in tx.connection.execute(_ATTEMPTS, {"ids": sorted(set(ids))})}


def known_payments(tx: Transaction, imp_uids: Sequence[str]) -> Mapping[str, UUID]:
    """Which of these payments are written down already, each with its attempt."""
    rows = tx.connection.execute(
        text("SELECT imp_uid, attempt_id FROM payment WHERE imp_uid = ANY(:uids)"), {"uids": imp_uids}
    )
    return {row.imp_uid: row.attempt_id for row in rows}


def in_debt(tx: Transaction, subscription_ids: Iterable[UUID]) -> set[UUID]:
    """Which of these subscriptions have an invoice that is past due."""
    rows = tx.connection.execute(
        text("SELECT DISTINCT subscription_id FROM invoice WHERE subscription_id = ANY(:ids) AND state = 'past_due'"),
        {"ids": sorted(set(subscription_ids))},
    )
    return {row.subscription_id for row in rows}


def undecided(tx: Transaction, subscription_ids: Iterable[UUID]) -> set[UUID]:
    """Which of these subscriptions have an attempt of which nobody knows yet what the gateway did."""
    rows = tx.connection.execute(
        text(
            "SELECT DISTINCT i.subscription_id FROM invoice i JOIN charge_attempt a ON a.invoice_id = i.id"
            f" WHERE i.subscription_id = ANY(:ids) AND a.state IN ({listed(UNDECIDED)})"
        ),
        {"ids": sorted(set(subscription_ids))},
    )
    return {row.subscription_id for row in rows}


def write_recorded(
    tx: Transaction,
    *,
    attempts: Sequence[Mapping[str, Any]],
    sends: Sequence[Mapping[str, Any]],
    invoices: Sequence[Mapping[str, Any]],
    payments: Sequence[Mapping[str, Any]],
    cancellations: Sequence[Mapping[str, Any]],
    proposals: Sequence[Mapping[str, Any]],
    evidence: Sequence[Mapping[str, Any]],
) -> None:
    """Write what commit 2 makes durable."""
    update_rows(tx, ChargeAttempt, attempts)
    update_rows(tx, Send, sends, key=("attempt_id", "send_no"))
    update_rows(tx, Invoice, invoices)
    insert_rows(tx, Payment, payments)
    insert_rows(tx, PaymentCancellation, cancellations)
    insert_rows(tx, Refund, proposals)
    insert_rows(tx, Evidence, evidence)


def abandon_unneeded(tx: Transaction, invoice_ids: Iterable[UUID]) -> None:
    """Attempts that were proven not executed are not sent again once an older one has paid their invoice."""
    tx.connection.execute(
        text(
            "UPDATE charge_attempt SET state = 'abandoned', ended_at = :now, operator_since = NULL,"
            " operator_reason = NULL WHERE invoice_id = ANY(:ids) AND state = 'not_executed'"
        ),
        {"ids": sorted(set(invoice_ids)), "now": tx.now},
    )


def write_subscription_states(tx: Transaction, rows: Sequence[Mapping[str, Any]]) -> None:
    """Move subscriptions to another state."""
    update_rows(tx, Subscription, rows)
