"""SQL of watching: what is due, in flight, decided; whether everything is at rest; what was paid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import text

from domain.charge_attempt import UNDECIDED
from domain.subscription import BILLABLE
from models.base import listed
from models.queries import brake, hold, stop, usage

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import Row

    from models.session import Transaction

#: Nobody watches a longer queue more closely than "at least so many".
COUNT_LIMIT: Final = 100_000

_OWED_NOW: Final = (
    "SELECT FROM invoice i JOIN subscription s ON s.id = i.subscription_id"
    " JOIN billing_key k ON k.id = s.billing_key_id"
    " WHERE i.next_attempt_at <= :now AND i.set_aside_reason IS NULL"
    f" AND {stop.IS_CHARGED} AND k.revoked_at IS NULL AND k.foreign_schedule_since IS NULL AND {hold.is_free()}"
    # What a window holds back is not due yet, unless a person asked for it.
    " AND (i.at_once OR (k.channel <> ALL(:closed_channels)"
    "  AND (k.issuer_code IS NULL OR k.channel || ' ' || k.issuer_code <> ALL(:closed_issuers))))"
)
#: A channel that is halted, or in nobody's list of channels, charges nothing.
_STOPPED: Final = "(c.halted_at IS NOT NULL OR c.missing_since IS NOT NULL)"
_DUE_INVOICES: Final = (
    f"{_OWED_NOW} AND NOT EXISTS (SELECT FROM channel_state c WHERE c.name = k.channel AND {_STOPPED})"
)
_DUE_PERIODS: Final = (
    f"SELECT FROM subscription s WHERE s.next_billing_at <= :now AND s.state IN ({listed(BILLABLE)})"
    f" AND s.set_aside_reason IS NULL AND {stop.IS_OPENED} AND {usage.IS_NOT_HELD}"
)
_FINALS: Final = (
    f"SELECT FROM subscription s WHERE s.final_at IS NOT NULL AND s.set_aside_reason IS NULL AND {usage.IS_NOT_HELD}"
)
_COME: Final = f"SELECT FROM subscription s WHERE {stop.HAS_COME}"
_UNDECIDED: Final = f"SELECT FROM charge_attempt a WHERE a.state IN ({listed(UNDECIDED)})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Counts at one instant.

    ``due`` counts what may be claimed now, periods and final invoices to be opened, and stops and resumes that have
    come, up to a bound.
    ``halted``: channels that charge nothing before somebody has acted, each with why.
    """

    now: datetime
    due: int
    in_flight: int
    unknown: int
    paid: int
    declined: int
    before_operator: int
    halted: str | None

    @property
    def is_idle(self) -> bool:
        """Nothing is due and nothing is undecided, but for what an operator must decide."""
        return self.due == 0 and self.in_flight == 0 and self.unknown == 0


def last_event(tx: Transaction) -> int:
    """The newest event's id; 0 if there is none."""
    return int(tx.connection.execute(text("SELECT coalesce(max(id), 0) FROM outbox_event")).scalar_one())


def progress(tx: Transaction, *, since_event: int) -> Progress:
    """How far the work is; paid and declined are counted since an event."""
    held = brake.held_now(tx)
    row = tx.connection.execute(
        text(
            f"SELECT (SELECT count(*) FROM ({_DUE_INVOICES} LIMIT :limit) a)"
            f" + (SELECT count(*) FROM ({_DUE_PERIODS} LIMIT :limit) b)"
            f" + (SELECT count(*) FROM ({_FINALS} LIMIT :limit) f)"
            f" + (SELECT count(*) FROM ({_COME} LIMIT :limit) e) AS due,"
            f" (SELECT count(*) FROM ({_UNDECIDED} AND a.state = 'in_flight' LIMIT :limit) c) AS in_flight,"
            f" (SELECT count(*) FROM ({_UNDECIDED} AND a.state = 'unknown' AND a.operator_since IS NULL LIMIT :limit)"
            "  d) AS unknown,"
            " (SELECT count(*) FROM charge_attempt a WHERE a.operator_since IS NOT NULL) AS before_operator,"
            " (SELECT count(*) FROM outbox_event e WHERE e.id > :since AND e.kind = 'invoice.paid') AS paid,"
            " (SELECT count(*) FROM outbox_event e WHERE e.id > :since AND e.kind = 'attempt.declined') AS declined,"
            " (SELECT string_agg(c.name || ': ' || coalesce(c.halt_reason, 'not configured'), '; '"
            "  ORDER BY c.name) FROM channel_state c WHERE c.halted_at IS NOT NULL"
            f"  OR c.missing_since IS NOT NULL AND EXISTS ({_OWED_NOW} AND k.channel = c.name)) AS halted"
        ),
        {
            "now": tx.now,
            "limit": COUNT_LIMIT,
            "since": since_event,
            "closed_channels": list(held.channels),
            "closed_issuers": list(held.issuers),
        },
    ).one()
    return Progress(
        now=tx.now,
        due=row.due,
        in_flight=row.in_flight,
        unknown=row.unknown,
        paid=row.paid,
        declined=row.declined,
        before_operator=row.before_operator,
        halted=row.halted,
    )


def list_payments(tx: Transaction) -> Sequence[Row[Any]]:
    """Every payment that is written down: what the ledger's side is compared with."""
    return tx.connection.execute(
        text(
            "SELECT p.imp_uid, p.amount, p.cancelled_amount, p.counts, a.merchant_uid FROM payment p"
            " JOIN charge_attempt a ON a.id = p.attempt_id ORDER BY p.imp_uid"
        )
    ).all()


def count_by_state(tx: Transaction) -> Sequence[Row[Any]]:
    """Invoices by state: how many, and how many won."""
    return tx.connection.execute(
        text("SELECT state, count(*) AS number, sum(amount)::bigint AS won FROM invoice GROUP BY state ORDER BY state")
    ).all()
