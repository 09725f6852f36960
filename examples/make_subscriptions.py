"""Writes ``subscriptions.csv`` beside itself, or to the file named: 1,000 made-up subscribers, the same every time.

    python examples/make_subscriptions.py [FILE.csv]

Every date lies before November 2026. Cards whose name holds ``.sim.`` go wrong at the simulator as the name says
(docs/simulator.md); any other gateway knows none of these cards.
"""  # noqa: INP001 - a script, not a package

from __future__ import annotations

import csv
import sys
from datetime import date, timedelta
from pathlib import Path
from random import Random

COUNT = 1_000
SEED = 20_260_131

COLUMNS = (
    "customer_ref", "name", "email", "tel", "customer_uid", "plan", "started_on", "timezone", "paid_through"
)  # fmt: skip
SURNAMES = "김이박최정강조윤장임한오서신권황안송류전홍고문양손배백허유남"
GIVEN_NAMES = (
    "민준", "서연", "도윤", "서윤", "시우", "지우", "주원", "하윤", "하준", "지민", "지호", "수아", "준서", "지아",
    "건우", "채원", "우진", "다은", "선우", "예린", "현우", "유나", "은우", "소율", "정우", "가은", "승현", "나연",
)  # fmt: skip

#: Plan and how many of the thousand have it.
PLANS = (
    ("basic-monthly", 360),
    ("plus-monthly", 180),
    ("family-monthly", 60),
    ("gym-monthly", 80),
    ("salad-weekly", 90),
    ("coffee-2-weeks", 80),
    ("water-10-days", 40),
    ("pro-yearly", 70),
    ("magazine-payday", 40),
)

#: How a card goes wrong, and how many do: 43 decline, two are charged without an answer that can be read.
TROUBLE = (
    ("decline.balance", 6),
    ("decline.limit", 5),
    ("decline.day_limit", 4),
    ("decline.overdue", 3),
    ("decline.blocked", 3),
    ("decline.expired", 3),
    ("decline.stolen", 2),
    ("decline.system", 2),
    ("decline_first.1.balance", 6),
    ("decline_first.2.limit", 3),
    ("decline_first.1.maintenance", 3),
    ("dead_card", 3),
    ("drop_answer_first.1", 1),
    ("error500_first.1", 1),
)

#: Months of 31 days, so that every anchor day occurs.
LONG_MONTHS = (
    (2025, 5), (2025, 7), (2025, 8), (2025, 10), (2025, 12), (2026, 1), (2026, 3), (2026, 5), (2026, 7), (2026, 8),
)  # fmt: skip
#: Until when a subscriber has paid elsewhere, and how often: many are served well, some are several periods behind.
PAID_THROUGH = ((date(2026, 10, 31), 55), (date(2026, 9, 30), 12), (date(2026, 7, 31), 8), (None, 25))
LATEST_START = date(2026, 10, 20)


def rows() -> list[dict[str, str]]:
    """Every row of the file."""
    chance = Random(SEED)  # noqa: S311 - an example, not a secret
    plans = [plan for plan, count in PLANS for _ in range(count)]
    chance.shuffle(plans)
    trouble = dict(
        zip(
            chance.sample(range(20, COUNT - 60), sum(count for _, count in TROUBLE)),
            (how for how, count in TROUBLE for _ in range(count)),
            strict=True,
        )
    )
    made: list[dict[str, str]] = []
    nth_of_plan: dict[str, int] = {}
    for number, plan in enumerate(plans):
        nth = nth_of_plan[plan] = nth_of_plan.get(plan, -1) + 1
        # The last fifty are second subscriptions of earlier customers, on the same card.
        before = made[number - (COUNT - 50)] if number >= COUNT - 50 else None
        if before is not None and before["plan"] == plan:
            before = None
        started_on = _started_on(plan, nth, chance)
        made.append(
            {
                **(_customer(number, trouble, chance) if before is None else _same_customer(before)),
                "plan": plan,
                "started_on": started_on.isoformat(),
                "timezone": _zone(number),
                "paid_through": _paid_through(plan, started_on, chance),
            }
        )
    return made


def _customer(number: int, trouble: dict[int, str], chance: Random) -> dict[str, str]:
    card = f"card-{number:04d}"
    if number in trouble:
        card += f".sim.{trouble[number]}"
    if number % 200 == 7:  # noqa: PLR2004 - five have given no card yet
        card = ""
    return {
        "customer_ref": f"C{number:05d}",
        "name": chance.choice(SURNAMES) + chance.choice(GIVEN_NAMES),
        "email": f"c{number:05d}@mail.example",
        "tel": f"010-0000-{number:04d}",
        "customer_uid": card,
    }


def _same_customer(before: dict[str, str]) -> dict[str, str]:
    return {name: before[name] for name in ("customer_ref", "name", "email", "tel", "customer_uid")}


def _started_on(plan: str, nth: int, chance: Random) -> date:
    if plan == "pro-yearly":
        return date(2024, 2, 29) if nth < 12 else date(2024, 3, 1) + timedelta(days=chance.randrange(900))  # noqa: PLR2004
    if plan.endswith("monthly"):
        year, month = chance.choice(LONG_MONTHS)
        return date(year, month, nth % 31 + 1)
    return min(date(2026, 2, 1) + timedelta(days=chance.randrange(270)), LATEST_START)


def _zone(number: int) -> str:
    match number % 50:
        case 11:
            return "America/New_York"
        case 23:
            return "Europe/Berlin"
        case 37:
            return ""
        case _:
            return "Asia/Seoul"


def _paid_through(plan: str, started_on: date, chance: Random) -> str:
    days, weights = zip(*PAID_THROUGH, strict=True)
    day: date | None = chance.choices(days, weights)[0]
    if day is None and plan == "family-monthly":
        day = date(2026, 6, 30)  # catches up with all it owes: months, not years
    return "" if day is None or day < started_on else day.isoformat()


def main(file: Path) -> None:
    """Write the file."""
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows())


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("subscriptions.csv"))
