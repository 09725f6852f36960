"""What the next day will charge is kept the evening before, and every difference is explained, or is an incident."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text

from billing.change_quantity import change_quantity
from billing.change_subscription import By, cancel, pause
from billing.keep_forecast import compare_forecast, keep_forecast
from billing.one_off_items import add_item
from domain.one_off import read_item
from tests.fakes.gateway import Fate
from tests.support.imports import bring_in

if TYPE_CHECKING:
    from tests.support.house import House

BY = By(actor="mina", reason="a test")
SEOUL = ZoneInfo("Asia/Seoul")
ZONE = "Asia/Seoul"


@pytest.fixture
def house(house: House) -> House:
    house.plan()
    return house


def evening(house: House) -> None:
    """Ten at night in Seoul, of this day."""
    house.to(house.now.astimezone(SEOUL).replace(hour=22, minute=5).astimezone(UTC))


def live_a_day(house: House) -> None:
    """From the evening to two o'clock of the night after the next day, charging what falls due."""
    for _ in range(28):
        house.advance(hours=1)
        house.tick()
        house.charge()


def test_a_day_that_goes_as_foreseen_has_no_differences(house: House) -> None:
    drawn = random.Random(7)
    subs = [house.subscription(started_on=date(2026, 1, drawn.randint(1, 31)), ordinal=0) for _ in range(25)]
    declined = house.subscription(started_on=date(2026, 2, 1))
    house.gateway.script(house.uid(declined, 0), Fate.DECLINE)
    compared = []
    for _ in range(3):
        house.tick()
        house.charge()
        assert keep_forecast(house.database, zone_name=ZONE) is None  # it is morning
        evening(house)
        kept = keep_forecast(house.database, zone_name=ZONE)
        assert keep_forecast(house.database, zone_name=ZONE) is None  # once
        live_a_day(house)
        compared.append((kept, compare_forecast(house.database)))
        assert compare_forecast(house.database) is None

    assert [unexplained for _, unexplained in compared] == [0, 0, 0]
    assert sum(kept or 0 for kept, _ in compared) >= 3
    days = house.rows("SELECT charges, won, differences, unexplained FROM forecast_day ORDER BY day")
    assert [tuple(row)[2:] for row in days] == [(0, 0)] * 3
    assert sum(row.charges for row in days) * 9_900 == sum(row.won for row in days)
    assert house.value("SELECT count(*) FROM forecast_line") == 0
    assert house.value("SELECT count(*) FROM outbox_event WHERE kind = 'forecast.unexplained'") == 0
    assert subs


def test_what_people_did_meanwhile_explains_a_difference_and_a_forgotten_period_is_an_incident(house: House) -> None:
    day = date(2026, 2, 1)
    as_foreseen, leaves, rests, more, forgotten, dearer = (house.subscription(started_on=day) for _ in range(6))
    evening(house)
    assert keep_forecast(house.database, zone_name=ZONE) == 6
    cancel(house.ports, leaves, by=BY)
    pause(house.ports, rests, by=BY)
    add_item(house.database, more, read_item(description="설치비", quantity=1, unit_amount=5_000, tax_free=0), by=BY)
    bring_in(house, {"customer_ref": "comes", "started_on": "2026-02-01"})
    change_quantity(house.database, forgotten, 2, by=BY)  # which explains no period that is not there
    with house.database.transaction() as tx:  # as a fault would: nothing is recorded
        statement = "UPDATE subscription SET set_aside_reason = 'lost' WHERE id = :id"
        tx.connection.execute(text(statement), {"id": forgotten})
    live_a_day(house)
    with house.database.transaction() as tx:
        tx.connection.execute(text("SET LOCAL session_replication_role = replica"))
        tx.connection.execute(text("UPDATE invoice SET amount = 12900 WHERE subscription_id = :id"), {"id": dearer})

    assert compare_forecast(house.database) == 2

    found = {
        row.subscription_id: (row.foreseen, row.opened, row.cause)
        for row in house.rows("SELECT subscription_id, foreseen, opened, cause FROM forecast_difference")
    }
    comes = house.value("SELECT s.id FROM subscription s JOIN customer c ON c.id = s.customer_id"
                        " WHERE c.customer_ref = 'comes'")  # fmt: skip
    assert found == {
        leaves: (9_900, None, "subscription.cancel"),
        rests: (9_900, None, "subscription.pause"),
        more: (9_900, 14_900, "item.added"),
        comes: (None, 9_900, "subscription.imported"),
        forgotten: (9_900, None, None),
        dearer: (9_900, 12_900, None),
    }
    assert as_foreseen not in found
    (told,) = house.rows("SELECT data, is_incident FROM outbox_event WHERE kind = 'forecast.unexplained'")
    assert (told.data, told.is_incident) == ({"day": "2026-02-01", "differences": 2, "is_whole": True}, True)


def test_lines_that_somebody_changed_are_told(house: House) -> None:
    house.subscription(started_on=date(2026, 2, 1))
    evening(house)
    keep_forecast(house.database, zone_name=ZONE)
    with house.database.transaction() as tx:
        tx.connection.execute(text("UPDATE forecast_line SET amount = amount + 1"))
    live_a_day(house)

    compare_forecast(house.database)

    assert house.value("SELECT data ->> 'is_whole' FROM outbox_event WHERE kind = 'forecast.unexplained'") == "false"


def test_a_day_that_has_begun_is_not_foreseen_any_more(house: House) -> None:
    house.subscription(started_on=date(2026, 2, 1))
    house.to(datetime(2026, 2, 1, 1, tzinfo=UTC) + timedelta(hours=1))

    assert keep_forecast(house.database, zone_name=ZONE) is None
    assert compare_forecast(house.database) is None
