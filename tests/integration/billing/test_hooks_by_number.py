"""However many hooks come: the gateway is asked so often, and so many are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from billing.forget_hints import forget_hints
from domain.errors import GatewayUnreachable
from tests.fakes.gateway import Fate
from tests.support.hooks import charged, follow, follow_to_the_end, hook, outcomes

if TYPE_CHECKING:
    from tests.support.house import House


def test_what_is_not_ours_is_never_looked_up_and_what_is_ours_only_so_often_a_minute(house: House) -> None:
    house.limit(hint_look_ups_a_minute=5)
    asked: list[str] = []
    uid = charged(house, Fate.DECLINE)
    house.gateway.look_up_trouble = lambda: asked.append("once more")
    for n in range(200):
        hook(house, "order-of-another-program", imp_uid=f"imps_8{n:011d}")
        hook(house, uid, imp_uid=f"imps_9{n:011d}")

    for _ in range(10):
        follow(house)

    assert outcomes(house).count("foreign") == 200
    assert 5 <= len(asked) <= 2 * 5
    house.advance(seconds=61)
    follow(house)
    assert 2 * 5 <= len(asked) <= 4 * 5


def test_a_gateway_that_gives_no_answer_is_asked_again_later_and_not_for_ever(house: House) -> None:
    def trouble() -> None:
        raise GatewayUnreachable("away")

    uid = charged(house, Fate.DECLINE)
    house.gateway.look_up_trouble = trouble
    hook(house, uid)

    follow_to_the_end(house)

    assert outcomes(house) == ["gave_up"]
    assert len(house.gateway.look_ups) == 6


def test_old_hooks_are_deleted_whatever_became_of_them(house: House) -> None:
    uid = charged(house, Fate.DECLINE)
    hook(house, uid)
    house.advance(days=31)
    hook(house, uid, status="cancelled")

    house.tick()
    assert house.bells["worker.follow_hints"]
    assert forget_hints(house.ports) == 1
    assert house.value("SELECT count(*) FROM gateway_event") == 1


def test_no_more_than_the_newest_hooks_are_kept_however_many_come(house: House) -> None:
    house.limit(hint_rows=100)
    for n in range(250):
        hook(house, "order-of-another-program", imp_uid=f"imps_8{n:011d}")
    follow(house)

    house.tick()
    assert house.bells["worker.follow_hints"]
    assert forget_hints(house.ports) == 150
    assert house.value("SELECT min(imp_uid) FROM gateway_event") == f"imps_8{150:011d}"
    house.bells.clear()
    house.tick()
    assert not house.bells["worker.follow_hints"]
