import time
from collections.abc import Callable

from tests.contract.simulator.running import RunningSimulator, wait_until

Start = Callable[..., RunningSimulator]


def test_the_same_token_is_told_until_it_dies_and_then_another(start: Start) -> None:
    simulator = start("--token-life-seconds", "4", "--token-last-seconds", "0", "--token-extension-seconds", "0")
    first = simulator.issue_token()
    again = simulator.issue_token()
    headers = {"Authorization": f"Bearer {first['access_token']}"}
    assert first["expired_at"] - first["now"] == 4
    assert (again["access_token"], again["expired_at"]) == (first["access_token"], first["expired_at"])

    wait_until(lambda: simulator.public.get("/payments/status/all", headers=headers).status_code == 401)

    assert time.time() >= first["expired_at"]
    assert simulator.issue_token()["access_token"] != first["access_token"]


def test_a_token_asked_for_in_its_last_moments_is_extended(start: Start) -> None:
    simulator = start("--token-life-seconds", "500", "--token-last-seconds", "600", "--token-extension-seconds", "900")

    first, extended, third = (simulator.issue_token() for _ in range(3))

    assert extended["access_token"] == first["access_token"] == third["access_token"]
    assert extended["expired_at"] == first["expired_at"] + 900
    assert third["expired_at"] == extended["expired_at"]


def test_a_wrong_key_and_a_missing_one_are_told_apart(start: Start) -> None:
    simulator = start("--imp-key", "right", "--imp-secret", "secret")

    wrong = simulator.public.post("/users/getToken", json={"imp_key": "right", "imp_secret": "no"})
    missing = simulator.public.post("/users/getToken", json={"imp_key": "right"})

    assert (wrong.status_code, wrong.json()["code"]) == (401, -1)
    assert wrong.json()["message"] == "인증에 실패하였습니다. API키와 secret을 확인하세요."
    assert missing.status_code == 400
    assert "누락" in missing.json()["message"]
    assert simulator.issue_token("right")["access_token"]


def test_tokens_expired_by_order_are_dead(simulator: RunningSimulator) -> None:
    old = dict(simulator.headers)

    assert simulator.control.post("/tokens/expire").json()["expired"] >= 1

    assert simulator.public.get("/payments/status/all", headers=old).status_code == 401
    simulator._token = None
    assert simulator.get("/payments/status/all").status_code == 200
