"""What follows a decline: always later, never for ever, and an operator's hand moves no step."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import assert_never

from hypothesis import given
from hypothesis import strategies as st

from domain.decline import class_of
from domain.dunning import (
    LADDER_DAYS,
    MINIMUM_GAP,
    NO_STRIKE,
    WAITS_FOR_CARD,
    AskOperator,
    AwaitCard,
    GiveUp,
    ReattemptAt,
    decide_after_decline,
)
from domain.outcome import DeclineCode
from tests.property.strategies import instants

steps = st.integers(min_value=0, max_value=6)
codes = st.sampled_from(DeclineCode)


@given(step=steps, code=codes, at=instants, moves=st.booleans(), ladder_at=st.none() | instants)
def test_whatever_is_decided_comes_later_than_the_decline_and_climbs_at_most_one_step(
    step: int,
    code: DeclineCode,
    at: datetime,
    moves: bool,
    ladder_at: datetime | None,
) -> None:
    decision = decide_after_decline(
        step=step, decline_code=code, declined_at=at, moves_ladder=moves, ladder_at=ladder_at
    )

    match decision:
        case ReattemptAt():
            assert decision.at > at
            assert decision.step - step in ((0, 1) if moves else (0,))
        case AwaitCard() | AskOperator() | GiveUp():
            assert decision.step == step
        case _:
            assert_never(decision)
    assert isinstance(decision, AwaitCard) or class_of(code) not in WAITS_FOR_CARD
    assert isinstance(decision, AskOperator) == (class_of(code) in NO_STRIKE)


@given(code=codes.filter(lambda code: class_of(code) not in (*WAITS_FOR_CARD, *NO_STRIKE)), at=instants)
def test_the_ladder_ends(code: DeclineCode, at: datetime) -> None:
    step, attempts, days = 0, 1, []
    decision = decide_after_decline(step=step, decline_code=code, declined_at=at, moves_ladder=True, ladder_at=None)
    while isinstance(decision, ReattemptAt):
        days.append((decision.at - at).days)
        step, at, attempts = decision.step, decision.at, attempts + 1
        decision = decide_after_decline(
            step=step, decline_code=code, declined_at=at, moves_ladder=True, ladder_at=decision.at
        )

    assert isinstance(decision, GiveUp)
    assert tuple(days) == LADDER_DAYS
    assert attempts == len(LADDER_DAYS) + 1


@given(step=steps, code=codes, at=instants, ladder_at=st.none() | instants)
def test_an_operators_attempt_neither_moves_nor_ends_the_ladder(
    step: int, code: DeclineCode, at: datetime, ladder_at: datetime | None
) -> None:
    decision = decide_after_decline(
        step=step, decline_code=code, declined_at=at, moves_ladder=False, ladder_at=ladder_at
    )

    assert decision.step == step
    assert not isinstance(decision, GiveUp)
    if isinstance(decision, ReattemptAt):
        assert decision.at >= at + MINIMUM_GAP
        assert ladder_at is None or decision.at >= ladder_at
    elif class_of(code) not in (*WAITS_FOR_CARD, *NO_STRIKE):
        assert ladder_at is None
        assert step >= len(LADDER_DAYS)


def test_a_step_counts_from_the_decline_not_from_midnight() -> None:
    at = datetime(2026, 1, 31, 23, 59, 59, tzinfo=UTC)

    decision = decide_after_decline(
        step=0, decline_code=DeclineCode.LIMIT_EXCEEDED, declined_at=at, moves_ladder=True, ladder_at=None
    )

    assert decision == ReattemptAt(at=at + timedelta(days=1), step=1)
