"""SQL of the installation: its namespace, clock, channel, tokens, events and audit."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from domain.breaker import BreakerState, may_claim
from domain.errors import Misconfigured
from domain.halt import HaltCause
from domain.slow_down import rate_now
from models.installation import AuditEntry, OutboxEvent
from models.queries import brake
from models.queries.bulk import insert_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from uuid import UUID

    from sqlalchemy import Row

    from models.session import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """How many calls the channel's rate allows now, and how many seconds from now the first may start.

    ``per_second`` is the rate at which they may start. ``used_until``: real time up to which the rate is given away
    with it; None: it is not. ``is_probe``: the one call by which a breaker finds out whether all is well again.
    """

    count: int
    wait_seconds: float
    per_second: float
    used_until: datetime | None = None
    is_probe: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRow:
    """The newest token that this installation has seen; ``seconds_left`` is negative once it is dead."""

    digest: str
    expires_at: int
    seconds_left: float


def own_namespace(tx: Transaction, namespace: str) -> None:
    """Give a new database its namespace, or check that it is ours.

    Raises:
        Misconfigured: It is another installation's.
    """
    tx.connection.execute(
        text("INSERT INTO installation (id, namespace) VALUES (1, :namespace) ON CONFLICT DO NOTHING"),
        {"namespace": namespace},
    )
    owner = tx.connection.execute(text("SELECT namespace FROM installation")).scalar_one()
    if owner != namespace:
        raise Misconfigured(
            f"this database belongs to the installation {owner!r}, not to {namespace!r}: charging from a copy would"
            f" charge twice; set JEONGGI_NAMESPACE={owner}, or use a database of its own"
        )


def namespace(tx: Transaction) -> str | None:
    """Whose database this is; None: nobody's yet."""
    found: str | None = tx.connection.execute(text("SELECT namespace FROM installation")).scalar_one_or_none()
    return found


def start_clock(tx: Transaction, *, origin: datetime | None, rate: int, stops_at: datetime | None = None) -> None:
    """Let billing time run: from ``origin`` at ``rate`` in a new installation, else on from where it stood.

    ``origin`` None is real time. Time during which the processes were stopped does not count on a mapped clock.
    Billing time stands still at ``stops_at``.

    Raises:
        Misconfigured: Billing time has been later than what is asked for.
    """
    clock = tx.connection.execute(
        text(
            "SELECT c.origin = c.anchor AND c.rate = 1 AND c.stops_at IS NULL AS is_real,"
            " NOT EXISTS (SELECT FROM plan) AS is_new,"
            # What was written last may be later than the clock's own last note of itself.
            " greatest(c.last_seen, (SELECT max(e.occurred_at) FROM"
            "  (SELECT occurred_at FROM outbox_event ORDER BY id DESC LIMIT 1000) e)) AS stood_at"
            " FROM billing_clock c FOR UPDATE OF c"
        )
    ).one()
    if origin is None and clock.is_real:
        return
    if origin is None and tx.real < clock.stood_at and not clock.is_new:
        raise Misconfigured(
            f"this database has lived on a mapped clock until {clock.stood_at:%Y-%m-%d %H:%M} UTC and cannot go back to"
            " real time; set JEONGGI_CLOCK again, or use another JEONGGI_STATE_DIR"
        )
    if origin is None:
        start, anchor, rate = tx.real, tx.real, 1
    elif clock.is_new:
        start, anchor = origin, tx.real
    else:
        start, anchor = (tx.now if clock.is_real else clock.stood_at), tx.real
    if stops_at is not None and stops_at < start:
        raise Misconfigured(
            f"billing time is {start:%Y-%m-%d %H:%M} UTC already, later than {stops_at:%Y-%m-%d %H:%M} UTC, where it"
            " should stop: give a later instant"
        )
    # A row of its own rather than an update: nothing was billed by a new installation, so its clock may go anywhere.
    if clock.is_new:
        tx.connection.execute(text("DELETE FROM billing_clock"))
        statement = "INSERT INTO billing_clock (id, origin, rate, anchor, stops_at, last_seen)"
        statement += " VALUES (1, :start, :rate, :anchor, :stops_at, :start)"
    else:
        statement = "UPDATE billing_clock SET origin = :start, rate = :rate, anchor = :anchor, stops_at = :stops_at,"
        statement += " last_seen = :start"
    tx.connection.execute(text(statement), {"start": start, "rate": rate, "anchor": anchor, "stops_at": stops_at})


def note_clock(tx: Transaction) -> None:
    """Write down billing time, so that a restart goes on from here."""
    tx.connection.execute(text("UPDATE billing_clock SET last_seen = :now WHERE last_seen < :now"), {"now": tx.now})


