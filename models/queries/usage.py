"""SQL of what periods used: whose is to be asked for, what was answered, what waits for an invoice."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import text

from domain.billing_period import Billed
from domain.subscription import BILLABLE
from models.base import listed
from models.queries import stop
from models.queries.periods import CALENDAR

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import Row

    from models.session import Transaction

#: Who answers, unless a person does.
RESOLVER: Final = "resolver"

#: Whose use its next invoice has: the period before, or in arrears that invoice's own.
_WANTED: Final = f"CASE WHEN p.billed = '{Billed.IN_ARREARS}' THEN s.ordinal + 1 ELSE greatest(s.ordinal, 0) END"
#: Counted, for an EXISTS may be planned as a hash of all that was ever used.
_ANSWERS: Final = (
    f"(SELECT count(*) FROM usage u WHERE u.subscription_id = s.id AND u.ordinal = {_WANTED}"
    " AND u.resolved_at IS NOT NULL)"
)
#: Before the first period nothing was used; but if that one is behind already, the next ones are opened with it.
_IS_NEW: Final = f"(p.billed = '{Billed.IN_ADVANCE}' AND s.ordinal < 0 AND s.catch_up_below <= 0)"
#: Its plan ``p`` bills by use, and what the period before its next one, or in arrears that one, used is not known.
IS_WAITED_FOR: Final = f"p.usage IS NOT NULL AND NOT {_IS_NEW} AND 0 = {_ANSWERS}"
#: The opposite: its next period may be opened.
IS_KNOWN: Final = f"(p.usage IS NULL OR {_IS_NEW} OR 0 < {_ANSWERS})"
#: What a period of it used was asked for in vain: it waits for a person, or for what is to be mended.
IS_NOT_HELD: Final = (
    "0 = (SELECT count(*) FROM usage u WHERE u.subscription_id = s.id AND u.resolved_at IS NULL AND u.failures > 0)"
)
#: Of a table ``u``: no invoice has it.
WAITS: Final = "u.resolved_at IS NOT NULL AND u.invoice_id IS NULL"

_DUE: Final = (
    f"s.state IN ({listed(BILLABLE)}) AND s.set_aside_reason IS NULL AND s.next_billing_at <= :now"
    f" AND {stop.IS_OPENED} AND {IS_WAITED_FOR}"
)
#: It has ended, and its final invoice waits for what was used.
_FINAL: Final = (
    "s.final_at IS NOT NULL AND s.set_aside_reason IS NULL AND p.usage IS NOT NULL AND 0 = (SELECT count(*)"
    " FROM usage u WHERE u.subscription_id = s.id AND u.ordinal = s.final_ordinal AND u.resolved_at IS NOT NULL)"
)
#: The opposite: its final invoice may be opened.
IS_FINAL_KNOWN: Final = (
    "(p.usage IS NULL OR 0 < (SELECT count(*) FROM usage u WHERE u.subscription_id = s.id"
    "  AND u.ordinal = s.final_ordinal AND u.resolved_at IS NOT NULL))"
)
_WAITS_FOR_USE: Final = f"(({_DUE}) OR ({_FINAL}))"
#: With all that the periods depend on which are due, and the newest one that was opened.
_SUBSCRIPTION: Final = (
    "SELECT s.id, s.ordinal, s.catch_up_below, s.next_billing_at, s.stops_before, s.changes_from, s.quantity,"
    " s.final_ordinal, s.final_at,"
    f" {CALENDAR}, p.catch_up, p.after_outage, p.code AS plan, p.usage, c.customer_ref, l.ordinal AS opened,"
    " l.period_start AS opened_start FROM subscription s JOIN plan p ON p.id = s.plan_id"
    " JOIN customer c ON c.id = s.customer_id LEFT JOIN LATERAL (SELECT i.ordinal, i.period_start FROM invoice i"
    "  WHERE i.subscription_id = s.id AND i.purpose = 'period' ORDER BY i.ordinal DESC LIMIT 1) l ON true"
)
_CLAIM: Final = (
    f"{_SUBSCRIPTION} WHERE {{what}} AND {{whose}} AND 0 = (SELECT count(*) FROM usage a WHERE a.subscription_id = s.id"
    "  AND a.resolved_at IS NULL AND a.next_at > :real)"
    " ORDER BY {since} LIMIT :limit FOR UPDATE OF s SKIP LOCKED"
)
#: One after the other, for each has its own index: periods and final invoices, then those for which it failed before.
_CLAIMS: Final = tuple(
    text(_CLAIM.format(what=what, since=since, whose=whose))
    for whose in (IS_NOT_HELD, "true")
    for what, since in ((_DUE, "s.next_billing_at"), (_FINAL, "s.final_at"))
)
_ONE: Final = text(f"{_SUBSCRIPTION} WHERE s.id = :id AND {_WAITS_FOR_USE}")


def lock_askable(tx: Transaction, *, limit: int) -> Sequence[Row[Any]]:
    """Subscriptions that wait for what a period used, locked, that nobody asks for just now or is to wait with.

    Those for which it failed before only when there are no others: however many they are, the others come first.
    """
    given = {"now": tx.now, "real": tx.real, "limit": limit}
    for claim in _CLAIMS:
        found = tx.connection.execute(claim, given).all()
        if found:
            return found
    return []


def waiting_subscription(tx: Transaction, subscription_id: UUID) -> Row[Any] | None:
    """A subscription, if it is due, or has ended, and waits for what a period used."""
    return tx.connection.execute(_ONE, {"id": subscription_id, "now": tx.now}).one_or_none()


def answered(tx: Transaction, subscription_id: UUID, ordinals: Sequence[int]) -> set[int]:
    """Of these periods those whose usage is known."""
    return set(
        tx.connection.execute(
            text(
                "SELECT u.ordinal FROM usage u WHERE u.subscription_id = :id AND u.ordinal = ANY(:ordinals)"
                " AND u.resolved_at IS NOT NULL"
            ),
            {"id": subscription_id, "ordinals": list(ordinals)},
        ).scalars()
    )


def ask(tx: Transaction, subscription_id: UUID, ordinal: int, *, until: datetime) -> None:
    """Write down that a period's usage is asked for: until that real time by nobody else."""
    tx.connection.execute(
        text(
            "INSERT INTO usage (subscription_id, ordinal, failures, next_at) VALUES (:id, :ordinal, 0, :until)"
            " ON CONFLICT (subscription_id, ordinal) DO UPDATE SET next_at = :until WHERE usage.resolved_at IS NULL"
        ),
        {"id": subscription_id, "ordinal": ordinal, "until": until},
    )


