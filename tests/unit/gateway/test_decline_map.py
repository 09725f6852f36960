"""What is read from texts as they come, in which order, and what an operator's lesson changes."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.decline import DeclineClass, class_of, is_ambiguous
from domain.decline_rules import DeclineRule, DeclineRules, RuleKind
from domain.decline_text import normalized
from domain.outcome import DeclineCode
from gateway.decline_map import KEYWORDS, Reader, decline_code_of, read_decline
from gateway.decline_table import TABLE

C = DeclineCode


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("", C.UNCLASSIFIED),
        ("1234 5678", C.UNCLASSIFIED),
        ("[9999] 알 수 없음", C.UNCLASSIFIED),
        ("승인번호 120003 입니다", C.UNCLASSIFIED),
        ("승인번호(120003) 확인", C.UNCLASSIFIED),
        ("Declined", C.UNCLASSIFIED),
        ("amid", C.UNCLASSIFIED),
        # A code wins over words; of several, one that doubts wins, and then the first that is known.
        ("[120002] 이미 처리", C.LIMIT_EXCEEDED_DAILY),
        ("[120002] 실패 [120010]", C.ISSUER_TIMEOUT),
        ("[F0004] [120054] [120002]", C.INSUFFICIENT_BALANCE),
        ("[1200aa] 한도", C.SHARED_LIMIT_EXCEEDED),
        ("［１２００５４］ 잔액부족", C.INSUFFICIENT_BALANCE),  # noqa: RUF001 - full width, as a terminal may send it
        ("[550997] 조회되는 빌키 없음", C.BILLING_KEY_GONE),
        ("[550431] 빌링 미사용", C.MERCHANT_NOT_CONTRACTED),
        # Words, in the order of the classes.
        ("이미 해지된 카드", C.DUPLICATE_TRANSACTION),
        ("통신 시간초과", C.ISSUER_TIMEOUT),
        ("정상 처리되었습니다", C.APPROVAL_IN_DOUBT),
        ("정상처리되지 않았습니다", C.UNCLASSIFIED),
        ("응답전문 수신 실패", C.PG_ANSWER_LOST),
        ("분실카드 비밀번호 오류", C.CARD_LOST_OR_STOLEN),
        ("해지카드", C.CARD_CANCELLED),
        ("해지된 가맹점", C.MERCHANT_NOT_CONTRACTED),
        ("비밀번호 오류횟수 초과", C.PASSWORD_WRONG),
        ("가맹점한도초과", C.MERCHANT_LIMIT),
        ("상점의 월 한도를 초과", C.MERCHANT_LIMIT),
        ("MID 설정 오류", C.MERCHANT_MISCONFIGURED),
        ("거래정지 가맹점", C.MERCHANT_NOT_CONTRACTED),
        ("연체로 인한 한도 초과", C.PAYMENTS_OVERDUE),
        ("시스템 한도 초과", C.LIMIT_EXCEEDED),
        ("카드사 시스템 점검중", C.ISSUER_MAINTENANCE),
        ("카드사로 문의하시기 바랍니다", C.CALL_ISSUER),
        ("할부 불가", C.INSTALLMENT_REFUSED),
        # As other payment gateways behind PortOne write.
        ("[F112]유효하지않은 카드번호를 입력하셨습니다. (card_bin 없음)", C.CARD_NUMBER_WRONG),
        ("[8901] 미등록PG업체/거래정지업체", C.MERCHANT_NOT_REGISTERED),
        ("F0004:PG사 결제요청에 실패하여 중단합니다.(imp_123456) 3112, 한도가 초과하였습니다.", C.LIMIT_EXCEEDED),
        ("8105, 포맷에러(지불|신용카드|금액)", C.REQUEST_MALFORMED),
    ],
)
def test_texts_as_they_come(text: str, meaning: DeclineCode) -> None:
    assert decline_code_of(text) is meaning


def test_the_words_come_in_the_order_of_their_classes() -> None:
    order = [
        DeclineClass.AMBIGUOUS,
        DeclineClass.CARD_DEAD,
        DeclineClass.IDENTITY,
        DeclineClass.MERCHANT,
        DeclineClass.ISSUER_BLOCK,
        DeclineClass.LIMIT_OR_BALANCE,
        DeclineClass.SYSTEM,
        DeclineClass.CALL_ISSUER,
        DeclineClass.REQUEST_BUG,
    ]
    found = [class_of(code) for code, _ in KEYWORDS]

    assert [found[0], *(later for earlier, later in pairwise(found) if earlier is not later)] == order


@given(st.text(), st.sampled_from([*(pattern for _, pattern in KEYWORDS)]))
def test_no_text_raises(text: str, word: str) -> None:
    for each in (text, f"{text}{word}{text}", f"[{text}]"):
        assert decline_code_of(each) in DeclineCode
        assert len(normalized(each)) <= 300


def _rule(match: str, code: DeclineCode, *, kind: RuleKind = RuleKind.TEXT, bold: bool = False) -> DeclineRules:
    lesson = DeclineRule(rule_id=1, kind=kind, match=match, decline_code=code, although_ambiguous=bold)
    return DeclineRules.of([lesson])


def test_a_taught_text_is_read_whatever_sum_or_name_stands_in_it() -> None:
    rules = _rule(normalized("회원님의 결제 12,000원 거부 (imp_448280090638)"), C.CARD_BARRED)

    assert decline_code_of("회원님의 결제 9,900원 거부 (imp_000000000001)", rules) is C.CARD_BARRED
    assert decline_code_of("회원님의 결제 9,900원 거부", rules) is C.UNCLASSIFIED


def test_a_lesson_wins_over_the_table_but_not_over_doubt_unless_it_was_meant_to() -> None:
    for kind, match in ((RuleKind.CODE, "120010"), (RuleKind.TEXT, "[120010] 카드사 거래 TIMEOUT")):
        text = "[120010] 카드사 거래 TIMEOUT"
        timid = read_decline(text, _rule(match, C.CARD_BARRED, kind=kind))
        assert (timid.decline_code, timid.by) == (C.ISSUER_TIMEOUT, Reader.TABLE)
        assert timid.held_back is not None
        assert decline_code_of(text, _rule(match, C.CARD_BARRED, kind=kind, bold=True)) is C.CARD_BARRED

    assert decline_code_of("[120054]", _rule("120054", C.CARD_BARRED, kind=RuleKind.CODE)) is C.CARD_BARRED
    both = "[120054] [120010]"
    assert decline_code_of(both, _rule("120054", C.CARD_BARRED, kind=RuleKind.CODE, bold=True)) is C.ISSUER_TIMEOUT


@given(
    st.lists(st.sampled_from([*TABLE.rows, "9Z9Z", "ABCDEF"]), min_size=1, max_size=3),
    st.sampled_from(["9Z9Z", "ABCDEF", "120054", "120010"]),
    st.sampled_from([code for code in DeclineCode if code is not C.UNCLASSIFIED]),
)
def test_no_timid_lesson_makes_something_definite_of_what_is_in_doubt(
    codes: list[str], taught: str, meaning: DeclineCode
) -> None:
    text = " ".join(f"[{code}]" for code in codes)
    read = decline_code_of(text, _rule(taught, meaning, kind=RuleKind.CODE))

    assert is_ambiguous(read) or not is_ambiguous(decline_code_of(text))
