"""SQL of one customer's evidence: rows of every table that tells what they agreed to, owed and paid. Reads only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import RowMapping

    from models.session import Transaction

_MINE: Final = "(SELECT s.id FROM subscription s JOIN customer c ON c.id = s.customer_id WHERE c.customer_ref = :ref)"
_INVOICES: Final = f"(SELECT i.id FROM invoice i WHERE i.subscription_id IN {_MINE})"

_PARTS: Final[Mapping[str, str]] = {
    "subscriptions": (
        "SELECT s.id, p.code AS plan, s.quantity, s.started_on, s.trial_until, s.timezone, s.state, s.ended_reason,"
        " s.created_at FROM subscription s JOIN plan p ON p.id = s.plan_id"
        f" WHERE s.id IN {_MINE} ORDER BY s.created_at, s.id"
    ),
    "price_changes": (
        "SELECT pc.id, pc.subscription_id, pc.kind, pc.old_won, pc.new_won, pc.from_ordinal, pc.effective_at,"
        " pc.otherwise, pc.state, pc.planned_by, pc.planned_at, pc.decided_at, pc.decided_for FROM price_change pc"
        f" WHERE pc.subscription_id IN {_MINE} ORDER BY pc.planned_at, pc.id"
    ),
    "coupons": (
        "SELECT r.subscription_id, c.code, r.percent, r.won, r.periods, r.used, r.redeemed_at, r.ended_at, r.ended_by"
        " FROM redemption r JOIN coupon c ON c.id = r.coupon_id"
        f" WHERE r.subscription_id IN {_MINE} ORDER BY r.redeemed_at, r.id"
    ),
    "consents": (
        "SELECT c.subscription_id, c.price_change_id, c.answer, c.given_at, c.through, c.text_version, c.ref,"
        " c.old_won, c.new_won, c.effective_at, c.recorded_by, c.recorded_at FROM consent c"
        f" WHERE c.subscription_id IN {_MINE} ORDER BY c.given_at, c.id"
    ),
    "notices": (
        "SELECT n.price_change_id, n.told_at, n.through, n.text_version, n.ref, n.recorded_by, n.recorded_at"
        " FROM notice n JOIN price_change pc ON pc.id = n.price_change_id"
        f" WHERE pc.subscription_id IN {_MINE} ORDER BY n.told_at, n.id"
    ),
    "invoices": (
        "SELECT i.id, i.subscription_id, i.ordinal, i.period_start, i.period_end, i.amount, i.tax_free, i.vat_amount,"
        f" i.state, i.opened_at FROM invoice i WHERE i.id IN {_INVOICES} ORDER BY i.opened_at, i.id"
    ),
    "invoice_lines": (
        "SELECT l.invoice_id, l.line_no, l.kind, l.description, l.quantity, l.unit_amount, l.amount FROM invoice_line l"
        f" WHERE l.invoice_id IN {_INVOICES} ORDER BY l.invoice_id, l.line_no"
    ),
    "attempts": (
        "SELECT a.invoice_id, a.attempt_no, a.merchant_uid, a.amount, a.state, a.decline_code, a.started_at, a.ended_at"
        f" FROM charge_attempt a WHERE a.invoice_id IN {_INVOICES} ORDER BY a.started_at, a.id"
    ),
    "payments": (
        "SELECT p.invoice_id, p.imp_uid, p.amount, p.cancelled_amount, p.counts, p.recorded_at FROM payment p"
        f" WHERE p.invoice_id IN {_INVOICES} ORDER BY p.recorded_at, p.id"
    ),
    "audit": (
        "SELECT e.occurred_at, e.actor, e.action, e.subject_id, e.reason, e.details FROM audit_entry e"
        f" WHERE e.subject_id IN {_MINE} ORDER BY e.id"
    ),
}


def parts_of(tx: Transaction, customer_ref: str) -> Mapping[str, Sequence[RowMapping]] | None:
    """Rows by what they tell of; None: there is no such customer."""
    known = text("SELECT EXISTS (SELECT FROM customer WHERE customer_ref = :ref)")
    if not tx.connection.execute(known, {"ref": customer_ref}).scalar_one():
        return None
    return {
        name: tx.connection.execute(text(part), {"ref": customer_ref}).mappings().all() for name, part in _PARTS.items()
    }