def let_go(tx: Transaction, subscription_id: UUID, ordinal: int) -> None:
    """It was not asked for after all, and may be at once."""
    tx.connection.execute(
        text(
            "UPDATE usage SET next_at = :real WHERE subscription_id = :id AND ordinal = :ordinal"
            " AND resolved_at IS NULL"
        ),
        {"id": subscription_id, "ordinal": ordinal, "real": tx.real},
    )


def failures_of(tx: Transaction, subscription_id: UUID, ordinal: int) -> int | None:
    """How often asking failed, of a locked subscription; None: nobody asks, or it is answered."""
    found: int | None = tx.connection.execute(
        text("SELECT failures FROM usage WHERE subscription_id = :id AND ordinal = :ordinal AND resolved_at IS NULL"),
        {"id": subscription_id, "ordinal": ordinal},
    ).scalar_one_or_none()
    return found


def write_failed(
    tx: Transaction, subscription_id: UUID, ordinal: int, *, failures: int, reason: str, next_at: datetime
) -> None:
    """Write down that it failed, so many times now, and from when on it is asked for again; real time."""
    tx.connection.execute(
        text(
            "UPDATE usage SET failures = :failures, reason = :reason, next_at = :next_at"
            " WHERE subscription_id = :id AND ordinal = :ordinal AND resolved_at IS NULL"
        ),
        {"id": subscription_id, "ordinal": ordinal, "failures": failures, "reason": reason, "next_at": next_at},
    )


def write_resolved(
    tx: Transaction, subscription_id: UUID, ordinal: int, *, lines: Sequence[Mapping[str, Any]], amount: int, by: str
) -> None:
    """Write down what a period of a locked subscription used, which is not known yet; won."""
    tx.connection.execute(
        text(
            "INSERT INTO usage (subscription_id, ordinal, failures, lines, amount, resolved_at, resolved_by)"
            " VALUES (:id, :ordinal, 0, CAST(:lines AS jsonb), :amount, :now, :by)"
            " ON CONFLICT (subscription_id, ordinal) DO UPDATE SET lines = excluded.lines, amount = excluded.amount,"
            " resolved_at = excluded.resolved_at, resolved_by = excluded.resolved_by, next_at = NULL"
            " WHERE usage.resolved_at IS NULL"
        ),
        {
            "id": subscription_id,
            "ordinal": ordinal,
            "lines": json.dumps(list(lines), ensure_ascii=False),
            "amount": amount,
            "now": tx.now,
            "by": by,
        },
    )


def waiting_usage(tx: Transaction, subscription_ids: Sequence[UUID]) -> Sequence[Row[Any]]:
    """What periods of these subscriptions used that no invoice has, oldest first of each."""
    return tx.connection.execute(
        text(
            f"SELECT u.subscription_id, u.ordinal, u.lines FROM usage u WHERE u.subscription_id = ANY(:ids) AND {WAITS}"
            " ORDER BY u.subscription_id, u.ordinal"
        ),
        {"ids": list(subscription_ids)},
    ).all()


def list_waiting(tx: Transaction, *, limit: int) -> Sequence[Row[Any]]:
    """Subscriptions that wait for what a period used, due or ended, oldest first, with why."""
    return tx.connection.execute(
        text(
            "SELECT s.id AS subscription_id, c.customer_ref, p.code AS plan, p.usage,"
            f" coalesce(w.ordinal, s.final_ordinal, {_WANTED}) AS ordinal,"
            " coalesce(s.final_at, s.next_billing_at) AS due_since, w.reason,"
            " coalesce(w.failures, 0) AS failures, w.next_at FROM subscription s JOIN plan p ON p.id = s.plan_id"
            " JOIN customer c ON c.id = s.customer_id LEFT JOIN LATERAL (SELECT u.* FROM usage u"
            "  WHERE u.subscription_id = s.id AND u.resolved_at IS NULL ORDER BY u.failures DESC, u.ordinal LIMIT 1) w"
            f" ON true WHERE {_WAITS_FOR_USE} ORDER BY 6, s.id LIMIT :limit"
        ),
        {"now": tx.now, "limit": limit},
    ).all()


def waiting_counts(tx: Transaction) -> Row[Any]:
    """How many subscriptions wait for what a period used, and how many of them after a failure."""
    return tx.connection.execute(
        text(
            f"SELECT count(*) AS waiting, count(*) FILTER (WHERE NOT ({IS_NOT_HELD})) AS held FROM subscription s"
            f" JOIN plan p ON p.id = s.plan_id WHERE {_WAITS_FOR_USE}"
        ),
        {"now": tx.now},
    ).one()


def names_in_use(tx: Transaction) -> Sequence[str]:
    """The entry points that plans name."""
    return (
        tx.connection.execute(text("SELECT DISTINCT usage FROM plan WHERE usage IS NOT NULL ORDER BY 1"))
        .scalars()
        .all()
    )
