import pytest

from tests.contract.simulator.running import RunningSimulator

PREPARE = "/payments/prepare"


def test_an_amount_is_registered_once_changed_and_read(simulator: RunningSimulator) -> None:
    made = simulator.post(PREPARE, merchant_uid="window", amount=1000).json()
    twice = simulator.post(PREPARE, merchant_uid="window", amount=2000).json()
    changed = simulator.public.put(
        PREPARE, json={"merchant_uid": "window", "amount": 3000}, headers=simulator.headers
    ).json()

    assert made["response"] == {"merchant_uid": "window", "amount": 1000, "currency": "KRW"}
    assert (twice["code"], twice["message"]) == (
        1,
        "결제정보 사전등록에 실패하였습니다(이미 등록된 merchant_uid입니다).",
    )
    assert simulator.get(f"{PREPARE}/window").json()["response"] == changed["response"]
    assert changed["response"]["amount"] == 3000


def test_what_was_not_registered_is_not_found(simulator: RunningSimulator) -> None:
    change = {"merchant_uid": "none", "amount": 1}

    assert simulator.get(f"{PREPARE}/none").status_code == 404
    assert simulator.public.put(PREPARE, json=change, headers=simulator.headers).status_code == 404


@pytest.mark.parametrize(
    "fields", [{}, {"merchant_uid": "x"}, {"merchant_uid": "x" * 41, "amount": 1}, {"merchant_uid": "x", "amount": 0}]
)
def test_a_bad_field_registers_nothing(simulator: RunningSimulator, fields: dict[str, object]) -> None:
    assert simulator.post(PREPARE, **fields).status_code == 400


def test_card_companies_have_codes_with_leading_zeros(simulator: RunningSimulator) -> None:
    listed = simulator.get("/cards").json()["response"]

    assert {"code": "366", "name": "신한카드"} in listed
    assert simulator.get("/cards/041").json()["response"] == {"code": "041", "name": "우리카드"}
    assert simulator.get("/cards/41").status_code == 404
    codes = [row["code"] for row in listed]
    assert len(codes) == len(set(codes)) > 20
