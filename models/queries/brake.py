"""SQL of the brakes: a channel's halt, breaker and pace, maintenance windows, and each day's envelope."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import insert, text

from domain.breaker import Breaker, BreakerState
from domain.slow_down import Slowed
from domain.window import Window, ends_next, is_closed
from models.brake import MaintenanceWindow

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import Row

    from models.session import Transaction

_CHANNEL: Final = (
    "SELECT name, halted_at, halt_reason, halt_cause, rate_used_until, breaker_state, breaker_trouble_count,"
    " breaker_merchant_count, breaker_openings, breaker_until, breaker_probe_id, slow_steps, slowed_at"
    " FROM channel_state WHERE name = :channel"
)
_READ_CHANNEL: Final = text(_CHANNEL)
#: The key stays: new cards, which hang on it, need not wait.
_LOCK_CHANNEL: Final = text(f"{_CHANNEL} FOR NO KEY UPDATE")


def read_channel(tx: Transaction, channel: str) -> Row[Any]:
    """A channel's brakes as they were committed last."""
    return tx.connection.execute(_READ_CHANNEL, {"channel": channel}).one()


def lock_channel(tx: Transaction, channel: str) -> Row[Any]:
    """The same, locked: the last lock that a transaction takes."""
    return tx.connection.execute(_LOCK_CHANNEL, {"channel": channel}).one()


def breaker_of(row: Row[Any]) -> Breaker:
    """The breaker in a channel's row."""
    return Breaker(
        state=BreakerState(row.breaker_state),
        trouble_count=row.breaker_trouble_count,
        merchant_count=row.breaker_merchant_count,
        openings=row.breaker_openings,
        until=row.breaker_until,
        probe_id=row.breaker_probe_id,
    )


def slowed_of(row: Row[Any]) -> Slowed:
    """How much slower the channel in a row goes."""
    return Slowed(steps=row.slow_steps, at=row.slowed_at)


def write_breaker(tx: Transaction, channel: str, breaker: Breaker) -> None:
    """Keep a breaker; its row is locked."""
    tx.connection.execute(
        text(
            "UPDATE channel_state SET breaker_state = :state, breaker_trouble_count = :trouble,"
            " breaker_merchant_count = :merchant, breaker_openings = :openings, breaker_until = :until,"
            " breaker_probe_id = :probe WHERE name = :channel"
        ),
        {
            "channel": channel,
            "state": breaker.state,
            "trouble": breaker.trouble_count,
            "merchant": breaker.merchant_count,
            "openings": breaker.openings,
            "until": breaker.until,
            "probe": breaker.probe_id,
        },
    )


def write_slowed(tx: Transaction, channel: str, slowed: Slowed) -> None:
    """Keep how much slower a channel goes; its row is locked."""
    tx.connection.execute(
        text("UPDATE channel_state SET slow_steps = :steps, slowed_at = :at WHERE name = :channel"),
        {"channel": channel, "steps": slowed.steps, "at": slowed.at},
    )


def note_probe(tx: Transaction, channel: str, attempt_id: UUID) -> None:
    """Say which attempt is the probe of a breaker that is half open."""
    tx.connection.execute(
        text(
            "UPDATE channel_state SET breaker_probe_id = :id WHERE name = :channel AND breaker_state = 'half_open'"
            " AND breaker_probe_id IS NULL"
        ),
        {"channel": channel, "id": attempt_id},
    )


def free_probe(tx: Transaction, channel: str) -> None:
    """No charge was found for the probe: the next one that is due may be it, at once."""
    tx.connection.execute(
        text(
            "UPDATE channel_state SET breaker_until = :real WHERE name = :channel AND breaker_state = 'half_open'"
            " AND breaker_probe_id IS NULL"
        ),
        {"channel": channel, "real": tx.real},
    )


def probe_at_once(tx: Transaction, channel: str) -> bool:
    """Let an open breaker pause no longer; gives whether it was open."""
    ended = text(
        "UPDATE channel_state SET breaker_until = :real WHERE name = :channel AND breaker_state = 'open'"
        " AND breaker_until > :real"
    )
    return bool(tx.connection.execute(ended, {"channel": channel, "real": tx.real}).rowcount)


