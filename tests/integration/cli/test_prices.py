"""Price versions, moves and quantities by the commands, and the page that tells how to change a price."""

from __future__ import annotations

import re
import shlex
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from billing.open_period import open_due_periods
from cli.opening import opened_ports
from tests.support.source_tree import page

if TYPE_CHECKING:
    from pathlib import Path

    from models.session import Database
    from tests.integration.cli.conftest import Jeonggi

HEADER = "customer_ref,name,email,tel,customer_uid,plan,started_on,timezone,paid_through,quantity"
PLANS = """
[[plan]]
code = "basic"
name = "베이직"
amount = 9900
every = "1 month"
vat = "included"
[[plan]]
code = "seats"
name = "좌석"
amount = 20000
tax_free = 3000
card_quota = 3
every = "1 month"
"""


@pytest.fixture
def shop(jeonggi: Jeonggi, database: Database, tmp_path: Path) -> Shop:
    """Plans are there, and it is ten past ten of 15 January 2026 in Seoul."""
    made = Shop(jeonggi, database, tmp_path)
    made.at(datetime(2026, 1, 15, 1, 10, tzinfo=UTC))
    (tmp_path / "plans.toml").write_text(PLANS, encoding="utf-8")
    assert jeonggi("plan", "import", tmp_path / "plans.toml").code == 0
    return made


class Shop:
    """Moves the clock, imports rows, opens periods."""

    def __init__(self, jeonggi: Jeonggi, database: Database, folder: Path) -> None:
        self.jeonggi, self.database, self.folder = jeonggi, database, folder

    def at(self, now: datetime) -> None:
        with self.database.transaction() as tx:
            tx.connection.execute(
                text(
                    "CREATE OR REPLACE FUNCTION billing_now(OUT billing_at timestamptz, OUT real_at timestamptz,"
                    f" OUT rate integer) LANGUAGE sql VOLATILE AS $$ SELECT timestamptz '{now.isoformat()}',"
                    " clock_timestamp(), 1 $$"
                )
            )

    def import_(self, *rows: str) -> Any:  # noqa: ANN401 - JSON
        file = self.folder / "subscriptions.csv"
        file.write_text("\n".join((HEADER, *rows)) + "\n", encoding="utf-8")
        return self.jeonggi("subscription", "import", file, "--json").document

    def open(self) -> None:
        with opened_ports() as (_, ports):
            while open_due_periods(ports).subscriptions:
                pass

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with self.database.reading() as tx:
            return [tuple(row) for row in tx.connection.execute(text(query))]


def _row(ref: str, *, plan: str = "basic", started_on: str = "2026-01-15", quantity: str = "") -> str:
    return f"{ref},김하나,a@shop.example,010-0000-0000,card-{ref},{plan},{started_on},Asia/Seoul,,{quantity}"


def test_a_quantity_is_imported_counted_whole_and_billed_whole(shop: Shop) -> None:
    told = shop.import_(_row("c1", plan="seats", quantity="3"), _row("c2"))
    shop.open()

    assert told["due_at_once"]["won"] == 3 * 20_000 + 9_900
    listed = shop.jeonggi("subscription", "list", "--json").document
    assert {row["customer_ref"]: (row["quantity"], row["unit_amount"], row["amount"]) for row in listed} == {
        "c1": (3, 20_000, 60_000),
        "c2": (1, 9_900, 9_900),
    }
    invoices = {row["customer_ref"]: row["id"] for row in shop.jeonggi("invoice", "list", "--json").document}
    shown = shop.jeonggi("invoice", "show", invoices["c1"], "--json").document
    assert (shown["amount"], shown["tax_free"], shown["vat_amount"], shown["card_quota"]) == (60_000, 9_000, None, 3)
    assert shown["lines"] == [
        {
            "line_no": 1,
            "kind": "base",
            "description": "좌석",
            "quantity": 3,
            "unit_amount": 20_000,
            "amount": 60_000,
            "tax_free": 9_000,
            "vat_amount": None,
        }
    ]
    table = shop.jeonggi("invoice", "show", invoices["c2"]).out
    assert re.search(r"^line +kind +what +quantity +unit won +won +tax-free +VAT", table, re.MULTILINE)
    assert re.search(r"^ +1 +base +베이직 +1 +9,900 +9,900 +0 +900", table, re.MULTILINE)


