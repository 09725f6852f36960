"""What an operator taught is read by the real client at its next charges and look-ups, and by the fake alike."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from domain.decline_rules import NO_RULES, DeclineRule, DeclineRules, RuleKind
from domain.outcome import DeclineCode, Declined, Unknown, UnknownReason
from tests.contract.gateway.asking import make_charge
from tests.contract.gateway.test_both_gateways import FakeStage, Stage, charge_all, real_stage
from tests.fakes.gateway import Fate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from domain.outcome import Outcome

#: The buyer's name stands in it: an operator saw, and taught, the text without it.
TEXT = "[ZZ99] 홍길동 고객님 특별 거부 9,900원"


def rules(match: str, code: DeclineCode, kind: RuleKind) -> DeclineRules:
    return DeclineRules.of([DeclineRule(rule_id=1, kind=kind, match=match, decline_code=code)])


@pytest.fixture(params=["real", "fake"])
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    with real_stage() if request.param == "real" else contextlib.nullcontext(FakeStage()) as made:
        yield made


def refuse(stage: Stage, number: int, text: str, fate: Fate = Fate.DECLINE) -> Outcome:
    charge = make_charge(number)
    stage.script(charge.merchant_uid, fate, text)
    return charge_all(stage, charge)[0].outcome


def test_a_lesson_is_read_from_the_next_charges_on_and_unlearned_alike(stage: Stage) -> None:
    for number, (learned, code) in enumerate(
        (
            (NO_RULES, DeclineCode.UNCLASSIFIED),
            (rules("ZZ99", DeclineCode.CARD_BARRED, RuleKind.CODE), DeclineCode.CARD_BARRED),
            (NO_RULES, DeclineCode.UNCLASSIFIED),
        )
    ):
        stage.gateway.learn(learned)
        outcome = refuse(stage, number, "[ZZ99] 특별 거부")
        assert isinstance(outcome, Declined)
        assert outcome.decline_code is code


def test_a_look_up_reads_with_it_too(stage: Stage) -> None:
    refuse(stage, 1, "[ZZ99] 특별 거부", Fate.LOSE_DECLINE)
    stage.gateway.learn(rules("ZZ99", DeclineCode.MERCHANT_LIMIT, RuleKind.CODE))

    found = stage.gateway.find_all(merchant_uid=make_charge(1).merchant_uid, token=stage.gateway.access_token(None))

    assert [record.decline_code for record in found.records] == [DeclineCode.MERCHANT_LIMIT]


def test_a_lesson_may_bring_doubt_to_what_was_definite(stage: Stage) -> None:
    stage.gateway.learn(rules("120054", DeclineCode.APPROVAL_IN_DOUBT, RuleKind.CODE))

    outcome = refuse(stage, 1, "[120054] 잔액부족")

    assert isinstance(outcome, Unknown)
    assert outcome.reason is UnknownReason.AMBIGUOUS_DECLINE


def test_a_text_that_named_the_buyer_is_recognised_by_what_was_kept_of_it() -> None:
    with real_stage() as stage:
        first = refuse(stage, 1, TEXT)
        assert isinstance(first, Declined)
        assert "홍길동" not in first.raw_reason
        taught = first.raw_reason.replace("9,900원", "#원")
        stage.gateway.learn(rules(taught, DeclineCode.CARD_BARRED, RuleKind.TEXT))

        second = refuse(stage, 2, TEXT.replace("9,900", "12,000"))

        assert isinstance(second, Declined)
        assert second.decline_code is DeclineCode.CARD_BARRED
