"""A commit that raised has happened or not, and others go on meanwhile: nothing of theirs is taken for ours."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import pytest

from billing.claim_due import claim_due
from billing.refund_due import claim_refunds
from billing.token_in_hand import token_in_hand
from tests.fakes.cancels import CancelFate
from tests.fakes.gateway import Fate
from tests.support.fated_database import CommitFate, FatedDatabase
from tests.support.refunds import ask, pay, settle_refunds, unlike

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from billing.ports import Ports
    from tests.support.house import House

pytestmark = pytest.mark.at_both_gateways

#: Commits of a claim: the rate, then what it claims.
CLAIM: Final = 2
PRICE: Final = 9_900


@pytest.fixture
def fated(house: House) -> Iterator[FatedDatabase]:
    """The database of the worker whose commit is in doubt."""
    database = FatedDatabase(house.url)
    yield database
    database.close()


def ready_again(house: House) -> str:
    """One charge that was not sent and is due again; gives its order number."""
    uid = house.uid(house.subscription(), 0)
    house.gateway.script(uid, Fate.NOT_SENT)
    house.tick()
    house.charge()
    assert house.states("charge_attempt") == {"not_executed": 1}
    house.advance(minutes=1)
    return uid


def claims(house: House) -> tuple[list[Any], Callable[[], None]]:
    """Another worker's claim, to be made at some moment, and what it claimed then."""
    claimed: list[Any] = []

    def claim() -> None:
        token = token_in_hand(house.ports)
        batch = claim_due(house.ports, token, at_most=50)
        assert batch is not None
        claimed.extend((charge, token) for charge in batch.charges)

    return claimed, claim


def doubtful(house: House, database: FatedDatabase) -> Ports:
    return replace(house.ports, database=database)


def test_a_doubtful_resend_takes_nothing_from_the_worker_that_has_sent_it_since(
    house: House, fated: FatedDatabase
) -> None:
    """It was rolled back: the other's send has the number that ours would have had."""
    uid = ready_again(house)
    claimed, claim = claims(house)
    fated.let(CLAIM, CommitFate.DOUBT_GONE, meanwhile=claim)

    assert claim_due(doubtful(house, fated), token_in_hand(house.ports), at_most=50) is None

    assert house.states("charge_attempt") == {"in_flight": 1}
    ((charge, token),) = claimed
    house.gateway.script(uid, Fate.LOSE_ANSWER)
    house.gateway.carry_out(charge, token)
    for _ in range(5):  # while the other one waits for its answer
        house.advance(seconds=15)
        house.tick()
        house.charge()
    house.settle(hours=4, step_seconds=120)
    assert house.gateway.paid_won() == PRICE
    assert house.states("invoice") == {"paid": 1}


@pytest.mark.parametrize("fate", [CommitFate.DOUBT_THERE, CommitFate.DOUBT_GONE])
def test_a_doubtful_resend_is_left_to_its_lease_and_charged_once(
    house: House, fated: FatedDatabase, fate: CommitFate
) -> None:
    ready_again(house)
    fated.let(CLAIM, fate)

    assert claim_due(doubtful(house, fated), token_in_hand(house.ports), at_most=50) is None

    assert house.gateway.asked == []
    is_there = fate is CommitFate.DOUBT_THERE
    assert house.states("charge_attempt") == {"in_flight" if is_there else "not_executed": 1}
    house.settle(hours=4, step_seconds=120)
    assert house.gateway.paid_won() == PRICE
    assert house.states("invoice") == {"paid": 1}


def test_a_doubtful_claim_of_new_and_old_hands_back_what_is_new(house: House, fated: FatedDatabase) -> None:
    ready_again(house)
    house.subscription()
    house.tick()
    fated.let(CLAIM, CommitFate.DOUBT_THERE)

    assert claim_due(doubtful(house, fated), token_in_hand(house.ports), at_most=50) is None

    assert house.rows("SELECT send_no, state FROM charge_attempt ORDER BY send_no") == [
        (1, "not_executed"),
        (2, "in_flight"),
    ]
    house.settle(hours=4, step_seconds=120)
    assert house.gateway.paid_won() == 2 * PRICE


@pytest.mark.parametrize("was_sent_before", [False, True])
def test_a_doubtful_refund_takes_nothing_from_the_worker_that_has_sent_it_since(
    house: House, fated: FatedDatabase, was_sent_before: bool
) -> None:
    ((imp_uid, payment_id),) = pay(house).items()
    ask(house, payment_id, 3_000)
    if was_sent_before:
        house.gateway.cancels.script(imp_uid, CancelFate.NOT_SENT)
        house.refund()
        house.advance(minutes=1)
    claimed: list[Any] = []

    def claim() -> None:
        claimed.extend(claim_refunds(house.ports, token_in_hand(house.ports)))

    fated.let(1, CommitFate.DOUBT_GONE, meanwhile=claim)

    assert claim_refunds(doubtful(house, fated), token_in_hand(house.ports)) == []

    assert len(claimed) == 1
    assert house.states("refund") == {"in_flight": 1}


@pytest.mark.parametrize("fate", [CommitFate.DOUBT_THERE, CommitFate.DOUBT_GONE])
def test_a_doubtful_refund_is_left_to_its_lease_and_given_back_once(
    house: House, fated: FatedDatabase, fate: CommitFate
) -> None:
    ((imp_uid, payment_id),) = pay(house).items()
    ask(house, payment_id, 3_000)
    fated.let(1, fate)

    assert claim_refunds(doubtful(house, fated), token_in_hand(house.ports)) == []

    is_there = fate is CommitFate.DOUBT_THERE
    assert house.states("refund") == {"in_flight" if is_there else "requested": 1}
    settle_refunds(house)
    assert house.gateway.cancels.given_back(imp_uid) == 3_000
    assert house.states("refund") == {"succeeded": 1}
    assert unlike(house) == []
