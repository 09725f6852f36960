"""Windows against a walk of minutes, the breaker and the slow-down against what they promise."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from domain.breaker import Breaker, BreakerState, BreakerTerms, Signal, after_signals, lets_charge, may_claim, must_halt
from domain.envelope import Envelope, EnvelopeTerms, Volume, is_exceeded, limit_of
from domain.instants import zone
from domain.slow_down import MOST_STEPS, Slowed, after_slow_down, rate_now
from domain.window import Window, check_window, closed_at, ends_next, is_closed, next_open, occurrences

ZONES = st.sampled_from(["Asia/Seoul", "UTC", "America/New_York", "Australia/Lord_Howe"])
MINUTES = st.integers(0, 24 * 60 - 1).map(lambda minute: time(minute // 60, minute % 60))
#: Around the changes of summer time of both hemispheres, too.
INSTANTS = st.integers(0, 280 * 24 * 60).map(
    lambda minute: datetime(2026, 2, 20, tzinfo=UTC) + timedelta(minutes=minute)
)
WEEKDAYS = st.frozensets(st.integers(1, 7), max_size=3)


@st.composite
def windows(draw: st.DrawFn) -> Window:
    begins = draw(MINUTES)
    weekdays = draw(WEEKDAYS)
    window = Window(
        begins=begins,
        ends=draw(MINUTES.filter(lambda ends: ends != begins)),
        zone_name=draw(ZONES),
        weekdays=weekdays,
        nth=draw(st.integers(0, 5)) if weekdays else 0,
    )
    check_window(window)
    return window


@given(window=windows(), instant=INSTANTS)
def test_a_window_is_closed_by_the_wall_clock(window: Window, instant: datetime) -> None:
    """Read from the wall clock alone; around a change of summer time the clock does not say which hour it is."""
    there = zone(window.zone_name)
    civil = instant.astimezone(there)
    day_around = {(instant + timedelta(hours=hours)).astimezone(there).utcoffset() for hours in range(-50, 51, 2)}
    if len(day_around) > 1:
        return
    at = civil.time()
    if window.begins < window.ends:
        began = civil.date() if window.begins <= at < window.ends else None
    elif at >= window.begins:
        began = civil.date()
    else:
        began = civil.date() - timedelta(days=1) if at < window.ends else None
    is_its_day = began is not None and (not window.weekdays or began.isoweekday() in window.weekdays)
    is_its_day = is_its_day and began is not None and (not window.nth or (began.day - 1) // 7 + 1 == window.nth)

    assert is_closed(window, instant) is is_its_day


@given(chosen=st.lists(windows(), min_size=1, max_size=3), instant=INSTANTS)
def test_the_next_open_instant_is_the_first_that_no_window_holds(chosen: list[Window], instant: datetime) -> None:
    opens = next_open(chosen, instant)

    assert closed_at(chosen, instant).is_all is (opens != instant)
    assert (ends_next(chosen, instant) is not None) is (opens != instant)
    if opens is None:
        return
    assert not closed_at(chosen, opens).is_all
    at = instant
    while at < min(opens, instant + timedelta(hours=30)):
        assert closed_at(chosen, at).is_all
        at += timedelta(minutes=17)


@given(window=windows(), instant=INSTANTS)
def test_occurrences_come_in_order_and_hold_what_they_say(window: Window, instant: datetime) -> None:
    spans = [span for span, _ in zip(occurrences(window, after=instant), range(4), strict=False)]

    assert all(span.begin < span.end and span.end > instant for span in spans)
    assert [span.begin for span in spans] == sorted(span.begin for span in spans)
    for span in spans:
        assert is_closed(window, span.begin)
        assert is_closed(window, span.end - timedelta(seconds=1))


# The breaker.

NOW = datetime(2026, 1, 31, 1, 0, tzinfo=UTC)
TERMS = BreakerTerms(trouble_run=3, merchant_run=4)
STEPS = st.lists(st.tuples(st.sampled_from(Signal), st.integers(0, 400), st.integers(0, 5)), max_size=60)


@given(steps=STEPS)
def test_an_open_breaker_lets_one_probe_at_a_time_and_only_an_answer_closes_it(
    steps: list[tuple[Signal, int, int]],
) -> None:
    breaker, now = Breaker(), NOW
    run = 0
    for number, (signal, seconds, wanted) in enumerate(steps, start=1):
        now += timedelta(seconds=seconds)
        before = breaker
        breaker, may = may_claim(breaker, wanted=wanted, now=now, probe_for=timedelta(seconds=150))
        assert (may > 0) is (wanted > 0 and lets_charge(before, now=now))
        assert may <= (wanted if before.state is BreakerState.CLOSED else 1)
        attempt_id = UUID(int=number)
        if may and breaker.state is BreakerState.HALF_OPEN:
            breaker = Breaker(
                state=breaker.state, openings=breaker.openings, until=breaker.until,
                merchant_count=breaker.merchant_count, probe_id=attempt_id,
            )  # fmt: skip
        if not may:
            continue
        state = breaker.state
        breaker = after_signals(breaker, [(attempt_id, signal)], now=now, terms=TERMS)
        if must_halt(breaker, TERMS):
            return
        if state is BreakerState.CLOSED:
            run = {Signal.TROUBLE: run + 1, Signal.SLOW_DOWN: run, Signal.NOTHING: run}.get(signal, 0)
            assert (breaker.state is BreakerState.OPEN) is (run >= TERMS.trouble_run)
        else:
            is_answered = signal in {Signal.ANSWER, Signal.MERCHANT}
            assert (breaker.state is BreakerState.CLOSED) is is_answered
        if breaker.state is BreakerState.OPEN:
            run = 0
            assert breaker.until is not None
            assert TERMS.pause <= breaker.until - now <= TERMS.longest_pause


@given(
    signals=st.lists(st.sampled_from([Signal.TROUBLE, Signal.NOTHING, Signal.SLOW_DOWN, Signal.ANSWER]), max_size=20)
)
def test_what_was_out_when_it_opened_says_nothing_new(signals: list[Signal]) -> None:
    trouble = [(UUID(int=0), Signal.TROUBLE)] * TERMS.trouble_run
    opened = after_signals(Breaker(), trouble, now=NOW, terms=TERMS)
    assert opened.state is BreakerState.OPEN

    late = [(UUID(int=number + 1), signal) for number, signal in enumerate(signals)]

    assert after_signals(opened, late, now=NOW + timedelta(hours=1), terms=TERMS) == opened


# The rate.


@given(seconds=st.lists(st.integers(0, 200), max_size=40))
def test_the_rate_never_stops_never_exceeds_itself_and_comes_back(seconds: list[int]) -> None:
    slowed, now = Slowed(), NOW
    for step in seconds:
        now += timedelta(seconds=step)
        slowed = after_slow_down(slowed, now=now)
        assert 64 * 0.5**MOST_STEPS <= rate_now(slowed, rate=64, now=now) <= 32

    assert rate_now(slowed, rate=64, now=now + timedelta(minutes=MOST_STEPS)) == 64


# The envelope.

VOLUMES = st.builds(Volume, charges=st.integers(0, 10**6), won=st.integers(0, 10**12))


@given(expected=VOLUMES, allowed=VOLUMES, claimed=VOLUMES, by=VOLUMES, factor=st.floats(1, 10))
def test_what_a_person_allows_on_top_fits(
    expected: Volume, allowed: Volume, claimed: Volume, by: Volume, factor: float
) -> None:
    terms = EnvelopeTerms(factor=factor)
    day = Envelope(expected=expected, allowed=allowed, claimed=claimed)
    lacking = (claimed + by).less(limit_of(day, terms))

    assert is_exceeded(day, terms, by=by) is (lacking != Volume())
    more = Envelope(expected=expected, allowed=allowed + lacking, claimed=claimed)
    assert not is_exceeded(more, terms, by=by)
