"""Halt a gateway channel, so that nothing more is charged through it, and let it go on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from domain.breaker import lets_charge
from domain.halt import HaltCause
from models.queries import brake, installation

if TYPE_CHECKING:
    from billing.change_subscription import By
    from models.session import Database, Transaction


def halt(database: Database, channel: str, *, by: By, cause: HaltCause = HaltCause.PERSON) -> bool:
    """Let no call be made until it is resumed; gives whether it is this halt that holds. What is in flight is awaited.

    No worker starts a call later than a second after this has returned (``billing.permission``).
    """
    with database.transaction() as tx:
        is_ours = halt_within(tx, channel, reason=f"{by.actor}: {by.reason}", cause=cause)
        if is_ours:
            _audit(tx, "channel.halted", channel, by)
    return is_ours


def halt_within(tx: Transaction, channel: str, *, reason: str, cause: HaltCause) -> bool:
    """The same inside a transaction that found out; its last statement but one, for it locks the channel's row."""
    is_ours = installation.halt_channel(tx, channel, reason=reason, cause=cause)
    if is_ours:
        is_incident = cause is not HaltCause.PERSON
        halted = installation.event(
            tx, "channel.halted", is_incident=is_incident, channel=channel, cause=cause, reason=reason
        )
        installation.write_events(tx, [halted])
    return is_ours


def resume(database: Database, channel: str, *, by: By) -> bool:
    """Let claims be made again, and an open breaker probe at once; gives whether one of them held it."""
    with database.transaction() as tx:
        return resume_within(tx, channel, by=by)


def resume_within(tx: Transaction, channel: str, *, by: By) -> bool:
    """The same inside a transaction; its last statements, for it locks the channel's row."""
    was_halted = installation.resume_channel(tx, channel)
    was_open = brake.probe_at_once(tx, channel)
    if was_halted:
        installation.write_events(tx, [installation.event(tx, "channel.resumed", channel=channel)])
    if was_halted or was_open:
        _audit(tx, "channel.resumed", channel, by)
    return was_halted or was_open


def is_running(tx: Transaction, channel: str) -> bool:
    """Whether a channel charges anything now: it is not halted, and its breaker lets some through."""
    row = brake.read_channel(tx, channel)
    return row.halted_at is None and lets_charge(brake.breaker_of(row), now=tx.real)


def _audit(tx: Transaction, action: str, channel: str, by: By) -> None:
    installation.write_audit(
        tx, actor=by.actor, action=action, subject="channel", subject_id=None, reason=by.reason, channel=channel
    )
