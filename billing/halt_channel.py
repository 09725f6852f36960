"""Halt a gateway channel, so that nothing more is charged through it, and let it go on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.queries import installation

if TYPE_CHECKING:
    from billing.change_subscription import By
    from models.session import Database, Transaction


def halt(database: Database, channel: str, *, by: By) -> bool:
    """Let no claim be made until it is resumed; gives whether it was running. What is in flight is awaited."""
    with database.transaction() as tx:
        was_running = installation.halt_channel(tx, channel, reason=f"{by.actor}: {by.reason}")
        if was_running:
            _audit(tx, "channel.halted", channel, by)
    return was_running


def resume(database: Database, channel: str, *, by: By) -> bool:
    """Let claims be made again; gives whether it was halted."""
    with database.transaction() as tx:
        was_halted = installation.resume_channel(tx, channel)
        if was_halted:
            _audit(tx, "channel.resumed", channel, by)
    return was_halted


def _audit(tx: Transaction, action: str, channel: str, by: By) -> None:
    installation.write_audit(
        tx, actor=by.actor, action=action, subject="channel", subject_id=None, reason=by.reason, channel=channel
    )
