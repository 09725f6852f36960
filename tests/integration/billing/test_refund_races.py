"""Many ask for refunds of few payments at once, and many send them: no more than was paid, and both ledgers agree."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final
from uuid import uuid4

import pytest
from sqlalchemy import text

from billing.refund import Wanted, request_refund
from billing.refund_due import refund_due
from domain.errors import BadInput, Conflict
from domain.refund import refund_mark
from models.session import Database, RowsRefused
from tests.fakes.cancels import CancelFate
from tests.fakes.gateway import FakeGateway
from tests.support.house import House
from tests.support.racing import race
from tests.support.refunds import BY, pay, settle_refunds, unlike

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from uuid import UUID

    from gateway.port import AccessToken, CancelAnswer, CancelOrder

AT_ONCE: Final = 16
ASKED_BY_EACH: Final = 6
PAID: Final = 9_900
FATES: Final = (CancelFate.DONE, CancelFate.DONE, CancelFate.LOSE_ANSWER, CancelFate.LOSE_REQUEST, CancelFate.NOT_SENT)

_BY_HAND: Final = text(
    "INSERT INTO refund (id, payment_id, channel, amount, tax_free, reason, requested_by, requested_at, mark, state,"
    " send_no, fence, absent_count, next_at) VALUES (:id, :payment_id, 'default', :amount, 0, 'by hand', 'somebody',"
    " now(), :mark, 'requested', 0, 0, 0, '2026-01-01')"
)


@dataclass(slots=True)
class WatchfulGateway(FakeGateway):
    """Looks into the database before it carries out a cancel: what had been committed by then?"""

    database: Database | None = None
    wrongly_asked: list[str] = field(default_factory=list)

    def cancel(self, order: CancelOrder, *, token: AccessToken, send_before_boottime: float) -> CancelAnswer:  # type: ignore[explicit-override]  # typing has no @override in 3.11
        assert self.database is not None
        with self.database.reading() as tx:
            out = tx.connection.execute(
                text(
                    "SELECT r.amount, r.checksum FROM refund r JOIN payment p ON p.id = r.payment_id"
                    " WHERE p.imp_uid = :uid AND r.state IN ('in_flight', 'unknown', 'not_executed')"
                ),
                {"uid": order.imp_uid},
            ).all()
        if [(row.amount, row.checksum) for row in out] != [(order.amount, order.checksum)]:
            self.wrongly_asked.append(f"{order} while {out} was out")
        return FakeGateway.cancel(self, order, token=token, send_before_boottime=send_before_boottime)


@pytest.fixture
def crowd(database_url: str) -> Iterator[House]:
    """A house with room for many connections."""
    house = House(database_url, database=Database(database_url, pool_size=AT_ONCE + 4))
    house.gateway = WatchfulGateway(now=lambda: house.real, boottime=house.boottime, database=house.database)
    house.ports = replace(house.ports, gateway=house.gateway)
    yield house
    house.close()


def test_many_who_ask_and_many_who_send_give_back_what_was_asked_and_no_more(crowd: House) -> None:
    payments = pay(crowd, 3)
    dice = random.Random(4711)  # the same sums each time
    for imp_uid in payments:
        crowd.gateway.cancels.script(imp_uid, *(dice.choice(FATES) for _ in range(6)))

    def asks(number: int) -> Callable[[], int]:
        sums = [(dice.choice([*payments.values()]), dice.randint(100, 2_500)) for _ in range(ASKED_BY_EACH)]

        def go() -> int:
            return sum(_ask(crowd, payment_id, amount, by_hand=number % 4 == 0) for payment_id, amount in sums)

        return go

    def sends() -> int:
        for _ in range(ASKED_BY_EACH):
            refund_due(crowd.ports)
        return 0

    race(*(asks(number) for number in range(AT_ONCE - 4)), *(sends for _ in range(4)))
    settle_refunds(crowd, hours=72)

    assert unlike(crowd) == []
    assert isinstance(crowd.gateway, WatchfulGateway)
    assert crowd.gateway.wrongly_asked == [], "one refund of a payment is out, and it is the one that is sent"
    for imp_uid, payment_id in payments.items():
        kept = crowd.value(
            "SELECT sum(amount) FROM refund WHERE payment_id = :id AND state NOT IN ('rejected', 'refused')",
            id=payment_id,
        )
        given = crowd.gateway.cancels.given_back(imp_uid)
        assert given <= kept <= PAID
        ended = crowd.rows("SELECT state, operator_since FROM refund WHERE payment_id = :id", id=payment_id)
        if all(row.state == "succeeded" for row in ended):
            assert given == kept
        assert {row.state for row in ended if row.operator_since is None} <= {"succeeded", "requested"}
        assert len(ended) > 1


def test_of_many_full_refunds_at_once_one_is_written(crowd: House) -> None:
    ((imp_uid, payment_id),) = pay(crowd).items()

    def full() -> int:
        try:
            request_refund(crowd.database, payment_id, Wanted(amount=PAID, is_full=True), by=BY)
        except Conflict:
            return 0
        return 1

    assert sum(race(*[full] * AT_ONCE)) == 1
    race(*[lambda: refund_due(crowd.ports)] * 6)

    assert crowd.states("refund") == {"succeeded": 1}
    assert len(crowd.gateway.cancels.asked) == 1
    assert crowd.gateway.cancels.given_back(imp_uid) == PAID


def _ask(house: House, payment_id: UUID, amount: int, *, by_hand: bool) -> int:
    """Ask by the use case, or by a row written past it: the database counts either way."""
    try:
        if by_hand:
            with house.database.transaction() as tx:
                refund_id = uuid4()
                row = {"id": refund_id, "payment_id": payment_id, "amount": amount, "mark": refund_mark(refund_id)}
                tx.connection.execute(_BY_HAND, row)
        else:
            request_refund(house.database, payment_id, Wanted(amount=amount), by=BY)
    except (BadInput, Conflict, RowsRefused):
        return 0
    return amount
