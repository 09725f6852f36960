"""What may be sent: what is refused when a request is built, and where texts are cut."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import BadInput
from gateway.fields import CUT, cut, cut_text
from gateway.port import CancelOrder, Charge

CHARGE = Charge(
    attempt_id=UUID(int=1), send_no=1, fence=1, merchant_uid="m-1_A", customer_uid="c", amount=50_000, name="정기 결제"
)
CANCEL = CancelOrder(imp_uid="imps_1", amount=1_000, checksum=9_900, reason="환불 r1")


@pytest.mark.parametrize(
    "changes",
    [
        {"merchant_uid": ""},
        {"merchant_uid": "m" * 41},
        {"merchant_uid": "a b"},
        {"merchant_uid": "a/b"},
        {"merchant_uid": "한글"},
        {"merchant_uid": "m\n"},
        {"customer_uid": ""},
        {"customer_uid": "  "},
        {"customer_uid": "c" * 81},
        {"customer_uid": "한" * 81},
        {"customer_uid": "👍" * 41},
        {"customer_uid": "c\x00"},
        {"amount": 0},
        {"amount": -1},
        {"amount": 1.0},
        {"amount": True},
        {"amount": 2**53},
        {"name": " "},
        {"tax_free": 50_001},
        {"tax_free": -1},
        {"vat_amount": 50_001},
        {"vat_amount": -1},
        {"tax_free": 30_000, "vat_amount": 20_001},
        {"card_quota": 1},
        {"card_quota": -2},
        {"card_quota": 61},
        {"card_quota": 2, "amount": 49_999},
        {"product_count": -1},
        {"channel_key": "k" * 56},
        {"custom_data": "d" * 4_001},
        {"notice_url": "https://shop.example/" + "a" * 2_000},
    ],
)
def test_a_charge_that_the_gateway_would_refuse_cannot_be_built(changes: dict[str, object]) -> None:
    with pytest.raises(BadInput) as refused:
        replace(CHARGE, **changes)  # type: ignore[arg-type]  # wrong on purpose
    told = next(iter(changes.values()))
    assert not isinstance(told, str) or len(told.strip()) < 2 or told not in str(refused.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"merchant_uid": "m" * 40},
        {"customer_uid": "한" * 80},
        {"tax_free": 50_000},
        {"tax_free": 5_000, "vat_amount": 45_000},
        {"vat_amount": 0},
        {"card_quota": 2},
        {"card_quota": 60},
        {"amount": 1},
        {"channel_key": "k" * 55},
    ],
)
def test_what_lies_on_a_limit_is_taken(changes: dict[str, object]) -> None:
    replace(CHARGE, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "changes",
    [
        {"amount": 0},
        {"amount": -5},
        {"amount": 9_901},
        {"checksum": 0},
        {"imp_uid": ""},
        {"imp_uid": "i" * 33},
        {"reason": ""},
        {"reason": "r" * 201},
        {"tax_free": 1_001},
        {"tax_free": 600, "vat_amount": 401},
    ],
)
def test_a_cancel_that_is_not_wholly_meant_cannot_be_built(changes: dict[str, object]) -> None:
    with pytest.raises(BadInput):
        replace(CANCEL, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "length", "cut"),
    [
        ("abc", 2, "ab"),
        ("abc  ", 9, "abc"),
        ("a\x00b\n", 9, "a b"),
        ("\u1112\u1161\u11ab\u1100\u1173\u11af", 2, "한글"),  # decomposed, as some file systems write it
        ("👍👍", 3, "👍"),
        ("e\u0301", 1, "é"),
        ("xq\u0323\u0307", 2, "x"),  # no composed form: the mark goes with its letter
        ("a👩\u200d👧b", 4, "a"),
        ("ab\ud800", 9, "ab?"),
        ("", 5, ""),
        ("한글", 5, "한글"),
    ],
)
def test_texts_are_cut_at_whole_characters(text: str, length: int, cut: str) -> None:
    assert cut_text(text, length) == cut


@given(text=st.text(st.characters(), max_size=60), length=st.integers(1, 40))
def test_a_cut_text_fits_and_can_be_sent(text: str, length: int) -> None:
    assert len(cut_text(text, length).encode("utf-16-le")) <= 2 * length


@pytest.mark.parametrize(
    ("text", "octets", "kept"),
    [("한글", 5, "한"), ("한글", 6, "한글"), ("a한", 3, "a"), ("👍", 3, ""), ("abc", 2, "ab"), ("e\u0301e", 2, "é")],
)
def test_bytes_are_counted_too_and_never_half_a_character_is_kept(text: str, octets: int, kept: str) -> None:
    assert cut_text(text, 40, octets=octets) == kept


@given(name=st.sampled_from(sorted(CUT)), text=st.text(st.characters(), max_size=250))
def test_a_field_is_cut_to_its_own_limits(name: str, text: str) -> None:
    short = cut(name, text)
    assert len(short.encode("utf-16-le")) <= 2 * CUT[name].characters
    assert len(short.encode()) <= CUT[name].octets
