from pathlib import Path

import pytest

from tests.contract.simulator.running import RunningSimulator

ONETIME = "/subscribe/payments/onetime"
CARD = {"card_number": "4330-1234-5678-9012", "expiry": "2031-12", "birth": "900101", "pwd_2digit": "00"}
ORDER = {"merchant_uid": "order", "amount": 9900, "name": "첫 달", **CARD}
CUSTOMER = "/subscribe/customers/kept"


def test_a_card_is_charged_and_forgotten(simulator: RunningSimulator) -> None:
    payment = simulator.post(ONETIME, **ORDER).json()["response"]

    assert (payment["status"], payment["amount"], payment["merchant_uid"]) == ("paid", 9900, "order")
    assert (payment["customer_uid"], payment["customer_uid_usage"]) == (None, None)
    assert payment["card_number"] == "433012******9012"
    (row,) = simulator.payments()
    assert (row["via"], row["customer_uid"]) == ("onetime", "")
    assert simulator.get("/payments/findAll/order").json()["response"]["list"] == [payment]


def test_a_card_is_charged_and_kept(simulator: RunningSimulator) -> None:
    payment = simulator.post(ONETIME, **ORDER, customer_uid="kept", buyer_name="홍길동").json()["response"]

    kept = simulator.get(CUSTOMER).json()["response"]
    assert payment["customer_uid"] == "kept"
    assert (kept["card_number"], kept["customer_name"]) == ("433012******9012", "홍길동")
    assert kept["inserted"] == kept["updated"]
    assert simulator.paid("kept", "second")["card_number"] == "433012******9012"
    assert simulator.get(f"{CUSTOMER}/payments").json()["response"]["total"] == 2


def test_a_card_that_is_declined_is_not_kept(simulator: RunningSimulator) -> None:
    simulator.order("kept", "decline")
    # Another card is known by that name: a declined one must not take its place.
    simulator.post(CUSTOMER, **{**CARD, "card_number": "5330-1234-1234-1111"})

    declined = simulator.post(ONETIME, **ORDER, customer_uid="kept").json()["response"]

    assert declined["status"] == "failed"
    assert simulator.get(CUSTOMER).json()["response"]["card_number"] == "533012******1111"


def test_nothing_is_charged_for_no_money_and_the_card_is_kept(simulator: RunningSimulator) -> None:
    told = simulator.post(ONETIME, **{**ORDER, "amount": 0}, customer_uid="kept").json()["response"]

    assert (told["amount"], told["customer_uid_usage"]) == (0, "issue")
    assert simulator.payments() == []
    assert [request["done"] for request in simulator.requests()] == ["stored"]
    assert simulator.get(CUSTOMER).json()["response"]["card_number"] == "433012******9012"
    assert simulator.post(ONETIME, **{**ORDER, "amount": 0}).status_code == 400


@pytest.mark.parametrize(
    ("changes", "status", "word"),
    [
        ({"name": None}, 400, "상품명"),
        ({"card_number": None}, 400, "card_number"),
        ({"expiry": None}, 400, "expiry"),
        ({"merchant_uid": "x" * 41}, 400, "merchant_uid"),
        ({"merchant_uid": "a/b"}, 400, "merchant_uid"),
        ({"card_quota": 3}, 400, "할부"),
        ({"card_number": "1111-1111-1111-1111"}, 200, "[F112]"),
        ({"card_number": "4330"}, 200, "[F112]"),
        ({"expiry": "2020-01"}, 200, "[120004]"),
        ({"expiry": "2031-13"}, 200, "[120004]"),
        ({"birth": "19900101"}, 200, "[120019]"),
        ({"pwd_2digit": "1"}, 200, "[120019]"),
    ],
)
def test_a_bad_card_or_a_bad_field_charges_nothing(
    simulator: RunningSimulator, changes: dict[str, object], status: int, word: str
) -> None:
    answer = simulator.post(ONETIME, **{**ORDER, "customer_uid": "kept", **changes})

    assert answer.status_code == status
    assert answer.json()["code"] != 0
    assert word in answer.json()["message"]
    assert simulator.payments() == []


def test_a_used_order_number_is_refused(simulator: RunningSimulator) -> None:
    simulator.paid("card", "order")

    answer = simulator.post(ONETIME, **ORDER, customer_uid="kept").json()

    assert answer["code"] == 1
    assert "이미" in answer["message"]


def test_faults_happen_to_one_off_charges_as_well(simulator: RunningSimulator) -> None:
    card = "kept.sim.error500_first.1.sim.decline_first.1.stolen"

    answers = [simulator.post(ONETIME, **{**ORDER, "merchant_uid": f"o{n}"}, customer_uid=card) for n in range(3)]

    assert [answer.status_code for answer in answers] == [500, 200, 200]
    assert [payment["status"] for payment in simulator.payments()] == ["paid", "failed", "paid"]


def test_a_whole_card_number_is_written_nowhere(simulator: RunningSimulator) -> None:
    number, birth = "4929-8877-6655-1234", "850203"
    card = {**CARD, "card_number": number, "birth": birth}
    answers = [
        simulator.post(ONETIME, **{**ORDER, **card}, customer_uid="kept"),
        simulator.post(CUSTOMER, **card),
        simulator.post(ONETIME, **{**ORDER, **card, "name": None}),
        simulator.post(ONETIME, **{**ORDER, **card, "merchant_uid": "late"}, customer_uid="x.sim.decline"),
        simulator.get(CUSTOMER),
        simulator.control.get("/ledger"),
        simulator.control.get("/requests"),
    ]

    files = [path for path in Path(simulator.ledger_path).parent.iterdir() if path.is_file()]
    written = b"".join(path.read_bytes() for path in files) + b"".join(answer.content for answer in answers)
    assert len(files) >= 1
    for secret in (number, number.replace("-", ""), birth):
        assert secret.encode() not in written
