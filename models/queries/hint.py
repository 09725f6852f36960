"""SQL of the inbox: hooks come in, are sorted, are followed a few at a time, and are deleted after a while."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import text

from domain.charge_attempt import AttemptState
from domain.hint import HintOutcome, HintStatus
from models.hint import GatewayEvent
from models.queries.bulk import update_rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import Row

    from domain.hint import Hint
    from models.session import Transaction

#: The same hook once more, so long after it was followed, is followed again.
AGAIN_AFTER: Final = timedelta(minutes=1)
#: Rows that one statement sorts or deletes.
BATCH: Final = 1_000

#: Which attempt a hook is about: by our order number, or by a payment that is written down.
_ATTEMPT: Final = (
    "coalesce((SELECT a.id FROM charge_attempt a WHERE a.merchant_uid = e.merchant_uid),"
    " (SELECT p.attempt_id FROM payment p WHERE p.imp_uid = e.imp_uid))"
)
_STORE: Final = text(
    "INSERT INTO gateway_event AS e (channel, imp_uid, merchant_uid, status, cancellation_id, digest, hour, times,"
    " received_at, last_received_at, follow_at, looks)"
    " VALUES (:channel, :imp_uid, :merchant_uid, :status, :cancellation_id, :digest, :hour, 1, :real, :real, :real, 0)"
    " ON CONFLICT (digest, hour) DO UPDATE SET times = e.times + 1, last_received_at = :real,"
    " closed_at = CASE WHEN e.closed_at < :again THEN NULL ELSE e.closed_at END,"
    " outcome = CASE WHEN e.closed_at < :again THEN NULL ELSE e.outcome END,"
    " looks = CASE WHEN e.closed_at < :again THEN 0 ELSE e.looks END,"
    " follow_at = CASE WHEN e.closed_at < :again THEN :real ELSE e.follow_at END"
    " RETURNING times"
)
#: Nobody knows this payment here. What it is, the hourly comparison with the gateway's list tells.
_CLOSE_FOREIGN: Final = text(
    f"UPDATE gateway_event t SET closed_at = :real, outcome = '{HintOutcome.FOREIGN}'"
    " FROM (SELECT e.id FROM gateway_event e WHERE e.closed_at IS NULL AND e.follow_at <= :real"
    f" AND {_ATTEMPT} IS NULL ORDER BY e.id LIMIT :limit FOR UPDATE SKIP LOCKED) found WHERE t.id = found.id"
)
#: Paid, and the payment is written down for this very attempt: the answer to the charge has told it already.
_CLOSE_KNOWN: Final = text(
    f"UPDATE gateway_event t SET closed_at = :real, outcome = '{HintOutcome.NOTHING_NEW}'"
    " FROM (SELECT e.id FROM gateway_event e JOIN payment p ON p.imp_uid = e.imp_uid"
    " JOIN charge_attempt a ON a.id = p.attempt_id AND a.merchant_uid = e.merchant_uid"
    f" WHERE e.closed_at IS NULL AND e.follow_at <= :real AND e.status = '{HintStatus.PAID}'"
    " ORDER BY e.id LIMIT :limit FOR UPDATE OF e SKIP LOCKED) found WHERE t.id = found.id"
)
#: An attempt in flight is about to be answered: its hook waits a little, so that most are closed without a look-up.
#: The payment tells which channel is asked, or the attempt: that by which the hook came is only its sender's word.
_DUE: Final = (
    f" FROM gateway_event e JOIN charge_attempt a ON a.id = {_ATTEMPT}"
    " JOIN send s ON s.attempt_id = a.id AND s.send_no = a.send_no JOIN billing_key k ON k.id = s.billing_key_id"
    " LEFT JOIN payment p ON p.imp_uid = e.imp_uid AND p.attempt_id = a.id"
    " WHERE e.closed_at IS NULL AND e.follow_at <= :real AND coalesce(p.channel, k.channel) = :channel"
    f" AND (a.state <> '{AttemptState.IN_FLIGHT}' OR e.received_at <= :answered_by)"
)
_ANY_DUE: Final = text(f"SELECT EXISTS (SELECT{_DUE})")
_TAKE: Final = text(
    "UPDATE gateway_event t SET follow_at = :until, looked_at = :real, looks = t.looks + 1"
    f" FROM (SELECT e.id, a.id AS attempt_id{_DUE}"
    " ORDER BY e.follow_at LIMIT :limit FOR UPDATE OF e SKIP LOCKED) due WHERE t.id = due.id"
    " RETURNING t.id, t.imp_uid, t.status, t.looks, due.attempt_id"
)


def store(tx: Transaction, hint: Hint) -> int:
    """Write a hook down; gives how often the same one has come in this hour."""
    return int(
        tx.connection.execute(
            _STORE,
            {
                "channel": hint.channel,
                "imp_uid": hint.imp_uid,
                "merchant_uid": hint.merchant_uid,
                "status": hint.status,
                "cancellation_id": hint.cancellation_id,
                "digest": hint.digest,
                "hour": tx.real.replace(minute=0, second=0, microsecond=0),
                "real": tx.real,
                "again": tx.real - AGAIN_AFTER,
            },
        ).scalar_one()
    )


def close_without_a_look(tx: Transaction) -> Mapping[HintOutcome, int]:
    """Close what is foreign, and what is known already; gives how many of each."""
    values = {"real": tx.real, "limit": BATCH}
    return {
        HintOutcome.FOREIGN: tx.connection.execute(_CLOSE_FOREIGN, values).rowcount,
        HintOutcome.NOTHING_NEW: tx.connection.execute(_CLOSE_KNOWN, values).rowcount,
    }


def is_any_due(tx: Transaction, *, channel: str, answered_by: datetime) -> bool:
    """Whether a hook about an attempt that was sent through this channel is to be followed now."""
    values = {"channel": channel, "real": tx.real, "answered_by": answered_by}
    return bool(tx.connection.execute(_ANY_DUE, values).scalar_one())


def take_due(
    tx: Transaction, *, channel: str, limit: int, a_minute: int, answered_by: datetime, until: datetime
) -> Sequence[Row[Any]]:
    """Take hooks to be followed, at most ``a_minute`` in a minute; nobody else follows them before ``until``.

    Args:
        channel: Those about attempts that were sent through it.
        limit: At most so many at once.
        a_minute: At most so many in a minute, over all takers and channels: they come one after the other.
        answered_by: An attempt in flight is left to its own answer if its hook came later than this.
        until: Real time.
    """
    one_at_a_time = text("SELECT pg_try_advisory_xact_lock(hashtext('gateway_event'))")
    if not tx.connection.execute(one_at_a_time).scalar_one():
        return []
    looked = tx.connection.execute(
        text("SELECT count(*) FROM gateway_event WHERE looked_at > :since"), {"since": tx.real - timedelta(minutes=1)}
    ).scalar_one()
    values = {"channel": channel, "real": tx.real, "limit": max(0, min(limit, a_minute - looked)), "until": until}
    return tx.connection.execute(_TAKE, {**values, "answered_by": answered_by}).all()


def attempts(tx: Transaction, ids: Sequence[UUID]) -> Mapping[UUID, Row[Any]]:
    """The attempts that hooks are about, as they stand."""
    rows = tx.connection.execute(
        text(
            "SELECT a.id, a.invoice_id, i.subscription_id, a.attempt_no, a.merchant_uid, a.amount, a.send_no, a.state"
            " FROM charge_attempt a JOIN invoice i ON i.id = a.invoice_id WHERE a.id = ANY(:ids)"
        ),
        {"ids": list(ids)},
    )
    return {row.id: row for row in rows}


def write_followed(tx: Transaction, rows: Sequence[Mapping[str, Any]]) -> None:
    """What became of hooks: closed with an outcome, or followed again at ``follow_at``."""
    update_rows(tx, GatewayEvent, rows)


def hasten(tx: Transaction, attempt_ids: Sequence[UUID]) -> int:
    """Let the resolver ask about unknown attempts now; gives how many it would have asked about later.

    Only the attempt is locked, and nobody is waited for.
    """
    return tx.connection.execute(
        text(
            "UPDATE charge_attempt t SET next_look_up_at = :real FROM (SELECT a.id FROM charge_attempt a"
            f" WHERE a.id = ANY(:ids) AND a.state = '{AttemptState.UNKNOWN}' AND a.next_look_up_at > :real"
            " ORDER BY a.id FOR UPDATE SKIP LOCKED) waiting WHERE t.id = waiting.id"
        ),
        {"ids": list(attempt_ids), "real": tx.real},
    ).rowcount


def told_before(tx: Transaction, *, invoice_id: UUID, kind: str, imp_uid: str) -> bool:
    """Whether an event of this kind was written about this payment already."""
    return bool(
        tx.connection.execute(
            text(
                "SELECT EXISTS (SELECT FROM outbox_event WHERE invoice_id = :id AND kind = :kind"
                " AND data ->> 'imp_uid' = :uid)"
            ),
            {"id": invoice_id, "kind": kind, "uid": imp_uid},
        ).scalar_one()
    )


def has_work(tx: Transaction, *, keep_since: datetime, keep_rows: int) -> bool:
    """Whether there is a hook to be followed, or one that need not be kept."""
    return bool(
        tx.connection.execute(
            text(
                "SELECT EXISTS (SELECT FROM gateway_event WHERE closed_at IS NULL AND follow_at <= :real)"
                " OR EXISTS (SELECT FROM gateway_event WHERE received_at < :since)"
                " OR (SELECT max(id) - min(id) >= :rows FROM gateway_event)"
            ),
            {"real": tx.real, "since": keep_since, "rows": keep_rows},
        ).scalar_one()
    )


def delete_old(tx: Transaction, *, before: datetime) -> int:
    """Delete a batch of hooks that came before an instant (real time), followed or not; gives how many."""
    return _delete(tx, "received_at < :before ORDER BY received_at", {"before": before})


def delete_beyond(tx: Transaction, *, keep_rows: int) -> int:
    """Delete a batch of what is beyond the newest ``keep_rows`` rows, followed or not; gives how many.

    Told by ids, which have gaps: fewer rows may be kept, never more.
    """
    return _delete(tx, "id <= (SELECT max(id) FROM gateway_event) - :rows ORDER BY id", {"rows": keep_rows})


def _delete(tx: Transaction, which: str, values: Mapping[str, object]) -> int:
    return tx.connection.execute(
        text(
            "DELETE FROM gateway_event t USING"
            f" (SELECT id FROM gateway_event WHERE {which} LIMIT :limit FOR UPDATE SKIP LOCKED) old WHERE t.id = old.id"
        ),
        {**values, "limit": BATCH},
    ).rowcount


def list_hints(tx: Transaction, *, outcome: str | None, limit: int, before: int | None) -> Sequence[Row[Any]]:
    """Hooks, newest first; ``before`` is the last id of the page before."""
    return tx.connection.execute(
        text(
            "SELECT id, received_at, channel, status, imp_uid, merchant_uid, cancellation_id, times, looks, outcome,"
            " closed_at FROM gateway_event"
            " WHERE (CAST(:outcome AS text) IS NULL OR outcome = :outcome)"
            " AND (CAST(:before AS bigint) IS NULL OR id < :before) ORDER BY id DESC LIMIT :limit"
        ),
        {"outcome": outcome, "limit": limit, "before": before},
    ).all()


def last_day(tx: Transaction) -> Row[Any]:
    """How many different hooks the last day brought, how many of them are foreign, and when the last one came."""
    return tx.connection.execute(
        text(
            f"SELECT count(*) AS came, count(*) FILTER (WHERE outcome = '{HintOutcome.FOREIGN}') AS foreign_ones,"
            " max(last_received_at) AS last_at FROM gateway_event WHERE received_at > :since"
        ),
        {"since": tx.real - timedelta(days=1)},
    ).one()