def step_clock(tx: Transaction, to: datetime) -> None:
    """Let a stepped clock (rate 0) jump forward; one that runs, or is there already, is left alone."""
    tx.connection.execute(
        text(
            "UPDATE billing_clock SET origin = :to, anchor = clock_timestamp(), last_seen = :to"
            " WHERE rate = 0 AND origin < :to"
        ),
        {"to": to},
    )


def know_channels(tx: Transaction, names: Iterable[str]) -> None:
    """Give every configured channel its row; cards hang on it. One that was missing is back."""
    known = tx.connection.execute(
        text("SELECT name FROM channel_state WHERE missing_since IS NULL AND name = ANY(:names)"),
        {"names": sorted(set(names))},
    ).scalars()
    names = set(names) - set(known)
    if not names:
        return  # the rule: no row is locked
    tx.connection.execute(
        text(
            "INSERT INTO channel_state (name, rate_used_until) SELECT name, :real FROM unnest(CAST(:names AS text[]))"
            " AS name ORDER BY name ON CONFLICT (name) DO UPDATE SET missing_since = NULL"
            " WHERE channel_state.missing_since IS NOT NULL"
        ),
        {"names": sorted(names), "real": tx.real},
    )


def miss_channels(tx: Transaction, names: Iterable[str]) -> Sequence[Row[Any]]:
    """Note which channels are not among the configured ones any more; gives those with cards, each only once."""
    missing = text(
        "UPDATE channel_state SET missing_since = :real WHERE missing_since IS NULL AND name <> ALL(:names)"
        " RETURNING name, (SELECT count(*) FROM billing_key k"
        " WHERE k.channel = channel_state.name AND k.revoked_at IS NULL) AS cards"
    )
    rows = tx.connection.execute(missing, {"real": tx.real, "names": sorted(set(names))}).all()
    return [row for row in rows if row.cards]


def known_channels(tx: Transaction) -> Sequence[str]:
    """Every channel that was ever configured, by name."""
    return tx.connection.execute(text("SELECT name FROM channel_state ORDER BY name")).scalars().all()


def reserve_rate(
    tx: Transaction, *, channel: str, wanted: int, per_second: int, window_seconds: float, probe_for: timedelta
) -> Grant:
    """Take a share of the channel's rate, exact over all workers: at most what can start within the window.

    A halted channel grants nothing, nor does an open breaker; one whose pause is over grants one probe.
    """
    row = brake.lock_channel(tx, channel)
    per_second_now = rate_now(brake.slowed_of(row), rate=per_second, now=tx.real)
    breaker, may_claim_now = may_claim(brake.breaker_of(row), wanted=wanted, now=tx.real, probe_for=probe_for)
    if row.halted_at is not None or may_claim_now == 0:
        return Grant(count=0, wait_seconds=0, per_second=per_second_now)
    begin = max(row.rate_used_until, tx.real)
    if begin - tx.real > timedelta(seconds=max(window_seconds, 1 / per_second_now)):
        begin = tx.real  # no grant reaches beyond the window: the server's clock was set back
    wait_seconds = (begin - tx.real).total_seconds()
    count = min(may_claim_now, int((window_seconds - wait_seconds) * per_second_now))
    if count <= 0 and wait_seconds == 0:
        count = 1  # however slow it goes, it goes on
    if count <= 0:
        return Grant(count=0, wait_seconds=wait_seconds, per_second=per_second_now)
    until = begin + timedelta(seconds=count / per_second_now)
    tx.connection.execute(
        text("UPDATE channel_state SET rate_used_until = :until WHERE name = :name"), {"name": channel, "until": until}
    )
    is_probe = breaker.state is BreakerState.HALF_OPEN
    if is_probe:
        brake.write_breaker(tx, channel, breaker)
    return Grant(count=count, wait_seconds=wait_seconds, per_second=per_second_now, used_until=until, is_probe=is_probe)


def use_rate(tx: Transaction, *, channel: str, per_second: int, window_seconds: float) -> float:
    """Take one call of the channel's rate, whatever stops its charges; gives how many seconds from now it may start."""
    row = brake.lock_channel(tx, channel)
    per_second_now = rate_now(brake.slowed_of(row), rate=per_second, now=tx.real)
    begin = max(row.rate_used_until, tx.real)
    if begin - tx.real > timedelta(seconds=max(window_seconds, 1 / per_second_now)):
        begin = tx.real  # the server's clock was set back
    tx.connection.execute(
        text("UPDATE channel_state SET rate_used_until = :until WHERE name = :name"),
        {"name": channel, "until": begin + timedelta(seconds=1 / per_second_now)},
    )
    wait_seconds: float = (begin - tx.real).total_seconds()
    return wait_seconds


