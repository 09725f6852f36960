"""SQL of price versions: what there is of a plan, and which subscriptions are pinned to which."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from sqlalchemy import text

from domain.consent import ChangeKind, ChangeState
from models.installation import AuditEntry
from models.queries.bulk import insert_rows, update_rows
from models.queries.installation import write_events
from models.queries.periods import CALENDAR
from models.subscription import PlanPrice, Subscription

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Row

    from models.session import Transaction

_BEFORE_ALL: Final = UUID(int=0)

#: Versions are numbered from 1 by their date: a new one is always the last.
_VERSIONS: Final = text(
    "SELECT pp.id, pp.plan_id, row_number() OVER (ORDER BY pp.effective_from)::integer AS version, pp.amount,"
    " pp.tax_free, pp.vat, pp.card_quota, pp.setup_fee, pp.effective_from,"
    " pp.effective_from <= :now AND NOT EXISTS (SELECT FROM plan_price later WHERE later.plan_id = pp.plan_id"
    "  AND later.effective_from > pp.effective_from AND later.effective_from <= :now) AS is_in_force"
    " FROM plan_price pp JOIN plan p ON p.id = pp.plan_id WHERE p.code = :code ORDER BY pp.effective_from"
)
_PINNED: Final = (
    "SELECT s.id, c.customer_ref, p.code AS plan, p.without_consent, s.plan_price_id, s.state, s.quantity, s.ordinal,"
    " s.changes_at, pp.amount, pp.tax_free, pp.vat, pc.to_price_id AS planned_price_id,"
    f" coalesce(pc.kind = '{ChangeKind.CONVERSION}', false) AS in_trial,"
    f" coalesce(pc.kind = '{ChangeKind.PROMOTION}', false) AS in_promotion, {CALENDAR}"
    " FROM subscription s JOIN customer c ON c.id = s.customer_id"
    " JOIN plan p ON p.id = s.plan_id JOIN plan_price pp ON pp.id = s.plan_price_id"
    f" LEFT JOIN price_change pc ON pc.subscription_id = s.id AND pc.state = '{ChangeState.PLANNED}'"
)
_LOCK_PAGE: Final = text(
    f"{_PINNED} WHERE s.plan_price_id = :price_id AND s.state <> 'ended' AND s.id > :after"
    " ORDER BY s.id LIMIT :limit FOR UPDATE OF s"
)
_LOCK_NAMED: Final = text(f"{_PINNED} WHERE s.id = ANY(:ids) ORDER BY s.id FOR UPDATE OF s")


def versions(tx: Transaction, code: str) -> Sequence[Row[Any]]:
    """A plan's price versions, oldest first; none: there is no such plan."""
    return tx.connection.execute(_VERSIONS, {"code": code, "now": tx.now}).all()


def pinned_counts(tx: Transaction, price_ids: Sequence[UUID]) -> Mapping[UUID, int]:
    """How many subscriptions that have not ended are pinned to each of these versions."""
    rows = tx.connection.execute(
        text(
            "SELECT plan_price_id, count(*) AS subscriptions FROM subscription"
            " WHERE plan_price_id = ANY(:ids) AND state <> 'ended' GROUP BY plan_price_id"
        ),
        {"ids": list(price_ids)},
    )
    return {row.plan_price_id: row.subscriptions for row in rows}


def add_version(tx: Transaction, row: Mapping[str, Any]) -> None:
    """Write a version."""
    insert_rows(tx, PlanPrice, [row])


def is_pinned(tx: Transaction, price_id: UUID) -> bool:
    """Whether any subscription, ended ones included, is pinned to a version."""
    found = text("SELECT EXISTS (SELECT FROM subscription s WHERE s.plan_price_id = :id)")
    return bool(tx.connection.execute(found, {"id": price_id}).scalar_one())


def remove_version(tx: Transaction, price_id: UUID) -> None:
    """Take away a version that nobody is pinned to; a key refuses it otherwise."""
    tx.connection.execute(text("DELETE FROM plan_price WHERE id = :id"), {"id": price_id})


def lock_pinned(tx: Transaction, price_id: UUID, *, after: UUID | None, limit: int) -> Sequence[Row[Any]]:
    """Subscriptions pinned to a version that have not ended, locked by id; ``after``: the last of the page before."""
    values = {"price_id": price_id, "after": after or _BEFORE_ALL, "limit": limit}
    return tx.connection.execute(_LOCK_PAGE, values).all()


def lock_named(tx: Transaction, ids: Sequence[UUID]) -> Sequence[Row[Any]]:
    """Named subscriptions with their price, locked by id."""
    return tx.connection.execute(_LOCK_NAMED, {"ids": list(ids)}).all()


def lock_ids(tx: Transaction, ids: Sequence[UUID]) -> Sequence[UUID]:
    """The same, locked by id: as many as there are."""
    return [row.id for row in lock_named(tx, ids)]


def write_moved(
    tx: Transaction,
    *,
    subscriptions: Sequence[Mapping[str, Any]],
    audits: Sequence[Mapping[str, Any]],
    events: Sequence[dict[str, Any]],
) -> None:
    """Pin subscriptions to another version, with who did it and why."""
    update_rows(tx, Subscription, subscriptions)
    insert_rows(tx, AuditEntry, audits)
    write_events(tx, events)


def write_quantity(tx: Transaction, subscription_id: UUID, quantity: int) -> None:
    """A locked subscription owes so many units a period."""
    update_rows(tx, Subscription, [{"id": subscription_id, "quantity": quantity}])
