"""Every command of the pages about fixed terms, outages and billing days, in a house where they mean something."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from datetime import date, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.support.source_tree import page

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.cli.conftest import Jeonggi, Ran
    from tests.support.house import House

OUTAGE, TERM = "docs/how-to/say-what-is-charged-after-an-outage.md", "docs/how-to/sell-a-fixed-term.md"
FIRST, MOVE = "docs/how-to/charge-everybody-on-the-first.md", "docs/how-to/move-the-billing-day.md"


Run = Callable[[str], "Ran"]


@pytest.fixture
def run(jeonggi: Jeonggi, house: House) -> Run:
    """A line of a page, with the id of the newest subscription in place of the page's."""

    def ran(line: str) -> Ran:
        newest = house.value("SELECT id FROM subscription ORDER BY created_at DESC LIMIT 1")
        program, *arguments = shlex.split(line.replace("5f2a10c4", str(newest)[:13]), comments=True)
        assert program == "jeonggi"
        return jeonggi(*arguments)

    return ran


def _blocks(name: str, folder: Path) -> list[list[str]]:
    """The page's commands, block by block; its plans are written where they look for them."""
    plans = re.findall(r"```toml\n(.*?)```", page(name), re.DOTALL)
    (folder / "plans.toml").write_text("\n".join(plans), encoding="utf-8")
    return [block.splitlines() for block in re.findall(r"```sh\n(.*?)```", page(name), re.DOTALL)]


def test_the_page_about_outages_does_what_it_says(
    run: Run, house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    say, look, after = _blocks(OUTAGE, tmp_path)

    dry, done, listed = (run(line).out for line in say)
    assert "2 would be new" in dry
    assert "2 new" in done
    assert re.search(r"salad-weekly.* latest +none", listed)
    house.subscription(plan="cloud-monthly", started_on=date(2026, 1, 31))
    house.subscription(plan="salad-weekly", started_on=date(2026, 1, 31))
    house.tick()
    house.charge()
    house.to(house.now + timedelta(days=93))

    days, lines = (run(line).out for line in look)
    assert days
    assert lines.count("cloud-monthly") == 4  # two missed, the one that runs, and the next one
    assert lines.count("salad-weekly") == 5  # the one that runs, and those of four weeks
    house.tick()
    shown, checked = (run(line) for line in after)
    assert re.search(r"\b1\s+12\s+outage", shown.out)
    assert "subscription.outage_skipped" in shown.out
    assert checked.code == 0


def test_the_page_about_terms_does_what_it_says(
    run: Run, house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    say, look, leave, stay = _blocks(TERM, tmp_path)

    assert "1 would be new" in run(say[0]).out
    assert "1 new" in run(say[1]).out
    assert "12 periods, bound for 6" in run(say[2]).out
    house.subscription(plan="lesson-12", started_on=date(2026, 1, 31))
    house.tick()
    house.charge()

    assert "12 periods, until 2027-01-31 10:00:00" in run(look[0]).out
    assert run(look[1]).out.count("lesson-12") == 11
    refused, dry, done = (run(line) for line in leave)
    assert (refused.code, "is bound for 6 periods, until 2026-07-31" in refused.err) == (1, True)
    assert "this is before its minimum term is over, at 2026-07-31 10:00:00" in dry.out
    assert house.value("SELECT count(*) FROM audit_entry WHERE action = 'subscription.cancel_planned'") == 1
    assert done.code == 0
    assert run(stay[0]).code == 0
    assert house.rows("SELECT state, stops_at, periods FROM subscription") == [("active", None, 12)]


def test_the_page_about_the_first_of_the_month_does_what_it_says(
    run: Run, jeonggi: Jeonggi, house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    say, see, charged = _blocks(FIRST, tmp_path)

    assert "1 would be new" in run(say[0]).out
    assert "1 new" in run(say[1]).out
    assert "on day 1, at 10:00" in run(say[2]).out
    assert "1 stand as they are" in run(say[1]).out
    house.subscription(plan="gym", started_on=date(2026, 2, 14))

    shown, foreseen = (run(line).out for line in see)
    assert re.search(r"billing day +1 *\n", shown)
    assert re.search(r"partial period +0: 2026-02-14 to 2026-03-01", shown)
    assert [won for won in ("16607", "31000") if won in foreseen] == ["16607", "31000"]
    house.to(house.now + timedelta(days=14))
    house.tick()
    house.charge()
    assert "16,607" in run(charged[0]).out
    invoice = jeonggi("invoice", "show", house.value("SELECT id FROM invoice")).out
    assert "Gym (15 of 28 days)" in invoice
    assert re.search(r"part of a whole period +15 of 28 days", invoice)


def test_the_page_about_moving_the_billing_day_does_what_it_says(
    run: Run, house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    look, do, back = _blocks(MOVE, tmp_path)
    house.plan(amount=28_000, periods=5)
    sub = house.subscription(started_on=date(2026, 2, 1))
    house.to(house.now + timedelta(days=1))
    house.tick()
    house.charge()

    dry = run(look[0]).out
    assert "would bill on day 25 instead of day 1" in dry
    assert re.search(r"\b1 +2026-03-01 10:00.* 2026-03-25 10:00.* 24 of 28 days +24,000 +2026-03-01", dry)
    assert re.search(r"\b2 +2026-03-25 10:00.* 28,000 +2026-03-25", dry)
    assert re.search("would end 2026-06-25 .* instead of 2026-07-01", dry)
    assert house.value("SELECT count(*) FROM audit_entry") == 0
    document = json.loads(run(f"{look[0]} --json").out)
    assert (document["written"], document["old_day"], document["periods"][0]["days"]) == (False, 1, 24)
    assert "bills on day 25 instead of day 1" in run(do[0]).out
    assert re.search(r"partial period +1: 2026-03-01 to 2026-03-25", run(do[1]).out)
    foreseen = run(do[2]).out
    assert ("24000" in foreseen, "28000" in foreseen) == (True, True)
    assert "would bill on day 1 instead of day 25" in run(back[0]).out
    assert run(back[1]).code == 0
    house.to(house.now + timedelta(days=60))
    house.tick()
    assert [row.amount for row in house.rows("SELECT amount FROM invoice WHERE subscription_id = :id", id=sub)] == [
        28_000
    ] * 3
    refused = run(do[0].replace("--day 25", "--day 1"))
    assert (refused.code, "bills on day 1 already" in refused.err) == (1, True)
