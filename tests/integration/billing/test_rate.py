"""The channel's rate: never more over all workers, and nothing of it is lost on claims that find nothing."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

from billing.claim_due import claim_due
from billing.token_in_hand import token_in_hand
from tests.support.racing import race

if TYPE_CHECKING:
    from tests.support.house import House


def test_runs_that_find_nothing_use_no_rate_up(house: House) -> None:
    house.limit(rate=10)
    for _ in range(5):
        house.charge()
    house.subscription()
    house.tick()

    assert house.charge().claimed == 1


def test_claims_at_once_never_start_more_than_the_rate_allows(house: House) -> None:
    house.limit(rate=5, claim_size=20)
    for _ in range(70):
        house.subscription()
    house.tick()
    token = token_in_hand(house.ports)

    batches = race(*[partial(claim_due, house.ports, token, at_most=20)] * 5)

    starts = sorted(
        batch.first_at_boottime + index * batch.spacing_seconds
        for batch in batches
        if batch is not None
        for index in range(len(batch.charges))
    )
    assert len(starts) <= 50  # the rate times the send window
    assert all(later - earlier > 0.199 for earlier, later in pairwise(starts))
    assert all(start < batch.send_before_boottime for batch in batches if batch for start in starts)
