"""Every command of the pages about fixed terms and about outages, in a house where they mean something."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from datetime import date, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.support.house import NAMESPACE, House
from tests.support.source_tree import page

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.integration.cli.conftest import Jeonggi, Ran

OUTAGE, TERM = "docs/how-to/say-what-is-charged-after-an-outage.md", "docs/how-to/sell-a-fixed-term.md"


@pytest.fixture
def house(jeonggi: Jeonggi, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    del jeonggi  # its settings come first
    monkeypatch.setenv("JEONGGI_NAMESPACE", NAMESPACE)
    made = House(database_url)
    yield made
    made.close()


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
