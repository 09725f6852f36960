"""The commands about items, credit and coupons; and every command of the pages that tell how."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

import pytest

from tests.support.source_tree import page

if TYPE_CHECKING:
    from uuid import UUID

    from tests.integration.cli.conftest import Jeonggi
    from tests.support.house import House

#: Each page, and the lines of the next invoice once its commands were run.
PAGES = {
    "docs/how-to/first-month-half-price.md": [("base", 9_900), ("coupon", -4_950)],
    "docs/how-to/put-an-item-on-the-next-invoice.md": [("base", 9_900), ("item", 30_000)],
    "docs/how-to/sell-an-add-on.md": [("base", 9_900), ("add_on", 4_000)],
    "docs/how-to/change-the-number-of-seats.md": [("base", 49_500)],
    "docs/how-to/give-a-customer-credit.md": [("base", 9_900), ("credit", -3_000)],
}
REASON = ("--reason", "a test")


@pytest.fixture
def sub(house: House) -> UUID:
    return house.subscription(customer_ref="user-8231")


@pytest.mark.parametrize("path", PAGES)
def test_the_commands_of_the_page_do_what_it_says(jeonggi: Jeonggi, house: House, sub: UUID, path: str) -> None:
    blocks = re.findall(r"```sh\n(.*?)```", page(path), re.DOTALL)
    commands = [line for block in blocks for line in block.splitlines() if line]
    assert len(commands) >= 4
    for line in commands:
        items = [str(row.id) for row in house.rows("SELECT id FROM invoice_item UNION SELECT id FROM add_on")]
        told = line.replace("5f2a10c4", str(sub)[:13]).replace("0199a1b2", items[0] if items else "none yet")
        program, *arguments = shlex.split(told, comments=True)
        assert program == "jeonggi"
        before = house.value("SELECT count(*) FROM audit_entry")
        ran = jeonggi(*arguments)
        assert ran.code == 0, (line, ran.err)
        if "--dry-run" in arguments:
            assert house.value("SELECT count(*) FROM audit_entry") == before
    house.tick()

    lines = house.rows("SELECT kind, amount FROM invoice_line ORDER BY line_no")
    assert [tuple(row) for row in lines] == PAGES[path]


def test_a_preview_says_what_then_happens_and_the_invoice_shows_it(jeonggi: Jeonggi, house: House, sub: UUID) -> None:
    jeonggi("coupon", "add", "half", "--percent", 50, *REASON)
    for words in (
        ("item", "add", sub, "--amount", 3_000, "--quantity", 2, "--description", "부품", "--tax-free", 1_000),
        ("add-on", "add", sub, "--amount", 500, "--description", "저장", "--periods", 3),
        ("credit", "grant", "user-8231", "--amount", 1_000),
        ("coupon", "add", "fixed", "--won", 500, "--periods", 2, "--plan", "basic", "--until", "2026-12-31"),
        ("subscription", "apply-coupon", sub, "half"),
    ):
        dry, wet = (jeonggi(*words, *REASON, *more, "--json").document for more in (("--dry-run",), ()))
        assert (dry.pop("written"), wet.pop("written")) == (False, True)
        assert {**dry, "item_id": None, "add_on_id": None} == {**wet, "item_id": None, "add_on_id": None}
    assert "500 won off for 2 periods" in jeonggi("coupon", "list").out
    fixed, half = sorted(jeonggi("coupon", "list", "--json").document, key=lambda each: str(each["code"]))
    assert (fixed["code"], fixed["plans"], fixed["redeem_before"]) == ("FIXED", ["basic"], "2026-12-31T15:00:00+00:00")
    assert (half["code"], half["plans"], half["redeemed"], half["periods"]) == ("HALF", [], 1, None)
    assert jeonggi("item", "list", "--json").document[0]["amount"] == 6_000
    assert jeonggi("credit", "list", "user-8231", "--json").document["balance"] == 1_000
    told = jeonggi("subscription", "show", sub).out
    for fact in ("저장 500 won", "부품 6,000 won", "HALF: 50 % off, 0 for ever used", "1,000 won"):
        assert fact in told
    document = jeonggi("subscription", "show", sub, "--json").document
    assert [len(document[name]) for name in ("add_ons", "items", "coupons")] == [1, 1, 1]
    assert (document["credit"], document["carried"]) == (1_000, 0)
    (foreseen,) = [line for line in jeonggi("forecast", "--lines", "--days", 1).out.splitlines() if "user-8231" in line]
    house.tick()

    shown = jeonggi("invoice", "show", house.value("SELECT id FROM invoice")).out
    assert "10450" in foreseen.replace(",", "")
    assert re.search(r"^ +1 +base +plan basic +1 +9,900 +9,900", shown, re.MULTILINE)
    assert re.search(r"^ +2 +add_on +저장 +1 +500 +500", shown, re.MULTILINE)
    assert re.search(r"^ +3 +item +부품 +2 +3,000 +6,000 +2,000", shown, re.MULTILINE)
    assert re.search(r"^ +4 +coupon +HALF: 50 % off +1 +-4,950 +-4,950", shown, re.MULTILINE)
    assert re.search(r"^ +5 +credit +credit +1 +-1,000 +-1,000", shown, re.MULTILINE)
    assert jeonggi("item", "list", "--all", "--json").document[0]["invoice_id"] == str(
        house.value("SELECT id FROM invoice")
    )


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("item add {sub} --amount 0 --description x", "--amount 0 cannot be billed; give 1 to 1,000,000,000 won"),
        ("item add {sub} --amount 100 --description x --quantity 0", "--quantity 0 cannot be billed; give 1 or more"),
        ("item add {sub} --amount 100 --description x --tax-free 101", "--tax-free 101 is no part of the amount"),
        ("item add {sub} --amount 100 --description ' '", "--description cannot be used"),
        ("add-on add {sub} --amount 0 --description x", "--amount 0 cannot be billed"),
        ("add-on end 12345678", "there is no add-on 12345678"),
        ("item remove 12345678", "there is no item 12345678"),
        ("credit grant nobody --amount 1", "there is no customer 'nobody'"),
        ("credit grant user-8231 --amount 0", "--amount 0 is no credit"),
        ("credit withdraw user-8231 --amount 1", "has 0 won of credit; at most that can be taken back"),
        ("coupon add X", "give either --percent or --won"),
        ("coupon add X --percent 101", "--percent 101 cannot be taken off; give 1 to 100"),
        ("coupon add X --won 0", "--won 0 cannot be taken off"),
        ("coupon add X --won 1 --periods 0", "--periods 0 cannot be used"),
        ("coupon add X --won 1 --limit 0", "--limit 0 cannot be used"),
        ("coupon add X --won 1 --until 2026-02-30", "--until '2026-02-30' is not a date"),
        ("coupon add 'half price' --won 1", "coupon code 'half price' cannot be used"),
        ("coupon close X", "there is no coupon X"),
        ("subscription apply-coupon {sub} X", "there is no coupon X"),
    ],
)
def test_what_cannot_be_done_is_told_in_one_sentence(
    jeonggi: Jeonggi, house: House, sub: UUID, words: str, told: str
) -> None:
    ran = jeonggi(*shlex.split(words.format(sub=sub)), *REASON)

    assert ran.code in {1, 2}
    assert told in ran.err
    assert "Traceback" not in ran.err
    assert house.value("SELECT count(*) FROM audit_entry") == 0
