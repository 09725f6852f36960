"""A process that dies at any step of a refund changes nothing about how it ends: the money goes back once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from billing.refund import Wanted, request_refund
from tests.fakes.cancels import CancelFate
from tests.support.house import START, House
from tests.support.mortal import Died, Life, empty, mortal
from tests.support.refunds import BY, pay, settle_refunds, unlike

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from billing.ports import Ports

#: What is asked for of each payment, in this order, and what becomes of the first cancel of it.
SCENARIOS: Final[dict[str, tuple[CancelFate, Sequence[int]]]] = {
    "done, and a second part": (CancelFate.DONE, (4_000, 1_000)),
    "answer lost": (CancelFate.LOSE_ANSWER, (4_000,)),
    "request lost": (CancelFate.LOSE_REQUEST, (4_000,)),
    "refused": (CancelFate.REFUSE, (4_000,)),
    "refused, but done": (CancelFate.REFUSE_AND_DO, (4_000,)),
    "not sent": (CancelFate.NOT_SENT, (4_000,)),
}
#: After these a dead process leaves something else behind than at the step before.
EFFECTS: Final = ("after a commit", "after a cancel")

#: The steps in which everything is asked for and sent for the first time.
SENDS: Final = 40

EndState = dict[str, Any]


@pytest.fixture
def town(database_url: str) -> Iterator[House]:
    """A house in which many lives are lived, one after the other."""
    made = House(database_url)
    yield made
    made.close()


def _move_in(house: House) -> dict[str, str]:
    empty(house)
    house.to(START)
    house.gateway.records.clear()
    house.gateway.cancels.asked.clear()
    house.gateway.expire_token()
    names = {}
    for (name, (fate, _)), imp_uid in zip(SCENARIOS.items(), pay(house, len(SCENARIOS)), strict=True):
        house.gateway.cancels.forget_fates(imp_uid)
        house.gateway.cancels.script(imp_uid, fate)
        names[imp_uid] = name
    return names


def _ask(house: House, ports: Ports, names: dict[str, str]) -> None:
    """A person asks, and asks again for what is not there after his computer died."""
    for row in house.rows("SELECT id, imp_uid FROM payment ORDER BY imp_uid"):
        for amount in SCENARIOS[names[row.imp_uid]][1]:
            if not house.value("SELECT 1 FROM refund WHERE payment_id = :id AND amount = :n", id=row.id, n=amount):
                request_refund(ports.database, row.id, Wanted(amount=amount), by=BY)


def _live(house: House, *, dies_at: int | None) -> tuple[EndState, Life]:
    names = _move_in(house)
    life = Life(dies_at=dies_at)
    ports = mortal(house, life)
    try:
        _ask(house, ports, names)
        settle_refunds(house, ports=ports)
    except Died:  # another process: nothing of the first one's memory
        _ask(house, house.ports, names)
        settle_refunds(house)
    finally:
        ports.database.close()
    ended: EndState = {
        name: (
            house.gateway.cancels.given_back(imp_uid),
            sorted(
                (row.amount, row.state, row.operator_since)
                for row in house.rows(
                    "SELECT r.amount, r.state, r.operator_since FROM refund r JOIN payment p ON p.id = r.payment_id"
                    " WHERE p.imp_uid = :uid",
                    uid=imp_uid,
                )
            ),
        )
        for imp_uid, name in names.items()
    }
    return ended | {"ledgers differ": unlike(house)}, life


def _deaths(boundaries: list[str]) -> list[tuple[int, str]]:
    """Every step of the sends that leaves something new behind, and the first and last of every kind.

    What follows are looks at what is not known yet, each like the one before: of them one in twelve.
    """
    return [
        (number, name)
        for number, name in enumerate(boundaries, start=1)
        if (name in EFFECTS and (number <= SENDS or number % 12 == 0))
        or name not in boundaries[: number - 1]
        or name not in boundaries[number:]
    ]


def test_a_process_that_dies_at_any_step_of_a_refund_ends_where_one_ends_that_lives(town: House) -> None:
    expected, life = _live(town, dies_at=None)
    assert expected == {
        "done, and a second part": (5_000, [(1_000, "succeeded", None), (4_000, "succeeded", None)]),
        "answer lost": (4_000, [(4_000, "succeeded", None)]),
        "request lost": (4_000, [(4_000, "succeeded", None)]),
        "refused": (0, [(4_000, "refused", None)]),
        "refused, but done": (4_000, [(4_000, "succeeded", None)]),
        "not sent": (4_000, [(4_000, "succeeded", None)]),
        "ledgers differ": [],
    }

    otherwise = {}
    for number, name in _deaths(life.boundaries):
        ended, _ = _live(town, dies_at=number)
        # A refusal that nobody heard is proven absent, and asked again: then it is done.
        if ended["refused"] == (4_000, [(4_000, "succeeded", None)]):
            ended["refused"] = expected["refused"]
        if ended != expected:
            otherwise[number, name] = {key: ended[key] for key in expected if ended[key] != expected[key]}

    assert otherwise == {}
