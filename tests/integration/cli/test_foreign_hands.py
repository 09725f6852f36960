"""What others do to our cards at the gateway: found, listed, answered and taken over, against a real simulator."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import httpx
import pytest

from tests.support.polling import eventually
from tests.support.simulator import IMP_KEY, IMP_SECRET, running_simulator

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tests.integration.cli.conftest import Jeonggi, Ran
    from tests.support.simulator import RunningSimulator

REASON: Final = ("--reason", "looked at it")
DAY: Final = 86_400
NOW: Final = int(time.time())
HEADER: Final = "customer_ref,name,email,tel,customer_uid,plan,started_on,timezone"


class Gateway:
    """The account at the gateway, as another program of the merchant's uses it."""

    def __init__(self, simulator: RunningSimulator) -> None:
        self._control = simulator.control_url
        self._client = httpx.Client(base_url=simulator.url, timeout=30)
        keys = {"imp_key": IMP_KEY, "imp_secret": IMP_SECRET}
        told = self._client.post("/users/getToken", json=keys).json()["response"]
        self._client.headers["Authorization"] = f"Bearer {told['access_token']}"

    def close(self) -> None:
        self._client.close()

    def post(self, path: str, **fields: object) -> Any:  # noqa: ANN401 - its JSON
        answer = self._client.post(path, json=fields).json()
        assert answer["code"] == 0, answer
        return answer["response"]

    def charge(self, card: str, merchant_uid: str) -> str:
        fields = {"customer_uid": card, "merchant_uid": merchant_uid, "amount": 9900, "name": "옛 가게"}
        return str(self.post("/subscribe/payments/again", **fields)["imp_uid"])

    def schedule(self, card: str, merchant_uid: str, *, after: int, amount: int = 9900) -> None:
        planned = {"merchant_uid": merchant_uid, "schedule_at": NOW + after, "amount": amount}
        self.post("/subscribe/payments/schedule", customer_uid=card, schedules=[{**planned, "name": "월 구독"}])

    def run(self, merchant_uid: str) -> None:
        httpx.post(
            f"{self._control}/schedules/fire", json={"merchant_uid": merchant_uid}, timeout=30
        ).raise_for_status()

    def schedules(self) -> dict[str, str]:
        rows = httpx.get(f"{self._control}/schedules", timeout=30).json()
        return {row["merchant_uid"]: row["status"] for row in rows}


@pytest.fixture
def gateway(jeonggi: Jeonggi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gateway]:
    del jeonggi  # its settings come first
    with running_simulator(tmp_path, options=["--issue-on-sight"]) as simulator:
        for name, value in simulator.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("JEONGGI_TEST_CHANNEL", "true")
        made = Gateway(simulator)
        yield made
        made.close()


@pytest.fixture
def file(jeonggi: Jeonggi, gateway: Gateway, tmp_path: Path) -> Path:
    """Two subscribers whose next period begins in two days, on one plan."""
    del gateway
    plans = tmp_path / "plans.toml"
    plans.write_text('[[plan]]\ncode = "basic"\nname = "Basic"\namount = 9900\nevery = "1 month"\n', encoding="utf-8")
    assert jeonggi("plan", "import", plans).code == 0
    return write(tmp_path / "subscribers.csv", ("card-1", "card-2"))


def write(file: Path, cards: Sequence[str]) -> Path:
    day = time.strftime("%Y-%m-%d", time.gmtime(NOW + 2 * DAY))
    rows = [f"c-{card},김하나,,,{card},basic,{day},UTC" for card in cards]
    file.write_text("\n".join([HEADER, *rows]), encoding="utf-8")
    return file


def answer(ran: Ran, *, code: int = 0) -> Any:  # noqa: ANN401 - JSON
    assert ran.code == code, (ran.out, ran.err)
    return ran.document


def test_money_and_schedules_of_others_are_found_and_answered(jeonggi: Jeonggi, gateway: Gateway, file: Path) -> None:
    assert jeonggi("subscription", "import", file, "--yes").code == 0
    taken = gateway.charge("card-1", "old-paid")
    for name in ("old-ignored", "old-revoked", "old-run"):
        gateway.schedule("card-1", name, after=DAY)
    time_of_payment_is_past()

    found = answer(jeonggi("payment", "compare", "--days", 1, "--json"))

    assert (found["foreign"], found["schedules"]) == (1, 3)
    (payment,) = answer(jeonggi("payment", "list", "--foreign", "--json"))
    assert (payment["imp_uid"], payment["customer_ref"], payment["customer_uid"]) == (taken, "c-card-1", "card***")
    shown = jeonggi("payment", "list", "--foreign").out
    assert payment["id"] in shown, "the next page begins after it"
    listed = answer(jeonggi("schedule", "list", "--json"))
    assert {row["merchant_uid"]: row["stands"] for row in listed} == {
        "old-ignored": "blocks", "old-revoked": "blocks", "old-run": "blocks",
    }  # fmt: skip
    assert all(row["id"] in jeonggi("schedule", "list").out for row in listed)
    attention = answer(jeonggi("invariants", "check", "--json"))["attention"]
    assert {each["invariant"] for each in attention} == {"foreign_payment", "foreign_schedule_blocks"}
    assert "1 payments that we did not make" in jeonggi("doctor").out

    assert jeonggi("payment", "accept", taken, *REASON).code == 0
    assert jeonggi("schedule", "ignore", "old-ignored", *REASON).code == 0
    dry = answer(jeonggi("schedule", "revoke", "old-revoked", "--dry-run", *REASON, "--json"))
    assert (dry["state"], gateway.schedules()["old-revoked"]) == ("scheduled", "scheduled")
    assert answer(jeonggi("schedule", "revoke", "old-revoked", *REASON, "--json"))["revoked"]
    gateway.run("old-run")
    time_of_payment_is_past()
    jeonggi("payment", "compare", "--days", 1)

    assert gateway.schedules() == {"old-ignored": "scheduled", "old-revoked": "revoked", "old-run": "executed"}
    listed = answer(jeonggi("schedule", "list", "--json"))
    assert {row["merchant_uid"]: row["stands"] for row in listed} == {
        "old-ignored": "ignored", "old-run": "asks what it paid",
    }  # fmt: skip
    (run,) = answer(jeonggi("payment", "list", "--foreign", "--json"))
    assert answer(jeonggi("payment", "accept", run["imp_uid"], *REASON, "--json"))["accepted"]
    assert answer(jeonggi("payment", "list", "--foreign", "--json")) == []
    assert len(answer(jeonggi("payment", "list", "--foreign", "--all", "--json"))) == 2
    assert answer(jeonggi("payment", "list", "--json")) == []
    assert answer(jeonggi("invariants", "check", "--json"))["attention"] == []


