"""SQL of changes of price to come: which there are, what was said to them and told of them, what became of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from sqlalchemy import text

from domain.consent import Agreed, ChangeKind, ChangeState
from models.consent import Consent, Notice, PriceChange
from models.queries.bulk import insert_rows, update_rows
from models.subscription import SkippedPeriod, Subscription

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Row

    from models.session import Transaction

_BEFORE_ALL: Final = UUID(int=0)

#: Of a change ``pc``: when its customer's newest answer was given, if it is that they agree; and the oldest notice.
AGREED: Final = (
    "(SELECT CASE WHEN c.answer = 'agreed' THEN c.given_at END FROM consent c WHERE c.price_change_id = pc.id"
    "  ORDER BY c.given_at DESC, c.id DESC LIMIT 1) AS consented_at,"
    " (SELECT min(n.told_at) FROM notice n WHERE n.price_change_id = pc.id) AS noticed_at"
)
_CHANGE: Final = (
    "SELECT pc.id, pc.subscription_id, pc.kind, pc.old_won, pc.new_won, pc.from_ordinal, pc.effective_at, pc.otherwise,"
    " pc.state, pc.planned_by, pc.planned_at, pc.decided_at, pc.decided_for, pc.from_price_id, pc.to_price_id,"
    " coalesce(f.amount, 0) AS old_unit, t.amount AS new_unit, p.code AS plan, c0.customer_ref,"
    f" {AGREED}"
    " FROM price_change pc JOIN plan_price t ON t.id = pc.to_price_id JOIN plan p ON p.id = t.plan_id"
    " LEFT JOIN plan_price f ON f.id = pc.from_price_id JOIN subscription s ON s.id = pc.subscription_id"
    " JOIN customer c0 ON c0.id = s.customer_id"
)
_PLANNED: Final = text(f"{_CHANGE} WHERE pc.subscription_id = :id AND pc.state = '{ChangeState.PLANNED}'")
_LIST: Final = text(
    f"{_CHANGE} WHERE (CAST(:plan AS text) IS NULL OR p.code = :plan)"
    " AND (CAST(:subscription AS uuid) IS NULL OR pc.subscription_id = :subscription)"
    f" AND (:over OR pc.state = '{ChangeState.PLANNED}') AND (pc.effective_at, pc.id) > (:at, :after)"
    " ORDER BY pc.effective_at, pc.id LIMIT :limit"
)


def agreed_of(row: Row[Any]) -> Agreed:
    """What is known about the change of a row that has ``AGREED``."""
    return Agreed(consented_at=row.consented_at, noticed_at=row.noticed_at)


def planned_change(tx: Transaction, subscription_id: UUID) -> Row[Any] | None:
    """The change of price that is ahead of a subscription, which is locked; None: none is."""
    return tx.connection.execute(_PLANNED, {"id": subscription_id}).one_or_none()


def list_changes(
    tx: Transaction,
    *,
    plan: str | None,
    subscription_id: UUID | None,
    over: bool,
    limit: int,
    after: tuple[datetime, UUID] | None = None,
) -> Sequence[Row[Any]]:
    """Changes of price by when they come; ``over``: also those that are decided or withdrawn."""
    at, last = after or ("-infinity", _BEFORE_ALL)
    return tx.connection.execute(
        _LIST,
        {"plan": plan, "subscription": subscription_id, "over": over, "limit": limit, "at": at, "after": last},
    ).all()


def plan_changes(
    tx: Transaction, changes: Sequence[Mapping[str, Any]], subscriptions: Sequence[Mapping[str, Any]]
) -> None:
    """Write changes that are ahead, and that nothing is opened past them; what was ahead before is withdrawn."""
    withdraw_planned(tx, [change["subscription_id"] for change in changes])
    insert_rows(tx, PriceChange, changes)
    update_rows(tx, Subscription, subscriptions)


def withdraw_planned(tx: Transaction, subscription_ids: Sequence[UUID]) -> int:
    """Take back what is ahead of subscriptions; gives of how many. Their own rows are the caller's."""
    return tx.connection.execute(
        text(
            f"UPDATE price_change SET state = '{ChangeState.WITHDRAWN}', decided_at = :now"
            f" WHERE subscription_id = ANY(:ids) AND state = '{ChangeState.PLANNED}'"
        ),
        {"ids": list(subscription_ids), "now": tx.now},
    ).rowcount


def lock_planned(tx: Transaction, *, plan: str | None, ids: Sequence[UUID]) -> Sequence[Row[Any]]:
    """Subscriptions of a plan, or named ones, ahead of which a move to another price is, locked by id."""
    return tx.connection.execute(
        text(
            "SELECT s.id FROM subscription s JOIN plan p ON p.id = s.plan_id WHERE (p.code = :plan OR s.id = ANY(:ids))"
            " AND s.changes_at IS NOT NULL AND EXISTS (SELECT FROM price_change pc WHERE pc.subscription_id = s.id"
            f"  AND pc.state = '{ChangeState.PLANNED}' AND pc.kind = '{ChangeKind.PRICE}')"
            " ORDER BY s.id FOR UPDATE OF s"
        ),
        {"plan": plan, "ids": list(ids)},
    ).all()


def free_price(tx: Transaction, subscription_ids: Sequence[UUID]) -> None:
    """Nothing of their price is to be decided."""
    tx.connection.execute(
        text("UPDATE subscription SET changes_from = NULL, changes_at = NULL WHERE id = ANY(:ids)"),
        {"ids": list(subscription_ids)},
    )


def write_decided(tx: Transaction, change_id: UUID, *, state: str, decided_for: datetime) -> None:
    """Write down what became of a change, and the instant that consent and notice were measured from."""
    row = {"id": change_id, "state": state, "decided_at": tx.now, "decided_for": decided_for}
    update_rows(tx, PriceChange, [row])


def write_price(tx: Transaction, subscription_id: UUID, *, state: str, plan_price_id: UUID) -> None:
    """A subscription owes another price from its next period on."""
    row = {
        "id": subscription_id,
        "state": state,
        "plan_price_id": plan_price_id,
        "changes_from": None,
        "changes_at": None,
    }
    update_rows(tx, Subscription, [row])


def write_free_period(
    tx: Transaction,
    subscription_id: UUID,
    *,
    ordinal: int,
    reason: str,
    next_billing_at: datetime,
    changes_at: datetime,
) -> None:
    """A period of a trial that goes on is free; its price is to be decided with the next one."""
    skip = {"subscription_id": subscription_id, "first_ordinal": ordinal, "last_ordinal": ordinal, "reason": reason}
    insert_rows(tx, SkippedPeriod, [skip])
    row = {"id": subscription_id, "ordinal": ordinal, "next_billing_at": next_billing_at}
    update_rows(tx, Subscription, [{**row, "changes_from": ordinal + 1, "changes_at": changes_at}])


def add_consents(tx: Transaction, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write down what customers said."""
    insert_rows(tx, Consent, rows)


def add_notices(tx: Transaction, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write down what customers were told."""
    insert_rows(tx, Notice, rows)
