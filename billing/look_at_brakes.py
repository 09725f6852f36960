"""What holds a channel's charges back now, and what ends it? One sentence for each brake."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from domain.breaker import BreakerState
from domain.envelope import limit_of
from domain.halt import HaltCause
from domain.instants import civil_date
from domain.slow_down import STEP_BACK, rate_now, steps_now
from domain.window import Window, ends_next, next_open, occurrences
from models.queries import brake, envelope

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from sqlalchemy import Row

    from billing.ports import Brakes
    from models.session import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class BrakeSeen:
    """One brake of one channel. ``holds``: charges wait, or go slower, because of it."""

    name: str
    holds: bool
    told: str


def look_at_brakes(tx: Transaction, channel: str, *, brakes: Brakes, rate: int, zone: ZoneInfo) -> Sequence[BrakeSeen]:
    """Every brake of a channel, the widest first; instants are told in ``zone``."""
    row = brake.read_channel(tx, channel)
    windows = brake.windows_of(tx, channel)
    whole = [window for window in windows if window.issuer_code is None]
    return [
        _halt(channel, row, zone),
        _breaker(row, brakes, tx.real, zone),
        _window("window", whole, "charges", tx.now, zone),
        *_issuers(windows, tx.now, zone),
        _envelope(tx, channel, brakes),
        _rate(row, rate, tx.real),
    ]


def _halt(channel: str, row: Row[Any], zone: ZoneInfo) -> BrakeSeen:
    if row.halted_at is None:
        return BrakeSeen(name="halt", holds=False, told="not halted")
    if row.halt_cause == HaltCause.ENVELOPE:
        mend = f"`jeonggi channel allow {channel}` lets more go today, and ends it"
    else:
        mend = f"`jeonggi channel resume {channel}` ends it"
    return BrakeSeen(
        name="halt", holds=True, told=f"halted since {_at(row.halted_at, zone)} ({row.halt_reason}); {mend}"
    )


def _breaker(row: Row[Any], brakes: Brakes, now: datetime, zone: ZoneInfo) -> BrakeSeen:
    breaker, terms = brake.breaker_of(row), brakes.breaker
    if breaker.state is BreakerState.CLOSED or breaker.until is None:
        told = (
            f"closed: {breaker.trouble_count} of {terms.trouble_run} calls in trouble in a row,"
            f" {breaker.merchant_count} of {terms.merchant_run} declined for the merchant's account"
        )
        return BrakeSeen(name="breaker", holds=False, told=told)
    if breaker.state is BreakerState.OPEN:
        when = "the next due charge" if breaker.until <= now else f"from {_at(breaker.until, zone)} on one charge"
        told = f"open, {breaker.openings}. time: {when} probes, and its answer ends it"
    else:
        told = f"half open: the answer to one charge ends it, or another one probes from {_at(breaker.until, zone)} on"
    return BrakeSeen(name="breaker", holds=True, told=told)


def _window(name: str, windows: Sequence[Window], what: str, now: datetime, zone: ZoneInfo) -> BrakeSeen:
    if ends_next(windows, now) is not None:
        opens = next_open(windows, now)
        until = "somebody removes a window" if opens is None else _at(opens, zone)
        return BrakeSeen(name=name, holds=True, told=f"closed: automatic {what} wait until {until}")
    begins = [span.begin for window in windows if (span := next(occurrences(window, after=now), None)) is not None]
    told = f"open until {_at(min(begins), zone)}" if begins else "there is none"
    return BrakeSeen(name=name, holds=False, told=told)


def _issuers(windows: Sequence[Window], now: datetime, zone: ZoneInfo) -> Sequence[BrakeSeen]:
    codes = sorted({window.issuer_code for window in windows if window.issuer_code is not None})
    return [
        _window(
            f"window of issuer {code}",
            [window for window in windows if window.issuer_code == code],
            f"charges of cards of issuer {code}",
            now,
            zone,
        )
        for code in codes
    ]


def _envelope(tx: Transaction, channel: str, brakes: Brakes) -> BrakeSeen:
    row = envelope.read_envelope(tx, channel, civil_date(tx.now, brakes.zone_name))
    if row is None or row.begun_at is None:
        return BrakeSeen(name="envelope", holds=False, told="today is not forecast yet: the next tick does it")
    today = envelope.envelope_of(row)
    limit = limit_of(today, brakes.envelope)
    told = f"{today.claimed.words} claimed of at most {limit.words} today ({today.expected.words} expected)"
    return BrakeSeen(name="envelope", holds=False, told=told)


def _rate(row: Row[Any], rate: int, now: datetime) -> BrakeSeen:
    slowed = brake.slowed_of(row)
    steps = steps_now(slowed, now=now)
    if steps == 0:
        return BrakeSeen(name="rate", holds=False, told=f"{rate} charges a second")
    told = (
        f"{rate_now(slowed, rate=rate, now=now):g} of {rate} charges a second, for the gateway asked for less;"
        f" each {STEP_BACK.seconds} s without a 429 double it"
    )
    return BrakeSeen(name="rate", holds=True, told=told)


def _at(instant: datetime, zone: ZoneInfo) -> str:
    return f"{instant.astimezone(zone):%Y-%m-%d %H:%M:%S}"
