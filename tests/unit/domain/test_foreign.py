"""When is a schedule that somebody else made surely done with, and which period of ours was it for?"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import product
from typing import Any, Final

import pytest

from domain.billing_period import Calendar
from domain.errors import BadInput
from domain.foreign import Became, ForeignState, Waiting, adopted_periods, became
from domain.schedule import parse_every

ASKED: Final = datetime(2026, 1, 31, 1, tzinfo=UTC)
LONGEST: Final = timedelta(minutes=10)
SETTLING: Final = timedelta(minutes=45)
FAR, NEAR = ASKED + timedelta(days=1), ASKED + timedelta(minutes=5)
AT_ONCE, LONG_AFTER = ASKED, ASKED + timedelta(hours=2)
CALENDAR: Final = Calendar(schedule=parse_every("1 month"), started_on=date(2026, 1, 31), zone_name="Asia/Seoul")


def seen(state: ForeignState, **changes: Any) -> Became:  # noqa: ANN401 - arguments of the rule
    facts: dict[str, Any] = {"state": state, "is_paid": False, "payment_status": "", "at": FAR, "now": AT_ONCE}
    return became(**facts | changes, asked_at=ASKED, longest_processing=LONGEST, settling=SETTLING)


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
        (ForeignState.REVOKED, {"at": NEAR, "is_paid": True}, Became.PAID),
        (ForeignState.EXECUTED, {"payment_status": "paid"}, Became.PAID),
        (ForeignState.EXECUTED, {"payment_status": "cancelled"}, Became.PAID),
        (ForeignState.EXECUTED, {"payment_status": "failed"}, Became.FAILED),
        (ForeignState.EXECUTED, {"payment_status": "", "now": LONG_AFTER}, Became.OPEN),
        (ForeignState.EXECUTED, {"payment_status": "", "is_paid": True}, Became.PAID),
        (ForeignState.GONE, {}, Became.OPEN),
        (ForeignState.GONE, {"now": ASKED + SETTLING}, Became.REVOKED),
        (ForeignState.GONE, {"is_paid": True}, Became.PAID),
    ],
)
def test_what_became_of_a_schedule(state: ForeignState, facts: dict[str, Any], expected: Became) -> None:
    assert seen(state, **facts) is expected


def test_nothing_is_taken_as_revoked_while_it_may_still_run_or_has_paid() -> None:
    instants = [ASKED + timedelta(minutes=minutes) for minutes in range(-20, 120, 5)]
    for state, at, now, is_paid in product(ForeignState, instants, instants, (True, False)):
        if now >= ASKED and seen(state, at=at, now=now, is_paid=is_paid) is Became.REVOKED:
            assert not is_paid
            assert state in {ForeignState.REVOKED, ForeignState.GONE}
            assert at > ASKED + LONGEST or now >= max(at, ASKED) + LONGEST


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