# Windows.


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Channels whose windows are closed, and `channel code` of the issuers whose windows are."""

    channels: Sequence[str]
    issuers: Sequence[str]


_WINDOWS: Final = (
    "SELECT id, channel, issuer_code, begins, ends, timezone, weekdays, nth, note, created_at FROM maintenance_window"
)


def windows_of(tx: Transaction, channel: str) -> Sequence[Window]:
    """The windows that hold a channel's charges back, those of every channel among them."""
    rows = tx.connection.execute(
        text(
            "SELECT begins, ends, timezone, weekdays, nth, issuer_code FROM maintenance_window"
            " WHERE channel IS NULL OR channel = :channel ORDER BY id"
        ),
        {"channel": channel},
    )
    return [window_of(row) for row in rows]


def window_of(row: Row[Any]) -> Window:
    """A window in its row."""
    return Window(
        begins=row.begins,
        ends=row.ends,
        zone_name=row.timezone,
        weekdays=frozenset(row.weekdays),
        nth=row.nth,
        issuer_code=row.issuer_code,
    )


def list_windows(tx: Transaction) -> Sequence[Row[Any]]:
    """Every window, the oldest first."""
    return tx.connection.execute(text(f"{_WINDOWS} ORDER BY created_at, id")).all()


def held_now(tx: Transaction) -> Held:
    """What windows hold back now, over all channels."""
    closed = [row for row in list_windows(tx) if is_closed(window_of(row), tx.now)]
    if not closed:
        return Held(channels=(), issuers=())
    known = tx.connection.execute(text("SELECT name FROM channel_state")).scalars().all()
    of = [(channel, row.issuer_code) for row in closed for channel in (known if row.channel is None else [row.channel])]
    return Held(
        channels=[channel for channel, code in of if code is None],
        issuers=[f"{channel} {code}" for channel, code in of if code is not None],
    )


def first_end(tx: Transaction) -> datetime | None:
    """When the first of the windows that are closed now opens again; None: none is closed."""
    return ends_next([window_of(row) for row in list_windows(tx)], tx.now)


def find_window(tx: Transaction, window_id: UUID) -> Row[Any] | None:
    """One window."""
    return tx.connection.execute(text(f"{_WINDOWS} WHERE id = :id"), {"id": window_id}).one_or_none()


def write_window(tx: Transaction, row: Mapping[str, Any]) -> None:
    """Add a window; alone, for an array is no column of ``insert_rows``."""
    tx.connection.execute(insert(MaintenanceWindow), dict(row))


def delete_window(tx: Transaction, window_id: UUID) -> bool:
    """Take a window away; gives whether it was there."""
    deleted = tx.connection.execute(text("DELETE FROM maintenance_window WHERE id = :id"), {"id": window_id})
    return bool(deleted.rowcount)


def note_issuers(tx: Transaction, codes: Mapping[tuple[UUID, int], str]) -> None:
    """Keep which company issued the cards of these sends (attempt and number). A card that somebody is at is left out.

    Billing keys are locked before invoices; here they come later: nobody is waited for, the next payment tells again.
    """
    tx.connection.execute(
        text(
            "UPDATE billing_key t SET issuer_code = free.code FROM (SELECT k.id, told.code FROM"
            " unnest(CAST(:attempts AS uuid[]), CAST(:numbers AS int[]), CAST(:codes AS text[]))"
            "  AS told (attempt_id, send_no, code)"
            " JOIN send x ON x.attempt_id = told.attempt_id AND x.send_no = told.send_no"
            " JOIN billing_key k ON k.id = x.billing_key_id WHERE k.issuer_code IS DISTINCT FROM told.code"
            " FOR NO KEY UPDATE OF k SKIP LOCKED) free WHERE t.id = free.id"
        ),
        {
            "attempts": [attempt_id for attempt_id, _ in codes],
            "numbers": [send_no for _, send_no in codes],
            "codes": list(codes.values()),
        },
    )


def claim_first_windows(tx: Transaction, channels: Sequence[str]) -> Sequence[str]:
    """Which of these channels were never given their first window; they count as given from now on."""
    return (
        tx.connection.execute(
            text(
                "UPDATE channel_state SET has_first_window = true WHERE name = ANY(:channels) AND NOT has_first_window"
                " RETURNING name"
            ),
            {"channels": list(channels)},
        )
        .scalars()
        .all()
    )