def time_of_payment_is_past() -> None:
    """Lists of the gateway are told to the second, and a second that is not over is not read."""
    second = int(time.time())
    eventually(lambda: int(time.time()) > second, 10, "the next second")


def test_a_file_is_adopted_after_it_was_rehearsed(jeonggi: Jeonggi, gateway: Gateway, file: Path) -> None:
    for card in ("card-1", "card-2"):
        gateway.schedule(card, f"old-{card}", after=2 * DAY)

    rehearsed = answer(jeonggi("schedule", "adopt", file, "--dry-run", "--json"))
    assert (rehearsed["offered"], rehearsed["schedules"], rehearsed["won"]) == (2, 2, 19_800)
    assert not rehearsed["written"]
    assert answer(jeonggi("subscription", "list", "--json")) == []

    moved = answer(jeonggi("schedule", "adopt", file, "--json"))
    assert (moved["adopted"], moved["revoked"], moved["unfinished"], moved["refused_count"]) == (2, 2, 0, 0)
    assert gateway.schedules() == {"old-card-1": "revoked", "old-card-2": "revoked"}
    again = answer(jeonggi("schedule", "adopt", file, "--json"))
    assert (again["offered"], again["standing"], again["refused_count"]) == (0, 2, 0)
    assert answer(jeonggi("schedule", "resume", "--json"))["unfinished"] == 0
    assert {row["state"] for row in answer(jeonggi("subscription", "list", "--json"))} == {"active"}
    assert answer(jeonggi("invariants", "check", "--json")) == {"broken": [], "attention": []}


def test_rows_that_cannot_be_adopted_are_refused_by_line(
    jeonggi: Jeonggi, gateway: Gateway, file: Path, tmp_path: Path
) -> None:
    del file
    gateway.schedule("dear", "old-dear", after=2 * DAY, amount=12_900)
    gateway.schedule("odd-day", "old-odd-day", after=4 * DAY)
    for name in ("old-twice-1", "old-twice-2"):
        gateway.schedule("twice", name, after=2 * DAY)
    gateway.schedule("good", "old-good", after=2 * DAY)
    cards = ("nothing-waits", "dear", "odd-day", "twice", "good")

    ran = jeonggi("schedule", "adopt", write(tmp_path / "mixed.csv", cards), "--json")

    told = answer(ran, code=1)
    because = {row["line"]: row["reason"] for row in told["refused"]}
    assert "no schedule that waits" in because[2]
    assert "12,900 won" in because[3]
    assert "makes no period begin" in because[4]
    assert "one period each" in because[5]
    assert (told["adopted"], told["refused_count"]) == (1, 4)
    assert {name for name, state in gateway.schedules().items() if state == "revoked"} == {"old-good"}

    accepted = jeonggi("schedule", "adopt", write(tmp_path / "dear.csv", ("dear",)), "--accept-amount", "--yes")
    assert accepted.code == 0, accepted.err
    assert "1 adopted: 1 schedules revoked" in accepted.out


def test_what_cannot_be_done_is_told_in_one_sentence(jeonggi: Jeonggi, gateway: Gateway, file: Path) -> None:
    del gateway, file
    unknown = jeonggi("schedule", "revoke", "nobody-knows", *REASON)
    assert (unknown.code, "knows no schedule" in unknown.err) == (1, True)
    assert jeonggi("schedule", "ignore", "nobody-knows", *REASON).code == 1
    assert jeonggi("payment", "accept", "imp_nobody", *REASON).code == 1
    assert jeonggi("schedule", "adopt", "/nowhere.csv").code == 2
    assert jeonggi("payment", "compare", "--channel", "another").code == 2
    for said in (("--all",), ("--channel", "default"), ("--foreign", "--subscription", "0192f3a1")):
        assert jeonggi("payment", "list", *said).code == 2, "an option that is passed over would read as followed"
    for listed in (("schedule", "list"), ("payment", "list", "--foreign")):
        told = jeonggi(*listed, "--channel", "another")
        assert (told.code, "there is no channel 'another'" in told.err) == (2, True), (
            "an empty list would read as all well"
        )
