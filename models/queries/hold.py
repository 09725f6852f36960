"""SQL of holds: whom they hold, what waits behind them, how they come and go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import text

from domain.charge_attempt import UNDECIDED
from domain.hold import HoldState
from domain.invoice import CHARGEABLE
from models.base import listed
from models.queries import stop

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import Row

    from models.session import Transaction

#: Who ends a hold whose date has come.
ENGINE: Final = "engine"

_STANDS: Final = f"h.state = '{HoldState.STANDING}' AND (h.until IS NULL OR h.until > <at>)"


def is_free(at: str = ":now") -> str:
    """The predicate that no hold stands at an instant: of subscription ``s``, or of its customer."""
    stands = _STANDS.replace("<at>", at)
    return (
        f"NOT EXISTS (SELECT FROM hold h WHERE h.subscription_id = s.id AND {stands})"
        f" AND NOT EXISTS (SELECT FROM hold h WHERE h.customer_id = s.customer_id AND {stands})"
    )


#: Holds, each beside every subscription that it is of.
OF_SUBSCRIPTIONS: Final = (
    "(SELECT t.*, t.subscription_id AS held_id FROM hold t WHERE t.subscription_id IS NOT NULL"
    " UNION ALL SELECT t.*, o.id FROM hold t JOIN subscription o ON o.customer_id = t.customer_id)"
)
#: What would be charged now, were it not held; what is undecided is under way.
_DUE: Final = (
    "FROM invoice i JOIN subscription s ON s.id = i.subscription_id"
    f" WHERE i.state IN ({listed(CHARGEABLE)}) AND {stop.IS_BILLED} AND i.next_attempt_at <= :now"
    " AND i.set_aside_reason IS NULL"
)
_LIST: Final = (
    "SELECT h.id, c.customer_ref, h.subscription_id, h.kind, h.reason, h.placed_by, h.placed_at, h.until, h.state,"
    " h.ended_at, h.ended_by, h.end_reason,"
    f" h.state = '{HoldState.STANDING}' AND h.until <= :now AS is_over,"
    f" (SELECT count(*) {_DUE} AND (s.id = h.subscription_id OR s.customer_id = h.customer_id)) AS due_charges,"
    f" (SELECT coalesce(sum(i.amount), 0)::bigint {_DUE}"
    "  AND (s.id = h.subscription_id OR s.customer_id = h.customer_id)) AS due_won"
    " FROM hold h LEFT JOIN subscription o ON o.id = h.subscription_id"
    " JOIN customer c ON c.id = coalesce(h.customer_id, o.customer_id)"
)


def find_customer(tx: Transaction, customer_ref: str) -> UUID | None:
    """A customer's id by the merchant's own name for them."""
    found: UUID | None = tx.connection.execute(
        text("SELECT id FROM customer WHERE customer_ref = :ref"), {"ref": customer_ref}
    ).scalar_one_or_none()
    return found


def lock_customer(tx: Transaction, customer_id: UUID) -> Sequence[UUID]:
    """Lock all of a customer's subscriptions by id, then the customer; gives the ids.

    The customer's lock keeps back whoever makes another subscription, and waits for one that is being made: no claim
    of any of them is half-way when this returns, and the next one sees what is written under these locks.
    """
    locked = _lock_subscriptions(tx, customer_id)
    tx.connection.execute(text("SELECT FROM customer WHERE id = :id FOR UPDATE"), {"id": customer_id})
    return sorted({*locked, *_lock_subscriptions(tx, customer_id)})


def _lock_subscriptions(tx: Transaction, customer_id: UUID) -> Sequence[UUID]:
    return (
        tx.connection.execute(
            text("SELECT id FROM subscription WHERE customer_id = :id ORDER BY id FOR UPDATE"), {"id": customer_id}
        )
        .scalars()
        .all()
    )


def write_hold(
    tx: Transaction,
    *,
    hold_id: UUID,
    customer_id: UUID | None,
    subscription_id: UUID | None,
    kind: str,
    until: datetime | None,
    reason: str,
    actor: str,
) -> None:
    """Write a hold under the locks of whom it holds; real time is read only now, after whoever was before it."""
    tx.connection.execute(
        text(
            "INSERT INTO hold (id, customer_id, subscription_id, kind, reason, placed_by, placed_at, placed_real_at,"
            " until, state) SELECT :id, :customer, :subscription, :kind, :reason, :actor, :now, c.real_at, :until,"
            f" '{HoldState.STANDING}' FROM billing_now() c"
        ),
        {
            "id": hold_id,
            "customer": customer_id,
            "subscription": subscription_id,
            "kind": kind,
            "reason": reason,
            "actor": actor,
            "now": tx.now,
            "until": until,
        },
    )


def lock_hold(tx: Transaction, hold_id: UUID) -> Row[Any] | None:
    """One hold, locked after the subscriptions that it holds."""
    found = tx.connection.execute(
        text("SELECT customer_id, subscription_id FROM hold WHERE id = :id"), {"id": hold_id}
    ).one_or_none()
    if found is None:
        return None
    if found.customer_id is not None:
        lock_customer(tx, found.customer_id)
    else:
        tx.connection.execute(text("SELECT FROM subscription WHERE id = :id FOR UPDATE"), {"id": found.subscription_id})
    return tx.connection.execute(
        text("SELECT id, customer_id, subscription_id, kind, until, state FROM hold WHERE id = :id FOR UPDATE"),
        {"id": hold_id},
    ).one()


def write_released(tx: Transaction, *, hold_id: UUID, state: str, actor: str, reason: str) -> None:
    """End a hold by a person's word."""
    tx.connection.execute(
        text(
            "UPDATE hold SET state = :state, ended_at = :now, ended_real_at = :real, ended_by = :actor,"
            " end_reason = :reason WHERE id = :id"
        ),
        {"id": hold_id, "state": state, "now": tx.now, "real": tx.real, "actor": actor, "reason": reason},
    )