@pytest.mark.parametrize(
    ("quantity", "told"),
    [
        ("0", "quantity '0' is not a whole number from 1 to 10000000"),
        ("-1", "quantity '-1' is not a whole number"),
        ("1.5", "quantity '1.5' is not a whole number"),
        ("10000001", "quantity '10000001' is not a whole number"),
        ("101011", "quantity 101011 of 9,900 won is more than 1,000,000,000 won a period; at most 101,010"),
    ],
)
def test_a_quantity_that_cannot_be_billed_refuses_its_row(shop: Shop, quantity: str, told: str) -> None:
    said = shop.import_(_row("c1", quantity=quantity), _row("c2"))

    (refused,) = said["refused"]
    assert (refused["line"], told in refused["reason"]) == (2, True)
    assert shop.rows("SELECT quantity FROM subscription") == [(1,)]


def test_a_file_never_changes_a_quantity_that_stands(shop: Shop) -> None:
    shop.import_(_row("c1", quantity="2"))

    other = shop.import_(_row("c1", quantity="3"))
    untold = shop.import_(_row("c1"))

    assert "quantity 3 differs from what stands for this subscription: 2" in other["refused"][0]["reason"]
    assert untold["rows"]["unchanged"] == 1
    assert shop.rows("SELECT quantity FROM subscription") == [(2,)]


def test_the_commands_of_the_page_do_what_it_says(shop: Shop) -> None:
    """Every command of docs/how-to/change-a-price.md, in its order, with the ids of this shop."""
    shop.import_(*(_row(f"c{number}", started_on=f"2026-01-{number:02}") for number in range(1, 16)))
    shop.open()
    ids = [str(row[0]) for row in shop.rows("SELECT id FROM subscription ORDER BY started_on")]
    commands = _commands("docs/how-to/change-a-price.md")
    assert len(commands) >= 8
    said: dict[str, Any] = {}
    for command in commands:
        words = shlex.split(command, comments=True)[1:]
        if "move-price" in words:
            shop.at(datetime(2026, 3, 1, 3, 0, tzinfo=UTC))  # the price is in force, nothing of March is opened but c1
            shop.open()
        words = [{"1f0e3dad": ids[0], "6a1c22b0": ids[1]}.get(word, word) for word in words]
        ran = shop.jeonggi(*words, "--json")
        assert ran.code == 0, (command, ran.err)
        said[command.partition("#")[0].strip()] = ran.document

    moves = [told for told in said.values() if isinstance(told, dict) and "moved" in told]
    preview, moved = moves[0], moves[1]
    assert preview["written"] is False
    assert moved["written"] is True
    assert {**preview, "written": True} == moved
    assert moved["moved"] + moves[-1]["standing"] + moves[-1]["moved"] >= 15
    assert {row[0] for row in shop.rows("SELECT amount FROM plan_price WHERE plan_id IN (SELECT id FROM plan"
                                        " WHERE code = 'basic')")} == {9_900, 8_900}  # fmt: skip
    shop.at(datetime(2026, 4, 1, 3, 0, tzinfo=UTC))
    shop.open()
    last = shop.rows("SELECT DISTINCT ON (subscription_id) amount FROM invoice ORDER BY subscription_id, ordinal DESC")
    assert set(last) == {(8_900,)}


def _commands(path: str) -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", page(path), re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.startswith("jeonggi ")]


def test_a_setup_fee_is_owed_once_by_who_begins_with_us(shop: Shop, tmp_path: Path) -> None:
    plans = PLANS.replace('"basic"', '"other"').replace('"seats"', '"seats2"') + "setup_fee = 5000\n"
    (tmp_path / "plans.toml").write_text(plans, encoding="utf-8")
    assert shop.jeonggi("plan", "import", tmp_path / "plans.toml").code == 0
    came = (
        _row("c2", plan="seats2").replace("Asia/Seoul,,", "Asia/Seoul,2026-01-14,").replace("2026-01-15", "2025-12-15")
    )

    told = shop.import_(_row("c1", plan="seats2", quantity="2"), came)
    shop.open()
    shop.at(datetime(2026, 2, 15, 1, 10, tzinfo=UTC))
    shop.open()

    assert told["due_at_once"]["won"] == 2 * 20_000 + 5_000 + 20_000
    (listed,) = shop.jeonggi("plan", "price", "list", "seats2", "--json").document
    assert listed["setup_fee"] == 5_000
    lines = shop.rows(
        "SELECT c.customer_ref, i.ordinal, l.kind, l.amount FROM invoice_line l JOIN invoice i ON i.id = l.invoice_id"
        " JOIN subscription s ON s.id = i.subscription_id JOIN customer c ON c.id = s.customer_id"
        " ORDER BY 1, 2, line_no"
    )
    assert lines == [
        ("c1", 0, "base", 40_000),
        ("c1", 0, "setup", 5_000),
        ("c1", 1, "base", 40_000),
        ("c2", 1, "base", 20_000),
        ("c2", 2, "base", 20_000),
    ]


