"""No sum, date, time or somebody's number is ever taken for a refusal's code, and none stays in what is listed."""

from __future__ import annotations

import re
from datetime import date, time
from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from domain.decline_rules import RuleKind, subject_of
from domain.decline_text import normalized
from gateway.decline_map import Reader, read_decline
from gateway.decline_table import TABLE
from gateway.mask import clean_text

_NUMERIC: Final = sorted(int(code) for code in TABLE.rows if code.isdecimal())
_won: Final = st.one_of(st.sampled_from(_NUMERIC), st.integers(min_value=1, max_value=9_999_999))
_sums: Final = st.builds(
    lambda won, form: form.format(won=won),
    _won,
    st.sampled_from(
        [
            "{won}원",
            "{won} 원",
            "{won:,}원",
            "{won:,} 원",
            "₩{won}",
            "₩{won:,}",
            "{won}won",
            "{won} KRW",
            "{won:,}",
            "({won}원)",
            "[{won}원]",
            "({won:,})",
            "금액 {won}",
            "금액: {won}",
            "금액({won})",
            "결제금액 [{won}]",
            "amount: ({won})",
            "{won}원(부가세 포함)",
        ]
    ),
).filter(lambda told: not told.isdecimal())  # with no unit, and nothing else: nobody can tell
_dates: Final = st.builds(
    lambda day, form: day.strftime(form),
    st.dates(min_value=date(1999, 1, 1), max_value=date(2059, 12, 31)),
    st.sampled_from(
        ["%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d", "%y%m%d", "%m/%d", "%m월 %d일", "(%y%m%d)", "[%y/%m/%d]"]
    ),
)
_times: Final = st.builds(
    lambda at, form: at.strftime(form),
    st.times(min_value=time(0), max_value=time(23, 59)),
    st.sampled_from(["%H:%M", "%H:%M:%S", "(%H:%M)", "[%H:%M:%S]", "%H시 %M분", "%H%M%S%f"]),
)
_digits: Final = st.text("0123456789", min_size=4, max_size=4)
_numbers: Final = st.builds(
    lambda code, a, b, c, form: form.format(code=code, a=a, b=b, c=c),
    st.sampled_from(_NUMERIC),
    _digits,
    _digits,
    _digits,
    st.sampled_from(
        [
            "010-{a}-{b}",
            "1588-{a}",
            "({a}-{b})",
            "[1544-{a}]",
            "02){a}-{b}",
            "{a}-{b}",
            "{a} {b}",
            "{code}-{a}",
            "{code} {a}",
            "{code}{a}",
            "{a}{code}",
            "{code}-{a}-{b}-{c}",
            "{code} {a} {b} {c}",
            "승인번호 {code}",
            "승인번호({code})",
            "주문번호: [{code}]",
            "카드번호 ({code})",
            "BIN({code})",
            "TID_{code}",
            "imp_{code}",
            "#{code}",
        ]
    ),
)
_told: Final = st.one_of(_sums, _dates, _times, _numbers)
_around: Final = st.sampled_from(["", " ", "결제 ", "결제실패: ", "총 ", "회원님 ", "- "])


@given(_around, _told, st.sampled_from(["", " 결제", " 실패", ".", " 확인 바랍니다", "\n", " (카드)"]))
def test_no_number_that_is_no_code_is_taken_for_one(before: str, told: str, after: str) -> None:
    text = f"{before}{told}{after}"

    assert read_decline(text).by is not Reader.TABLE, text


@given(st.lists(st.one_of(_told, st.sampled_from(["a.kim@shop.example", "한도초과", "거절"])), min_size=1, max_size=4))
def test_no_long_number_and_no_address_stays_in_what_is_listed(pieces: list[str]) -> None:
    told = normalized(clean_text(" ".join(pieces)))

    assert not re.search(r"\d{7,}|\d{4}[- ]\d{4}[- ]\d{4}", told), told
    assert "@" not in told
    assert normalized(told) == told


@given(st.text(max_size=400))
def test_whatever_is_listed_can_be_printed_and_taught(text: str) -> None:
    told = normalized(clean_text(text))

    assert told.isprintable()
    kind, match = subject_of(told)
    assert kind is RuleKind.CODE or normalized(match) == match
    assert len(match) <= 300
