"""Several merchants, several contracts (MIDs) of one, test channels and live ones."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.contract.simulator.running import ROOT, RunningSimulator

Start = Callable[..., RunningSimulator]
CARD = {"card_number": "4330-1234-1234-1234", "expiry": "2031-12", "birth": "900101", "pwd_2digit": "00"}
ACCOUNTS = (
    *("--account", "live-key:live-secret:html5_inicis.MOILIVE:live"),
    *("--account", "live-key:live-secret:html5_inicis.MOITEST:sandbox"),
    *("--account", "other-key:other-secret"),
)


class Merchant:
    """One who calls with his own key."""

    def __init__(self, simulator: RunningSimulator, key: str, secret: str) -> None:
        told = simulator.public.post("/users/getToken", json={"imp_key": key, "imp_secret": secret}).json()
        self.headers = {"Authorization": told["response"]["access_token"]}
        self.public = simulator.public

    def get(self, path: str, **query: str | int) -> httpx.Response:
        return self.public.get(path, params=query, headers=self.headers)

    def post(self, path: str, **fields: object) -> httpx.Response:
        return self.public.post(path, json=fields, headers=self.headers)

    def paid(self, customer_uid: str, merchant_uid: str) -> dict[str, Any]:
        fields = {"customer_uid": customer_uid, "merchant_uid": merchant_uid, "amount": 100, "name": "구독"}
        answer = self.post("/subscribe/payments/again", **fields).json()
        assert answer["code"] == 0, answer
        payment: dict[str, Any] = answer["response"]
        return payment


@pytest.fixture
def simulator_of_two(start: Start) -> RunningSimulator:
    return start(*ACCOUNTS, "--no-issue-on-sight")


@pytest.fixture
def merchants(simulator_of_two: RunningSimulator) -> tuple[Merchant, Merchant]:
    return (
        Merchant(simulator_of_two, "live-key", "live-secret"),
        Merchant(simulator_of_two, "other-key", "other-secret"),
    )


def test_a_key_needs_its_own_secret(simulator_of_two: RunningSimulator) -> None:
    def login(key: str, secret: str) -> int:
        return simulator_of_two.public.post("/users/getToken", json={"imp_key": key, "imp_secret": secret}).status_code

    statuses = [login("live-key", "other-secret"), login("nobody", "x"), login("other-key", "other-secret")]

    assert statuses == [401, 401, 200]
    assert simulator_of_two.control.get("/health").json()["accounts"] == ["live-key", "other-key"]


def test_merchants_do_not_see_each_other(merchants: tuple[Merchant, Merchant]) -> None:
    one, other = merchants
    one.post("/subscribe/customers/card", **CARD)
    payment = one.paid("card", "order")
    at = int(time.time()) + 3600
    row = {"merchant_uid": "later", "schedule_at": at, "amount": 100, "name": "구독"}
    one.post("/subscribe/payments/schedule", customer_uid="card", schedules=[row])
    one.post("/payments/prepare", merchant_uid="window", amount=100)
    window = {"schedule_from": at - 10, "schedule_to": at + 10}

    for path in ("/payments/find/order", "/payments/findAll/order", f"/payments/{payment['imp_uid']}"):
        assert (one.get(path).status_code, other.get(path).status_code) == (200, 404)
    for path in ("/subscribe/customers/card", "/subscribe/customers/card/payments", "/payments/prepare/window"):
        assert (one.get(path).status_code, other.get(path).status_code) == (200, 404)
    assert other.get("/payments/status/all").json()["response"]["total"] == 0
    assert one.get("/subscribe/payments/schedule", **window).json()["response"]["total"] == 1
    assert other.get("/subscribe/payments/schedule", **window).json()["response"]["total"] == 0
    assert other.get("/subscribe/payments/schedule/later").status_code == 404
    assert other.post("/subscribe/payments/unschedule", merchant_uid=["later"]).json()["code"] == 1
    assert other.post("/payments/cancel", imp_uid=payment["imp_uid"]).json()["code"] == 1
    charge = {"customer_uid": "card", "merchant_uid": "order", "amount": 100, "name": "구독"}
    assert other.post("/subscribe/payments/again", **charge).json()["message"] == "등록되지 않은 구매자입니다."


def test_the_same_order_number_and_card_name_are_anothers(
    simulator_of_two: RunningSimulator, merchants: tuple[Merchant, Merchant]
) -> None:
    for merchant in merchants:
        merchant.post("/subscribe/customers/card", **CARD)
        merchant.paid("card", "order")

    rows = simulator_of_two.payments(merchant_uid="order")
    assert [(row["account"], row["status"]) for row in rows] == [("live-key", "paid"), ("other-key", "paid")]


@pytest.mark.parametrize("name", ["pg", "channel_key"])
def test_a_card_belongs_to_the_contract_that_issued_it(merchants: tuple[Merchant, Merchant], name: str) -> None:
    merchant, _ = merchants
    usual = merchant.post("/subscribe/customers/usual", **CARD).json()["response"]
    test = merchant.post("/subscribe/customers/test", **CARD, **{name: "html5_inicis.MOITEST"}).json()["response"]
    unknown = merchant.post("/subscribe/customers/none", **CARD, **{name: "html5_inicis.NOBODY"}).json()

    assert (usual["pg_id"], usual["sandbox"]) == ("MOILIVE", False)
    assert (test["pg_id"], test["sandbox"]) == ("MOITEST", True)
    assert (unknown["code"], unknown["message"]) == (1, "등록된 PG 설정정보가 없습니다.")
    payments = [merchant.paid("usual", "live-order"), merchant.paid("test", "test-order")]
    assert [(row["pg_id"], row["sandbox"]) for row in payments] == [("MOILIVE", False), ("MOITEST", True)]
    paths = [f"/payments/{row['imp_uid']}" for row in payments]
    assert [merchant.get(path).status_code for path in paths] == [200, 404]
    assert [merchant.get(path, include_sandbox="true").status_code for path in paths] == [200, 200]


def test_a_test_channel_can_be_shown_by_order_and_by_option(simulator: RunningSimulator, start: Start) -> None:
    path = f"/payments/{simulator.paid('card', 'order')['imp_uid']}"
    assert simulator.get(path).status_code == 404
    assert simulator.get(path, include_sandbox="false").status_code == 404

    simulator.control.post("/sandbox", json={"hidden": False})

    assert simulator.get(path).status_code == 200
    shown = start("--no-hide-sandbox")
    assert shown.get(f"/payments/{shown.paid('card', 'order')['imp_uid']}").json()["response"]["sandbox"] is True


def test_only_one_look_up_hides_a_test_channel(simulator: RunningSimulator) -> None:
    payment = simulator.paid("card", "order")

    assert simulator.get("/payments/find/order").json()["response"] == payment
    assert simulator.get("/payments/status/paid").json()["response"]["list"] == [payment]
    several = simulator.public.get(f"/payments?imp_uid[]={payment['imp_uid']}", headers=simulator.headers)
    assert several.json()["response"] == [payment]


def test_money_that_is_none_can_come_from_a_live_channel(start: Start) -> None:
    simulator = start("--no-sandbox")
    simulator.order("card", "sandbox")

    assert [simulator.paid("card", name)["sandbox"] for name in ("one", "two")] == [True, False]


def test_the_issuer_of_a_card_is_in_its_uid(simulator: RunningSimulator) -> None:
    payments = [simulator.paid(f"card.sim.issuer.{code}", code) for code in ("366", "041")]

    told = [(row["card_code"], row["card_name"], row["card_issuer_code"]) for row in payments]
    assert told == [("366", "신한카드", "366"), ("041", "우리카드", "041")]
    assert simulator.get("/subscribe/customers/card.sim.issuer.366").json()["response"]["card_issuer_code"] == "366"


@pytest.mark.parametrize("words", ["key", "key:", "key:secret:MID", "key:secret:pg.mid:test", "a:b:c.d:live:e"])
def test_an_account_that_cannot_be_read_is_told(tmp_path: Path, words: str) -> None:
    command = [sys.executable, "-m", "simulator", "--port", "0", "--control-port", "0", "--account", words]

    ended = subprocess.run(
        [*command, "--ledger", str(tmp_path / "ledger.db")], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert ended.returncode == 2
    assert "--account" in ended.stderr.splitlines()[-1]
