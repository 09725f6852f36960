"""When is a schedule that somebody else made surely done with, and which period of ours was it for?"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import product
from typing import Any, Final

import pytest

from domain.billing_period import Calendar
from domain.errors import BadInput
from domain.evidence import Patience, Said
from domain.foreign import Became, ForeignState, Waiting, adopted_periods, became, may_have_begun, waits_until
from domain.schedule import parse_every

ASKED: Final = datetime(2026, 1, 31, 1, tzinfo=UTC)
LONGEST: Final = timedelta(minutes=10)
SETTLING: Final = timedelta(minutes=45)
PATIENCE: Final = Patience(settling=SETTLING, longest_processing=LONGEST)
SECOND: Final = timedelta(seconds=1)
FAR, NEAR = ASKED + timedelta(days=1), ASKED + timedelta(minutes=5)
AT_ONCE, LONG_AFTER = ASKED, ASKED + timedelta(hours=2)
CALENDAR: Final = Calendar(schedule=parse_every("1 month"), anchored_on=date(2026, 1, 31), zone_name="Asia/Seoul")


def seen(state: ForeignState, **changes: Any) -> Became:  # noqa: ANN401 - arguments of the rule
    facts: dict[str, Any] = {"state": state, "saids": (), "payment_status": "", "at": FAR, "now": AT_ONCE} | changes
    facts.setdefault("seen_by", facts["now"])
    return became(**facts, asked_at=ASKED, patience=PATIENCE)


@pytest.mark.parametrize(
    ("state", "facts", "expected"),
    [
        (ForeignState.SCHEDULED, {}, Became.OPEN),
        (ForeignState.SCHEDULED, {"now": LONG_AFTER}, Became.OPEN),
        (ForeignState.OTHER, {"now": LONG_AFTER}, Became.OPEN),
        (ForeignState.REVOKED, {}, Became.REVOKED),
        (ForeignState.REVOKED, {"at": NEAR}, Became.OPEN),
        (ForeignState.REVOKED, {"at": NEAR, "now": NEAR + LONGEST}, Became.REVOKED),
        (ForeignState.REVOKED, {"at": ASKED - timedelta(minutes=5), "now": ASKED + LONGEST}, Became.REVOKED),
        (ForeignState.REVOKED, {"at": NEAR, "saids": {Said.FAILED, Said.PAID}}, Became.PAID),
        (ForeignState.REVOKED, {"now": FAR - LONGEST - SECOND}, Became.REVOKED),
        (ForeignState.REVOKED, {"now": FAR - LONGEST}, Became.OPEN),
        (ForeignState.REVOKED, {"now": FAR - LONGEST - SECOND, "seen_by": FAR}, Became.OPEN),
        (ForeignState.REVOKED, {"now": FAR + LONGEST - SECOND}, Became.OPEN),
        (ForeignState.REVOKED, {"now": FAR + LONGEST}, Became.REVOKED),
        (ForeignState.REVOKED, {"now": FAR + LONGEST, "saids": {Said.OTHER}}, Became.OPEN),
        (ForeignState.REVOKED, {"now": FAR + LONGEST, "saids": {Said.OTHER, Said.PAID}}, Became.PAID),
        (ForeignState.EXECUTED, {"payment_status": "paid"}, Became.PAID),
        (ForeignState.EXECUTED, {"payment_status": "cancelled"}, Became.PAID),
        (ForeignState.EXECUTED, {"payment_status": "failed"}, Became.FAILED),
        (ForeignState.EXECUTED, {"payment_status": "", "now": LONG_AFTER}, Became.OPEN),
        (ForeignState.EXECUTED, {"payment_status": "", "saids": {Said.FAILED, Said.PAID}}, Became.PAID),
        (ForeignState.EXECUTED, {"payment_status": "", "saids": {Said.FAILED}}, Became.FAILED),
        (ForeignState.EXECUTED, {"payment_status": "", "saids": {Said.FAILED, Said.OTHER}}, Became.OPEN),
        (ForeignState.REVOKED, {"at": NEAR, "now": NEAR + LONGEST, "saids": {Said.FAILED}}, Became.REVOKED),
        (ForeignState.GONE, {}, Became.OPEN),
        (ForeignState.GONE, {"now": ASKED + SETTLING}, Became.REVOKED),
        (ForeignState.GONE, {"saids": {Said.FAILED, Said.PAID}}, Became.PAID),
        (ForeignState.GONE, {"now": FAR}, Became.OPEN),
        (ForeignState.GONE, {"now": FAR + SETTLING - SECOND}, Became.OPEN),
        (ForeignState.GONE, {"now": FAR + SETTLING}, Became.REVOKED),
        (ForeignState.GONE, {"now": FAR + SETTLING, "saids": {Said.OTHER}}, Became.OPEN),
    ],
)
def test_what_became_of_a_schedule(state: ForeignState, facts: dict[str, Any], expected: Became) -> None:
    assert seen(state, **facts) is expected


#: Around when we asked, and hours later around the time of what was far off then.
INSTANTS: Final = [
    since + timedelta(minutes=minutes)
    for since in (ASKED, ASKED + timedelta(hours=6))
    for minutes in range(-20, 125, 5)
]


def test_nothing_is_taken_as_revoked_while_it_may_still_run_or_has_paid() -> None:
    freezes = [timedelta(minutes=minutes) for minutes in (0, 15, 360)]
    for state, at, now, freeze, said in product(ForeignState, INSTANTS, INSTANTS, freezes, Said):
        seen_by = now + freeze
        if now >= ASKED and seen(state, at=at, now=now, seen_by=seen_by, saids={said}) is Became.REVOKED:
            is_over = now >= max(at, ASKED) + LONGEST
            assert said in {Said.ABSENT, Said.FAILED}
            assert state in {ForeignState.REVOKED, ForeignState.GONE}
            assert is_over or at - LONGEST > max(ASKED, seen_by), "it was read so long before its time"
            assert state is ForeignState.REVOKED or now >= ASKED + SETTLING
            assert state is ForeignState.REVOKED or not is_over or now >= at + SETTLING
            # What is over is taken as revoked only where its order number is owed a look, which found no money.
            assert may_have_begun(at=at, by=seen_by, longest_processing=LONGEST) or not is_over


def test_what_is_revoked_or_gone_is_final_from_when_it_is_said_to_be() -> None:
    for state, at, now in product((ForeignState.REVOKED, ForeignState.GONE), INSTANTS, INSTANTS):
        if now >= ASKED and seen(state, at=at, now=now) is Became.OPEN:
            until = waits_until(state=state, at=at, asked_at=ASKED, now=now, patience=PATIENCE)
            assert now < until <= max(at, ASKED) + SETTLING
            assert seen(state, at=at, now=until) is Became.REVOKED


def waiting(*days: str, amount: int = 9_900) -> list[Waiting]:
    return [
        Waiting(
            merchant_uid=f"old-{day}", at=datetime.fromisoformat(f"{day}T03:00+09:00").astimezone(UTC), amount=amount
        )
        for day in days
    ]


def periods(found: list[Waiting], *, accept_amount: bool = False, paid_through: date | None = None) -> list[int]:
    return list(adopted_periods(CALENDAR, found, price=9_900, accept_amount=accept_amount, paid_through=paid_through))


def test_schedules_are_for_the_periods_that_begin_on_their_days() -> None:
    assert periods(waiting("2026-01-31", "2026-02-28", "2026-03-31")) == [0, 1, 2]
    assert periods(waiting("2026-04-30", "2026-05-31")) == [3, 4]
    assert periods(waiting("2026-04-30"), paid_through=date(2026, 4, 29)) == [3]
    assert periods(waiting("2026-04-30", amount=1), accept_amount=True) == [3]


def test_a_schedule_whose_day_is_not_the_last_of_the_month_is_for_the_period_that_runs() -> None:
    assert periods(waiting("2026-01-31", "2026-03-03", "2026-03-31")) == [0, 1, 2]


@pytest.mark.parametrize(
    ("found", "because"),
    [
        ([], "no schedule that waits"),
        (waiting("2026-02-27"), "makes no period begin"),
        (waiting("2026-01-31", "2026-01-31"), "one period each"),
        (waiting("2026-01-31", "2026-03-31"), "one period each"),
        (waiting("2026-01-31", amount=100), "100 won, the plan 9,900"),
    ],
)
def test_schedules_of_another_plan_are_not_taken(found: list[Waiting], because: str) -> None:
    with pytest.raises(BadInput, match=because):
        periods(found)


def test_what_was_paid_through_must_end_where_the_schedules_begin() -> None:
    with pytest.raises(BadInput, match="leave it empty"):
        periods(waiting("2026-04-30"), paid_through=date(2026, 2, 28))
