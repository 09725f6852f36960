import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.contract.simulator.running import RunningSimulator, wait_until
from tests.contract.simulator.scheduling import HOUR, SCHEDULE, UNSCHEDULE, entry, fire, one, schedule, scheduled

Start = Callable[..., RunningSimulator]


def test_a_schedule_waits_is_charged_on_its_time_and_says_so(simulator: RunningSimulator) -> None:
    (told,) = scheduled(simulator, "card", entry("soon", after=2, custom_data="x", buyer_name="홍길동"))
    assert (told["schedule_status"], told["payment_status"], told["imp_uid"]) == ("scheduled", None, None)
    assert (told["executed_at"], told["revoked_at"], told["custom_data"]) == (0, 0, "x")
    assert (told["pg_provider"], told["pg_id"], told["customer_uid"]) == ("html5_inicis", "INIBillTst", "card")

    wait_until(lambda: one(simulator, "soon")["schedule_status"] == "executed")

    row, (payment,) = one(simulator, "soon"), simulator.payments()
    assert (row["payment_status"], row["imp_uid"], row["fail_reason"]) == ("paid", payment["imp_uid"], None)
    assert row["executed_at"] >= row["schedule_at"]
    assert (payment["amount"], payment["status"], payment["via"]) == (9900, "paid", "schedule")
    shown = simulator.get("/payments/find/soon").json()["response"]
    assert (shown["customer_uid_usage"], shown["buyer_name"]) == ("payment.scheduled", "홍길동")


def test_a_time_in_milliseconds_or_in_the_past_is_refused(simulator: RunningSimulator) -> None:
    now = int(time.time())

    for at in (now * 1000, now - 1, 0, None, "tomorrow"):
        answer = schedule(simulator, "card", {**entry("order"), "schedule_at": at})
        assert answer.status_code == 400
        assert "schedule_at" in answer.json()["message"]
    assert simulator.schedules() == []


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"merchant_uid": "x" * 41}, "merchant_uid"),
        ({"merchant_uid": "with space"}, "merchant_uid"),
        ({"amount": 0}, "amount"),
        ({"amount": "100"}, "amount"),
        ({"name": None}, "상품명"),
        ({"tax_free": 101, "amount": 100}, "tax_free"),
        ({"card_quota": 2}, "할부"),
    ],
)
def test_one_bad_entry_refuses_all(simulator: RunningSimulator, changes: dict[str, object], word: str) -> None:
    answer = schedule(simulator, "card", entry("good"), {**entry("bad"), **changes})

    assert answer.status_code == 400
    assert word in answer.json()["message"]
    assert simulator.schedules() == []


def test_an_unknown_card_cannot_be_scheduled(simulator: RunningSimulator) -> None:
    answer = schedule(simulator, "card.sim.unknown_customer", entry("order"))

    assert (answer.status_code, answer.json()["code"]) == (200, 1)
    assert answer.json()["message"] == "등록된 고객정보가 없습니다."


def test_a_card_may_come_with_its_schedule(start: Start) -> None:
    simulator = start("--no-issue-on-sight")
    card = {"card_number": "4330-1234-1234-1234", "expiry": "2031-12", "birth": "900101", "pwd_2digit": "00"}

    assert schedule(simulator, "card", entry("one")).json()["message"] == "등록된 고객정보가 없습니다."
    scheduled(simulator, "card", entry("one"), **card)

    issued = simulator.get("/subscribe/customers/card").json()["response"]
    assert issued["card_number"] == "433012******1234"
    assert fire(simulator) == 1
    assert simulator.payments()[0]["status"] == "paid"


def test_an_order_number_is_scheduled_once(simulator: RunningSimulator) -> None:
    scheduled(simulator, "card", entry("waits"))
    simulator.paid("card", "paid")

    for entries in ([entry("waits")], [entry("paid")], [entry("twice"), entry("twice")]):
        answer = schedule(simulator, "card", *entries)
        assert (answer.status_code, answer.json()["code"]) == (200, 1)
        assert "이미" in answer.json()["message"]
    assert [row["merchant_uid"] for row in simulator.schedules()] == ["waits"]


def test_a_checking_amount_is_charged_and_given_back_at_once(simulator: RunningSimulator) -> None:
    scheduled(simulator, "good", entry("one"), checking_amount=100)
    refused = schedule(simulator, "bad.sim.decline.stolen", entry("two"), checking_amount=100).json()

    assert refused["code"] == -1
    assert "[120026]" in refused["message"]
    assert [(row["customer_uid"], row["status"], row["cancel_amount"]) for row in simulator.payments()] == [
        ("good", "cancelled", 100),
        ("bad.sim.decline.stolen", "failed", 0),
    ]
    assert [row["merchant_uid"] for row in simulator.schedules()] == ["one"]


# -- unschedule


