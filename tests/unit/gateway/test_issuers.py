"""Which company issued a card is read from its payments, whatever else they hold."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.mask import masked_body
from gateway.records import issuer_of, read_record


@pytest.mark.parametrize(
    ("told", "code"),
    [
        ({"card_code": "366"}, "366"),
        ({"card_code": 366}, "366"),
        ({"card_code": "381", "card_issuer_code": "366"}, "366"),
        ({"card_code": "", "card_issuer_code": None}, ""),
        ({}, ""),
        ({"card_code": ["366"]}, ""),
    ],
)
def test_the_issuers_code_is_the_one_that_a_record_and_an_answer_tell(told: dict[str, Any], code: str) -> None:
    payment = {"imp_uid": "imp_1", "merchant_uid": "m-1", "status": "paid", "amount": 9900, **told}
    record = read_record(payment, is_test=True)

    assert record is not None
    assert record.issuer_code == code
    kept = masked_body(json.loads(json.dumps({"code": 0, "message": None, "response": payment})))
    assert issuer_of(kept["response"]) == code
    assert issuer_of(None) == ""
