"""A merchant's subscription file, from the command to the rows."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from sqlalchemy import text

from domain.billing_period import Calendar
from domain.identity import subscription_id
from domain.schedule import parse_every
from models.queries import change
from runtime.wiring import DEMO_NAMESPACE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from models.session import Database
    from tests.integration.cli.conftest import Jeonggi

HEADER = "customer_ref,name,email,tel,customer_uid,plan,started_on,timezone,paid_through"
PLANS = """
[[plan]]
code = "latest"
name = "Latest"
amount = 9900
every = "1 month"
[[plan]]
code = "all"
name = "All"
amount = 1000
every = "1 month"
catch_up = "all"
[[plan]]
code = "none"
name = "None"
amount = 500
every = "1 month"
catch_up = "none"
"""
TABLES = ("customer", "billing_key", "subscription", "skipped_period", "outbox_event")


@pytest.fixture
def shop(jeonggi: Jeonggi, database: Database, tmp_path: Path) -> Shop:
    """Plans are there, and it is ten past ten of 15 November 2026 in Seoul, whenever the test runs."""
    with database.transaction() as tx:
        tx.connection.execute(
            text(
                "CREATE OR REPLACE FUNCTION billing_now(OUT billing_at timestamptz, OUT real_at timestamptz,"
                " OUT rate integer) LANGUAGE sql VOLATILE AS"
                " $$ SELECT timestamptz '2026-11-15 01:10+00', clock_timestamp(), 1 $$"
            )
        )
    file = tmp_path / "plans.toml"
    file.write_text(PLANS, encoding="utf-8")
    assert jeonggi("plan", "import", file).code == 0
    return Shop(jeonggi, database, tmp_path / "subscriptions.csv")


class Shop:
    """Writes a file, imports it, counts rows."""

    def __init__(self, jeonggi: Jeonggi, database: Database, file: Path) -> None:
        self.jeonggi, self.database, self.file = jeonggi, database, file

    def write(self, *rows: str, header: str = HEADER) -> Path:
        self.file.write_text("\n".join((header, *rows)) + "\n", encoding="utf-8")
        return self.file

    def bring(self, *options: str) -> Any:  # noqa: ANN401 - what a command said
        return self.jeonggi("subscription", "import", self.file, *options)

    def count(self) -> dict[str, int]:
        with self.database.reading() as tx:
            return {
                table: tx.connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one() for table in TABLES
            }

    def rows(self, statement: str) -> Sequence[Any]:
        with self.database.reading() as tx:
            return tx.connection.execute(text(statement)).all()


def row(ref: str = "C1", **changes: str) -> str:
    fields = {
        "customer_ref": ref,
        "name": "김민수",
        "email": f"{ref.lower()}@mail.example",
        "tel": "010-0000-0001",
        "customer_uid": f"card-{ref}",
        "plan": "latest",
        "started_on": "2026-10-01",
        "timezone": "Asia/Seoul",
        "paid_through": "",
        **changes,
    }
    return ",".join(fields.values())


def test_a_row_becomes_a_subscription_whose_id_and_next_billing_are_computed(shop: Shop) -> None:
    shop.write(row(started_on="2026-08-31", paid_through="2026-09-30"))

    ran = shop.bring("--json")

    assert ran.code == 0
    (found,) = shop.rows("SELECT * FROM subscription")
    expected = Calendar(schedule=parse_every("1 month"), anchored_on=date(2026, 8, 31), zone_name="Asia/Seoul")
    assert found.id == subscription_id(
        namespace=DEMO_NAMESPACE, customer_ref="C1", plan_code="latest", started_on=date(2026, 8, 31)
    )
    assert (found.state, found.ordinal, found.catch_up_below) == ("active", 1, 2)
    assert found.next_billing_at == expected.start(2) == datetime(2026, 10, 31, 1, 0, tzinfo=UTC)
    assert [tuple(skip) for skip in shop.rows("SELECT first_ordinal, last_ordinal, reason FROM skipped_period")] == [
        (0, 1, "paid_elsewhere")
    ]
    assert [event.kind for event in shop.rows("SELECT kind FROM outbox_event")] == ["subscription.imported"]
    (entry,) = shop.rows("SELECT actor, action, details FROM audit_entry WHERE action = 'subscription.imported'")
    assert entry.details["rows"] == {"created": 1, "unchanged": 0, "updated": 0, "refused": 0}


def test_what_will_be_due_is_told_first_and_a_dry_run_stops_there(shop: Shop) -> None:
    shop.write(
        row("C1", started_on="2026-06-01"),  # latest: October's, which ended, and November's
        row("C2", plan="all", started_on="2026-06-01"),  # June's to October's a day each, November's now
        row("C3", plan="none", started_on="2026-06-01"),  # November's
        row("C4", started_on="2026-06-01", paid_through="2026-11-14"),  # nothing yet
        row("C5", started_on="2026-06-01", customer_uid=""),  # no card yet
        row("C6", started_on="2027-01-01"),  # has not begun
    )
    before = shop.count()

    ran = shop.bring("--dry-run", "--json")

    assert ran.code == 0
    assert ran.document == {
        "rows": {"created": 6, "unchanged": 0, "updated": 0, "refused": 0},
        "due_at_once": {"charges": 4, "won": 2 * 9900 + 1000 + 500},
        "spread": {"charges": 5, "won": 5000},
        "skipped_periods": {"catch_up": 4 + 5 + 4, "paid_elsewhere": 6},
        "waiting_for_a_card": 1,
        "trials": 0,
        "kept_price": 0,
        "ignored_columns": [],
        "refused_count": 0,
        "refused": [],
        "written": False,
    }
    assert shop.count() == before
    told = shop.bring("--dry-run").out
    assert "would be due at once: 4 charges, 21,300 won" in told
    assert "spread over the next days, at most one a customer and day: 5 charges, 5,000 won" in told


def test_a_row_without_a_card_is_pending_and_an_empty_zone_is_the_default(shop: Shop) -> None:
    shop.write(row(customer_uid="", timezone=""))

    assert shop.bring().code == 0
    (found,) = shop.rows("SELECT state, timezone, billing_key_id, next_billing_at FROM subscription")
    assert (found.state, found.timezone, found.billing_key_id) == ("pending", "Asia/Seoul", None)
    assert found.next_billing_at == datetime(2026, 10, 1, 1, 0, tzinfo=UTC)


def test_the_same_file_again_changes_nothing(shop: Shop) -> None:
    shop.write(row("C1"), row("C2", paid_through="2026-10-31"), row("C1"))
    first = shop.bring("--json")
    before = shop.count()

    second = shop.bring("--json")

    assert first.document["rows"] == {"created": 2, "unchanged": 1, "updated": 0, "refused": 0}
    assert second.code == 0
    assert second.document["rows"] == {"created": 0, "unchanged": 3, "updated": 0, "refused": 0}
    assert second.document["due_at_once"] == {"charges": 0, "won": 0}
    assert shop.count() == before


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"name": "김민지"}, "name differs from what stands for this customer; --update changes contact data"),
        ({"email": "other@mail.example"}, "email differs from what stands"),
        ({"tel": "010-0000-0009"}, "tel differs from what stands"),
        ({"customer_uid": "card-9"}, "customer_uid differs from what stands for this subscription"),
        ({"customer_uid": ""}, "customer_uid differs from what stands for this subscription"),
        ({"timezone": "Europe/Berlin"}, "timezone Europe/Berlin differs from what stands for this subscription"),
        ({"paid_through": "2026-10-31"}, "paid_through differs from what stands for this subscription"),
    ],
)
def test_a_row_that_differs_from_what_stands_is_refused_naming_the_field(
    shop: Shop, change: dict[str, str], told: str
) -> None:
    shop.write(row())
    shop.bring()
    before = shop.count()
    shop.write(row(**change))

    ran = shop.bring()

    assert ran.code == 1
    assert f"line 2: {told}" in ran.err
    assert shop.count() == before


def test_update_changes_contact_data_and_nothing_else(shop: Shop) -> None:
    shop.write(row("C1"), row("C2"))
    shop.bring()
    shop.write(
        row("C1", name="김민지", tel="010-0000-0009"),
        row("C2", name="박서준", customer_uid="card-9"),
    )

    ran = shop.bring("--update", "--json")

    assert ran.code == 1
    assert ran.document["rows"] == {"created": 0, "unchanged": 0, "updated": 1, "refused": 1}
    assert "customer_uid differs" in ran.document["refused"][0]["reason"]
    assert [tuple(each) for each in shop.rows("SELECT name, tel FROM customer ORDER BY customer_ref")] == [
        ("김민지", "010-0000-0009"),
        ("김민수", "010-0000-0001"),
    ]


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        (row(timezone="Asia/Soul"), "timezone 'Asia/Soul' is unknown; use an IANA name"),
        (row(customer_uid="x" * 81), "customer_uid has 81 characters; 1 to 80 are taken"),
        (row(customer_uid="a b"), "customer_uid holds a space"),
        (row(plan="gold"), "plan 'gold' is unknown"),
        (row(started_on="01.10.2026"), "started_on '01.10.2026' is not a date; write it as 2026-01-31"),
        (row(started_on="20261001"), "started_on '20261001' is not a date"),
        (row(started_on="2026-02-30"), "started_on '2026-02-30' is not a date"),
        (row(started_on="1999-12-31"), "started_on 1999-12-31 is before 2000-01-01"),
        (row(started_on="2036-12-01"), "started_on 2036-12-01 is more than 10 years ahead"),
        (row(paid_through="2206-10-31"), "paid_through 2206-10-31 is more than 10 years ahead"),
        (row(plan="all", started_on="2010-01-01"), "leaves 202 periods to catch up, more than 120"),
        (row(""), "customer_ref is empty"),
        (row(name=""), "name is empty"),
        (row(email="nobody"), "email is not an address"),
        (row(tel="call me"), "tel is not a telephone number"),
        (row() + ",more", "has 10 columns, the header has 9"),
        ("C1,too,few", "has 3 columns, the header has 9"),
    ],
)
def test_a_bad_row_is_refused_by_line_and_the_good_ones_are_kept(shop: Shop, bad: str, told: str) -> None:
    shop.write(row("A1"), bad, row("A2"))

    ran = shop.bring()

    assert ran.code == 1
    assert "line 3: " in ran.err
    assert told in ran.err
    assert [each.customer_ref for each in shop.rows("SELECT customer_ref FROM customer ORDER BY 1")] == ["A1", "A2"]
    assert shop.count()["subscription"] == 2


def test_strict_refuses_all_rows_if_one_is_bad(shop: Shop) -> None:
    shop.write(row("A1"), row("A2", plan="gold"))
    before = shop.count()

    ran = shop.bring("--strict")

    assert ran.code == 1
    assert "--strict: nothing was written, for 1 rows are refused" in ran.err
    assert shop.count() == before


@pytest.mark.parametrize(
    ("second", "told"),
    [
        (row("C1", plan="all", name="김민지"), "an earlier row of this file tells another name, email or tel"),
        (row("C2", customer_uid="card-C1"), "customer_uid is another customer's card"),
        (row("C1", timezone="Europe/Berlin"), "an earlier row of this file names the same subscription"),
    ],
)
def test_rows_of_one_file_that_contradict_each_other_are_refused(shop: Shop, second: str, told: str) -> None:
    shop.write(row("C1"), second)

    ran = shop.bring("--update")

    assert ran.code == 1
    assert f"line 3: {told}" in ran.err
    assert shop.count()["subscription"] == 1


def test_a_card_of_another_customer_or_a_revoked_one_is_refused(shop: Shop) -> None:
    shop.write(row("C1"), row("C2"))
    shop.bring()
    with shop.database.transaction() as tx:
        tx.connection.execute(text("UPDATE billing_key SET revoked_at = now() WHERE customer_uid = 'card-C2'"))
    shop.write(row("C3", customer_uid="card-C1"), row("C2", plan="all"))

    ran = shop.bring()

    assert "line 2: customer_uid is another customer's card" in ran.err
    assert "line 3: customer_uid is a card that was revoked" in ran.err
    assert shop.count()["subscription"] == 2


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "the file is empty; its first line must be customer_ref,"),
        (b"\n\n", "the file is empty"),
        (b"customer_ref;name;email\n", "line 1: the header has one column; separate columns by commas"),
        (b"customer_ref,name,name\n", "line 1: the header names name twice"),
        (HEADER.replace("started_on", "start_on").encode() + b"\n", "lacks started_on; is 'start_on' meant?"),
        (HEADER.encode() + b"\n" + row().encode() + b'\nC2,"open\n', "line 3: a quoted field that begins in this row"),
        (HEADER.encode() + b"\n" + row().encode() + b'\n"a"b,c\n', "line 3: a quoted field is followed by something"),
        (HEADER.encode() + b"\n" + row().encode() + b"\nC\0,\n", "line 3: holds a NUL byte"),
        (HEADER.encode() + b"\n" + row().encode() + b"\n" + "김".encode("cp949") + b"\n", "line 3: is not UTF-8"),
        (HEADER.encode() + b"\n" + row().encode() + b"\n" + b"x" * 70_000, "line 3: is longer than 65,536 bytes"),
        (HEADER.encode() + b"\r" + row().encode() + b"\r", "line 1: lines end with a lone carriage return"),
    ],
)
def test_a_file_that_is_no_csv_of_ours_is_refused_whole_and_nothing_is_written(
    shop: Shop, content: bytes, told: str
) -> None:
    before = shop.count()
    shop.file.write_bytes(content)

    ran = shop.bring("--json")

    assert ran.code == 2
    assert told in ran.err
    assert ran.document["error"]["code"] == "bad_input"
    assert shop.count() == before


def test_a_bom_crlf_quotes_and_columns_to_come_are_taken(shop: Shop) -> None:
    quoted = row().replace("김민수", '"김 ""민수"""')
    shop.file.write_bytes(b"\xef\xbb\xbf" + f"{HEADER},memo\r\n{quoted},later\r\n\r\n".encode())

    ran = shop.bring()

    assert ran.code == 0
    assert "columns that are not read: memo" in ran.out
    assert [each.name for each in shop.rows("SELECT name FROM customer")] == ['김 "민수"']


