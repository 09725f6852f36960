"""A person's answer to a full envelope: today may hold so much more, and the channel goes on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from billing.forecast import begin_day, later_today
from billing.halt_channel import resume_within
from domain.envelope import Envelope, Volume, limit_of
from domain.errors import BadInput
from domain.halt import HaltCause
from domain.instants import civil_date
from models.queries import brake, envelope, installation

if TYPE_CHECKING:
    from datetime import date

    from billing.change_subscription import By
    from billing.ports import Brakes
    from models.session import Database, Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """What was asked for, and what came of it. ``limit``: what the day may hold after it."""

    day: date
    claimed: Volume
    due: Volume
    more: Volume
    limit: Volume
    was_resumed: bool


def allow_more(
    database: Database, channel: str, *, brakes: Brakes, more: Volume | None, by: By, dry_run: bool = False
) -> Allowed:
    """Let a channel charge more on this civil day; if its envelope halted it, it is resumed.

    Args:
        database: Ours.
        channel: Its name.
        brakes: Under which terms the day is measured.
        more: On top of everything; None: as much as is due now and will be by itself until the day ends.
        by: Who says so.
        dry_run: Only tell.

    Raises:
        BadInput: Nothing is asked for, or nothing is due beyond what the day may hold anyway.
    """
    begin_day(database, channel, brakes.zone_name)
    with database.transaction() as tx:
        day = civil_date(tx.now, brakes.zone_name)
        row = envelope.read_envelope(tx, channel, day)
        if row is None:
            raise BadInput("a new day began at this moment; ask again")
        before = envelope.envelope_of(row)
        limit = limit_of(before, brakes.envelope)
        due = envelope.due_now(tx, channel)
        # What the day expects later must still find room, or the same person is asked twice, the second time at night.
        ahead = later_today(tx, channel, end=row.ends_at)
        wanted = (before.claimed + due + ahead).less(limit) if more is None else more
        state = brake.read_channel(tx, channel)
        is_full = state.halted_at is not None and state.halt_cause == HaltCause.ENVELOPE
        if wanted == Volume() and not is_full:
            raise BadInput(
                f"what is due now ({due.words}) fits into the day ({limit.words}, {before.claimed.words} claimed):"
                " nothing waits for this; --charges and --won allow more ahead"
            )
        if not dry_run:
            _write(tx, channel, day, wanted, by)
            if is_full:
                resume_within(tx, channel, by=by)
    return Allowed(
        day=day,
        claimed=before.claimed,
        due=due,
        more=wanted,
        limit=limit_of(_with(before, wanted), brakes.envelope),
        was_resumed=is_full and not dry_run,
    )


def _with(before: Envelope, more: Volume) -> Envelope:
    return Envelope(expected=before.expected, allowed=before.allowed + more, claimed=before.claimed)


def _write(tx: Transaction, channel: str, day: date, more: Volume, by: By) -> None:
    envelope.add_allowed(tx, channel, day, more)
    installation.write_events(
        tx,
        [
            installation.event(
                tx, "channel.allowed_more", channel=channel, day=day.isoformat(), charges=more.charges, won=more.won
            )
        ],
    )
    installation.write_audit(
        tx,
        actor=by.actor,
        action="channel.allowed_more",
        subject="channel",
        subject_id=None,
        reason=by.reason,
        channel=channel,
        day=day.isoformat(),
        charges=more.charges,
        won=more.won,
    )
