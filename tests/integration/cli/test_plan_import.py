"""A merchant's plan file, from the command to the rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

if TYPE_CHECKING:
    from pathlib import Path

    from models.session import Database
    from tests.integration.cli.conftest import Jeonggi

GOOD = '[[plan]]\ncode = "basic"\nname = "베이직"\namount = 9900\nevery = "1 month"\n'


def _plan(**changes: str) -> str:
    fields = {"code": '"bad"', "name": '"Bad"', "amount": "9900", "every": '"1 month"', **changes}
    return "[[plan]]\n" + "".join(f"{name} = {value}\n" for name, value in fields.items() if value)


def _codes(database: Database) -> list[str]:
    with database.reading() as tx:
        return list(tx.connection.execute(text("SELECT code FROM plan ORDER BY code")).scalars())


def test_a_plan_is_written_once_however_often_its_file_comes(
    jeonggi: Jeonggi, database: Database, tmp_path: Path
) -> None:
    file = tmp_path / "plans.toml"
    file.write_text(GOOD, encoding="utf-8")

    first, second = jeonggi("plan", "import", file), jeonggi("plan", "import", file, "--json")

    assert (first.code, second.code) == (0, 0)
    assert "1 new, 0 stand as they are" in first.out
    assert second.document["unchanged"] == ["basic"]
    assert _codes(database) == ["basic"]
    with database.reading() as tx:
        entries = tx.connection.execute(text("SELECT action, details FROM audit_entry")).all()
    assert [(entry.action, entry.details) for entry in entries] == [("plan.imported", {"created": ["basic"]})]


def test_a_dry_run_writes_nothing(jeonggi: Jeonggi, database: Database, tmp_path: Path) -> None:
    file = tmp_path / "plans.toml"
    file.write_text(GOOD, encoding="utf-8")

    ran = jeonggi("plan", "import", file, "--dry-run", "--json")

    assert ran.code == 0
    assert ran.document == {"created": ["basic"], "unchanged": [], "written": False, "cron": []}
    assert _codes(database) == []


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        (_plan(amount="0"), "plan 'bad': amount = 0 is below the minimum of 100 won"),
        (_plan(amount="-1"), "plan 'bad': amount = -1 is below the minimum of 100 won"),
        (_plan(amount="1.5"), "plan 'bad': amount = 1.5 is not a whole number of won"),
        (_plan(amount="99"), "plan 'bad': amount = 99 is below the minimum of 100 won"),
        (_plan(amount="true"), "plan 'bad': amount = true is not a whole number of won"),
        (_plan(amount='"9900"'), "plan 'bad': amount = '9900' is not a whole number of won"),
        (_plan(amount=""), "plan 'bad': amount = (missing) is not a whole number of won"),
        (_plan(every="", cron='"0 0 10 1 * *"'), "plan 'bad': cron = '0 0 10 1 * *' has 6 fields; write five"),
        (_plan(every='"monthly"'), "plan 'bad': every = 'monthly' is not an interval"),
        (_plan(cron='"0 10 1 * *"'), "plan 'bad': has both every and cron; give exactly one"),
        (_plan(every=""), "plan 'bad': has neither every nor cron; give exactly one"),
        (_plan(prise="9"), "plan 'bad': prise is no key"),
        (_plan(catchup='"all"'), "plan 'bad': catchup is no key; did you mean catch_up?"),
        (_plan(catch_up='"some"'), 'plan \'bad\': catch_up = \'some\' is unknown; give one of "all", "latest", "none"'),
        (GOOD, "plan 'basic': its code stands twice in the file"),
        ("[[plan]\n", "the plan file is not TOML"),
    ],
)
def test_one_bad_plan_refuses_the_file_and_nothing_is_written(
    jeonggi: Jeonggi, database: Database, tmp_path: Path, bad: str, told: str
) -> None:
    file = tmp_path / "plans.toml"
    file.write_text(GOOD + "\n" + bad, encoding="utf-8")

    ran = jeonggi("plan", "import", file)

    assert ran.code == 2
    assert told in ran.err
    assert "Traceback" not in ran.err
    assert _codes(database) == []


def test_a_cron_expression_that_skips_months_is_warned_of_and_its_next_dates_are_told(
    jeonggi: Jeonggi, tmp_path: Path
) -> None:
    file = tmp_path / "plans.toml"
    file.write_text(_plan(every="", cron='"0 10 31 * *"'), encoding="utf-8")

    ran = jeonggi("plan", "import", file, "--dry-run")

    assert ran.code == 0
    assert "warning: plan 'bad': 20 of the next 48 months have no billing date" in ran.err
    dates = [line for line in ran.out.splitlines() if line.startswith("  ")]
    assert len(dates) == 24
    assert all("-31 10:00" in line for line in dates)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("9900", "9800"), "plan 'basic': amount is 9900 here and 9800 in the file"),
        (("베이직", "Basic"), "plan 'basic': name is '베이직' here and 'Basic' in the file"),
        (('every = "1 month"', 'cron = "0 10 1 * *"'), "plan 'basic': every is '1 month' here and unset in the file"),
        (("9900", '9900\ncatch_up = "all"'), "plan 'basic': catch_up is 'latest' here and 'all' in the file"),
    ],
)
def test_a_plan_that_stands_is_not_changed(
    jeonggi: Jeonggi, database: Database, tmp_path: Path, change: tuple[str, str], told: str
) -> None:
    file = tmp_path / "plans.toml"
    file.write_text(GOOD, encoding="utf-8")
    jeonggi("plan", "import", file)
    new = _plan(code='"new"')
    file.write_text(new + GOOD.replace(*change), encoding="utf-8")

    ran = jeonggi("plan", "import", file)

    assert ran.code == 1
    assert told in ran.err
    assert _codes(database) == ["basic"]


def test_a_file_that_is_not_there_is_told_in_one_sentence(jeonggi: Jeonggi, tmp_path: Path) -> None:
    ran = jeonggi("plan", "import", tmp_path / "none.toml", "--json")

    assert ran.code == 2
    assert ran.document["error"]["code"] == "bad_input"
    assert "cannot be read: no such file or directory" in ran.document["error"]["message"]


def test_a_plan_that_stands_keeps_when_it_is_charged(jeonggi: Jeonggi, tmp_path: Path) -> None:
    file = tmp_path / "plans.toml"
    file.write_text(_plan(code='"late"', at='"14:30"', shift='"next"', spread_minutes="60"), encoding="utf-8")
    assert jeonggi("plan", "import", file).code == 0

    again = jeonggi("plan", "import", file)
    file.write_text(_plan(code='"late"', at='"15:00"', shift='"next"', spread_minutes="60"), encoding="utf-8")
    other = jeonggi("plan", "import", file)
    listed = jeonggi("plan", "list")
    told = jeonggi("plan", "list", "--json").document[0]

    assert again.code == 0
    assert other.code == 1
    assert "plan 'late': at is '14:30' here and '15:00' in the file" in other.err
    assert "at 14:30, over 60 minutes, next business day" in listed.out
    dates = [told[name] for name in ("charge_time", "shift", "spread_minutes")]
    assert dates == ["14:30", "next", 60]
