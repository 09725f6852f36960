"""The dates that the how-to about business days tells are those that its plan would be charged on."""

from __future__ import annotations

import re
from datetime import date
from zoneinfo import ZoneInfo

from domain.billing_period import Calendar
from domain.plan_file import read_plan_file
from tests.support.source_tree import ROOT

PAGE = (ROOT / "docs" / "how-to" / "charge-on-the-last-business-day.md").read_text(encoding="utf-8")


def test_the_last_business_days_are_as_told() -> None:
    found = re.search(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    told = re.search(r"In 2026 those are (.*?), between", PAGE, re.DOTALL)
    assert found
    assert told
    (plan,) = read_plan_file(found[1].encode())
    calendar = Calendar(
        schedule=plan.schedule,
        anchored_on=date(2025, 12, 31),
        zone_name="Asia/Seoul",
        shift=plan.dates.shift,
    )

    charged = [calendar.due_at(ordinal).astimezone(ZoneInfo("Asia/Seoul")) for ordinal in range(1, 13)]

    days = [" ".join(each.split()) for each in re.split(r",| and ", told[1]) if each.strip()]
    assert [f"{each.day} {each:%B}" for each in charged] == days
    assert {f"{each:%H:%M}" for each in charged} == {"09:00"}
    assert plan.dates.spread_minutes == 60
