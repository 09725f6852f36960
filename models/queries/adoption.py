"""SQL of adoptions: subscriptions on their way from the gateway's schedules to us."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import text

from domain.foreign import WAITING, AdoptionState, Became
from models.base import listed
from models.foreign import AdoptedSchedule, Adoption, ForeignPayment
from models.queries.bulk import insert_rows, update_rows
from models.subscription import Subscription

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import Row

    from models.session import Transaction

_ADOPTION: Final = (
    "SELECT a.*, k.customer_uid FROM adoption a JOIN billing_key k ON k.id = a.billing_key_id"
    " WHERE a.subscription_id = :id"
)


def states_of(tx: Transaction, subscription_ids: Iterable[UUID]) -> Mapping[UUID, str]:
    """How far adoptions are that have begun."""
    rows = tx.connection.execute(
        text("SELECT subscription_id, state FROM adoption WHERE subscription_id = ANY(:ids)"),
        {"ids": sorted(set(subscription_ids))},
    )
    return {row.subscription_id: row.state for row in rows}


def write_begun(
    tx: Transaction,
    *,
    subscription_id: UUID,
    channel: str,
    billing_key_id: UUID,
    actor: str,
    schedules: Sequence[Mapping[str, Any]],
) -> None:
    """A subscription was made to take the place of schedules."""
    insert_rows(
        tx,
        Adoption,
        [
            {
                "subscription_id": subscription_id,
                "channel": channel,
                "billing_key_id": billing_key_id,
                "state": AdoptionState.CREATED,
                "actor": actor,
                "began_at": tx.real,
            }
        ],
    )
    insert_rows(tx, AdoptedSchedule, schedules)


def read(tx: Transaction, subscription_id: UUID) -> Row[Any]:
    """One adoption."""
    return tx.connection.execute(text(_ADOPTION), {"id": subscription_id}).one()


def lock(tx: Transaction, subscription_id: UUID) -> Row[Any]:
    """One adoption, locked after its subscription and card."""
    return tx.connection.execute(text(f"{_ADOPTION} FOR UPDATE OF a"), {"id": subscription_id}).one()


def waiting_of(tx: Transaction, subscription_id: UUID) -> Sequence[str]:
    """The names of those adopted schedules that were last seen waiting."""
    return (
        tx.connection.execute(
            text(
                "SELECT d.merchant_uid FROM adopted_schedule d JOIN foreign_schedule f ON f.channel = d.channel"
                " AND f.merchant_uid = d.merchant_uid WHERE d.subscription_id = :id AND d.became = 'open'"
                f" AND f.state IN ({listed(WAITING)}) ORDER BY d.ordinal"
            ),
            {"id": subscription_id},
        )
        .scalars()
        .all()
    )


def move(tx: Transaction, subscription_id: UUID, **values: object) -> None:
    """An adoption has come further."""
    update_rows(tx, Adoption, [{"subscription_id": subscription_id, **values}], key=("subscription_id",))


def schedules_of(tx: Transaction, subscription_id: UUID) -> Sequence[Row[Any]]:
    """What an adoption takes over, by period."""
    return tx.connection.execute(
        text("SELECT * FROM adopted_schedule WHERE subscription_id = :id ORDER BY ordinal"), {"id": subscription_id}
    ).all()


def add_schedules(tx: Transaction, rows: Sequence[Mapping[str, Any]]) -> None:
    """Schedules that somebody made meanwhile are taken over, too."""
    insert_rows(tx, AdoptedSchedule, rows)


def note_became(tx: Transaction, subscription_id: UUID, became: Mapping[str, Became]) -> None:
    """What adopted schedules have become, by name."""
    update_rows(
        tx,
        AdoptedSchedule,
        [{"subscription_id": subscription_id, "merchant_uid": name, "became": value} for name, value in became.items()],
        key=("subscription_id", "merchant_uid"),
    )


def move_subscription(tx: Transaction, *, subscription_id: UUID, ordinal: int, next_billing_at: datetime) -> None:
    """Periods that were paid elsewhere are passed over."""
    update_rows(tx, Subscription, [{"id": subscription_id, "ordinal": ordinal, "next_billing_at": next_billing_at}])


def write_paid(tx: Transaction, rows: Sequence[Mapping[str, Any]]) -> None:
    """Payments that adopted schedules made meanwhile: known, and fine."""
    insert_rows(tx, ForeignPayment, rows, or_ignore=True)
    tx.connection.execute(
        text(
            "UPDATE foreign_payment SET accepted_at = :real, accepted_because = :because"
            " WHERE imp_uid = ANY(:uids) AND accepted_at IS NULL"
        ),
        {
            "real": tx.real,
            "because": "a schedule that was adopted made it",
            "uids": [row["imp_uid"] for row in rows],
        },
    )


def unfinished(tx: Transaction, channel: str, *, after: UUID | None, limit: int | None) -> Sequence[UUID]:
    """Adoptions that are not done, a page at a time; ``limit`` None: all of them."""
    return (
        tx.connection.execute(
            text(
                "SELECT subscription_id FROM adoption WHERE state <> 'done' AND channel = :channel"
                " AND (CAST(:after AS uuid) IS NULL OR subscription_id > :after)"
                " ORDER BY subscription_id LIMIT :limit"
            ),
            {"channel": channel, "after": after, "limit": limit},
        )
        .scalars()
        .all()
    )
