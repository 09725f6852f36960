"""The commands about what was used, those of the page that tells how, and the package that is its example."""

from __future__ import annotations

import re
import shlex
import sqlite3
import sys
import tomllib
from contextlib import closing
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support.source_tree import page
from tests.support.usages import Shop

if TYPE_CHECKING:
    import pytest

    from tests.integration.cli.conftest import Jeonggi
    from tests.support.house import House

PAGE = "docs/how-to/bill-by-use.md"
EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "usage"


def test_the_commands_of_the_page_do_what_it_says(
    jeonggi: Jeonggi, house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (toml,) = re.findall(r"```toml\n(.*?)```", page(PAGE), re.DOTALL)
    Path("plans.toml").write_text(toml, encoding="utf-8")
    blocks = re.findall(r"```sh\n(.*?)```", page(PAGE), re.DOTALL)
    commands = [shlex.split(line) for block in blocks for line in block.splitlines()]
    refused = jeonggi("plan", "import", "plans.toml")
    assert (refused.code, refused.err.strip()) == (
        2,
        "usage = 'messages' is not installed; installed are none; install its package, or correct the name",
    )
    shop = Shop(tmp_path, monkeypatch, name="messages")
    shop.does[None] = lambda _: None
    for _, *words in commands[:2]:
        assert jeonggi(*words).code == 0
    one, other = (house.subscription(plan="messages-monthly") for _ in range(2))
    house.tick()
    house.advance(days=29)
    house.tick()
    assert house.value("SELECT count(*) FROM invoice") == 2
    listed = jeonggi("usage", "list", "--json").document
    assert [(each["ordinal"], each["reason"], each["failures"]) for each in listed] == [
        (0, "it gave no list of Usage", 1)
    ] * 2
    (told,) = [line for line in jeonggi("doctor").out.splitlines() if " usage: " in line]
    assert "2 subscriptions are due and not charged" in told
    for program, *words in commands[2:]:
        assert program == "jeonggi"
        before = house.value("SELECT count(*) FROM audit_entry")
        ran = jeonggi(*(word.replace("5f2a10c4", str(one)).replace("7c1e22d0", str(other)) for word in words))
        assert ran.code == 0, ran.err
        wrote = "set" in words and "--dry-run" not in words
        assert house.value("SELECT count(*) FROM audit_entry") == before + wrote
    assert jeonggi("usage", "list", "--json").document == []
    house.tick()

    amounts = {row.subscription_id: row.amount for row in house.rows("SELECT * FROM invoice WHERE ordinal = 1")}
    assert amounts == {one: 9_900 + 1_100, other: 9_900}
    again = jeonggi("usage", "set", one, "--ordinal", 0, "--none", "--reason", "again")
    assert again.code == 1
    assert "waits for what was used" in again.err
    neither = jeonggi("usage", "set", one, "--ordinal", 0, "--reason", "x")
    assert "give either --none or --amount with --description" in neither.err


def test_the_example_package_bills_what_the_shop_has_counted(
    jeonggi: Jeonggi, house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project: Any = tomllib.loads((EXAMPLE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    info = tmp_path / "shop_usage-1.0.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: shop-usage\nVersion: 1.0.0\n", encoding="utf-8")
    points = "".join(f"{name} = {value}\n" for name, value in project["entry-points"]["jeonggi.usage"].items())
    (info / "entry_points.txt").write_text(f"[jeonggi.usage]\n{points}", encoding="utf-8")
    for folder in (EXAMPLE, tmp_path):
        monkeypatch.syspath_prepend(str(folder))
    database = tmp_path / "messages.sqlite3"
    monkeypatch.setattr(import_module("shop_usage"), "DATABASE", database)
    house.plan("by-use", usage="messages")
    house.subscription(plan="by-use", customer_ref="user-8231")
    house.tick()
    begins = house.now
    with closing(sqlite3.connect(database)) as counted:
        counted.execute("CREATE TABLE message (customer_ref, sent_at)")
        sent = [("user-8231", (begins + timedelta(hours=hour)).isoformat()) for hour in range(103)]
        later = [("user-8231", (begins + timedelta(days=40)).isoformat()), ("user-1", sent[0][1])]
        counted.executemany("INSERT INTO message VALUES (?, ?)", sent + later)
        counted.commit()
    house.advance(days=29)
    house.tick()
    del sys.modules["shop_usage"]

    told = house.rows("SELECT description, amount FROM invoice_line WHERE kind = 'usage'")
    assert [tuple(row) for row in told] == [("메시지 103건 중 3건", 33)]
    assert jeonggi("usage", "list", "--json").document == []
