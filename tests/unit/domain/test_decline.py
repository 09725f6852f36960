"""Has every decline code its class, its next step and its words, and do the words keep to what a customer may read?"""

from __future__ import annotations

import re
from typing import Final

import pytest

from domain.decline import MEANINGS, NEXT_STEP, OURS, DeclineClass, Meaning, NextStep, class_of
from domain.dunning import NO_STRIKE, WAITS_FOR_CARD
from domain.outcome import DeclineCode

#: What an issuer holds against somebody is theirs to say, not ours; and nobody is told what they did.
_NEVER_SAID: Final = re.compile(
    r"연체|불량|부정|허위|사고|법적|귀하의 잘못|overdue|fraud|barred|delinquent|bad credit|you failed|your fault",
    re.IGNORECASE,
)


def test_every_code_has_its_meaning_and_every_class_its_codes_and_its_step() -> None:
    assert set(MEANINGS) == set(DeclineCode)
    assert {meaning.decline_class for meaning in MEANINGS.values()} == set(DeclineClass) == set(NEXT_STEP)
    assert set(NEXT_STEP.values()) == set(NextStep)


@pytest.mark.parametrize(("code", "meaning"), MEANINGS.items())
def test_the_words_are_whole_sentences_in_both_languages_that_accuse_nobody(
    code: DeclineCode, meaning: Meaning
) -> None:
    assert re.search("[가-힣]", meaning.korean), code
    assert re.fullmatch(r"[가-힣0-9 ,.()]+", meaning.korean), code
    assert meaning.english.isascii(), code
    for words in (meaning.korean, meaning.english):
        assert words.endswith("."), code
        assert not _NEVER_SAID.search(words), code
        assert code.value not in words


def test_what_is_ours_asks_nothing_of_the_customer_and_what_is_theirs_says_what_to_do() -> None:
    for code, meaning in MEANINGS.items():
        asks = re.search("등록|카드사에 문의|바꾸셔도", meaning.korean) is not None
        assert asks != meaning.is_ours, code
        assert meaning.is_ours == (class_of(code) in OURS)


def test_the_steps_are_those_that_dunning_takes() -> None:
    assert {name for name, step in NEXT_STEP.items() if step is NextStep.NEW_CARD} == set(WAITS_FOR_CARD)
    held = {NextStep.OPERATOR, NextStep.HALT}
    assert {name for name, step in NEXT_STEP.items() if step in held} == set(NO_STRIKE)