def expire(tx: Transaction, *, limit: int) -> Sequence[Row[Any]]:
    """Note that the date of holds has come; gives those. They held nothing since, whoever notes it, and whenever."""
    return tx.connection.execute(
        text(
            f"UPDATE hold t SET state = '{HoldState.EXPIRED}', ended_at = t.until, ended_real_at = :real,"
            " ended_by = :engine FROM (SELECT h.id FROM hold h"
            f" WHERE h.state = '{HoldState.STANDING}' AND h.until <= :now ORDER BY h.id LIMIT :limit"
            " FOR UPDATE SKIP LOCKED) over"
            " WHERE t.id = over.id RETURNING t.id, t.customer_id, t.subscription_id, t.kind, t.until"
        ),
        {"now": tx.now, "real": tx.real, "engine": ENGINE, "limit": limit},
    ).all()


def standing_of(tx: Transaction, subscription_id: UUID) -> Sequence[Row[Any]]:
    """The holds that stand now of a subscription, or of its customer; the one that lasts longest first."""
    return tx.connection.execute(
        text(
            "SELECT h.id, h.kind, h.until, h.reason, h.placed_by, h.placed_at,"
            f" h.customer_id IS NOT NULL AS is_customers FROM {OF_SUBSCRIPTIONS} h"
            f" WHERE h.held_id = :id AND {_STANDS.replace('<at>', ':now')} ORDER BY h.until DESC NULLS FIRST, h.id"
        ),
        {"id": subscription_id, "now": tx.now},
    ).all()


def due_of(tx: Transaction, subscription_ids: Sequence[UUID]) -> Row[Any]:
    """What of these subscriptions is due now and would be charged, were nothing of it held: charges and won."""
    return tx.connection.execute(
        text(f"SELECT count(*) AS charges, coalesce(sum(i.amount), 0)::bigint AS won {_DUE} AND s.id = ANY(:ids)"),
        {"ids": list(subscription_ids), "now": tx.now},
    ).one()


def under_way(tx: Transaction, subscription_ids: Sequence[UUID]) -> int:
    """How many attempts of these subscriptions are out, or undecided."""
    return int(
        tx.connection.execute(
            text(
                "SELECT count(*) FROM charge_attempt a JOIN invoice i ON i.id = a.invoice_id"
                f" WHERE i.subscription_id = ANY(:ids) AND a.state IN ({listed(UNDECIDED)})"
            ),
            {"ids": list(subscription_ids)},
        ).scalar_one()
    )


def ids_of(tx: Transaction, customer_id: UUID | None, subscription_id: UUID | None) -> Sequence[UUID]:
    """The subscriptions that a hold is of: its own, or its customer's."""
    return (
        tx.connection.execute(
            text("SELECT id FROM subscription WHERE id = :subscription OR customer_id = :customer ORDER BY id"),
            {"subscription": subscription_id, "customer": customer_id},
        )
        .scalars()
        .all()
    )


def free_of(tx: Transaction, subscription_ids: Sequence[UUID], *, but: UUID) -> Sequence[UUID]:
    """Those of these subscriptions that no other hold stands of now."""
    return (
        tx.connection.execute(
            text(
                "SELECT s.id FROM subscription s WHERE s.id = ANY(:ids) AND NOT EXISTS (SELECT FROM hold h"
                " WHERE (h.subscription_id = s.id OR h.customer_id = s.customer_id) AND h.id <> :but"
                f" AND {_STANDS.replace('<at>', ':now')}) ORDER BY s.id"
            ),
            {"ids": list(subscription_ids), "but": but, "now": tx.now},
        )
        .scalars()
        .all()
    )


def list_holds(
    tx: Transaction, *, customer_ref: str | None, subscription_id: UUID | None, over: bool, limit: int
) -> Sequence[Row[Any]]:
    """Holds with what waits behind them, the newest first; ``over``: also those that ended."""
    return tx.connection.execute(
        text(
            f"{_LIST} WHERE (:over OR h.state = '{HoldState.STANDING}' AND (h.until IS NULL OR h.until > :now))"
            " AND (CAST(:customer AS text) IS NULL OR c.customer_ref = :customer)"
            " AND (CAST(:subscription AS uuid) IS NULL OR h.subscription_id = :subscription"
            "  OR h.customer_id = (SELECT s.customer_id FROM subscription s WHERE s.id = :subscription))"
            " ORDER BY h.id DESC LIMIT :limit"
        ),
        {"now": tx.now, "over": over, "customer": customer_ref, "subscription": subscription_id, "limit": limit},
    ).all()


def standing(tx: Transaction) -> Row[Any]:
    """How many holds stand, of how many subscriptions, and what is due behind them: charges and won."""
    return tx.connection.execute(
        text(
            "SELECT count(DISTINCT h.id) AS holds, count(DISTINCT h.held_id) AS subscriptions,"
            f" (SELECT count(*) {_DUE} AND NOT ({is_free()})) AS charges,"
            f" (SELECT coalesce(sum(i.amount), 0)::bigint {_DUE} AND NOT ({is_free()})) AS won"
            f" FROM {OF_SUBSCRIPTIONS} h WHERE {_STANDS.replace('<at>', ':now')}"
        ),
        {"now": tx.now},
    ).one()


def first_end(tx: Transaction) -> datetime | None:
    """When the first of the holds that stand now is over by itself; None: none is."""
    found: datetime | None = tx.connection.execute(
        text(f"SELECT min(h.until) FROM hold h WHERE {_STANDS.replace('<at>', ':now')}"), {"now": tx.now}
    ).scalar_one()
    return found
