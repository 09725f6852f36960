"""The pages that tell how to raise a price and how to sell a trial, by their commands; and what the commands refuse."""

from __future__ import annotations

import re
import shlex
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from billing.make_what_has_come import make_what_has_come
from cli.opening import opened_ports
from tests.integration.cli.test_prices import Shop, _row
from tests.support.source_tree import page

if TYPE_CHECKING:
    from pathlib import Path

    from models.session import Database
    from tests.integration.cli.conftest import Jeonggi

PEOPLE = "customer_ref,name,email,tel,customer_uid,plan,started_on,timezone"


@pytest.fixture
def shop(jeonggi: Jeonggi, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """A plan, and the files that the pages name are looked for here; it is ten past ten of 15 January 2026 in Seoul."""
    made = Shop(jeonggi, database, tmp_path)
    made.at(datetime(2026, 1, 15, 1, 10, tzinfo=UTC))
    plans = '[[plan]]\ncode = "basic"\nname = "베이직"\namount = 9900\nevery = "1 month"\n'
    (tmp_path / "plans.toml").write_text(plans, encoding="utf-8")
    assert jeonggi("plan", "import", tmp_path / "plans.toml").code == 0
    monkeypatch.chdir(tmp_path)
    return made


def _commands(path: str) -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", page(path), re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.startswith("jeonggi ")]


def _run(shop: Shop, command: str, own: str) -> Any:  # noqa: ANN401 - JSON
    words = [own if word == "5f2a10c4" else word for word in shlex.split(command)[1:]]
    ran = shop.jeonggi(*words, *(["--json"] if "--json" not in words and "export" not in words else []))
    assert ran.code == 0, (command, ran.out, ran.err)
    return ran.document


def test_the_commands_of_the_page_raise_a_price_for_who_agreed_and_nobody_else(shop: Shop) -> None:
    shop.import_(*(_row(f"c{number}", started_on="2026-01-15") for number in range(1, 4)))
    shop.open()
    own, agrees, silent = (str(row[0]) for row in shop.rows("SELECT id FROM subscription ORDER BY id"))
    told = "\n".join(f"{sub},2026-02-11T10:00:00+09:00,sms,rise-3," for sub in (agrees, silent))
    (shop.folder / "notices.csv").write_text(f"subscription,told_at,through,text_version,ref\n{told}\n")
    header = "subscription,given_at,through,text_version,ref,answer"
    (shop.folder / "consents.csv").write_text(f"{header}\n{agrees},2026-02-20T10:00:00+09:00,web,rise-3,form-9,\n")
    commands = _commands("docs/how-to/raise-a-price.md")
    assert len(commands) >= 14

    said = {}
    for command in commands:
        if "record" in command or "import" in command:
            shop.at(datetime(2026, 3, 1, 3, 0, tzinfo=UTC))
        if command.startswith("jeonggi price-change withdraw"):
            continue  # below
        said[command] = _run(shop, command, own)
    shop.at(datetime(2026, 3, 16, 3, 0, tzinfo=UTC))
    lines = said["jeonggi forecast --days 60 --lines --json"]["lines"]
    foreseen = {row["subscription_id"]: row["amount"] for row in lines if row["ordinal"] == 2}
    _ticks(shop)

    paid = dict(shop.rows("SELECT subscription_id::text, amount FROM invoice WHERE ordinal = 2"))
    assert paid == foreseen == {own: 9_900, agrees: 12_900, silent: 9_900}
    exported = said["jeonggi consent export c1"]
    assert exported["customer_ref"] == "c1"
    assert "card" not in str({**exported, "attempts": []})


def _ticks(shop: Shop) -> None:
    with opened_ports() as (_, ports):
        for _ in range(3):
            shop.open()
            while make_what_has_come(ports).subscriptions:
                pass


def test_a_plan_is_spared_as_the_page_says(shop: Shop) -> None:
    shop.import_(_row("c1"))
    shop.open()
    own = str(shop.rows("SELECT id FROM subscription")[0][0])
    commands = _commands("docs/how-to/raise-a-price.md")
    for command in commands[:3]:
        _run(shop, command, own)

    tried, done = (_run(shop, each, own) for each in commands if "withdraw" in each)

    assert (tried, done) == ({"withdrawn": 1, "written": False}, {"withdrawn": 1, "written": True})
    assert shop.rows("SELECT state FROM price_change") == [("withdrawn",)]
    refused = shop.jeonggi("price-change", "withdraw", "--subscription", own, "--reason", "again")
    assert (refused.code, "no change of price is ahead" in refused.err) == (1, True)


def test_the_commands_of_the_page_sell_a_trial(shop: Shop) -> None:
    plan = re.findall(r"```toml\n(.*?)```", page("docs/how-to/sell-a-trial.md"), re.DOTALL)[0]
    (shop.folder / "music.toml").write_text(plan, encoding="utf-8")
    person = "{0},김하나,a@shop.example,010-0000-0000,card-{0},music,2026-01-15,Asia/Seoul"
    rows = "\n".join(person.format(ref) for ref in ("c1", "c2"))
    (shop.folder / "people.csv").write_text(f"{PEOPLE}\n{rows}\n", encoding="utf-8")
    commands = _commands("docs/how-to/sell-a-trial.md")
    assert len(commands) >= 7
    own, said = "", {}
    for command in commands:
        if "record" in command:
            own = own or str(shop.rows("SELECT id FROM subscription ORDER BY id")[0][0])
            shop.at(datetime(2026, 2, 3, 3, 0, tzinfo=UTC))
        said[command] = _run(shop, command, own)

    assert said["jeonggi subscription import people.csv --yes"]["trials"] == 2
    assert [row["lacks"] for row in said["jeonggi price-change list --plan music"]] == [["consent", "notice"]] * 2
    shop.at(datetime(2026, 2, 14, 3, 0, tzinfo=UTC))
    _ticks(shop)
    states = {str(row[0]): row[1:] for row in shop.rows("SELECT id, state, ended_reason FROM subscription")}
    assert states.pop(own) == ("active", None)
    assert list(states.values()) == [("ended", "no_consent")]
    assert shop.rows("SELECT subscription_id::text, amount FROM invoice") == [(own, 10_900)]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("consent record ID --given-at 2026-02-20 --through web", "is no instant; write it with its offset"),
        ("consent record ID --given-at 2026-02-20T10:00:00 --through web", "is no instant; write it with its offset"),
        ("consent record ID --given-at 2026-01-01T10:00:00+09:00 --through Web!", "give a word such as web"),
        ("consent record ID --given-at 2026-01-01T10:00:00+09:00 --through web", "no change of price is ahead"),
        ("consent import missing.csv", "cannot be read"),
        ("consent import bad.csv", "the header has no given_at"),
        ("notice import empty.csv", "the file is empty"),
        ("price-change withdraw", "say --plan or --subscription"),
        ("consent export nobody", "there is no customer 'nobody'"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_sentence(shop: Shop, words: str, told: str) -> None:
    shop.import_(_row("c1"))
    own = str(shop.rows("SELECT id FROM subscription")[0][0])
    (shop.folder / "bad.csv").write_text("subscription,when,through\n")
    (shop.folder / "empty.csv").write_text("")
    reason = [] if "export" in words else ["--reason", "a test"]

    ran = shop.jeonggi(*(own if word == "ID" else word for word in words.split()), *reason)

    assert ran.code != 0
    assert told in ran.err
    assert "Traceback" not in ran.err
    assert shop.rows("SELECT count(*) FROM consent") == shop.rows("SELECT count(*) FROM notice") == [(0,)]


def test_bad_rows_are_told_by_line_and_the_others_are_taken(shop: Shop) -> None:
    shop.import_(_row("c1"))
    shop.open()
    own = str(shop.rows("SELECT id FROM subscription")[0][0])
    for command in _commands("docs/how-to/raise-a-price.md")[:3]:
        _run(shop, command, own)
    shop.at(datetime(2026, 3, 1, 3, 0, tzinfo=UTC))
    (shop.folder / "consents.csv").write_text(
        "\n".join(
            (
                "subscription,given_at,through,answer",
                f"{own},2026-02-20T10:00:00+09:00,web,",
                f"{own},2026-01-20T10:00:00+09:00,web,",
                f"{own},soon,web,",
                f"{own},2026-02-20T10:00:00+09:00,web,maybe",
                f"{own},2026-02-20T10:00:00+09:00",
                "ffffffff,2026-02-20T10:00:00+09:00,web,agreed",
            )
        )
        + "\n"
    )

    ran = shop.jeonggi("consent", "import", "consents.csv", "--reason", "spring", "--json")

    assert (ran.code, ran.document["recorded"]) == (1, 1)
    reasons = {row["line"]: row["reason"] for row in ran.document["refusals"]}
    expected = {3: "more than 30 days", 4: "no instant", 5: "answer 'maybe'", 6: "2 columns", 7: "no subscription"}
    assert {line: word for line, word in expected.items() if word in reasons[line]} == expected
