"""SQL of stops and resumes that were asked for ahead: how they are written, and which have come."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import text

from domain.charge_attempt import UNDECIDED
from domain.invoice import CHARGEABLE
from domain.subscription import BILLABLE, SubscriptionState
from models.base import listed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import Row

    from models.session import Transaction

#: The subscription goes on at this instant: its stop has not come.
GOES_ON: Final = "(s.stops_at IS NULL OR s.stops_at > :now)"
#: An invoice ``i`` of subscription ``s`` is charged: it goes on, or what the invoice is for was delivered, whatever
#: became of the subscription since. Not while a change waits for the outcome of a charge.
IS_CHARGED: Final = (
    f"s.requested_change IS NULL AND (i.is_delivered OR (s.state IN ({listed(BILLABLE)}) AND {GOES_ON}))"
)
#: The same, before its stop or a change is looked at.
IS_BILLED: Final = f"(i.is_delivered OR s.state IN ({listed(BILLABLE)}))"
_BEFORE_ITS_STOP: Final = (
    "(s.stops_before IS NULL OR s.ordinal + 1 < s.stops_before) AND (s.periods IS NULL OR s.ordinal + 1 < s.periods)"
)
#: Its next period begins before it stops, is one of those agreed on, and no change of price is to be decided first: it
#: is opened, however late.
IS_OPENED: Final = f"{_BEFORE_ITS_STOP} AND (s.changes_from IS NULL OR s.ordinal + 1 < s.changes_from)"
#: The same, once such changes are decided.
IS_FORESEEN: Final = _BEFORE_ITS_STOP

#: A stop waits for a change that waits for an outcome, but for a cancel, which wins over any but itself; and for the
#: periods that began before it.
_STOP_HAS_COME: Final = (
    "s.stops_at <= :now AND (s.requested_change IS NULL"
    " OR (s.stops_as = 'cancel' AND s.requested_change <> 'cancel'))"
    f" AND (s.state NOT IN ({listed(BILLABLE)}) OR s.ordinal + 1 >= s.stops_before)"
)
_RESUME_HAS_COME: Final = (
    f"s.resumes_at <= :now AND s.state = '{SubscriptionState.PAUSED}'"
    f" AND s.requested_change IS DISTINCT FROM 'cancel' AND {GOES_ON}"
)
_PRICED: Final = listed((*BILLABLE, SubscriptionState.TRIALING))
#: A change of price is decided when the first period is due that it is about, and all before that are opened.
PRICE_HAS_COME: Final = (
    f"s.changes_at <= :now AND s.next_billing_at <= :now AND s.state IN ({_PRICED})"
    f" AND s.ordinal + 1 >= s.changes_from AND {_BEFORE_ITS_STOP} AND s.requested_change IS DISTINCT FROM 'cancel'"
)
#: Its last period is over, and nothing of it is owed any more. A stop or a resume that came before is made first.
_TERM_IS_OVER: Final = (
    f"s.term_ends_at <= :now AND s.state <> '{SubscriptionState.ENDED}' AND s.requested_change IS NULL AND {GOES_ON}"
    f" AND (s.state <> '{SubscriptionState.PAUSED}' OR s.resumes_at IS NULL OR s.resumes_at > :now)"
    f" AND (s.state NOT IN ({_PRICED}) OR s.ordinal + 1 >= s.periods)"
    # Counted, for an EXISTS may be planned as a hash of every invoice that there is.
    " AND 0 = (SELECT count(*) FROM invoice i LEFT JOIN charge_attempt a"
    f"  ON a.invoice_id = i.id AND a.state IN ({listed(UNDECIDED)})"
    f"  WHERE i.subscription_id = s.id AND (i.state IN ({listed(CHARGEABLE)}) OR a.id IS NOT NULL))"
)
HAS_COME: Final = (
    f"s.set_aside_reason IS NULL AND (({_STOP_HAS_COME}) OR ({_RESUME_HAS_COME}) OR ({PRICE_HAS_COME})"
    f" OR ({_TERM_IS_OVER}))"
)

_LOCK_COME: Final = text(
    f"SELECT s.id FROM subscription s WHERE {HAS_COME} AND (CAST(:only AS uuid) IS NULL OR s.id = :only)"
    " ORDER BY s.id LIMIT :limit FOR UPDATE SKIP LOCKED"
)


def lock_come(tx: Transaction, *, limit: int, only: UUID | None = None) -> Sequence[UUID]:
    """Subscriptions whose stop or resume has come, that nobody else is at, locked."""
    return tx.connection.execute(_LOCK_COME, {"now": tx.now, "limit": limit, "only": only}).scalars().all()


def write_stop(tx: Transaction, *, subscription_id: UUID, at: datetime, before: int, stops_as: str, actor: str) -> None:
    """Write down when a subscription stops, before which period, as what, and who asked."""
    tx.connection.execute(
        text(
            "UPDATE subscription SET stops_at = :at, stops_before = :before, stops_as = :stops_as, stops_by = :actor"
            " WHERE id = :id"
        ),
        {"id": subscription_id, "at": at, "before": before, "stops_as": stops_as, "actor": actor},
    )


def drop_stop(tx: Transaction, subscription_id: UUID) -> None:
    """A subscription does not stop by itself."""
    tx.connection.execute(
        text(
            "UPDATE subscription SET stops_at = NULL, stops_before = NULL, stops_as = NULL, stops_by = NULL"
            " WHERE id = :id"
        ),
        {"id": subscription_id},
    )


def write_resume(tx: Transaction, *, subscription_id: UUID, at: datetime | None, actor: str | None) -> None:
    """Write down when a subscription goes on by itself once it is paused, and who asked; None: it does not."""
    tx.connection.execute(
        text("UPDATE subscription SET resumes_at = :at, resumes_by = :actor WHERE id = :id"),
        {"id": subscription_id, "at": at, "actor": actor},
    )


def owed(tx: Transaction, subscription_id: UUID) -> Row[Any]:
    """What a subscription owes now: invoices and won, and how many charges of it are undecided."""
    return tx.connection.execute(
        text(
            "SELECT count(*) AS invoices, coalesce(sum(i.amount), 0)::bigint AS won,"
            " count(*) FILTER (WHERE EXISTS (SELECT FROM charge_attempt a WHERE a.invoice_id = i.id"
            f"  AND a.state IN ({listed(UNDECIDED)}))) AS undecided"
            f" FROM invoice i WHERE i.subscription_id = :id AND i.state IN ({listed(CHARGEABLE)})"
        ),
        {"id": subscription_id},
    ).one()


def first_to_come(tx: Transaction) -> datetime | None:
    """The next instant at which a subscription stops, completes, goes on or changes its price by itself, if any."""
    found: datetime | None = tx.connection.execute(
        text(
            "SELECT least((SELECT min(s.stops_at) FROM subscription s WHERE s.set_aside_reason IS NULL"
            "  AND s.stops_at > :now), (SELECT min(greatest(s.changes_at, s.next_billing_at)) FROM subscription s"
            "  WHERE s.set_aside_reason IS NULL AND greatest(s.changes_at, s.next_billing_at) > :now"
            f"  AND s.changes_at IS NOT NULL AND s.state IN ({_PRICED})),"
            " (SELECT min(s.resumes_at) FROM subscription s"
            f"  WHERE s.set_aside_reason IS NULL AND s.resumes_at > :now AND s.state = '{SubscriptionState.PAUSED}'),"
            " (SELECT min(s.term_ends_at) FROM subscription s WHERE s.set_aside_reason IS NULL"
            f"  AND s.term_ends_at > :now AND s.state <> '{SubscriptionState.ENDED}'))"
        ),
        {"now": tx.now},
    ).scalar_one()
    return found