def give_rate_back(tx: Transaction, grant: Grant, *, channel: str, unused: int) -> None:
    """Give back the end of a share that was not needed, unless somebody has taken the one behind it since."""
    if grant.used_until is not None:
        tx.connection.execute(
            text("UPDATE channel_state SET rate_used_until = :until WHERE name = :name AND rate_used_until = :taken"),
            {
                "name": channel,
                "until": grant.used_until - timedelta(seconds=unused / grant.per_second),
                "taken": grant.used_until,
            },
        )
    if grant.is_probe:
        brake.free_probe(tx, channel)


def halt_channel(tx: Transaction, channel: str, *, reason: str, cause: HaltCause = HaltCause.PERSON) -> bool:
    """Let no claim be made until somebody resumes; gives whether this halt is in force, and no earlier one.

    A person's takes the place of the engine's: what answers the engine's question does not end the person's halt.
    """
    return bool(
        tx.connection.execute(
            text(
                "UPDATE channel_state SET halted_at = coalesce(halted_at, :real), halt_reason = :reason,"
                " halt_cause = :cause WHERE name = :name"
                " AND (halted_at IS NULL OR (:cause = :person AND halt_cause IS DISTINCT FROM :person))"
            ),
            {"name": channel, "reason": reason, "cause": cause, "person": HaltCause.PERSON, "real": tx.real},
        ).rowcount
    )


def resume_channel(tx: Transaction, channel: str) -> bool:
    """Let claims be made again; gives whether it was halted."""
    return bool(
        tx.connection.execute(
            text(
                "UPDATE channel_state SET halted_at = NULL, halt_reason = NULL"
                " WHERE name = :name AND halted_at IS NOT NULL"
            ),
            {"name": channel},
        ).rowcount
    )


def newest_token(tx: Transaction, *, channel: str) -> TokenRow | None:
    """The channel's token that dies last, by the gateway's own clock."""
    row = tx.connection.execute(
        text(
            "SELECT digest, expires_at, dies_at FROM seen_token WHERE channel = :name ORDER BY expires_at DESC LIMIT 1"
        ),
        {"name": channel},
    ).one_or_none()
    if row is None:
        return None
    return TokenRow(digest=row.digest, expires_at=row.expires_at, seconds_left=(row.dies_at - tx.real).total_seconds())


def note_token(tx: Transaction, *, channel: str, digest: str, expires_at: int, seconds_left: float) -> None:
    """Remember a token that the gateway returned: a later one proves that an earlier one is dead."""
    tx.connection.execute(
        text(
            "INSERT INTO seen_token (digest, channel, expires_at, first_seen_at, dies_at)"
            " VALUES (:digest, :name, :expires_at, :real, :dies_at)"
            " ON CONFLICT (digest, channel) DO UPDATE SET expires_at = excluded.expires_at, dies_at = excluded.dies_at"
            " WHERE seen_token.expires_at < excluded.expires_at"
        ),
        {
            "name": channel,
            "digest": digest,
            "expires_at": expires_at,
            "real": tx.real,
            "dies_at": tx.real + timedelta(seconds=seconds_left),
        },
    )


def write_events(tx: Transaction, events: Sequence[dict[str, Any]]) -> None:
    """Write what happened; made by ``event``."""
    insert_rows(tx, OutboxEvent, events)


def event(
    tx: Transaction,
    kind: str,
    *,
    subscription_id: UUID | None = None,
    invoice_id: UUID | None = None,
    attempt_id: UUID | None = None,
    is_incident: bool = False,
    **data: Any,  # noqa: ANN401 - JSON
) -> dict[str, Any]:
    """One thing that happened, as a row for ``write_events``."""
    return {
        "occurred_at": tx.now,
        "kind": kind,
        "subscription_id": subscription_id,
        "invoice_id": invoice_id,
        "attempt_id": attempt_id,
        "data": data,
        "is_incident": is_incident,
    }


def write_audit(
    tx: Transaction,
    *,
    actor: str,
    action: str,
    subject: str,
    subject_id: UUID | None,
    reason: str,
    **details: Any,  # noqa: ANN401 - JSON
) -> None:
    """Write what a person did."""
    insert_rows(
        tx,
        AuditEntry,
        [
            {
                "occurred_at": tx.now,
                "actor": actor,
                "action": action,
                "subject": subject,
                "subject_id": subject_id,
                "reason": reason,
                "details": details,
            }
        ],
    )
