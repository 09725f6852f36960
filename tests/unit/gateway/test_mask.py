"""What is kept of an answer names nobody and can be stored anywhere."""

from __future__ import annotations

import json

import pytest

from gateway.mask import KEPT_FIELDS, clean_text, masked_body


def test_only_listed_fields_are_kept() -> None:
    response = dict.fromkeys(KEPT_FIELDS, 1) | {
        "buyer_name": "홍길동",
        "buyer_email": "a@b.kr",
        "buyer_tel": "01012345678",
        "card_number": "9490",
        "customer_uid": "c",
        "receipt_url": "https://x",
        "cancel_history": [{"reason": "x"}],
    }
    kept = masked_body({"code": 0, "message": None, "response": response, "other": 1})
    assert kept == {"code": 0, "message": None, "response": dict.fromkeys(KEPT_FIELDS, 1)}


def test_values_that_are_no_plain_values_are_left_out() -> None:
    response = {"imp_uid": {"a": 1}, "amount": float("inf"), "cancel_amount": 10**400, "status": ["x"], "sandbox": True}
    kept = masked_body({"code": 1, "message": "m" * 500, "response": response})
    assert kept == {"code": 1, "message": "m" * 200, "response": {"sandbox": True}}
    json.dumps(kept, allow_nan=False)


def test_ids_keep_their_digits() -> None:
    ids = {"imp_uid": "imps_123456789012", "pg_tid": "StdpayBILL1234567890123456", "merchant_uid": "1234567890123456"}
    assert masked_body({"code": 0, "response": ids})["response"] == ids


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("카드 9490-2212-3456-7890 거절", "카드 *** 거절"),
        ("카드 9490221234567890 거절", "카드 *** 거절"),
        ("카드 9490-22**-****-7890 거절", "카드 *** 거절"),
        ("hong.gil@example.co.kr 에게", "*** 에게"),
        ("010-1234-5678 로", "*** 로"),
        ("01012345678", "***"),
        ("customer-one 없음", "*** 없음"),
        ("a\x00b", "ab"),
        ("a\ud800b", "a?b"),
        ("imps_123456789012 한도 1,234,567원", "imps_123456789012 한도 1,234,567원"),
    ],
)
def test_sentences_lose_what_is_personal(text: str, clean: str) -> None:
    assert clean_text(text, secrets=("customer-one",)) == clean


def test_a_cut_never_leaves_half_of_a_number() -> None:
    assert clean_text("x" * 10 + " 9490-2212-3456-7890", length=20) == "x" * 10 + " ***"
