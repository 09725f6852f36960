"""How tests schedule charges, fire them, and ask about them."""

import time
from typing import Any

import httpx

from tests.contract.simulator.running import RunningSimulator

SCHEDULE = "/subscribe/payments/schedule"
UNSCHEDULE = "/subscribe/payments/unschedule"
CHARGE_AGAIN = "/subscribe/payments/schedule/{merchant_uid}/retry"
HOUR = 3600


def entry(merchant_uid: str, *, after: int = HOUR, amount: int = 9900, **more: object) -> dict[str, object]:
    at = int(time.time()) + after
    return {"merchant_uid": merchant_uid, "schedule_at": at, "amount": amount, "name": "월 구독", **more}


def schedule(simulator: RunningSimulator, card: str, *entries: dict[str, object], **more: object) -> httpx.Response:
    return simulator.post(SCHEDULE, customer_uid=card, schedules=list(entries), **more)


def scheduled(simulator: RunningSimulator, card: str, *entries: dict[str, object], **more: object) -> list[Any]:
    answer = schedule(simulator, card, *entries, **more)
    assert (answer.status_code, answer.json()["code"]) == (200, 0), answer.text
    rows: list[Any] = answer.json()["response"]
    return rows


def fire(simulator: RunningSimulator, **which: object) -> int:
    fired: int = simulator.control.post("/schedules/fire", json=which).json()["fired"]
    return fired


def one(simulator: RunningSimulator, merchant_uid: str) -> dict[str, Any]:
    row: dict[str, Any] = simulator.get(f"{SCHEDULE}/{merchant_uid}").json()["response"]
    return row


def charge_again(simulator: RunningSimulator, merchant_uid: str) -> httpx.Response:
    return simulator.post(CHARGE_AGAIN.replace("{merchant_uid}", merchant_uid))


def window(**more: str | int) -> dict[str, str | int]:
    now = int(time.time())
    return {"schedule_from": now - HOUR, "schedule_to": now + 7 * HOUR, **more}
