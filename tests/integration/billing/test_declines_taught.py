"""What an operator teaches is read by running engines, is audited, and never makes doubt definite by itself."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from billing.change_subscription import By
from billing.teach_declines import Taught, classify, explain, unknown_texts, withdraw
from domain.decline_rules import RuleKind
from domain.errors import BadInput, Conflict
from domain.outcome import DeclineCode
from gateway.decline_map import Reader
from tests.fakes.gateway import Fate

if TYPE_CHECKING:
    from tests.support.house import House

BY = By(actor="kim", reason="the issuer told so")
NEW = "[ZZ99] 신한 특별 거부 ({won}원, imp_44828009063{n})"


def refuse(house: House, text: str, fate: Fate = Fate.DECLINE) -> str:
    """One subscription, whose first charge is refused so; gives its merchant_uid."""
    sub = house.subscription()
    house.gateway.script(house.uid(sub, 0), fate, text=text)
    house.tick()
    house.charge()
    return house.uid(sub, 0)


def code_of(house: House, merchant_uid: str) -> object:
    return house.value("SELECT decline_code FROM charge_attempt WHERE merchant_uid = :uid", uid=merchant_uid)


def teach(house: House, given: str, code: DeclineCode, *, although_ambiguous: bool = False) -> Taught:
    return classify(house.database, given, code, by=BY, although_ambiguous=although_ambiguous)


def test_what_nothing_can_read_is_counted_listed_and_taught_to_a_running_engine(house: House) -> None:
    first = refuse(house, NEW.format(won=9900, n=1))
    second = refuse(house, NEW.format(won="12,000", n=2))
    refuse(house, "다른 거부")
    assert code_of(house, first) == code_of(house, second) == DeclineCode.UNCLASSIFIED

    most, other = unknown_texts(house.database)
    assert (most.text, most.attempts, most.won) == ("[ZZ99] 신한 특별 거부 (#원, #)", 2, 2 * 9_900)
    assert (other.text, other.attempts) == ("다른 거부", 1)
    taught = teach(house, most.text, DeclineCode.CARD_BARRED)
    assert (taught.kind, taught.before, taught.unchanged) == (RuleKind.TEXT, DeclineCode.UNCLASSIFIED, 2)

    # The same engine, its gateway's client never built anew: an answer, and a look-up after a lost one.
    answered = refuse(house, NEW.format(won=5000, n=3))
    lost = refuse(house, NEW.format(won=5000, n=4), Fate.LOSE_DECLINE)
    house.settle(step_seconds=300)
    assert code_of(house, answered) == code_of(house, lost) == DeclineCode.CARD_BARRED
    waits = "SELECT count(*) FROM outbox_event WHERE kind = 'invoice.past_due' AND data ->> 'waits_for' = 'card'"
    assert house.value(waits) == 2

    assert code_of(house, first) == DeclineCode.UNCLASSIFIED  # what was decided by it stays decided
    assert [each.text for each in unknown_texts(house.database)] == ["다른 거부"]
    assert len(unknown_texts(house.database, also_read=True)) == 2
    assert unknown_texts(house.database, days=1, also_read=True) != []
    house.advance(days=2)
    assert unknown_texts(house.database, days=1, also_read=True) == []


def test_a_code_is_taught_for_every_text_that_it_stands_in_and_can_be_taken_back(house: House) -> None:
    assert teach(house, "zz99", DeclineCode.MERCHANT_LIMIT).kind is RuleKind.CODE
    assert code_of(house, refuse(house, "[ZZ99] 이유")) == DeclineCode.MERCHANT_LIMIT
    assert not teach(house, "ZZ99", DeclineCode.MERCHANT_LIMIT).is_new  # asked again: nothing more

    withdraw(house.database, "[ZZ99]", by=BY)
    assert code_of(house, refuse(house, "[ZZ99] 이유")) == DeclineCode.UNCLASSIFIED
    with pytest.raises(Conflict, match="nothing was taught"):
        withdraw(house.database, "ZZ99", by=BY)

    kinds = [row.kind for row in house.rows("SELECT kind FROM outbox_event WHERE kind LIKE 'decline.%' ORDER BY id")]
    assert kinds == ["decline.classified", "decline.withdrawn"]
    entries = house.rows("SELECT actor, action, reason, details FROM audit_entry ORDER BY id")
    assert [(row.actor, row.action, row.reason) for row in entries] == [
        ("kim", "decline.classified", BY.reason),
        ("kim", "decline.withdrawn", BY.reason),
    ]
    assert entries[0].details["decline_code"] == DeclineCode.MERCHANT_LIMIT


def test_doubt_is_made_definite_only_by_somebody_who_says_that_they_know(house: House) -> None:
    with pytest.raises(BadInput, match="--although-ambiguous"):
        teach(house, "120010", DeclineCode.ISSUER_FAILURE)
    assert house.value("SELECT count(*) FROM decline_rule") == 0

    teach(house, "120010", DeclineCode.ISSUER_FAILURE, although_ambiguous=True)
    assert code_of(house, refuse(house, "[120010] 카드사 거래 TIMEOUT")) == DeclineCode.ISSUER_FAILURE
    teach(house, "다른 거부", DeclineCode.APPROVAL_IN_DOUBT)  # the careful direction needs no word
    refuse(house, "다른 거부")
    assert house.value("SELECT count(*) FROM charge_attempt WHERE state = 'unknown'") == 1


def test_every_code_of_ours_can_be_taught(house: House) -> None:
    codes = [code for code in DeclineCode if code is not DeclineCode.UNCLASSIFIED]
    for code in codes:
        teach(house, "ZZ99", code)
        assert explain(house.database, "[ZZ99] 이유").decline_code is code
    assert house.value("SELECT count(*) FROM decline_rule") == len(codes)


def test_a_rehearsal_writes_nothing_and_an_empty_text_teaches_nothing(house: House) -> None:
    told = classify(house.database, "다른 거부", DeclineCode.CARD_BARRED, by=BY, although_ambiguous=False, dry_run=True)
    assert told.is_new
    assert house.value("SELECT count(*) FROM decline_rule") == 0
    assert house.value("SELECT count(*) FROM audit_entry") == 0
    assert explain(house.database, "다른 거부").by is Reader.NOTHING
    for given in ("", "   ", "\x07"):
        with pytest.raises(BadInput):
            teach(house, given, DeclineCode.CARD_BARRED)
    with pytest.raises(BadInput, match="withdraw"):
        teach(house, "다른 거부", DeclineCode.UNCLASSIFIED)


def test_nobody_is_named_in_what_is_listed_or_taught(house: House) -> None:
    one = "회원 010-1234-5678 a.kim@shop.example 카드 4111-1111-1111-1111 거부"
    refuse(house, one)
    (listed,) = unknown_texts(house.database)
    teach(house, "회원 010-9999-5678 b@shop.example 카드 4242424242424242 거부", DeclineCode.CARD_BARRED)

    kept = [listed.text]
    for query in (
        "SELECT * FROM decline_rule",
        "SELECT details FROM audit_entry",
        "SELECT data FROM outbox_event WHERE kind LIKE 'decline.%'",
    ):
        kept += [str(row) for row in house.rows(query)]
    assert len(kept) == 4
    for secret in ("1234-5678", "9999-5678", "shop.example", "4111", "4242"):
        assert not [each for each in kept if secret in each]
    assert explain(house.database, one).by is Reader.RULE


def test_two_operators_who_teach_the_same_at_once_leave_one_lesson_each_and_the_later_holds(house: House) -> None:
    codes = [DeclineCode.CARD_BARRED, DeclineCode.CARD_SUSPENDED]

    with ThreadPoolExecutor(len(codes)) as pool:
        done = list(pool.map(lambda code: teach(house, "ZZ99", code), codes))

    assert all(each.is_new for each in done)
    held = house.value("SELECT decline_code FROM decline_rule ORDER BY id DESC LIMIT 1")
    assert explain(house.database, "[ZZ99]").decline_code == held
