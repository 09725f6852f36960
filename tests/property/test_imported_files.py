"""Whatever a file holds: it is read, or refused with a sentence; and what is kept of an answer is the answer."""

from __future__ import annotations

import contextlib
import csv
import io
from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from billing.starting_point import StartingPoints
from domain.billing_period import Calendar, CatchUp
from domain.business_day import Shift
from domain.errors import BadInput
from domain.plan_file import read_plan_file
from domain.schedule import parse_every
from domain.subscription_file import Refused, SubscriptionFile
from domain.subscription_row import OPTIONAL, REQUIRED, SubscriptionRow

COLUMNS = (*REQUIRED, *OPTIONAL)
HEADER = ",".join(COLUMNS).encode() + b"\n"

words = st.text(st.characters(categories=("L", "N", "P", "S")), min_size=1, max_size=30)
# A card's name stands in addresses: see tests/property/test_customer_uids.py.
cards = st.text(st.characters(categories=("L", "N", "P", "S"), max_codepoint=0xFFFF), min_size=1, max_size=30).filter(
    lambda name: name not in {".", ".."}
)
days = st.dates(date(2000, 1, 1), date(2036, 1, 1))


@st.composite
def good_rows(draw: st.DrawFn) -> dict[str, str]:
    return {
        "customer_ref": draw(words),
        "name": draw(words),
        "email": draw(st.sampled_from(["", "a@shop.example", "가@상점.example"])),
        "tel": draw(st.sampled_from(["", "010-0000-0000", "+82 10 0000 0000"])),
        "customer_uid": draw(st.one_of(st.just(""), cards)),
        "plan": draw(words),
        "started_on": draw(days).isoformat(),
        "timezone": draw(st.sampled_from(["", "Asia/Seoul", "America/New_York"])),
        "paid_through": draw(st.one_of(st.just(""), days.map(date.isoformat))),
        "quantity": draw(st.one_of(st.just(""), st.integers(1, 10_000_000).map(str))),
    }


@given(st.binary(max_size=300), st.booleans())
def test_any_bytes_are_read_or_refused_with_a_sentence(content: bytes, with_header: bool) -> None:
    lines = io.BytesIO(HEADER + content if with_header else content)
    with contextlib.suppress(BadInput):
        for found in SubscriptionFile(lines, default_timezone="Asia/Seoul"):
            assert isinstance(found, SubscriptionRow | Refused)
            assert found.line >= 2
    with contextlib.suppress(BadInput):
        read_plan_file(content)


@given(st.lists(good_rows(), max_size=8))
def test_good_rows_come_back_as_they_were_written(rows: list[dict[str, str]]) -> None:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS)
    writer.writeheader()
    writer.writerows(rows)

    found = list(SubscriptionFile(io.BytesIO(text.getvalue().encode()), default_timezone="Europe/Berlin"))

    assert [
        {
            "customer_ref": row.customer_ref,
            "name": row.name,
            "email": row.email,
            "tel": row.tel,
            "customer_uid": row.customer_uid or "",
            "plan": row.plan,
            "started_on": row.started_on.isoformat(),
            "timezone": row.timezone,
            "paid_through": row.paid_through.isoformat() if row.paid_through else "",
            "quantity": "" if row.quantity is None else str(row.quantity),
        }
        for row in found
        if isinstance(row, SubscriptionRow)
    ] == [{**row, "timezone": row["timezone"] or "Europe/Berlin"} for row in rows]


@given(
    every=st.sampled_from(["1 month", "1 week", "10 days", "1 year"]),
    started_on=st.dates(date(2024, 1, 1), date(2026, 12, 31)),
    paid_through=st.none() | st.dates(date(2023, 12, 1), date(2027, 3, 1)),
    catch_up=st.sampled_from(CatchUp),
    shift=st.sampled_from(Shift),
    spread_seconds=st.sampled_from([0, 3_600, 35_999]),
    hours=st.lists(st.integers(0, 24 * 400), min_size=2, max_size=12),
)
def test_a_kept_starting_point_is_the_one_that_would_be_computed(
    every: str,
    started_on: date,
    paid_through: date | None,
    catch_up: CatchUp,
    shift: Shift,
    spread_seconds: int,
    hours: list[int],
) -> None:
    calendar = Calendar(
        schedule=parse_every(every),
        anchored_on=started_on,
        zone_name="Asia/Seoul",
        shift=shift,
        spread_seconds=spread_seconds,
    )
    points = StartingPoints(max_behind=10_000)
    for offset in hours:
        now = datetime(2026, 1, 1, 1, tzinfo=UTC) + timedelta(hours=offset)

        point = points.find(calendar, catch_up=catch_up, paid_through=paid_through, now=now)

        expected = calendar.arrears(now=now, catch_up=catch_up, paid_through=paid_through, max_behind=10_000)
        assert point.arrears == expected
        assert point.first_at == calendar.due_at(expected.first)
        due = [ordinal for ordinal in range(expected.first, expected.current + 40) if calendar.due_at(ordinal) <= now]
        assert point.due_behind == len([ordinal for ordinal in due if ordinal < expected.current])
        assert point.due_besides == len([ordinal for ordinal in due if ordinal >= expected.current])
