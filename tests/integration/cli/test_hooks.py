"""What people see of hooks: a list of them, and the attempts that turned out paid after a decline."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from billing.follow_hints import follow_hints
from billing.receive_hint import receive_hint
from domain.hint import read_hint
from tests.fakes.gateway import Fate

if TYPE_CHECKING:
    from tests.integration.cli.conftest import Jeonggi
    from tests.support.house import House


@pytest.fixture
def house(house: House) -> House:
    """A declined attempt that turned paid, one that did not, and three hooks: true, foreign, and not followed yet."""
    for _ in range(2):
        house.gateway.script(house.uid(house.subscription(), 0), Fate.DECLINE)
    house.tick()
    house.charge()
    late = house.gateway.record_payment(house.gateway.asked[0])
    _hook(house, late.imp_uid, late.merchant_uid)
    _hook(house, "imps_000000000009", "order-of-another-program")
    follow_hints(house.ports)
    _hook(house, "imps_000000000008", house.gateway.asked[1].merchant_uid)
    return house


def _hook(house: House, imp_uid: str, merchant_uid: str) -> None:
    told = {"imp_uid": imp_uid, "merchant_uid": merchant_uid, "status": "paid"}
    receive_hint(house.database, read_hint(told, channel="default"))


@pytest.mark.usefixtures("house")
def test_hooks_are_listed_newest_first_a_page_at_a_time(jeonggi: Jeonggi) -> None:
    newest = jeonggi("hook", "list", "--limit", "1", "--json").document
    assert [row["outcome"] for row in newest] == [None]
    before = jeonggi("hook", "list", "--before", newest[0]["id"], "--json").document
    assert [row["outcome"] for row in before] == ["foreign", "news"]

    assert [row["merchant_uid"] for row in jeonggi("hook", "list", "--outcome", "foreign", "--json").document] == [None]
    assert "imps_000000000009" in jeonggi("hook", "list").out
    assert jeonggi("hook", "list", "--outcome", "odd").code == 0
    assert jeonggi("hook", "list", "--outcome", "nonsense").code == 2


@pytest.mark.usefixtures("house")
def test_the_doctor_tells_how_many_came(jeonggi: Jeonggi) -> None:
    told = {check["name"]: check["told"] for check in jeonggi("doctor", "--json").document["checks"]}

    assert told["hooks"].startswith("3 came in the last day, 1 of them about nothing of ours, the last at 2026-")


def test_attempts_that_turned_out_paid_late_are_listed(jeonggi: Jeonggi, house: House) -> None:
    late = jeonggi("attempt", "list", "--late", "--json").document

    assert [row["merchant_uid"] for row in late] == [house.gateway.asked[0].merchant_uid]
    assert len(jeonggi("attempt", "list", "--json").document) == 2
