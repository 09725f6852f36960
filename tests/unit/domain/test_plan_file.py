"""What a plan file may say; the refusals of single fields are shown where the command is."""

from __future__ import annotations

from datetime import time

import pytest

from domain.billing_period import CatchUp
from domain.business_day import Shift
from domain.errors import BadInput
from domain.plan_dates import PlanDates
from domain.plan_file import MAXIMUM_BYTES, MAXIMUM_PLANS, read_plan_file
from domain.price import MINIMUM_AMOUNT
from domain.schedule import Cron, Every, Unit
from tests.support.source_tree import page, table_rows


def plan(**changes: str) -> str:
    fields = {"code": '"basic"', "name": '"베이직"', "amount": "9900", "every": '"1 month"', **changes}
    return "[[plan]]\n" + "".join(f"{name} = {value}\n" for name, value in fields.items() if value)


def test_a_plan_is_read_with_its_default() -> None:
    (found,) = read_plan_file(b"\xef\xbb\xbf" + plan().encode())

    assert (found.code, found.name, found.price.amount) == ("basic", "베이직", 9900)
    assert (found.schedule, found.every, found.cron) == (Every(1, Unit.MONTH), "1 month", None)
    assert found.catch_up is CatchUp.LATEST


def test_a_cron_plan_is_read() -> None:
    (found,) = read_plan_file(plan(every="", cron='"30  9 25 * *"', catch_up='"none"').encode())

    assert (found.schedule, found.every, found.cron) == (Cron("30 9 25 * *"), None, "30 9 25 * *")
    assert found.catch_up is CatchUp.NONE


def test_a_plan_says_when_it_is_charged() -> None:
    said = plan(at='"09:30"', shift='"previous"', spread_minutes="60")
    usual = plan(at='"10:00"')

    dated, plain, same = (read_plan_file(each.encode())[0] for each in (said, plan(), usual))

    assert dated.dates == PlanDates(at=time(9, 30), shift=Shift.PREVIOUS, spread_minutes=60)
    assert dated.schedule == Every(1, Unit.MONTH, time(9, 30))
    assert plain == same  # what stands is not refused because a file says the usual hour


def test_the_least_amount_is_the_tables() -> None:
    assert read_plan_file(plan(amount=str(MINIMUM_AMOUNT)).encode())[0].price.amount == MINIMUM_AMOUNT


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "the plan file has no plan; begin each one with a line [[plan]]"),
        (plan().replace("[[plan]]", "[plan]").encode(), "the plan file has no plan"),
        (b"plan = [1]", "plan number 1 is not a table"),
        (plan().replace("[[plan]]", "[[plans]]").encode(), "the plan file: plans is no key; did you mean plan?"),
        (b"# a\n# " + "김".encode("cp949") + b"\n", "the plan file is not UTF-8 at line 2"),
        (b"a = " + b"9" * 5_000, "the plan file is not TOML"),
        (b"#" * (MAXIMUM_BYTES + 1), "the plan file has more than 1,048,576 bytes"),
        (("[[plan]]\n" * (MAXIMUM_PLANS + 1)).encode(), "the plan file has 1001 plans, more than 1000"),
        (plan(code='"two words"').encode(), "plan number 1: code = 'two words' cannot be used"),
        (plan(code="7").encode(), "plan number 1: code = 7 cannot be used"),
        (plan(name='""').encode(), "plan 'basic': name = '' cannot be used"),
        (plan(name='"a\\u0000b"').encode(), "plan 'basic': name = "),
        (plan(amount="1_000_000_001").encode(), "amount = 1000000001 is above the maximum"),
        (plan(amount="[9900]").encode(), "amount = a list is not a whole number of won"),
        (plan(every="30").encode(), "plan 'basic': every = 30 is not a text"),
        (plan(every='"11 years"').encode(), "every = '11 years' is longer than ten years"),
        (plan(every='"0 months"').encode(), "plan 'basic': every = '0 months' is not an interval"),
        (plan(every="", cron='"0 10 30 2 *"').encode(), "is not a cron expression that ever fires"),
        (plan(every="", cron='"* 10 1 * *"').encode(), "fires more than once a day"),
        (plan(at="09:30:00").encode(), "plan 'basic': at is not a time of day in quotes"),
        (plan(at='"24:00"').encode(), "plan 'basic': at is not a time of day in quotes"),
        (plan(every="", cron='"0 9 1 * *"', at='"09:30"').encode(), "at stands beside cron"),
        (plan(after_outage='"some"').encode(), "after_outage = 'some' is unknown; give one of"),
        (plan(periods="0").encode(), "plan 'basic': periods = 0 is not a whole number of periods from 1 to 999"),
        (plan(minimum_periods="1.5").encode(), "minimum_periods = 1.5 is not a whole number of periods"),
        (plan(periods="2", minimum_periods="3").encode(), "minimum_periods = 3 is more than periods = 2"),
        (plan(every='"10 years"', periods="11").encode(), "periods = 11 is longer than a hundred years"),
        (plan(shift='"monday"').encode(), "plan 'basic': shift is unknown"),
        (plan(spread_minutes="-1").encode(), "plan 'basic': spread_minutes is not a whole number of minutes"),
        (plan(spread_minutes="1.5").encode(), "plan 'basic': spread_minutes is not a whole number of minutes"),
        (plan(at='"23:00"', spread_minutes="60").encode(), "spread_minutes = 60 from 23:00 on goes past midnight"),
        (plan(every="", cron='"30 22 1 * *"', spread_minutes="90").encode(), "from 22:30 on goes past midnight"),
        (plan(every='"1 week"', shift='"next"').encode(), "shift = 'next' needs periods of 14 days or more"),
        (plan(every="", cron='"0 9 1,14 * *"', shift='"next"').encode(), "shift = 'next' needs periods of 14 days"),
        (plan(every='"1 day"', catch_up='"all"').encode(), 'catch_up = "all" never catches up'),
        (plan(every="", cron='"0 9 * * *"', catch_up='"all"').encode(), 'catch_up = "all" never catches up'),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_sentence(content: bytes, told: str) -> None:
    with pytest.raises(BadInput) as refused:
        read_plan_file(content)

    assert told in str(refused.value)
    assert "\n" not in str(refused.value)


def test_the_page_of_the_plan_file_tells_every_key_and_its_example_is_read() -> None:
    told, _, _ = page("docs/reference/plan-file.md").partition("## The subscription file")
    with pytest.raises(BadInput) as refused:
        read_plan_file(plan(qqq="1").encode())
    keys = str(refused.value).partition("the keys are ")[2].split(", ")
    example = told.partition("```toml\n")[2].partition("```")[0]

    (found,) = read_plan_file(example.encode())

    assert set(table_rows(told)) == set(keys)
    assert (found.price.tax_free, found.price.vat, found.price.card_quota) == (2_000, "included", 3)
