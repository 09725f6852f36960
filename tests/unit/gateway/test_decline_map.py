"""Every code and every keyword of the map, and what must not be taken for one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.outcome import DeclineCode
from gateway.decline_map import CODES, ISSUER_SUFFIXES, KEYWORDS, OTHER_CODES, decline_code_of


@pytest.mark.parametrize(("code", "meaning"), sorted(CODES.items()))
def test_a_code_in_brackets_or_at_the_start_means_what_the_table_says(code: str, meaning: DeclineCode) -> None:
    assert decline_code_of(f"결제 실패 [{code}] 카드사 응답") is meaning
    assert decline_code_of(f"{code}: 카드사 응답") is meaning
    assert decline_code_of(f"{code} 카드사 응답") is meaning
    assert decline_code_of(f"[코드: {code}] 카드사 응답") is meaning
    assert decline_code_of(code) is meaning
    assert decline_code_of(f"결제{code}실패") is DeclineCode.UNCLASSIFIED


@pytest.mark.parametrize(
    ("word", "meaning"),
    [(word, meaning) for meaning, words in KEYWORDS for word in words],
    ids=str,
)
def test_a_keyword_means_what_its_row_says(word: str, meaning: DeclineCode) -> None:
    assert decline_code_of(f"(카드) {word} 입니다") is meaning


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("1200원 결제", DeclineCode.UNCLASSIFIED),
        ("1203원", DeclineCode.UNCLASSIFIED),
        ("1203 원", DeclineCode.UNCLASSIFIED),
        ("1,203원", DeclineCode.UNCLASSIFIED),
        ("1234", DeclineCode.UNCLASSIFIED),
        ("[1234]", DeclineCode.UNCLASSIFIED),
        ("[9999] 알 수 없음", DeclineCode.UNCLASSIFIED),
        ("승인번호 120003 입니다", DeclineCode.UNCLASSIFIED),
        ("1203-1234-5678", DeclineCode.UNCLASSIFIED),
        ("", DeclineCode.UNCLASSIFIED),
        ("[120002] 이미 처리", DeclineCode.LIMIT_OR_BALANCE),
        ("[120002] 실패 [120010]", DeclineCode.AMBIGUOUS),
        ("[1200aa] 한도", DeclineCode.LIMIT_OR_BALANCE),
        ("가맹점한도초과", DeclineCode.MERCHANT),
        ("MID 설정 오류", DeclineCode.MERCHANT),
        ("amid", DeclineCode.UNCLASSIFIED),
        ("통신 시간초과", DeclineCode.AMBIGUOUS),
        ("이미 해지된 카드", DeclineCode.AMBIGUOUS),
        ("분실카드 비밀번호 오류", DeclineCode.CARD_DEAD),
        ("비밀번호 오류횟수 초과", DeclineCode.IDENTITY),
        ("연체로 인한 한도 초과", DeclineCode.ISSUER_BLOCK),
        ("시스템 한도 초과", DeclineCode.LIMIT_OR_BALANCE),
        ("[F112]유효하지않은 카드번호를 입력하셨습니다. (card_bin 없음)", DeclineCode.CARD_DEAD),
        ("[8901] 미등록PG업체/거래정지업체", DeclineCode.MERCHANT),
        (
            "F0004:PG사 결제요청에 실패하여 중단합니다.(imp_123456) 3112, 한도가 초과하였습니다.",
            DeclineCode.LIMIT_OR_BALANCE,
        ),
        ("[550997] 조회되는 빌키 없음", DeclineCode.CARD_DEAD),
        ("[550431] 빌링 미사용", DeclineCode.MERCHANT),
        ("Declined", DeclineCode.UNCLASSIFIED),
    ],
)
def test_texts_as_they_come(text: str, meaning: DeclineCode) -> None:
    assert decline_code_of(text) is meaning


def test_no_code_stands_in_two_rows() -> None:
    written = [code for codes in OTHER_CODES.values() for code in codes.split()]
    suffixes = [suffix for row in ISSUER_SUFFIXES.values() for suffix in row.split()]
    assert len(written) == len(set(written))
    assert len(suffixes) == len(set(suffixes))
    assert len(CODES) == len(written) + 2 * len(suffixes)


def test_doubt_comes_first_and_the_shop_s_troubles_before_the_customer_s() -> None:
    assert [code for code, _ in KEYWORDS[:7]] == [
        DeclineCode.AMBIGUOUS,
        DeclineCode.CARD_DEAD,
        DeclineCode.IDENTITY,
        DeclineCode.MERCHANT,
        DeclineCode.ISSUER_BLOCK,
        DeclineCode.LIMIT_OR_BALANCE,
        DeclineCode.SYSTEM,
    ]


@given(st.text())
def test_no_text_raises(text: str) -> None:
    assert decline_code_of(text) in DeclineCode
