"""``jeonggi decline``: what nothing could read, what was taught about it, and what a text means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.fakes.gateway import Fate

if TYPE_CHECKING:
    from tests.integration.cli.conftest import Jeonggi
    from tests.support.house import House

REASON = ("--reason", "the issuer told so", "--actor", "kim")
NEW = "신한 특별 거부 9,900원"
SHOWN = "신한 특별 거부 #원"


@pytest.fixture
def house(house: House) -> House:
    """Two subscriptions whose charges were refused with words that nobody knows."""
    for _ in range(2):
        house.gateway.script(house.uid(house.subscription(), 0), Fate.DECLINE, text=NEW)
    house.tick()
    house.charge()
    return house


def unknown(jeonggi: Jeonggi, *options: str) -> list[tuple[str, int]]:
    ran = jeonggi("decline", "unknown", *options, "--json")
    assert ran.code == 0, ran.err
    found: list[dict[str, Any]] = ran.document["unknown"]
    return [(each["text"], each["attempts"]) for each in found]


def test_a_text_is_listed_taught_explained_and_taken_back(jeonggi: Jeonggi, house: House) -> None:
    del house
    assert unknown(jeonggi) == [(SHOWN, 2)]
    assert SHOWN in jeonggi("decline", "unknown", "--days", "1").out

    rehearsed = jeonggi("decline", "classify", SHOWN, "card_restricted", *REASON, "--dry-run")
    assert (rehearsed.code, "would read card_restricted (issuer_block)" in rehearsed.out) == (0, True)
    assert unknown(jeonggi) == [(SHOWN, 2)]

    taught = jeonggi("decline", "classify", SHOWN, "card_restricted", *REASON)
    assert taught.code == 0
    assert "attempted again by itself" in taught.out
    assert "2 past attempts keep the code unclassified" in taught.out
    assert "already" in jeonggi("decline", "classify", SHOWN, "card_restricted", *REASON).out
    assert unknown(jeonggi) == []
    assert unknown(jeonggi, "--all") == [(SHOWN, 2)]

    explained = jeonggi("decline", "explain", "신한 특별 거부 12,000원", "--json").document
    assert (explained["decline_code"], explained["decline_class"]) == ("card_restricted", "issuer_block")
    assert (explained["read_by"], explained["next_step"]) == ("rule", "ladder")
    (lesson,) = jeonggi("decline", "list", "--json").document["lessons"]
    assert (lesson["match"], lesson["decline_code"], lesson["actor"]) == (SHOWN, "card_restricted", "kim")
    assert SHOWN in jeonggi("decline", "list").out

    assert "would be taken back" in jeonggi("decline", "withdraw", SHOWN, *REASON, "--dry-run").out
    assert jeonggi("decline", "withdraw", SHOWN, *REASON, "--json").document["was"] == "card_restricted"
    assert jeonggi("decline", "list", "--json").document["lessons"] == []
    history = jeonggi("decline", "list", "--history", "--json").document["lessons"]
    assert [each["decline_code"] for each in history] == [None, "card_restricted"]
    assert "taken back" in jeonggi("decline", "list", "--history").out
    assert unknown(jeonggi) == [(SHOWN, 2)]


def test_what_cannot_be_taught_is_told_with_its_mend(jeonggi: Jeonggi, house: House) -> None:
    for arguments, told in (
        (("classify", SHOWN, "card_expird"), "perhaps card_expired"),
        (("classify", SHOWN, "x"), "docs/reference/decline-codes.md"),
        (("classify", "[120010]", "card_expired"), "--although-ambiguous"),
        (("classify", SHOWN, "unclassified"), "withdraw"),
        (("classify", " ", "card_expired"), "jeonggi decline unknown"),
    ):
        ran = jeonggi("decline", *arguments, *REASON)
        assert (ran.code, told in ran.err) == (2, True), ran.err
        assert "Traceback" not in ran.err
    assert jeonggi("decline", "withdraw", SHOWN, *REASON).code == 1
    assert house.value("SELECT count(*) FROM decline_rule") == 0


def test_it_is_explained_what_read_a_text_and_what_follows(jeonggi: Jeonggi, house: House) -> None:
    del house
    for text, told in (
        ("[120054] 잔액부족", "table 1: 120054"),
        ("카드 한도초과", "keyword: 한도"),
        ("[120010]", "the gateway is asked"),
        ("[550431]", "halts the channel"),
        ("아무것도", "nothing"),
    ):
        shown = jeonggi("decline", "explain", text)
        assert (shown.code, told in shown.out) == (0, True), shown.out


def test_what_was_held_for_the_shop_is_made_due_at_once_and_what_cannot_be_is_told(
    jeonggi: Jeonggi, house: House
) -> None:
    subs = [house.subscription() for _ in range(3)]
    for sub in subs:
        house.gateway.script(house.uid(sub, 0), Fate.DECLINE, text="[550431] 빌링 사용구분 확인 오류")
    house.tick()
    house.charge()
    assert jeonggi("subscription", "pause", subs[0], *REASON).code == 0

    rehearsed = jeonggi("invoice", "charge-held", *REASON, "--dry-run", "--json").document
    done = jeonggi("invoice", "charge-held", *REASON, "--code", "merchant_not_contracted")
    assert (rehearsed["invoices"], rehearsed["won"], len(rehearsed["left"])) == (2, 19_800, 1)
    assert done.code == 0
    assert "2 invoices are due now: 19,800 won" in done.out
    assert "left: its subscription is paused" in done.out
    house.charge()
    assert house.states("invoice") == {"paid": 2, "open": 1, "past_due": 2}

    refused = jeonggi("invoice", "charge-held", *REASON, "--code", "card_expired")
    assert (refused.code, "nothing is held because of card_expired" in refused.err) == (2, True)
