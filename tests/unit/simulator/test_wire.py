import pytest

from simulator.wire import Fields, Unreadable, bearer, parse_body, refusal, success


@pytest.mark.parametrize("header", ["Bearer abc", "abc", " abc ", "Bearer  abc"])
def test_a_token_is_read_with_and_without_bearer(header: str) -> None:
    assert bearer(header) == "abc"


def test_json_is_recognised_by_its_name_or_its_looks() -> None:
    assert parse_body(b'{"amount": 1}', "application/json") == Fields(values={"amount": 1}, is_form=False)
    assert parse_body(b'{"amount": 1}', "application/octet-stream") == Fields(values={"amount": 1}, is_form=False)
    assert parse_body("name=구독&amount=1".encode(), "") == Fields(values={"name": "구독", "amount": "1"}, is_form=True)


@pytest.mark.parametrize("value", ["1", "1.0"])
def test_a_number_in_a_form_is_text(value: str) -> None:
    assert Fields(values={"amount": value}, is_form=True).number("amount") == 1


@pytest.mark.parametrize("value", ["x", "nan", "inf", "1.5"])
def test_what_is_no_whole_number_in_a_form_is_refused(value: str) -> None:
    with pytest.raises(Unreadable):
        Fields(values={"amount": value}, is_form=True).number("amount")


def test_a_text_of_digits_is_no_number_in_json() -> None:
    with pytest.raises(Unreadable):
        Fields(values={"amount": "1"}, is_form=False).number("amount")


def test_the_envelope_has_three_fields() -> None:
    assert success({"a": 1}).to_bytes() == b'{"code":0,"message":null,"response":{"a":1}}'
    assert refusal("없음").to_bytes().decode() == '{"code":1,"message":"없음","response":null}'
