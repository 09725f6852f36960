"""The world by which policies are judged: the same for everybody, and its clairvoyant is right."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import decline_world
from benchmarks.decline_world import Model, World
from domain.decline import DeclineClass, class_of
from gateway.decline_map import decline_code_of

BEGINS_ON = date(2027, 1, 1)
DAYS = 365
models = st.sampled_from(Model)
cards = st.integers(min_value=0, max_value=1_999)
seeds = st.integers(min_value=0, max_value=50)
moments = st.integers(min_value=0, max_value=DAYS * 86_400).map(
    lambda seconds: datetime.fromisoformat("2026-12-31T15:00:00+00:00") + timedelta(seconds=seconds)
)


@given(model=models, seed=seeds, card=cards, at=moments)
def test_a_card_pays_from_the_moment_that_the_clairvoyant_names_and_not_before(
    model: Model, seed: int, card: int, at: datetime
) -> None:
    world = World(model, seed=seed, begins_on=BEGINS_ON, days=DAYS)

    clears = world.clears_at(card, at)

    if clears is None:
        assert world.refusal(card, at) is not None
        assert world.refusal(card, at + timedelta(days=2_000)) is not None
        return
    assert clears >= at
    assert world.refusal(card, clears) is None
    for part in range(10):
        before = at + (clears - at) * part / 10
        assert before == clears or world.refusal(card, before) is not None


@given(model=models, seed=seeds, card=cards, at=moments)
def test_everybody_meets_the_same_world(model: Model, seed: int, card: int, at: datetime) -> None:
    one, other = (World(model, seed=seed, begins_on=BEGINS_ON, days=DAYS) for _ in range(2))
    other.refusal(card + 1, at)  # what else is asked, and in which order, changes nothing

    assert one.refusal(card, at) == other.refusal(card, at)


@pytest.mark.parametrize(
    ("says", "decline_class"),
    [
        (decline_world.SAYS_BALANCE, DeclineClass.LIMIT_OR_BALANCE),
        (decline_world.SAYS_MONTH_LIMIT, DeclineClass.LIMIT_OR_BALANCE),
        (decline_world.SAYS_DAY_LIMIT, DeclineClass.LIMIT_OR_BALANCE),
        (decline_world.SAYS_EXPIRED, DeclineClass.CARD_DEAD),
        (decline_world.SAYS_LOST, DeclineClass.CARD_DEAD),
        (decline_world.SAYS_BLOCKED, DeclineClass.ISSUER_BLOCK),
        (decline_world.SAYS_OUTAGE, DeclineClass.SYSTEM),
    ],
)
def test_what_is_said_is_what_a_gateway_says(says: str, decline_class: DeclineClass) -> None:
    assert class_of(decline_code_of(says)) is decline_class
