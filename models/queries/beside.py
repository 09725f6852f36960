"""SQL of what stands beside prices: what a batch of subscriptions has, and what invoices used of it or give back.

Each is one statement a batch. What is a subscription's own is guarded by its lock; credit by its customer's account,
which is locked last, in the order of their ids.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import text

from domain.credit import CreditKind
from domain.invoice_line import LineKind
from domain.subscription import BILLABLE
from models.base import listed
from models.beside import CreditAccount, CreditEntry, InvoiceItem, Redemption
from models.queries.bulk import insert_rows, update_rows
from models.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from sqlalchemy import Row

    from models.session import Transaction

#: Who uses credit, and gives it back with a void invoice.
ENGINE: Final = "engine"

#: No invoice has it, and nobody removed it.
WAITS: Final = "w.invoice_id IS NULL AND w.removed_at IS NULL"
_ITEMS: Final = text(
    "SELECT w.id, w.subscription_id, w.description, w.quantity, w.unit_amount, w.unit_tax_free FROM invoice_item w"
    f" WHERE w.subscription_id = ANY(:ids) AND {WAITS} ORDER BY w.subscription_id, w.id"
)
#: Of subscription ``s``: those that its next period owes, or a later one.
_ADD_ONS: Final = text(
    "SELECT a.subscription_id, a.description, a.quantity, a.unit_amount, a.unit_tax_free, a.first_ordinal,"
    " a.until_ordinal FROM add_on a JOIN subscription s ON s.id = a.subscription_id"
    " WHERE a.subscription_id = ANY(:ids) AND (a.until_ordinal IS NULL OR a.until_ordinal > s.ordinal + 1)"
    " ORDER BY a.subscription_id, a.id"
)
_COUPONS: Final = text(
    "SELECT r.id, r.subscription_id, c.code, r.percent, r.won, r.periods, r.used FROM redemption r"
    " JOIN coupon c ON c.id = r.coupon_id WHERE r.subscription_id = ANY(:ids) AND r.ended_at IS NULL"
)
_CREDIT: Final = (
    "SELECT a.customer_id, a.balance FROM credit_account a WHERE a.customer_id = ANY(:ids) AND a.balance > 0"
    " ORDER BY a.customer_id"
)


def waiting_items(tx: Transaction, subscription_ids: Sequence[UUID]) -> Sequence[Row[Any]]:
    """One-off items that no invoice has, oldest first of each subscription."""
    return tx.connection.execute(_ITEMS, {"ids": list(subscription_ids)}).all()


def add_ons(tx: Transaction, subscription_ids: Sequence[UUID]) -> Sequence[Row[Any]]:
    """What these subscriptions owe with their next periods, oldest first of each."""
    return tx.connection.execute(_ADD_ONS, {"ids": list(subscription_ids)}).all()


def running_coupons(tx: Transaction, subscription_ids: Sequence[UUID]) -> Sequence[Row[Any]]:
    """The coupons that these subscriptions have, one each at most."""
    return tx.connection.execute(_COUPONS, {"ids": list(subscription_ids)}).all()


def without_an_end(tx: Transaction) -> Sequence[UUID]:
    """Subscriptions with a coupon of some periods of which no end is planned, nor anything else ahead."""
    return (
        tx.connection.execute(
            text(
                "SELECT s.id FROM redemption r JOIN subscription s ON s.id = r.subscription_id"
                " WHERE r.ended_at IS NULL AND r.periods IS NOT NULL AND s.changes_from IS NULL"
                f" AND s.state IN ({listed(BILLABLE)}) ORDER BY s.id"
            )
        )
        .scalars()
        .all()
    )


def credit_of(tx: Transaction, customer_ids: Sequence[UUID], *, lock: bool) -> Mapping[UUID, int]:
    """What customers have of credit, as far as they have any; locked if it is to be used."""
    statement = text(f"{_CREDIT} FOR UPDATE" if lock else _CREDIT)
    rows = tx.connection.execute(statement, {"ids": sorted(set(customer_ids))})
    return {row.customer_id: row.balance for row in rows}


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """What invoices used: (item, invoice); (customer, invoice, won of credit); rows of redemptions.

    ``usage``: (subscription, ordinal of the period that used it, invoice).
    """

    items: list[tuple[UUID, UUID]] = field(default_factory=list)
    usage: list[tuple[UUID, int, UUID]] = field(default_factory=list)
    credit: list[tuple[UUID, UUID, int]] = field(default_factory=list)
    coupons: list[dict[str, Any]] = field(default_factory=list)


def write_used(tx: Transaction, used: Used) -> None:
    """Write down what invoices used, in their transaction; subscriptions and accounts are locked."""
    update_rows(tx, InvoiceItem, [{"id": item, "invoice_id": invoice} for item, invoice in used.items])
    told = [{"subscription_id": whose, "ordinal": ordinal, "invoice_id": to} for whose, ordinal, to in used.usage]
    update_rows(tx, Usage, told, key=("subscription_id", "ordinal"))
    update_rows(tx, Redemption, used.coupons)
    _write_entries(tx, used.credit, kind=CreditKind.USED, sign=-1, reason="an invoice")


def give_back(tx: Transaction, invoice_ids: Sequence[UUID]) -> None:
    """What invoices of locked subscriptions used, and do not owe any more: they have just become void.

    Items and usage wait again, credit is the customer's again, and what was carried to them is carried to the next.
    """
    ids = {"ids": list(invoice_ids)}
    if not invoice_ids:
        return
    tx.connection.execute(text("UPDATE invoice_item SET invoice_id = NULL WHERE invoice_id = ANY(:ids)"), ids)
    tx.connection.execute(text("UPDATE usage SET invoice_id = NULL WHERE invoice_id = ANY(:ids)"), ids)
    tx.connection.execute(
        text(
            "UPDATE subscription s SET carried = s.carried + c.amount,"
            " carried_tax_free = s.carried_tax_free + c.tax_free"
            " FROM (SELECT i.subscription_id, sum(l.amount)::bigint AS amount, sum(l.tax_free)::bigint AS tax_free"
            "  FROM invoice_line l JOIN invoice i ON i.id = l.invoice_id"
            f"  WHERE l.invoice_id = ANY(:ids) AND l.kind = '{LineKind.CARRIED}' GROUP BY i.subscription_id) c"
            " WHERE s.id = c.subscription_id"
        ),
        ids,
    )
    used = tx.connection.execute(
        text(
            "SELECT e.customer_id, e.invoice_id, -e.amount AS won FROM credit_entry e"
            " JOIN credit_account a ON a.customer_id = e.customer_id"
            f" WHERE e.invoice_id = ANY(:ids) AND e.kind = '{CreditKind.USED}'"
            " ORDER BY e.customer_id, e.id FOR UPDATE OF a"
        ),
        ids,
    ).all()
    _write_entries(tx, [tuple(row) for row in used], kind=CreditKind.RETURNED, sign=1, reason="a void invoice")


def _write_entries(
    tx: Transaction, moved: Sequence[tuple[UUID, UUID, int]], *, kind: str, sign: int, reason: str
) -> None:
    insert_rows(
        tx,
        CreditEntry,
        [
            {
                "customer_id": customer_id,
                "kind": kind,
                "amount": sign * won,
                "invoice_id": invoice_id,
                "actor": ENGINE,
                "reason": reason,
                "recorded_at": tx.now,
            }
            for customer_id, invoice_id, won in moved
        ],
    )
    sums: dict[UUID, int] = {}
    for customer_id, _, won in moved:
        sums[customer_id] = sums.get(customer_id, 0) + sign * won
    _add(tx, sums)


def _add(tx: Transaction, sums: Mapping[UUID, int]) -> None:
    if sums:
        tx.connection.execute(
            text(
                "UPDATE credit_account a SET balance = a.balance + v.won"
                " FROM unnest(CAST(:customers AS uuid[]), CAST(:won AS bigint[])) AS v(customer_id, won)"
                " WHERE a.customer_id = v.customer_id"
            ),
            {"customers": list(sums), "won": list(sums.values())},
        )


def lock_account(tx: Transaction, customer_id: UUID) -> int:
    """A customer's credit, locked, and made if there was none."""
    insert_rows(tx, CreditAccount, [{"customer_id": customer_id, "balance": 0}], or_ignore=True)
    return int(
        tx.connection.execute(
            text("SELECT balance FROM credit_account WHERE customer_id = :id FOR UPDATE"), {"id": customer_id}
        ).scalar_one()
    )


def write_credit(tx: Transaction, *, customer_id: UUID, kind: str, amount: int, actor: str, reason: str) -> int:
    """A person gave credit, or took some back; gives the entry's id. The account is locked."""
    entry = {"customer_id": customer_id, "kind": kind, "amount": amount, "invoice_id": None, "actor": actor}
    insert_rows(tx, CreditEntry, [{**entry, "reason": reason, "recorded_at": tx.now}])
    _add(tx, {customer_id: amount})
    newest = text("SELECT max(id) FROM credit_entry WHERE customer_id = :id")
    return int(tx.connection.execute(newest, {"id": customer_id}).scalar_one())
