"""What a merchant's code may answer about a period, and what a plan may name."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from domain.billing_period import Billed
from domain.errors import BadInput
from domain.plan_file import read_plan_file
from domain.usage import Usage, usage_items, won_of

LINE = Usage(description=" messages ", quantity=3, unit_amount=11, unit_tax_free=1)


def _line(**values: Any) -> Usage:  # noqa: ANN401 - whatever the merchant's code puts into it
    return replace(LINE, **values)


def test_lines_are_billed_as_told_and_what_was_used_not_once_is_left_out() -> None:
    free = replace(LINE, unit_amount=0, unit_tax_free=0)

    items = usage_items((LINE, replace(LINE, quantity=0), free))

    assert [(item.description, item.quantity, item.unit_amount, item.unit_tax_free) for item in items] == [
        ("messages", 3, 11, 1),
        ("messages", 3, 0, 0),
    ]
    assert won_of(items) == 33
    assert usage_items([]) == ()


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (None, "it gave no list of Usage"),
        ({LINE}, "it gave no list of Usage"),
        ([LINE] * 101, "it gave 101 lines, more than 100"),
        ([LINE, 3], "line 2 of what it gave is no Usage"),
        ([{"description": "x", "quantity": 1, "unit_amount": 1}], "line 1 of what it gave is no Usage"),
        ([replace(LINE, quantity=True)], "line 1 of what it gave has a quantity that is no whole number"),
        ([_line(unit_amount="11")], "line 1 of what it gave has a unit_amount that is no whole number"),
        ([replace(LINE, unit_amount=-1)], "line 1 of what it gave has a unit_amount outside 0 to 1,000,000,000"),
        ([replace(LINE, unit_tax_free=12)], "line 1 of what it gave has more free of tax than it costs"),
        ([replace(LINE, description="two\nlines")], "line 1 of what it gave has no description"),
        ([_line(description=None)], "line 1 of what it gave has no description"),
        ([replace(LINE, quantity=2**31 - 1, unit_amount=1)], "its lines come to more than 1,000,000,000 won"),
    ],
)
def test_what_cannot_be_billed_is_told_in_our_own_words(answer: object, told: str) -> None:
    with pytest.raises(BadInput) as refused:
        usage_items(answer)

    assert str(refused.value).startswith(told)


def _plan(**keys: Any) -> bytes:  # noqa: ANN401 - TOML
    told = {"code": "p", "name": "p", "amount": 9_900, "every": "1 month", **keys}
    return ("[[plan]]\n" + "".join(f"{key} = {value!r}\n" for key, value in told.items())).encode()


def test_a_plan_names_an_entry_point_and_is_not_charged_before_its_period_is_over() -> None:
    assert read_plan_file(_plan(usage="messages"))[0].terms.usage == "messages"
    assert read_plan_file(_plan())[0].terms.usage is None
    with pytest.raises(BadInput, match=r"usage = 'a b' cannot be used; give the name of an entry point"):
        read_plan_file(_plan(usage="a b"))
    with pytest.raises(BadInput, match="may be charged before the period is over whose use is billed"):
        read_plan_file(_plan(usage="messages", shift="previous"))


@pytest.mark.parametrize(
    ("terms", "told"),
    [
        ({"shift": "previous"}, "which may charge a period before it is over"),
        ({"trial_days": 7}, "give a coupon for what is to be free"),
        ({"without_consent": "end"}, "leave it out, and the old price stays"),
        ({"usage": "messages", "after_outage": "none"}, 'give after_outage = "all"'),
        ({"billed": "later"}, 'billed = \'later\' is unknown; give "in-advance" or "in-arrears"'),
    ],
)
def test_what_does_not_go_with_a_charge_at_the_end_is_refused(terms: dict[str, Any], told: str) -> None:
    with pytest.raises(BadInput, match=re.escape(told)):
        read_plan_file(_plan(**{"billed": "in-arrears", **terms}))

    (plan,) = read_plan_file(_plan(billed="in-arrears", usage="messages", shift="next"))
    assert plan.terms.billed is Billed.IN_ARREARS