def test_a_row_that_the_database_refuses_does_not_stop_its_chunk(shop: Shop) -> None:
    with shop.database.transaction() as tx:
        tx.connection.execute(text("ALTER TABLE customer ADD CONSTRAINT no_c2 CHECK (customer_ref <> 'C2')"))
    shop.write(row("C1"), row("C2"), row("C3"))

    ran = shop.bring()

    assert ran.code == 1
    assert "line 3: the database refused a row: no_c2" in ran.err
    assert [each.customer_ref for each in shop.rows("SELECT customer_ref FROM customer ORDER BY 1")] == ["C1", "C3"]
    assert shop.count()["subscription"] == 2


def test_more_rows_than_a_chunk_agree_with_what_was_told(shop: Shop) -> None:
    shop.write(*(row(f"C{number:04d}", started_on=f"2026-10-{number % 28 + 1:02d}") for number in range(2_500)))

    told = shop.bring("--dry-run", "--json").document
    ran = shop.bring("--json").document

    assert ran["due_at_once"] == told["due_at_once"]
    assert ran["rows"] == told["rows"] == {"created": 2500, "unchanged": 0, "updated": 0, "refused": 0}
    assert shop.count()["subscription"] == 2500


def test_an_imported_subscription_can_be_changed_by_hand(shop: Shop) -> None:
    shop.write(row())
    shop.bring()
    (found,) = shop.rows("SELECT id FROM subscription")

    with shop.database.transaction() as tx:
        locked = change.lock_subscription(tx, UUID(str(found.id)))

    assert locked is not None
    assert locked.state == "active"
