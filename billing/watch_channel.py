"""What do a channel's answers tell of the channel itself? Its breaker, its pace, and whether a person must look.

Within the recording, after everything else: the channel's row is locked last, and only when something changes.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import structlog

from billing.halt_channel import halt_within
from domain.breaker import Breaker, BreakerState, Signal, after_signals, must_halt, signal_of
from domain.halt import HaltCause
from domain.slow_down import Slowed, after_slow_down
from models.queries import brake, installation

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from sqlalchemy import Row

    from billing.ports import Ports
    from billing.report import Report
    from models.session import Transaction

_log = structlog.get_logger("billing")

_Signals = list[tuple["UUID", Signal]]


def watch_channel(tx: Transaction, ports: Ports, reports: Sequence[Report]) -> None:
    """Take what the answers to our own calls tell, in the order in which they came."""
    signals = [(report.attempt_id, signal_of(report.outcome)) for report in reports if report.is_answer]
    if not signals:
        return
    channel = ports.channel.name
    seen = brake.read_channel(tx, channel)
    if _after(tx, ports, seen, signals) == _before(seen):
        return
    locked = brake.lock_channel(tx, channel)
    before, slowed_before = _before(locked)
    breaker, slowed = _after(tx, ports, locked, signals)
    if slowed != slowed_before:
        brake.write_slowed(tx, channel, slowed)
        _tell(tx, "channel.slowed", channel, steps=slowed.steps)
    if must_halt(breaker, ports.limits.brakes.breaker):
        reason = f"engine: {breaker.merchant_count} charges in a row were refused for the merchant's account"
        _log.error("channel.halted", channel=channel, reason=reason)
        halt_within(tx, channel, reason=reason, cause=HaltCause.MERCHANT)
        breaker = replace(breaker, merchant_count=0)  # once it is resumed, it is counted anew
    if breaker != before:
        brake.write_breaker(tx, channel, breaker)
        _tell_of(tx, channel, before, breaker)


def _before(row: Row[Any]) -> tuple[Breaker, Slowed]:
    return brake.breaker_of(row), brake.slowed_of(row)


def _after(tx: Transaction, ports: Ports, row: Row[Any], signals: _Signals) -> tuple[Breaker, Slowed]:
    breaker, slowed = _before(row)
    if any(signal is Signal.SLOW_DOWN for _, signal in signals):
        slowed = after_slow_down(slowed, now=tx.real)
    return after_signals(breaker, signals, now=tx.real, terms=ports.limits.brakes.breaker), slowed


def _tell_of(tx: Transaction, channel: str, before: Breaker, breaker: Breaker) -> None:
    if breaker.state is BreakerState.OPEN and before.state is not BreakerState.OPEN:
        until = breaker.until.isoformat() if breaker.until is not None else ""
        # The first of them is news; what follows says that it still is so.
        _tell(tx, "channel.breaker_opened", channel, is_incident=breaker.openings == 1, until=until)
        _log.error("breaker.opened", channel=channel, openings=breaker.openings, until=until)
    elif breaker.state is BreakerState.CLOSED and before.state is not BreakerState.CLOSED:
        _tell(tx, "channel.breaker_closed", channel)
        _log.info("breaker.closed", channel=channel)


def _tell(tx: Transaction, kind: str, channel: str, *, is_incident: bool = False, **data: str | int) -> None:
    told: dict[str, Any] = {"channel": channel, **data}
    installation.write_events(tx, [installation.event(tx, kind, is_incident=is_incident, **told)])
