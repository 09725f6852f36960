"""A merchant moves off the gateway's schedules while they run: real processes, kill -9, and the ledger to ask.

The command that adopts is killed again and again; beat and workers charge what has become ours meanwhile.
"""

from __future__ import annotations

import csv
import json
import time
from collections import Counter
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

import httpx
import pytest

from domain.time_limits import SCALED_FOR_SIMULATOR
from tests.support.fleet import AMOUNT, PLAN, Fleet
from tests.support.polling import eventually
from tests.support.simulator import IMP_KEY, IMP_SECRET, running_simulator

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SEOUL: Final = ZoneInfo("Asia/Seoul")
#: Subscribers whose schedule runs by the gateway's clock while they are moved, or soon after; and in some days only.
NOW, SOON, LATER = 6, 20, 4
FIRST_RUNS_IN: Final = 12  # seconds from now; then one runs every second
KILLED_AFTER: Final = (1, 12)  # schedules were revoked


@pytest.fixture
def fleet(tmp_path: Path, database_url: str, redis_url: str) -> Iterator[Fleet]:
    with ExitStack() as stack:
        simulator = stack.enter_context(
            running_simulator(
                tmp_path,
                used_merchant_uid="careless",
                limits=SCALED_FOR_SIMULATOR,
                options=["--issue-on-sight"],
            )
        )
        yield stack.enter_context(Fleet(tmp_path, database_url=database_url, redis_url=redis_url, simulator=simulator))


def import_plan(fleet: Fleet) -> None:
    plans = fleet.folder / "plans.toml"
    plans.write_text(f'[[plan]]\ncode = "{PLAN}"\nname = "월간"\namount = {AMOUNT}\nevery = "1 month"\n')
    fleet.jeonggi("plan", "import", str(plans))


def write_file(fleet: Fleet, firsts: dict[str, datetime]) -> Path:
    """The merchant's subscribers by card."""
    file = fleet.folder / "subscribers.csv"
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["customer_ref", "name", "email", "tel", "customer_uid", "plan", "started_on", "timezone"])
        for card, first in firsts.items():
            day = first.astimezone(SEOUL).date()
            writer.writerow([f"c-{card}", "김하나", "", "010-0000-0000", card, PLAN, day, "Asia/Seoul"])
    return file


def schedule(fleet: Fleet, firsts: dict[str, datetime]) -> None:
    """What the merchant's old program did: a schedule for each card, by the gateway's own call."""
    with httpx.Client(base_url=fleet.simulator.url, timeout=30) as client:
        told = client.post("/users/getToken", json={"imp_key": IMP_KEY, "imp_secret": IMP_SECRET}).json()
        client.headers["Authorization"] = f"Bearer {told['response']['access_token']}"
        for card, first in firsts.items():
            planned = {"merchant_uid": f"old-{card}", "schedule_at": int(first.timestamp()), "amount": AMOUNT}
            body = {"customer_uid": card, "schedules": [{**planned, "name": "월 구독"}]}
            answer = client.post("/subscribe/payments/schedule", json=body).json()
            assert answer["code"] == 0, answer


def schedules(fleet: Fleet) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = fleet.control("GET", "/schedules")
    return rows


def run_one(fleet: Fleet) -> None:
    """Somebody lets one that still waits run now, at the gateway's console."""

    def has_run() -> bool:
        waiting = [
            row["merchant_uid"]
            for row in schedules(fleet)
            if row["status"] == "scheduled" and "soon" in row["merchant_uid"]
        ]
        assert waiting
        return bool(fleet.control("POST", "/schedules/fire", {"merchant_uid": min(waiting)})["fired"])

    # Who was killed may have asked to revoke just that one, and the gateway is at it.
    eventually(has_run, 30, "a schedule that runs")


def adopt_and_kill(fleet: Fleet, file: Path, *, revoked: int) -> None:
    program = fleet.start("adopt", "cli", "schedule", "adopt", str(file), "--yes")

    def has_come_so_far() -> bool:
        count = sum(row["status"] == "revoked" for row in schedules(fleet))
        return count >= revoked or not program.is_alive()

    eventually(has_come_so_far, 60, f"{revoked} revoked schedules")
    program.kill()


def resumed(fleet: Fleet) -> bool:
    program = fleet.start("resume", "cli", "schedule", "resume", "--json")
    code = program.wait(within_seconds=120)
    answer = program.said()
    document = json.loads(answer[answer.index("{\n") :])
    assert code == int(document["unfinished"] > 0), answer
    return code == 0


def test_a_move_that_is_killed_again_and_again_charges_everybody_once(fleet: Fleet) -> None:
    # The day on which those of soon are due, at noon, as periods begin in the morning. A clock comes before plans.
    fleet.run_clock((datetime.now(SEOUL) + timedelta(hours=2)).replace(hour=12, minute=0, second=0), 1, stops_at=None)
    import_plan(fleet)  # on a busy machine that may take longer than it is to the first schedule
    now = datetime.fromtimestamp(int(time.time()), UTC)
    firsts = {f"now-{number}": now + timedelta(seconds=FIRST_RUNS_IN + number) for number in range(NOW)}
    firsts |= {f"soon-{number}": now + timedelta(hours=1, seconds=number) for number in range(SOON)}
    firsts |= {f"later-{number}": now + timedelta(days=3) for number in range(LATER)}
    file = write_file(fleet, firsts)
    schedule(fleet, firsts)
    fleet.beat()
    fleet.worker("pace", queue="pace")
    fleet.worker("charge", queue="charge")

    for count in KILLED_AFTER:
        adopt_and_kill(fleet, file, revoked=count)
        run_one(fleet)
    whole = fleet.start("adopt", "cli", "schedule", "adopt", str(file), "--yes")
    whole.wait(within_seconds=120)  # what was about to run is looked at again
    eventually(lambda: resumed(fleet), 90, "every adoption to end")

    seen = Counter(row["status"] for row in schedules(fleet))
    assert seen["scheduled"] == 0
    assert seen["executed"] >= len(KILLED_AFTER), "none ran in the middle: nothing was shown"
    assert seen["revoked"] > LATER, "all ran before they were revoked: nothing was shown"

    def paid() -> Counter[str]:
        return Counter(row["customer_uid"] for row in fleet.ledger() if row["status"] == "paid")

    eventually(lambda: len(paid()) >= NOW + SOON, 60, "everybody whose day has come to be charged")
    eventually(lambda: fleet.look().is_idle, 60, "rest")
    assert paid() == Counter({card: 1 for card in firsts if not card.startswith("later")})
