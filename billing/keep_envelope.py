"""The day's envelope in a claim: more charges, or more money, than the forecast allows by far stop and ask a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from billing.halt_channel import halt_within
from domain.envelope import Volume, is_exceeded, told
from domain.halt import HaltCause
from domain.instants import civil_date
from models.queries import envelope

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from billing.ports import Ports
    from models.session import Transaction

_log = structlog.get_logger("billing")


class DayNotBegun(Exception):
    """Nobody has forecast this civil day yet: it is done first, and the claim is made again."""


class EnvelopeExceeded(Exception):
    """The claim would be more than the day may hold; nothing of it was written. Its argument says why."""


def begun_day(tx: Transaction, ports: Ports) -> date:
    """The civil day of a claim.

    Raises:
        DayNotBegun: It has no whole forecast yet.
    """
    day = civil_date(tx.now, ports.limits.brakes.zone_name)
    row = envelope.read_envelope(tx, ports.channel.name, day)
    if row is None or row.begun_at is None:
        raise DayNotBegun
    return day


def take_from_the_envelope(tx: Transaction, ports: Ports, day: date, amounts: Sequence[int]) -> None:
    """Count a claim, under the lock of its day; the last statement of a claim, so that the lock is held shortly.

    Raises:
        EnvelopeExceeded: It is too much.
    """
    if not amounts:
        return
    volume = Volume(charges=len(amounts), won=sum(amounts))
    before = envelope.envelope_of(envelope.add_claimed(tx, ports.channel.name, day, volume))
    terms = ports.limits.brakes.envelope
    if is_exceeded(before, terms, by=volume):
        raise EnvelopeExceeded(told(before, terms, by=volume))


def stop_at_the_envelope(ports: Ports, exceeded: EnvelopeExceeded) -> None:
    """Halt the channel, and ask a person."""
    reason = f"engine: {exceeded}; see `jeonggi channel allow`"
    _log.error("channel.halted", channel=ports.channel.name, reason=reason)
    with ports.database.transaction() as tx:
        halt_within(tx, ports.channel.name, reason=reason, cause=HaltCause.ENVELOPE)
