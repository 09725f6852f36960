"""The forecast as a person and a program read it."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from sqlalchemy import text

if TYPE_CHECKING:
    from pathlib import Path

    from models.session import Database
    from tests.integration.cli.conftest import Jeonggi

PLANS = '[[plan]]\ncode = "basic"\nname = "Basic"\namount = 9900\nevery = "10 days"\n'
HEAD = "customer_ref,name,email,tel,customer_uid,plan,started_on,timezone,quantity\n"


def _shop(jeonggi: Jeonggi, folder: Path) -> None:
    plans, people = folder / "plans.toml", folder / "people.csv"
    plans.write_text(PLANS, encoding="utf-8")
    rows = "".join(f"c{number},Kim,,,card-{number},basic,2026-01-01,,{number + 1}\n" for number in range(3))
    people.write_text(HEAD + rows, encoding="utf-8")
    assert jeonggi("plan", "import", plans).code == 0
    assert jeonggi("subscription", "import", people, "--yes").code == 0


def test_days_plans_and_lines_say_the_same(jeonggi: Jeonggi, tmp_path: Path) -> None:
    _shop(jeonggi, tmp_path)

    told = jeonggi("forecast", "--days", "25", "--json", "--lines").document
    table = jeonggi("forecast", "--days", "25")
    lines = list(csv.DictReader(io.StringIO(jeonggi("forecast", "--days", "25", "--lines").out)))

    assert told["charges"] == len(told["lines"]) == len(lines) >= 6
    assert told["won"] == sum(line["amount"] for line in told["lines"]) == sum(int(line["amount"]) for line in lines)
    assert {line["amount"] for line in told["lines"]} == {9_900, 19_800, 29_700}
    assert sum(day["charges"] for day in told["days"]) == told["charges"]
    assert told["plans"] == [{"plan": "basic", "charges": told["charges"], "won": told["won"]}]
    assert f"{told['charges']:,} charges of {told['won']:,} won fall due from" in table.out


def test_a_forecast_changes_nothing(jeonggi: Jeonggi, tmp_path: Path) -> None:
    _shop(jeonggi, tmp_path)

    first, second = jeonggi("forecast", "--json").document, jeonggi("forecast", "--json").document

    assert first == second
    assert jeonggi("invoice", "list", "--json").document == []


def test_too_many_days_are_refused(jeonggi: Jeonggi) -> None:
    assert jeonggi("forecast", "--days", "0").code != 0


def test_days_that_were_kept_are_listed_and_what_came_otherwise_is_shown(
    jeonggi: Jeonggi, database: Database, tmp_path: Path
) -> None:
    _shop(jeonggi, tmp_path)
    with database.transaction() as tx:
        tx.connection.execute(
            text(
                "INSERT INTO forecast_day VALUES ('2026-03-01', '2026-02-28 15:00Z', '2026-03-01 15:00Z',"
                " '2026-02-28 13:00Z', 2, 19800, 'digest', '2026-03-01 16:00Z', 1, 1)"
            )
        )
        tx.connection.execute(
            text("INSERT INTO forecast_difference SELECT '2026-03-01', id, 3, 9900, NULL FROM subscription LIMIT 1")
        )

    days = jeonggi("forecast-day", "list", "--json").document
    shown = jeonggi("forecast-day", "show", "2026-03-01", "--json").document
    table = jeonggi("forecast-day", "show", "2026-03-01").out
    missing = jeonggi("forecast-day", "show", "2026-03-02")

    assert [(row["day"], row["charges"], row["unexplained"]) for row in days] == [("2026-03-01", 2, 1)]
    assert [(row["ordinal"], row["foreseen"], row["opened"], row["cause"]) for row in shown] == [(3, 9_900, None, None)]
    assert "NOTHING KNOWN" in table
    assert (missing.code, "no forecast of 2026-03-02 was kept" in missing.err) == (1, True)
