"""A SIGKILL in the middle of everything: what was answered happened, what happened is whole."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import httpx

from tests.contract.simulator.running import RunningSimulator, wait_until

Start = Callable[..., RunningSimulator]


class Worker:
    """Charges, cancels, schedules, takes back and fires, and remembers what it was answered."""

    def __init__(self, simulator: RunningSimulator, number: int) -> None:
        self.charged: list[str] = []
        self.given_back: Counter[str] = Counter()
        self.taken_back: list[str] = []
        self._number = number
        self._chance = random.Random(number)
        self._headers = simulator.headers
        self._simulator = simulator
        self.thread = threading.Thread(target=self._work)
        self.thread.start()

    @property
    def told(self) -> int:
        return len(self.charged) + self.given_back.total() + len(self.taken_back)

    def _work(self) -> None:
        with httpx.Client(base_url=self._simulator.public.base_url, timeout=30, headers=self._headers) as client:
            for turn in range(100_000):
                try:
                    self._do_something(client, f"{self._number}-{turn}")
                except httpx.TransportError:
                    return

    def _do_something(self, client: httpx.Client, name: str) -> None:
        def ask(path: str, **fields: object) -> Any:  # noqa: ANN401 - any JSON
            return client.post(path, json=fields).json()["response"]

        order = {"merchant_uid": name, "amount": 1000, "name": "구독"}
        match self._chance.choice(["charge", "cancel", "schedule"]):
            case "charge":
                self.charged.append(ask("/subscribe/payments/again", customer_uid="card", **order)["imp_uid"])
            case "cancel" if self.charged:
                imp_uid = self._chance.choice(self.charged)
                if ask("/payments/cancel", imp_uid=imp_uid, amount=300) is not None:
                    self.given_back[imp_uid] += 300
            case _:
                at = int(time.time()) + 3600
                ask("/subscribe/payments/schedule", customer_uid="card", schedules=[{**order, "schedule_at": at}])
                if self._chance.random() < 0.5:
                    self._simulator.control.post("/schedules/fire", json={"merchant_uid": name})
                for row in ask("/subscribe/payments/unschedule", customer_uid="card", merchant_uid=[name]) or []:
                    self.taken_back.append(row["merchant_uid"])


def test_what_was_answered_outlives_a_kill_and_sums_are_right(start: Start) -> None:
    first = start("--latency-ms", "2")
    assert first.headers
    workers = [Worker(first, number) for number in range(4)]
    wait_until(lambda: all(worker.told > 60 for worker in workers))
    first.kill()
    for worker in workers:
        worker.thread.join()

    second = start()

    payments = {payment["imp_uid"]: payment for payment in second.payments()}
    given_back: Counter[str] = Counter()
    for row in second.control.get("/cancellations").json():
        given_back[row["imp_uid"]] += row["amount"]
    schedules = {row["merchant_uid"]: row for row in second.schedules()}
    for worker in workers:
        assert set(worker.charged) <= set(payments)
        assert all(given_back[imp_uid] >= won for imp_uid, won in worker.given_back.items())
        assert all(schedules[name]["status"] == "revoked" for name in worker.taken_back)
    assert {imp_uid: payment["cancel_amount"] for imp_uid, payment in payments.items()} == {
        imp_uid: given_back[imp_uid] for imp_uid in payments
    }
    by_schedule = [payment["merchant_uid"] for payment in payments.values() if payment["via"] == "schedule"]
    assert by_schedule
    assert sorted(by_schedule) == sorted(name for name, row in schedules.items() if row["status"] == "executed")
    assert max(Counter(payment["merchant_uid"] for payment in payments.values()).values()) == 1
