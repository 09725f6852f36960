import hashlib
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.contract.simulator.running import ROOT, RunningSimulator, wait_until

Start = Callable[..., RunningSimulator]


def test_what_was_answered_outlives_a_kill(start: Start) -> None:
    first = start("--latency-ms", "2")
    assert first.headers
    told: list[str] = []

    def charge_until_it_dies(worker: int) -> None:
        with httpx.Client(base_url=first.public.base_url, timeout=30) as client:
            for number in range(100_000):
                uid = f"{worker}-{number}"
                fields = {"customer_uid": "card", "merchant_uid": uid, "amount": 100, "name": "x"}
                try:
                    answer = client.post("/subscribe/payments/again", json=fields, headers=first.headers)
                except httpx.TransportError:
                    return
                told.append(answer.json()["response"]["imp_uid"])

    workers = [threading.Thread(target=charge_until_it_dies, args=(worker,)) for worker in range(4)]
    for worker in workers:
        worker.start()
    wait_until(lambda: len(told) > 200)
    first.kill()
    for worker in workers:
        worker.join()

    in_file = {payment["imp_uid"] for payment in first.printed_ledger()}
    second = start()
    assert set(told) <= in_file
    assert {payment["imp_uid"] for payment in second.payments()} == in_file
    assert second.public.get("/payments/status/all", headers=first.headers).status_code == 200


def test_magic_cards_remember_their_turns_over_a_restart(start: Start) -> None:
    card = "card.sim.decline_first.2.balance"
    first = start()
    assert first.paid(card, "one")["status"] == "failed"
    first.kill()
    second = start()

    statuses = [second.paid(card, uid)["status"] for uid in ("two", "three")]

    assert statuses == ["failed", "paid"]


def test_the_ledger_is_printed_while_the_server_runs_and_after(start: Start) -> None:
    simulator = start()
    assert simulator.printed_ledger() == []
    payment = simulator.paid("card", "order", 1234)

    (row,) = simulator.printed_ledger()

    assert (row["imp_uid"], row["merchant_uid"], row["amount"]) == (payment["imp_uid"], "order", 1234)
    token = simulator.headers["Authorization"].removeprefix("Bearer ")
    assert row["token_digest"] == hashlib.sha256(token.encode()).hexdigest()
    assert simulator.payments() == [row]
    assert simulator.close() == 0
    assert simulator.printed_ledger() == [row]


def test_a_stop_lets_hanging_and_held_charges_go(start: Start) -> None:
    simulator = start()
    simulator.order("card", "hang")
    outcomes: list[str] = []

    def charge(merchant_uid: str) -> None:
        fields = {"customer_uid": "card", "merchant_uid": merchant_uid, "amount": 100, "name": "x"}
        with httpx.Client(base_url=simulator.public.base_url, timeout=30) as client:
            try:
                client.post("/subscribe/payments/again", json=fields, headers=simulator.headers)
            except httpx.TransportError as broken:
                outcomes.append(type(broken).__name__)

    assert simulator.headers
    hanging = threading.Thread(target=charge, args=("hanging",))
    hanging.start()
    wait_until(lambda: len(simulator.payments()) == 1)
    simulator.control.post("/hold", json={"on": True})
    held = threading.Thread(target=charge, args=("held",))
    held.start()
    wait_until(lambda: simulator.counters()["held"] == 1)

    assert simulator.close() == 0
    hanging.join()
    held.join()
    assert len(outcomes) == 2
    assert [payment["merchant_uid"] for payment in simulator.printed_ledger()] == ["hanging"]


def test_a_port_that_is_taken_is_told_in_one_sentence(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        command = [sys.executable, "-m", "simulator", "--port", str(taken.getsockname()[1]), "--control-port", "0"]

        ended = subprocess.run(
            [*command, "--ledger", str(tmp_path / "ledger.db")], cwd=ROOT, capture_output=True, text=True, check=False
        )

    assert ended.returncode == 1
    assert ended.stdout == ""
    assert len(ended.stderr.splitlines()) == 1
    assert "cannot listen" in ended.stderr


def test_a_ledger_that_is_missing_is_told(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "simulator", "ledger", "--ledger", str(tmp_path / "none.db")]

    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert ended.returncode == 1
    assert "there is no ledger" in ended.stderr


def test_a_request_that_did_not_arrive_whole_was_never_asked(simulator: RunningSimulator) -> None:
    body = b'{"customer_uid": "card", "merchant_uid": "half", "amount": 100, "name": "x"}'
    head = (
        "POST /subscribe/payments/again HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/json\r\n"
        f"Authorization: {simulator.headers['Authorization']}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    endpoint = "POST /subscribe/payments/again"

    with socket.create_connection(("127.0.0.1", simulator.port)) as connection:
        connection.sendall(head.encode() + body[:-1])
        wait_until(lambda: simulator.counters()["in_flight"].get(endpoint) == 1)

    wait_until(lambda: simulator.counters()["in_flight_total"] == 0)
    assert simulator.requests() == []
    assert simulator.payments() == []


def test_calls_are_counted_by_endpoint(simulator: RunningSimulator) -> None:
    simulator.paid("card", "order")
    simulator.get("/payments/find/order")

    counts = simulator.counters()

    assert counts["calls"]["POST /subscribe/payments/again"] == 1
    assert counts["calls"]["GET /payments/find/{merchant_uid}"] == 1
    assert counts["in_flight_total"] == 0


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/latency", {"ms": -1}),
        ("/hold", {"on": "yes"}),
        ("/used-merchant-uid", {"mode": "lenient"}),
        ("/customers", {}),
        ("/customers", {"prefix": "c"}),
    ],
)
def test_a_control_call_that_cannot_be_read_is_refused(
    simulator: RunningSimulator, path: str, body: dict[str, object]
) -> None:
    assert simulator.control.post(path, json=body).status_code == 400


def test_switches_are_flags_as_well(start: Start) -> None:
    simulator = start("--used-merchant-uid", "once", "--schedule-list", "plain", "--no-hide-sandbox")

    health = simulator.control.get("/health").json()

    assert (health["used_merchant_uid"], health["schedule_shape"], health["hiding_sandbox"]) == ("once", "plain", False)
    simulator.control.post("/used-merchant-uid", json={"mode": "careless"})
    simulator.control.post("/reset")
    assert simulator.control.get("/health").json()["used_merchant_uid"] == "once"
