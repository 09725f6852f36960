"""Is the example what its script makes, and does it hold what it is for?"""

from __future__ import annotations

import csv
import importlib.util
from collections import Counter
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from domain.plan_file import read_plan_file
from domain.schedule import Cron
from domain.subscription_file import SubscriptionFile
from domain.subscription_row import SubscriptionRow
from simulator.faults import FaultKind, parse_magic

if TYPE_CHECKING:
    from collections.abc import Sequence

EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.fixture(scope="module")
def rows() -> Sequence[SubscriptionRow]:
    with (EXAMPLES / "subscriptions.csv").open("rb") as lines:
        found = list(SubscriptionFile(lines, default_timezone="Asia/Seoul"))
    taken = [row for row in found if isinstance(row, SubscriptionRow)]
    assert len(taken) == len(found) == 1_000
    return taken


def test_the_script_makes_the_file_again(tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("make_subscriptions", EXAMPLES / "make_subscriptions.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)

    script.main(tmp_path / "made.csv")

    assert (tmp_path / "made.csv").read_bytes() == (EXAMPLES / "subscriptions.csv").read_bytes()


def test_every_plan_is_known_and_used(rows: Sequence[SubscriptionRow]) -> None:
    plans = read_plan_file((EXAMPLES / "plans.toml").read_bytes())

    assert {row.plan for row in rows} == {plan.code for plan in plans}
    assert any(isinstance(plan.schedule, Cron) for plan in plans)
    assert {plan.catch_up.value for plan in plans} == {"all", "latest", "none"}


def test_it_holds_every_anchor_day_a_leap_day_three_zones_and_debts(rows: Sequence[SubscriptionRow]) -> None:
    assert {row.started_on.day for row in rows if row.plan.endswith("monthly")} == set(range(1, 32))
    assert sum(row.started_on == date(2024, 2, 29) for row in rows if row.plan == "pro-yearly") >= 10
    zones = Counter(row.timezone for row in rows)
    assert set(zones) == {"Asia/Seoul", "America/New_York", "Europe/Berlin"}
    assert zones["Asia/Seoul"] > 900
    assert sum(row.paid_through is not None for row in rows) > 400
    assert all(row.started_on < date(2026, 11, 1) for row in rows)
    assert all(row.paid_through is None or row.paid_through < date(2026, 11, 1) for row in rows)


def test_cards_go_wrong_in_ways_that_the_simulator_knows(rows: Sequence[SubscriptionRow]) -> None:
    cards = {row.customer_uid for row in rows if row.customer_uid}
    faults = Counter(parse_magic(card)[0].fault.kind for card in cards if ".sim." in card)

    assert faults == {
        FaultKind.DECLINE: 40,
        FaultKind.DEAD_CARD: 3,
        FaultKind.DROP_ANSWER: 1,
        FaultKind.ERROR500: 1,
    }
    assert sum("_first" in card for card in cards) == 14


def test_nobody_in_it_can_be_reached(rows: Sequence[SubscriptionRow]) -> None:
    assert all(row.email.endswith(".example") and row.tel.startswith("010-0000-") for row in rows)


def test_no_customer_is_told_in_two_ways() -> None:
    with (EXAMPLES / "subscriptions.csv").open(encoding="utf-8") as stream:
        contacts = {
            (row["customer_ref"], row["name"], row["email"], row["tel"], row["customer_uid"])
            for row in csv.DictReader(stream)
        }

    assert len(contacts) == len({contact[0] for contact in contacts})
