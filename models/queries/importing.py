"""SQL of imports: what stands already of the plans and subscriptions that a file names, and what is written of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import text

from models.consent import Consent, PriceChange
from models.queries import foreign
from models.queries.bulk import insert_rows, update_rows
from models.queries.periods import PLAN_CALENDAR
from models.subscription import BillingKey, Customer, Plan, PlanPrice, SkippedPeriod, Subscription

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date
    from uuid import UUID

    from sqlalchemy import Row

    from models.session import Transaction

#: A plan with its price of now; without one for a plan whose first price lies ahead.
_PLANS: Final = (
    f"SELECT p.id, p.code, p.name, {PLAN_CALENDAR}, p.catch_up, p.after_outage, p.periods, p.minimum_periods,"
    " p.trial_days, p.without_consent, p.usage, price.id AS plan_price_id, price.amount, price.tax_free, price.vat,"
    " price.card_quota, price.setup_fee"
    " FROM plan p LEFT JOIN LATERAL (SELECT pp.* FROM plan_price pp WHERE pp.plan_id = p.id"
    " AND pp.effective_from <= :now ORDER BY pp.effective_from DESC LIMIT 1) price ON true"
)
_PLANS_BY_CODE: Final = text(f"{_PLANS} WHERE p.code = ANY(:codes)")
_PLANS_PAGE: Final = text(
    f"{_PLANS} WHERE (CAST(:after AS text) IS NULL OR p.code > :after) ORDER BY p.code LIMIT :limit"
)
_SUBSCRIPTIONS: Final = text(
    "SELECT s.id, s.timezone, s.quantity, s.periods, s.trial_until, k.customer_uid, k.channel,"
    " coalesce((SELECT max(x.last_ordinal) + 1 FROM skipped_period x"
    "  WHERE x.subscription_id = s.id AND x.reason = 'paid_elsewhere'), 0) AS unpaid_from"
    " FROM subscription s LEFT JOIN billing_key k ON k.id = s.billing_key_id WHERE s.id = ANY(:ids)"
)


def lock_plans(tx: Transaction) -> None:
    """Let one import of plans at a time go on; readers are not kept waiting."""
    tx.connection.execute(text("LOCK TABLE plan IN SHARE ROW EXCLUSIVE MODE"))


def plans_by_code(tx: Transaction, codes: Iterable[str]) -> Mapping[str, Row[Any]]:
    """Plans with their price of now."""
    rows = tx.connection.execute(_PLANS_BY_CODE, {"codes": sorted(set(codes)), "now": tx.now})
    return {row.code: row for row in rows}


def plans_page(tx: Transaction, *, limit: int, after: str | None) -> Sequence[Row[Any]]:
    """Plans with their price of now, by code."""
    return tx.connection.execute(_PLANS_PAGE, {"limit": limit, "after": after, "now": tx.now}).all()


def write_plans(tx: Transaction, plans: Sequence[Mapping[str, Any]], prices: Sequence[Mapping[str, Any]]) -> None:
    """Write new plans, each with its first price."""
    insert_rows(tx, Plan, plans)
    insert_rows(tx, PlanPrice, prices)


def prices_in_force(tx: Transaction, plan_ids: Iterable[Any]) -> Sequence[Row[Any]]:
    """All versions of these plans' prices whose day has come, the newest first."""
    return tx.connection.execute(
        text(
            "SELECT pp.id, pp.plan_id, pp.amount FROM plan_price pp WHERE pp.plan_id = ANY(:ids)"
            " AND pp.effective_from <= :now ORDER BY pp.effective_from DESC"
        ),
        {"ids": sorted(set(plan_ids)), "now": tx.now},
    ).all()


def customers_by_ref(tx: Transaction, refs: Iterable[str]) -> Mapping[str, Row[Any]]:
    """Customers by the merchant's own name for them."""
    rows = tx.connection.execute(
        text("SELECT id, customer_ref, name, email, tel FROM customer WHERE customer_ref = ANY(:refs)"),
        {"refs": sorted(set(refs))},
    )
    return {row.customer_ref: row for row in rows}


def keys_by_uid(tx: Transaction, uids: Iterable[str]) -> Mapping[tuple[str, str], Row[Any]]:
    """Cards by their channel and their public name, each with whose it is."""
    rows = tx.connection.execute(
        text(
            "SELECT k.id, k.channel, k.customer_uid, k.revoked_at, c.customer_ref"
            " FROM billing_key k JOIN customer c ON c.id = k.customer_id WHERE k.customer_uid = ANY(:uids)"
        ),
        {"uids": sorted(set(uids))},
    )
    return {(row.channel, row.customer_uid): row for row in rows}


def subscriptions_by_id(tx: Transaction, ids: Iterable[Any]) -> Mapping[Any, Row[Any]]:
    """Subscriptions with their card, and the first period that was not paid elsewhere."""
    return {row.id: row for row in tx.connection.execute(_SUBSCRIPTIONS, {"ids": sorted(set(ids))})}


def had_otherwise(tx: Transaction, rows: Iterable[tuple[str, str, date]]) -> Mapping[tuple[str, str, date], UUID]:
    """Subscriptions by customer, plan and first day, of which a change of plan made them; whatever their ids are."""
    told = list(rows)
    found = tx.connection.execute(
        text(
            "SELECT c.customer_ref, p.code, s.started_on, s.id FROM subscription s"
            " JOIN customer c ON c.id = s.customer_id JOIN plan p ON p.id = s.plan_id"
            " WHERE c.customer_ref = ANY(:refs) AND s.started_on = ANY(:days)"
            # And those that they had on the way.
            " UNION SELECT c.customer_ref, p.code, s.started_on, s.id FROM subscription s"
            " JOIN customer c ON c.id = s.customer_id JOIN audit_entry a ON a.subject = 'subscription'"
            "  AND a.subject_id = s.id AND a.action = 'subscription.plan_changed'"
            " JOIN plan p ON p.code IN (a.details ->> 'old_plan', a.details ->> 'new_plan')"
            " WHERE c.customer_ref = ANY(:refs) AND s.started_on = ANY(:days)"
        ),
        {"refs": sorted({ref for ref, _, _ in told}), "days": sorted({day for _, _, day in told})},
    )
    return {(row.customer_ref, row.code, row.started_on): row.id for row in found}


def write_subscriptions(
    tx: Transaction,
    *,
    customers: Sequence[Mapping[str, Any]],
    contacts: Sequence[Mapping[str, Any]],
    keys: Sequence[Mapping[str, Any]],
    subscriptions: Sequence[Mapping[str, Any]],
    skips: Sequence[Mapping[str, Any]],
    price_changes: Sequence[Mapping[str, Any]] = (),
    consents: Sequence[Mapping[str, Any]] = (),
) -> None:
    """Write new customers, changed contact data, new cards and new subscriptions with the periods they skip.

    ``price_changes`` and ``consents`` are of those subscriptions: how trials become paid, what was agreed to before.
    """
    insert_rows(tx, Customer, customers)
    update_rows(tx, Customer, sorted(contacts, key=lambda row: str(row["id"])))
    insert_rows(tx, BillingKey, keys)
    insert_rows(tx, Subscription, subscriptions)
    insert_rows(tx, SkippedPeriod, skips)
    insert_rows(tx, PriceChange, price_changes)
    insert_rows(tx, Consent, consents)
    if keys:
        foreign.compare_soon(tx)
