"""When does a channel stop by itself, and when does it go on? The breaker, as data and pure functions.

Closed: charges go. Open: none goes until its pause is over. Half open: one probe goes, over all workers, and its answer
decides. All instants are real time, for the gateway lives in real time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final, assert_never

from domain.decline import DeclineClass, class_of
from domain.outcome import Approved, Declined, NotExecuted, NotExecutedReason, Unknown, UnknownReason

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from domain.outcome import Outcome


class BreakerState(StrEnum):
    """Where a breaker stands."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Signal(StrEnum):
    """What one call tells of its channel."""

    ANSWER = "answer"  # the gateway answered in its own words, whatever it said of the card
    TROUBLE = "trouble"  # no answer, a server's error, an unreadable one, no connection
    SLOW_DOWN = "slow_down"  # 429: the rate's matter, and no proof that all is well
    MERCHANT = "merchant"  # refused for the merchant's account: the gateway is well, we are not
    NOTHING = "nothing"  # it never left, or somebody else's judgement


_TROUBLE: Final = (UnknownReason.NO_ANSWER, UnknownReason.SERVER_ERROR, UnknownReason.UNREADABLE)
#: Nobody answered these: they were found out later.
_NO_WORD: Final = (UnknownReason.LEASE_EXPIRED,)


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerTerms:
    """When it opens and how long it pauses. Our choices; settings tell them."""

    trouble_run: int = 5  # calls in trouble in a row
    merchant_run: int = 3  # declines for the merchant's account in a row: an operator's
    pause: timedelta = timedelta(seconds=30)  # after the first opening; doubled by each one that follows
    longest_pause: timedelta = timedelta(minutes=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """One channel's breaker.

    ``openings`` counts those since it was last closed by an answer. ``until``: open, when a probe may go; half open,
    until when the probe is awaited. ``probe_id`` is the attempt whose answer decides.
    """

    state: BreakerState = BreakerState.CLOSED
    trouble_count: int = 0
    merchant_count: int = 0
    openings: int = 0
    until: datetime | None = None
    probe_id: UUID | None = None


def signal_of(outcome: Outcome) -> Signal:
    """What the outcome of a call that we made tells of its channel."""
    match outcome:
        case Approved():
            return Signal.ANSWER
        case Declined():
            return Signal.MERCHANT if class_of(outcome.decline_code) is DeclineClass.MERCHANT else Signal.ANSWER
        case NotExecuted():
            return Signal.TROUBLE if outcome.reason is NotExecutedReason.NOT_SENT else Signal.NOTHING
        case Unknown():
            if outcome.reason in _TROUBLE:
                return Signal.TROUBLE
            if outcome.reason is UnknownReason.SLOW_DOWN:
                return Signal.SLOW_DOWN
            if outcome.reason is UnknownReason.REFUSED_REQUEST:  # before any card was looked at, so everybody's will be
                return Signal.MERCHANT
            return Signal.NOTHING if outcome.reason in _NO_WORD else Signal.ANSWER
        case _:
            assert_never(outcome)


def after_signals(
    breaker: Breaker, signals: Iterable[tuple[UUID, Signal]], *, now: datetime, terms: BreakerTerms
) -> Breaker:
    """The breaker after calls were answered, in the order of their answers; each with its attempt."""
    for attempt_id, signal in signals:
        breaker = _after(breaker, attempt_id, signal, now, terms)
    return breaker


def _after(breaker: Breaker, attempt_id: UUID, signal: Signal, now: datetime, terms: BreakerTerms) -> Breaker:
    if must_halt(breaker, terms):
        return breaker  # a person's, whatever follows
    match breaker.state:
        case BreakerState.CLOSED:
            return _after_in_closed(breaker, signal, now, terms)
        case BreakerState.OPEN:
            return breaker  # what was out when it opened says nothing new
        case BreakerState.HALF_OPEN:
            if attempt_id != breaker.probe_id:
                return breaker
            if signal is Signal.NOTHING:  # it never left: another may go at once
                return replace(breaker, until=now, probe_id=None)
            if signal in {Signal.TROUBLE, Signal.SLOW_DOWN}:
                return _opened(breaker, now, terms)
            return Breaker(merchant_count=breaker.merchant_count + 1 if signal is Signal.MERCHANT else 0)
        case _:
            assert_never(breaker.state)


def _after_in_closed(breaker: Breaker, signal: Signal, now: datetime, terms: BreakerTerms) -> Breaker:
    match signal:
        case Signal.ANSWER:
            return replace(breaker, trouble_count=0, merchant_count=0)
        case Signal.TROUBLE:
            counted = replace(breaker, trouble_count=breaker.trouble_count + 1)
            return _opened(counted, now, terms) if counted.trouble_count >= terms.trouble_run else counted
        case Signal.MERCHANT:
            return replace(breaker, trouble_count=0, merchant_count=breaker.merchant_count + 1)
        case Signal.SLOW_DOWN | Signal.NOTHING:
            return breaker
        case _:
            assert_never(signal)


def _opened(breaker: Breaker, now: datetime, terms: BreakerTerms) -> Breaker:
    # More than thirty doublings are no longer a number of seconds.
    pause = min(terms.pause * 2 ** min(breaker.openings, 30), terms.longest_pause)
    return Breaker(
        state=BreakerState.OPEN,
        merchant_count=breaker.merchant_count,
        openings=breaker.openings + 1,
        until=now + pause,
    )


def must_halt(breaker: Breaker, terms: BreakerTerms) -> bool:
    """Whether the merchant's account is what is wrong: no pause mends that."""
    return breaker.merchant_count >= terms.merchant_run


def may_claim(breaker: Breaker, *, wanted: int, now: datetime, probe_for: timedelta) -> tuple[Breaker, int]:
    """How many charges may be claimed now, and the breaker that says so; under the lock that all workers take.

    Args:
        wanted: At most so many.
        probe_for: How long a probe's answer is awaited before another one may go.
    """
    if breaker.state is BreakerState.CLOSED:
        return breaker, wanted
    if wanted <= 0 or (breaker.until is not None and now < breaker.until):
        return breaker, 0
    probing = replace(breaker, state=BreakerState.HALF_OPEN, until=now + probe_for, probe_id=None)
    return probing, 1


def lets_charge(breaker: Breaker, *, now: datetime) -> bool:
    """Whether a claim would be given anything now."""
    return breaker.state is BreakerState.CLOSED or breaker.until is None or now >= breaker.until