def test_only_what_is_named_is_taken_back(simulator: RunningSimulator) -> None:
    scheduled(simulator, "card", entry("a"), entry("b"), entry("c"))
    scheduled(simulator, "other", entry("d"))

    answer = simulator.post(UNSCHEDULE, customer_uid="card", merchant_uid=["a", "d", "none"]).json()

    assert [row["merchant_uid"] for row in answer["response"]] == ["a"]
    assert answer["response"][0]["schedule_status"] == "revoked"
    assert answer["response"][0]["revoked_at"] > 0
    by_name = simulator.post(UNSCHEDULE, merchant_uid="d").json()
    assert [row["merchant_uid"] for row in by_name["response"]] == ["d"]
    assert [row["status"] for row in simulator.schedules()] == ["revoked", "scheduled", "scheduled", "revoked"]


def test_without_names_all_schedules_of_the_card_are_gone(simulator: RunningSimulator) -> None:
    scheduled(simulator, "card", entry("a"), entry("b"))
    scheduled(simulator, "other", entry("c"))

    answer = simulator.post(UNSCHEDULE, customer_uid="card").json()

    assert {row["merchant_uid"] for row in answer["response"]} == {"a", "b"}
    nothing = simulator.post(UNSCHEDULE, customer_uid="card").json()
    assert (nothing["code"], nothing["message"]) == (1, "취소할 예약결제 기록이 존재하지 않습니다.")
    assert simulator.post(UNSCHEDULE).status_code == 400
    assert one(simulator, "c")["schedule_status"] == "scheduled"


def test_a_form_carries_lists(simulator: RunningSimulator) -> None:
    at = str(int(time.time()) + HOUR)
    form = {"customer_uid": "card"}
    for number, name in enumerate(("a", "b")):
        for field, value in (("merchant_uid", name), ("schedule_at", at), ("amount", "100"), ("name", "구독")):
            form[f"schedules[{number}][{field}]"] = value

    made = simulator.public.post(SCHEDULE, data=form, headers=simulator.headers).json()
    names = {"customer_uid": "card", "merchant_uid[]": ["a", "b"]}
    taken_back = simulator.public.post(UNSCHEDULE, data=names, headers=simulator.headers).json()

    assert [row["merchant_uid"] for row in made["response"]] == ["a", "b"]
    assert [row["schedule_status"] for row in taken_back["response"]] == ["revoked", "revoked"]


def test_a_name_taken_back_may_be_scheduled_again(simulator: RunningSimulator) -> None:
    for _ in range(2):
        scheduled(simulator, "card", entry("order"))
        simulator.post(UNSCHEDULE, customer_uid="card", merchant_uid=["order"])
    scheduled(simulator, "card", entry("order"))

    assert one(simulator, "order")["schedule_status"] == "scheduled"
    assert [row["status"] for row in simulator.schedules()] == ["revoked", "revoked", "scheduled"]


def test_every_schedule_is_either_charged_once_or_taken_back(simulator: RunningSimulator) -> None:
    """Schedules fall due while others take them back by name: each has one end, and the answers say which."""
    names = [f"order-{number}" for number in range(100)]
    scheduled(simulator, "card", *(entry(name) for name in names))
    assert simulator.headers

    def take_back(name: str) -> list[str]:
        answer = simulator.post(UNSCHEDULE, customer_uid="card", merchant_uid=[name]).json()
        return [row["merchant_uid"] for row in answer["response"] or []]

    def charge(name: str) -> list[str]:
        return [name] * fire(simulator, merchant_uid=name)

    with ThreadPoolExecutor(8) as pool:
        calls = [
            (pool.submit(take_back, name), pool.submit(charge, name), pool.submit(take_back, name)) for name in names
        ]
        taken_back = [name for call in calls for name in (*call[0].result(), *call[2].result())]
        charged = [name for call in calls for name in call[1].result()]

    assert sorted(taken_back + charged) == sorted(names)
    by_status = {row["merchant_uid"]: row["status"] for row in simulator.schedules()}
    assert {name for name, status in by_status.items() if status == "revoked"} == set(taken_back)
    assert sorted(payment["merchant_uid"] for payment in simulator.payments()) == sorted(charged)


def test_what_was_fired_is_fired_once_over_a_kill(start: Start) -> None:
    first = start()
    names = [f"order-{number}" for number in range(300)]
    scheduled(first, "card", *(entry(name, after=1) for name in names))
    wait_until(lambda: bool(first.payments()))
    first.kill()

    second = start()

    wait_until(lambda: {row["status"] for row in second.schedules()} == {"executed"})
    assert sorted(payment["merchant_uid"] for payment in second.payments()) == sorted(names)
    by_imp_uid = {payment["imp_uid"]: payment["merchant_uid"] for payment in second.payments()}
    assert all(by_imp_uid[row["imp_uid"]] == row["merchant_uid"] for row in second.schedules())


def test_calls_about_schedules_can_go_wrong(simulator: RunningSimulator) -> None:
    simulator.control.post("/faults", json={"on": "schedule", "sequence": ["error500_uncharged", "error500"]})

    assert schedule(simulator, "card", entry("lost")).status_code == 500
    assert simulator.schedules() == []
    assert schedule(simulator, "card", entry("kept")).status_code == 500
    assert [row["merchant_uid"] for row in simulator.schedules()] == ["kept"]
    simulator.order("card", "error500_uncharged")
    fire(simulator)
    assert one(simulator, "kept")["payment_status"] == "failed"
