"""SQL of the claim: due invoices, locked with all that they rest on, and the attempts that commit 1 writes."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import text

from domain.charge_attempt import OPEN_ATTEMPT, UNDECIDED
from domain.subscription import BILLABLE
from domain.window import Closed
from models.base import listed
from models.invoice import ChargeAttempt, Invoice, Send
from models.queries import hold, stop
from models.queries.bulk import insert_rows, update_rows
from models.queries.periods import IS_DAILY

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import Row, TextClause

    from models.session import Transaction

#: Due, of a subscription that may be charged, or for what was delivered, and is not held, by a card that nobody else
#: may charge by a schedule.
_BILLED: Final = (
    "i.next_attempt_at <= :now AND i.set_aside_reason IS NULL"
    f" AND {stop.IS_CHARGED} AND k.revoked_at IS NULL AND k.foreign_schedule_since IS NULL AND {hold.is_free()}"
)
#: And by a card of this channel.
_CLAIMABLE: Final = f"{_BILLED} AND k.channel = :channel"
_OPEN: Final = f"a.invoice_id = i.id AND a.state IN ({listed(OPEN_ATTEMPT)})"
#: Declined before, and an earlier attempt was not looked up lately (decision 19). What was not executed and is sent
#: again may have waited for days behind a brake: then, too, they are looked up once more.
_STALE: Final = f"e.state NOT IN ({listed(OPEN_ATTEMPT)}) AND (e.cleared_at IS NULL OR e.cleared_at < :fresh)"
_NEEDS_LOOK: Final = (
    f"i.attempt_count > 0 AND EXISTS (SELECT FROM charge_attempt e WHERE e.invoice_id = i.id AND {_STALE})"
    " AND NOT EXISTS (SELECT FROM charge_attempt u WHERE u.invoice_id = i.id"
    f" AND u.state IN ({listed(UNDECIDED)}))"
)
_FROM: Final = (
    " FROM invoice i JOIN subscription s ON s.id = i.subscription_id JOIN billing_key k ON k.id = s.billing_key_id"
)

#: An invoice with an undecided attempt is never due; were one so, it would only take a place in every batch. One that
#: was not executed is sent again after its pause.
_READY: Final = (
    f"NOT EXISTS (SELECT FROM charge_attempt u WHERE u.invoice_id = i.id AND (u.state IN ({listed(UNDECIDED)})"
    " OR (u.state = 'not_executed' AND u.next_look_up_at > :real)))"
)


class _Held(StrEnum):
    """What maintenance windows hold back now: the statements for each differ, so that the usual one stays short."""

    NOTHING = "nothing"
    ISSUERS = "issuers"
    ALL = "all"


_OPEN_ALL: Final = Closed()

#: What a person asked for goes through every window.
_GOES: Final = {
    _Held.NOTHING: "true",
    _Held.ISSUERS: "(i.at_once OR k.issuer_code IS NULL OR k.issuer_code <> ALL(CAST(:issuers AS text[])))",
    _Held.ALL: "i.at_once",
}


def _each(statement: str) -> Mapping[_Held, TextClause]:
    return {held: text(statement.replace("<goes>", goes)) for held, goes in _GOES.items()}


def _held(closed: Closed) -> tuple[_Held, dict[str, Any]]:
    """Which statement is asked, and its own parameters."""
    if closed.is_all:
        return _Held.ALL, {}
    if closed.issuer_codes:
        return _Held.ISSUERS, {"issuers": sorted(closed.issuer_codes)}
    return _Held.NOTHING, {}


#: No second sort key: everything falls due at the same instant, and sorting that would read all of it for every batch.
_CANDIDATES: Final = _each(
    f"SELECT i.id, i.subscription_id, s.billing_key_id{_FROM} WHERE {_CLAIMABLE} AND {_READY}"
    f" AND NOT ({_NEEDS_LOOK})"
    " AND <goes> AND (CAST(:only AS uuid) IS NULL OR i.id = :only)"
    " ORDER BY i.next_attempt_at LIMIT :limit FOR UPDATE OF s SKIP LOCKED"
)
#: Whose card it is now does not matter: an earlier attempt is looked up where it was sent. A channel that charges
#: nothing now looks only for those that charge in its stead; its own would be looked up in vain.
_UNCLEARED: Final = (
    f"SELECT i.id, i.subscription_id{_FROM} WHERE {_BILLED} AND {_NEEDS_LOOK} AND <goes>"
    " AND (CAST(:is_running AS boolean) OR k.channel <> :channel)"
    " AND EXISTS (SELECT FROM charge_attempt e JOIN send x ON x.attempt_id = e.id AND x.send_no = e.send_no"
    "  JOIN billing_key o ON o.id = x.billing_key_id"
    f"  WHERE e.invoice_id = i.id AND {_STALE} AND o.channel = :channel)"
)
_UNCLEARED_PAGE: Final = _each(f"{_UNCLEARED} ORDER BY i.next_attempt_at, i.id LIMIT :limit")
_NEEDS_CLEARING: Final = _each(f"SELECT EXISTS ({_UNCLEARED})")
_DUE_COUNT: Final = _each(
    f"SELECT count(*) FROM (SELECT 1{_FROM} WHERE {_CLAIMABLE} AND {_READY} AND <goes> LIMIT :limit) due"
)
#: Locked by id, one kind after the other: subscription (by the candidates), billing key, invoice, attempt.
_LOCK_KEYS: Final = text("SELECT id FROM billing_key WHERE id = ANY(:ids) ORDER BY id FOR SHARE")
_LOCK_INVOICES: Final = text("SELECT id FROM invoice WHERE id = ANY(:ids) ORDER BY id FOR UPDATE")
_CLAIMED: Final = _each(
    "SELECT i.id, i.subscription_id, i.purpose, i.ordinal, i.amount, i.tax_free, i.vat_amount, i.card_quota,"
    " i.attempt_count, i.next_trigger, i.is_catch_up,"
    " s.billing_key_id, s.customer_id, s.timezone, k.customer_uid, p.name AS plan_name, p.charge_time,"
    " c.name AS buyer_name, c.email AS buyer_email, c.tel AS buyer_tel,"
    " a.id AS attempt_id, a.state AS attempt_state, a.merchant_uid, a.send_no, a.fence"
    f"{_FROM} JOIN plan p ON p.id = s.plan_id JOIN customer c ON c.id = s.customer_id"
    f" LEFT JOIN charge_attempt a ON {_OPEN}"
    f" WHERE i.id = ANY(:ids) AND {_CLAIMABLE} AND NOT ({_NEEDS_LOOK}) AND <goes>"
    " ORDER BY i.next_attempt_at, i.period_start, i.id"
)
_LOCK_ATTEMPTS: Final = text(
    f"SELECT a.id FROM charge_attempt a WHERE a.invoice_id = ANY(:ids) AND a.state IN ({listed(OPEN_ATTEMPT)})"
    " ORDER BY a.id FOR UPDATE"
)


def lock_claimable(
    tx: Transaction, *, channel: str, limit: int, fresh: datetime, closed: Closed = _OPEN_ALL, only: UUID | None = None
) -> Sequence[Row[Any]]:
    """Due invoices, oldest first, locked and read again under the locks, each with its open attempt if it has one.

    Args:
        channel: Those whose card is this channel's.
        limit: At most so many.
        fresh: Real time; a declined invoice whose attempts were looked up before it is left out.
        closed: What maintenance windows hold back now.
        only: This invoice alone.
    """
    held, named = _held(closed)
    parameters = {"channel": channel, "now": tx.now, "fresh": fresh, **named}
    found = tx.connection.execute(
        _CANDIDATES[held], {**parameters, "real": tx.real, "limit": limit, "only": only}
    ).all()
    if not found:
        return []
    ids = [row.id for row in found]
    tx.connection.execute(_LOCK_KEYS, {"ids": sorted({row.billing_key_id for row in found})})
    tx.connection.execute(_LOCK_INVOICES, {"ids": ids})
    tx.connection.execute(_LOCK_ATTEMPTS, {"ids": ids})
    return tx.connection.execute(_CLAIMED[held], {**parameters, "ids": ids}).all()


def lock_customers(tx: Transaction, customer_ids: Sequence[UUID]) -> set[UUID]:
    """Lock the customers that nobody else is at; gives those. Only for charges of which a customer gets one a day."""
    rows = tx.connection.execute(
        text("SELECT id FROM customer WHERE id = ANY(:ids) ORDER BY id FOR UPDATE SKIP LOCKED"),
        {"ids": sorted(set(customer_ids))},
    )
    return {row.id for row in rows}


def is_charged_within(tx: Transaction, *, customer_id: UUID, begin: datetime, end: datetime, but: UUID) -> bool:
    """Whether a customer has another charge, made or due by itself, in a span of billing time.

    What is set aside or held, or has a revoked or blocked card, or one of a channel that is configured no more, is not
    charged by itself: it would keep the day for ever. So would a plan that bills every day: only what it catches up
    keeps the day.
    """
    return bool(
        tx.connection.execute(
            text(
                "SELECT EXISTS (SELECT FROM subscription s JOIN invoice i ON i.subscription_id = s.id"
                " JOIN plan p ON p.id = s.plan_id"
                " LEFT JOIN billing_key k ON k.id = s.billing_key_id LEFT JOIN channel_state c ON c.name = k.channel"
                " LEFT JOIN charge_attempt a ON a.invoice_id = i.id"
                f" WHERE s.customer_id = :customer AND i.id <> :but AND (i.is_catch_up OR NOT {IS_DAILY}) AND ("
                "  (a.started_at >= :begin AND a.started_at < :end)"
                "  OR (NOT i.is_catch_up AND i.next_attempt_at < :end AND i.set_aside_reason IS NULL"
                "   AND k.revoked_at IS NULL AND k.foreign_schedule_since IS NULL AND c.missing_since IS NULL"
                f"   AND {hold.is_free(':end')})))"
                " OR EXISTS (SELECT FROM subscription s JOIN plan p ON p.id = s.plan_id"
                "  JOIN billing_key k ON k.id = s.billing_key_id"
                "  JOIN channel_state c ON c.name = k.channel AND c.missing_since IS NULL"
                "  WHERE s.customer_id = :customer AND s.set_aside_reason IS NULL AND k.revoked_at IS NULL"
                f"  AND NOT {IS_DAILY}"
                f"  AND k.foreign_schedule_since IS NULL AND {stop.IS_FORESEEN} AND {hold.is_free(':end')}"
                f"  AND s.state IN ({listed(BILLABLE)}) AND s.next_billing_at < :end)"
            ),
            {"customer": customer_id, "begin": begin, "end": end, "but": but},
        ).scalar_one()
    )


def postpone(tx: Transaction, rows: Sequence[Mapping[str, Any]]) -> None:
    """Give invoices another ``next_attempt_at``."""
    update_rows(tx, Invoice, rows)


def write_claim(
    tx: Transaction,
    *,
    new_attempts: Sequence[Mapping[str, Any]],
    resent_attempts: Sequence[Mapping[str, Any]],
    sends: Sequence[Mapping[str, Any]],
    invoices: Sequence[Mapping[str, Any]],
) -> None:
    """Write what commit 1 makes durable before anything is sent."""
    insert_rows(tx, ChargeAttempt, new_attempts)
    update_rows(tx, ChargeAttempt, resent_attempts)
    insert_rows(tx, Send, sends)
    update_rows(tx, Invoice, invoices)


def list_uncleared(
    tx: Transaction, *, channel: str, is_running: bool, limit: int, fresh: datetime, closed: Closed = _OPEN_ALL
) -> Sequence[Row[Any]]:
    """Due reattempts with an earlier attempt that was sent through this channel and must be looked up first."""
    held, named = _held(closed)
    parameters = {"channel": channel, "is_running": is_running, "now": tx.now, "fresh": fresh, **named}
    return tx.connection.execute(_UNCLEARED_PAGE[held], {**parameters, "limit": limit}).all()


def needs_clearing(
    tx: Transaction, *, channel: str, is_running: bool, fresh: datetime, closed: Closed = _OPEN_ALL
) -> bool:
    """Whether ``list_uncleared`` would find any."""
    held, named = _held(closed)
    parameters = {"channel": channel, "is_running": is_running, "now": tx.now, "fresh": fresh, **named}
    return bool(tx.connection.execute(_NEEDS_CLEARING[held], parameters).scalar())


def note_cleared(tx: Transaction, looked_at: Mapping[UUID, int], *, at: datetime) -> None:
    """Write down that attempts were looked up and are not paid; an invoice is cleared once all of its attempts are.

    It has not their subscriptions' locks, so it waits for nobody: an attempt that somebody is at is left out.

    Args:
        tx: Where.
        looked_at: The send of each that was looked at: one that was sent again since is left out.
        at: Real time, not later than the look-ups began; a newer look stands.
    """
    tx.connection.execute(
        text(
            "UPDATE charge_attempt t SET cleared_at = greatest(t.cleared_at, :at) FROM (SELECT a.id"
            " FROM unnest(CAST(:ids AS uuid[]), CAST(:sends AS integer[])) looked(id, send_no)"
            " JOIN charge_attempt a ON a.id = looked.id AND a.send_no = looked.send_no"
            f" WHERE a.state NOT IN ({listed(OPEN_ATTEMPT)})"
            " ORDER BY a.id FOR UPDATE OF a SKIP LOCKED) free WHERE t.id = free.id"
        ),
        {"ids": list(looked_at), "sends": list(looked_at.values()), "at": at},
    )


def due_count(tx: Transaction, *, channel: str, limit: int, closed: Closed = _OPEN_ALL) -> int:
    """How many invoices with a card of this channel are due, counted up to a limit."""
    held, named = _held(closed)
    parameters = {"channel": channel, "now": tx.now, "real": tx.real, "limit": limit, **named}
    return int(tx.connection.execute(_DUE_COUNT[held], parameters).scalar_one())


def set_invoice_aside(tx: Transaction, *, invoice_id: UUID, reason: str) -> None:
    """Take an invoice that spoils its batch out of the way, visibly."""
    tx.connection.execute(
        text("UPDATE invoice SET set_aside_reason = :reason WHERE id = :id"), {"id": invoice_id, "reason": reason}
    )