def test_a_rise_is_planned_told_as_such_and_moves_nobody(shop: Shop) -> None:
    shop.import_(_row("c1"))
    added = shop.jeonggi("plan", "price", "add", "basic", "--amount", 12_900, "--from", "2026-02-01", "--reason", "up")
    shop.at(datetime(2026, 2, 2, tzinfo=UTC))
    move = ("subscription", "move-price", "--plan", "basic", "--from-version", 1, "--to-version", 2, "--reason", "up")

    tried = shop.jeonggi(*move, "--dry-run")
    ran = shop.jeonggi(*move, "--json")

    assert (added.code, ran.code) == (0, 0)
    assert "1 pay more only with their customer's consent" in tried.out
    assert (ran.document["moved"], ran.document["planned"], ran.document["asks_consent"]) == (1, 1, 1)
    assert shop.rows("SELECT pp.amount FROM subscription s JOIN plan_price pp ON pp.id = s.plan_price_id") == [(9_900,)]


def test_a_dry_run_of_a_price_writes_nothing(shop: Shop) -> None:
    ran = shop.jeonggi(
        *("plan", "price", "add", "basic", "--amount", 8_900, "--from", "2026-02-01", "--vat", "gateway"),
        *("--reason", "spring", "--dry-run", "--json"),
    )

    assert (ran.code, ran.document["version"], ran.document["written"]) == (0, 2, False)
    assert ran.document["effective_from"] == "2026-01-31T15:00:00+00:00"
    assert len(shop.jeonggi("plan", "price", "list", "basic", "--json").document) == 1
    assert shop.rows("SELECT count(*) FROM audit_entry WHERE action LIKE 'plan.price%'") == [(0,)]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("plan price add basic --amount 99 --from 2026-02-01", "amount = 99 is below the minimum"),
        ("plan price add basic --amount 8900 --from 2026-02-30", "--from '2026-02-30' is not a date"),
        ("plan price add basic --amount 8900 --from 2026-01-14", "2026-01-14 is past"),
        ("plan price add basic --amount 8900 --from 2026-02-01 --tax-free 8901", "tax_free = 8901 is no part"),
        ("plan price add basic --amount 8900 --from 2026-02-01 --card-quota 1", "card_quota = 1 cannot be used"),
        ("plan price add none --amount 8900 --from 2026-02-01", "there is no plan 'none'"),
        ("plan price remove basic --version 1", "is in force since"),
        ("plan price remove basic --version 2", "has no version 2"),
        ("subscription move-price", "name subscriptions, or say --plan"),
        ("subscription move-price 12345678 --from-version 1", "name subscriptions, or say --plan"),
        ("subscription move-price --plan basic --to-version 1", "say --from-version and --to-version"),
        ("subscription move-price --plan basic --from-version 1 --to-version 1", "name two versions"),
        ("subscription move-price --plan basic --from-version 1 --to-version 2", "has no version 2"),
    ],
)
def test_what_cannot_be_done_is_told_in_one_sentence(shop: Shop, words: str, told: str) -> None:
    ran = shop.jeonggi(*words.split(), "--reason", "a test")

    assert ran.code in {1, 2}
    assert told in ran.err
    assert "Traceback" not in ran.err


def test_a_plan_file_with_another_price_is_told_how_to_change_it(shop: Shop, tmp_path: Path) -> None:
    (tmp_path / "plans.toml").write_text(PLANS.replace("3000", "4000"), encoding="utf-8")

    ran = shop.jeonggi("plan", "import", tmp_path / "plans.toml")

    assert ran.code == 1
    assert "plan 'seats': tax_free is 3000 here and 4000 in the file" in ran.err
    assert "`jeonggi plan price add` gives it another price" in ran.err
