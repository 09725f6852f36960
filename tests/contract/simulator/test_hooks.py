import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl

import pytest

from tests.contract.simulator.running import RunningSimulator, wait_until

MERCHANT = "/merchant"


class Listener(ThreadingHTTPServer):
    """A merchant's server that takes hooks; ``statuses`` are answered first, one a hook, then 200."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.received: list[dict[str, str]] = []
        self.types: list[str] = []
        self.statuses: list[int] = []
        self.is_silent = False
        self.may_answer = threading.Event()
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}{MERCHANT}"


class _Handler(BaseHTTPRequestHandler):
    server: Listener

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        kind = self.headers["Content-Type"]
        told = json.loads(body) if "json" in kind else dict(parse_qsl(body))
        self.server.received.append({**told, "path": self.path})
        self.server.types.append(kind)
        if self.server.is_silent:
            self.server.may_answer.wait(30)
        self.send_response(self.server.statuses.pop(0) if self.server.statuses else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:  # type: ignore[explicit-override] # typing.override is of Python 3.12
        pass


@pytest.fixture
def listener() -> Iterator[Listener]:
    listening = Listener()
    yield listening
    listening.may_answer.set()
    listening.shutdown()
    listening.server_close()


def told(listener: Listener, count: int) -> list[tuple[str, str]]:
    wait_until(lambda: len(listener.received) >= count)
    return [(hook["merchant_uid"], hook["status"]) for hook in listener.received]


def send_to(simulator: RunningSimulator, listener: Listener, **rules: object) -> None:
    assert simulator.control.post("/hooks", json={"url": listener.url, **rules}).status_code == 200


def hook_counts(simulator: RunningSimulator) -> dict[str, int]:
    counts: dict[str, int] = simulator.counters()["hooks"]
    return counts


def fire_one(simulator: RunningSimulator, card: str, merchant_uid: str) -> None:
    row = {"merchant_uid": merchant_uid, "schedule_at": int(time.time()) + 3600, "amount": 100, "name": "구독"}
    simulator.post("/subscribe/payments/schedule", customer_uid=card, schedules=[row])
    simulator.control.post("/schedules/fire", json={"merchant_uid": merchant_uid})


@pytest.mark.parametrize(
    ("is_form", "kind"), [(False, "application/json"), (True, "application/x-www-form-urlencoded")]
)
def test_an_approval_is_told(simulator: RunningSimulator, listener: Listener, *, is_form: bool, kind: str) -> None:
    send_to(simulator, listener, form=is_form)

    payment = simulator.paid("card", "order")

    wait_until(lambda: len(listener.received) == 1)
    expected = {"imp_uid": payment["imp_uid"], "merchant_uid": "order", "status": "paid", "path": MERCHANT}
    assert listener.received == [expected]
    assert listener.types[0].startswith(kind)


def test_a_decline_is_not_told_but_a_schedules_is(simulator: RunningSimulator, listener: Listener) -> None:
    send_to(simulator, listener)

    simulator.paid("card.sim.decline", "declined")
    fire_one(simulator, "card.sim.decline", "later-declined")
    fire_one(simulator, "card", "later-paid")

    assert sorted(told(listener, 2)) == [("later-declined", "failed"), ("later-paid", "paid")]
    assert hook_counts(simulator)["told"] == 2


def test_a_record_that_turns_paid_is_told_then(simulator: RunningSimulator, listener: Listener) -> None:
    send_to(simulator, listener)
    simulator.order("card", {"late_approval": 100}, {"ready_failed": 100})

    simulator.paid("card", "late", notice_url=f"{listener.url}/own")
    simulator.paid("card", "never")

    assert told(listener, 1) == [("late", "paid")]
    assert listener.received[0]["path"] == f"{MERCHANT}/own"
    wait_until(lambda: {row["status"] for row in simulator.payments()} == {"paid", "failed"})
    assert hook_counts(simulator)["told"] == 1


def test_a_cancellation_is_told_only_where_it_was_asked_for_and_by_the_console(
    simulator: RunningSimulator, listener: Listener
) -> None:
    imp_uid = simulator.paid("card", "order", 1000)["imp_uid"]
    send_to(simulator, listener)

    simulator.post("/payments/cancel", imp_uid=imp_uid, amount=100)
    simulator.post("/payments/cancel", imp_uid=imp_uid, amount=200, enable_webhook=True)
    by_person = simulator.control.post("/console/cancel", json={"imp_uid": imp_uid, "amount": 300}).json()

    assert told(listener, 2) == [("order", "cancelled")] * 2
    ids = [entry["cancellation_id"] for entry in by_person["cancel_history"]]
    assert sorted(hook["cancellation_id"] for hook in listener.received) == sorted(ids[1:])
    assert simulator.control.post("/console/cancel", json={"imp_uid": imp_uid, "amount": 1000}).status_code == 400


def test_a_notice_url_goes_before_the_usual_one(simulator: RunningSimulator, listener: Listener) -> None:
    send_to(simulator, listener)

    imp_uid = simulator.paid("card", "order", notice_url=[f"{listener.url}/a", f"{listener.url}/b"])["imp_uid"]
    assert len(told(listener, 2)) == 2
    simulator.post("/payments/cancel", imp_uid=imp_uid, enable_webhook=True)

    assert len(told(listener, 4)) == 4
    assert sorted(hook["path"] for hook in listener.received) == [f"{MERCHANT}/a"] * 2 + [f"{MERCHANT}/b"] * 2


def test_off_sends_nothing(simulator: RunningSimulator, listener: Listener) -> None:
    send_to(simulator, listener, mode="off")

    simulator.paid("card", "order")

    assert hook_counts(simulator) == {"told": 1, "suppressed": 1, "waiting": 0}
    assert listener.received == []


def test_late_ones_wait(simulator: RunningSimulator, listener: Listener) -> None:
    send_to(simulator, listener, mode="late", delay_ms=300)

    simulator.paid("card", "order")

    wait_until(lambda: hook_counts(simulator).get("delivered") == 1)
    (sent,) = simulator.control.get("/hooks").json()["sent"]
    assert sent["at"] >= simulator.payments()[0]["paid_at"] + 0.3
    assert (sent["http_status"], sent["number"]) == (200, 1)


def test_doubled_ones_come_twice(simulator: RunningSimulator, listener: Listener) -> None:
    send_to(simulator, listener, mode="doubled")

    simulator.paid("card", "order")

    assert told(listener, 2) == [("order", "paid")] * 2


def test_reordered_ones_come_last_first(simulator: RunningSimulator, listener: Listener) -> None:
    send_to(simulator, listener, mode="reordered")

    for number in range(5):
        simulator.paid("card", f"order-{number}")

    assert [name for name, _ in told(listener, 5)] == [f"order-{number}" for number in (4, 3, 2, 1, 0)]


def test_forged_ones_lie_beside_the_true_ones(simulator: RunningSimulator, listener: Listener) -> None:
    send_to(simulator, listener, mode="forged")

    simulator.paid("card.sim.decline", "declined")
    simulator.paid("card", "paid")

    assert sorted(told(listener, 5)) == [
        ("declined", "paid"),
        ("declined", "paid"),
        ("paid", "cancelled"),
        ("paid", "paid"),
        ("paid", "paid"),
    ]
    assert hook_counts(simulator)["forged"] == 4


def test_no_answer_waits_for_a_hook(simulator: RunningSimulator, listener: Listener) -> None:
    listener.is_silent = True
    send_to(simulator, listener)

    statuses = [simulator.paid("card", f"order-{number}")["status"] for number in range(60)]

    assert statuses == ["paid"] * 60
    assert hook_counts(simulator).get("delivered", 0) == 0
    listener.may_answer.set()
    wait_until(lambda: hook_counts(simulator)["delivered"] == 60)


def test_a_hook_comes_after_the_payment_can_be_found(simulator: RunningSimulator, listener: Listener) -> None:
    send_to(simulator, listener)
    simulator.order("card", "drop_uncharged", "hang")

    with pytest.raises(Exception, match=r"disconnected|reset"):
        simulator.charge("card", "lost")
    simulator.charge_and_leave("card", "hangs", once=lambda: len(listener.received) == 1)

    assert told(listener, 1) == [("hangs", "paid")]
    assert simulator.get("/payments/find/hangs").status_code == 200


@pytest.mark.parametrize(("status", "count"), [(200, 1), (404, 1), (500, 3)])
def test_redelivery_follows_only_a_5xx(
    simulator: RunningSimulator, listener: Listener, status: int, count: int
) -> None:
    listener.statuses = [status] * 3
    send_to(simulator, listener, redeliveries=2, redelivery_ms=10)

    simulator.paid("card", "order")

    wait_until(lambda: hook_counts(simulator)["waiting"] == 0)
    assert len(listener.received) == count


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "ftp://nowhere/", "http://[", "nonsense", "http://a b/"])
def test_an_address_that_nobody_has_harms_nothing(simulator: RunningSimulator, url: str) -> None:
    assert simulator.paid("card", "order", notice_url=url)["status"] == "paid"

    wait_until(lambda: hook_counts(simulator).get("failed") == 1 and hook_counts(simulator)["waiting"] == 0)
    assert simulator.control.get("/hooks").json()["sent"][0]["trouble"]


@pytest.mark.parametrize(
    "rules", [{"url": "nonsense"}, {"mode": "loud"}, {"delay_ms": -1}, {"form": 1}, {"redeliveries": "x"}]
)
def test_rules_that_cannot_be_read_are_refused(simulator: RunningSimulator, rules: dict[str, object]) -> None:
    assert simulator.control.post("/hooks", json=rules).status_code == 400


def test_the_first_rules_are_the_command_lines(start: Callable[..., RunningSimulator], listener: Listener) -> None:
    simulator = start(*("--hook-url", listener.url), "--hook-form", *("--hook-mode", "doubled"))

    simulator.control.post("/hooks", json={"mode": "off"})
    simulator.paid("card", "unheard")
    simulator.control.post("/reset")
    simulator.paid("card", "order")

    assert told(listener, 2) == [("order", "paid")] * 2
    assert {kind.partition(";")[0] for kind in listener.types} == {"application/x-www-form-urlencoded"}


def test_a_stop_drops_what_waits(start: Callable[..., RunningSimulator], listener: Listener) -> None:
    simulator = start("--hook-url", listener.url, "--hook-mode", "late")
    simulator.control.post("/hooks", json={"delay_ms": 600_000})
    simulator.paid("card", "order")
    wait_until(lambda: hook_counts(simulator)["waiting"] == 1)

    assert simulator.close() == 0
    assert listener.received == []
