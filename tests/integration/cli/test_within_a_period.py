"""The commands of the page about changes within a period, each as it stands there, and what they say."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

import pytest

from tests.support.source_tree import page

if TYPE_CHECKING:
    from pathlib import Path
    from uuid import UUID

    from tests.integration.cli.conftest import Jeonggi
    from tests.support.house import House

#: Each section, and the charges and the credit of its customer once its commands and the next run were done.
SECTIONS = {
    "Another plan with the next period": ([9_900], 0),
    "More seats from today on": ([9_900, 4 * 9_900 * 18 // 28], 0),
    "Fewer from today on": ([5 * 9_900], 3 * 9_900 * 18 // 28 + 1),
    "Another plan from today on": ([9_900, 99_000 - (9_900 * 18 // 28 + 1)], 0),
}
PAGE = "docs/how-to/change-within-a-period.md"
REASON = ("--reason", "a test")


@pytest.fixture
def house(house: House) -> House:
    house.plan("premium", amount=19_900)
    house.plan("yearly", amount=99_000, every="1 year")
    return house


def paid_one(house: House, *, quantity: int = 1) -> UUID:
    """It has paid for 31 January to 28 February, of which 18 of 28 days are left."""
    sub = house.subscription(customer_ref="user-8231")
    with house.database._engine.begin() as connection:
        connection.exec_driver_sql("UPDATE subscription SET quantity = %s", (quantity,))
    house.tick()
    house.charge()
    house.advance(days=10)
    return sub


def test_every_section_of_the_page_is_run() -> None:
    assert re.findall(r"^## (.*)$", page(PAGE), re.MULTILINE) == [*SECTIONS, "What is refused"]


@pytest.mark.parametrize("heading", SECTIONS)
def test_the_commands_of_a_section_do_what_it_says(jeonggi: Jeonggi, house: House, heading: str) -> None:
    sub = paid_one(house, quantity=5 if heading.startswith("Fewer") else 1)
    section = page(PAGE).partition(f"## {heading}\n")[2].partition("\n## ")[0]
    for line in "".join(re.findall(r"```sh\n(.*?)```", section, re.DOTALL)).splitlines():
        program, *arguments = shlex.split(line.replace("5f2a10c4", str(sub)[:13]), comments=True)
        assert program == "jeonggi"
        before = house.value("SELECT count(*) FROM audit_entry")
        ran = jeonggi(*arguments)
        assert ran.code == 0, (line, ran.err)
        if "--dry-run" in arguments:
            assert house.value("SELECT count(*) FROM audit_entry") == before
    house.tick()
    house.charge()

    credit = house.value("SELECT coalesce(sum(balance), 0) FROM credit_account")
    assert ([record.amount for record in house.gateway.records], int(credit)) == SECTIONS[heading]


def test_a_preview_says_what_then_happens(jeonggi: Jeonggi, house: House) -> None:
    sub = paid_one(house)
    for words in (
        ("change-plan", sub, "premium", "--quantity", 2, "--now"),
        ("cancel", sub, "--refund", "pro-rata"),
    ):
        if words[0] == "cancel":
            house.tick()
            house.charge()
        dry, wet = (jeonggi("subscription", *words, *REASON, *more, "--json").document for more in (("--dry-run",), ()))
        assert (dry.pop("written"), wet.pop("written")) == (False, True)
        assert dry.get("settled") == wet.get("settled")
        assert dry.get("foretold") == wet.get("foretold")
    assert house.value("SELECT sum(amount) FROM refund") == 2 * 19_900 * 18 // 28 + 1


def test_what_is_said_of_a_change_and_of_an_end_can_be_read(jeonggi: Jeonggi, house: House) -> None:
    sub = paid_one(house)

    told = jeonggi("subscription", "change-quantity", sub, 2, "--now", *REASON, "--dry-run").out
    assert "period 0: 18 of its 28 days are left, at 19,800 won a whole period instead of 9,900" in told
    assert "6,364 won would be charged for them with the next run" in told
    told = jeonggi("subscription", "cancel", sub, *REASON, "--dry-run").out
    assert "for the days left 6,365 won could be refunded: --refund pro-rata" in told
    assert "withdraw" not in told  # the week is over
    refused = jeonggi("subscription", "cancel", sub, "--refund", "withdrawal", *REASON)
    assert (refused.code, "the right of withdrawal is over" in refused.err) == (1, True)
    told = jeonggi("subscription", "cancel", sub, "--refund", "pro-rata", *REASON).out
    assert "6,365 won is refunded" in told
    assert "Traceback" not in refused.err


def test_a_row_that_names_the_plan_it_was_changed_to_is_refused(jeonggi: Jeonggi, house: House, tmp_path: Path) -> None:
    sub = paid_one(house)
    jeonggi("subscription", "change-plan", sub, "premium", *REASON)
    file = tmp_path / "again.csv"
    file.write_text(
        "customer_ref,plan,customer_uid,name,email,tel,started_on,timezone,paid_through\n"
        f"user-8231,premium,{house.card_of(sub)},김하나,a@shop.example,010-0000-0000,2026-01-31,Asia/Seoul,\n"
    )

    ran = jeonggi("subscription", "import", file)

    assert ran.code == 1
    assert f"subscription {sub} of this customer was changed to that plan" in ran.err
    assert house.value("SELECT count(*) FROM subscription") == 1
