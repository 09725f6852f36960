"""Catching up: with ``all`` at most one charge a customer and civil day, until everything is paid."""

from __future__ import annotations

from datetime import date
from itertools import combinations
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text

from billing.calendars import schedule_of
from billing.change_subscription import By, change_card, pause, resume
from domain.billing_period import Calendar, CatchUp
from tests.fakes.gateway import Fate
from tests.support.mortal import settle_fast

if TYPE_CHECKING:
    from uuid import UUID

    from tests.support.house import House

SEOUL, NEW_YORK = "Asia/Seoul", "America/New_York"
BY = By(actor="operator@shop.example", reason="holidays")


def _behind(
    house: House,
    catch_up: CatchUp,
    *,
    customer: str,
    started_on: date,
    zone: str = SEOUL,
    plan: str = "",
) -> tuple[UUID, int, int]:
    """A subscription as an import makes it; gives it, the first period that is opened, and the running one."""
    code = plan or catch_up
    house.plan(code, catch_up=catch_up)
    calendar = Calendar(schedule=schedule_of("1 month", None), anchored_on=started_on, zone_name=zone)
    arrears = calendar.arrears(now=house.now, catch_up=catch_up, max_behind=120)
    sub = house.subscription(
        plan=code,
        customer_ref=customer,
        started_on=started_on,
        zone=zone,
        ordinal=arrears.first - 1,
        catch_up_below=arrears.current,
    )
    return sub, arrears.first, arrears.current


def _assert_one_a_day(house: House) -> None:
    """No catch-up charge shares a civil day, in either one's zone, with another charge of its customer."""
    sends = house.rows(
        "SELECT d.committed_at, i.id, i.is_catch_up, s.timezone, s.customer_id FROM send d"
        " JOIN charge_attempt a ON a.id = d.attempt_id JOIN invoice i ON i.id = a.invoice_id"
        " JOIN subscription s ON s.id = i.subscription_id ORDER BY d.committed_at"
    )
    for one, other in combinations(sends, 2):
        if one.id == other.id or one.customer_id != other.customer_id or not (one.is_catch_up or other.is_catch_up):
            continue
        for zone in (one.timezone, other.timezone):
            days = [row.committed_at.astimezone(ZoneInfo(zone)).date() for row in (one, other)]
            assert days[0] != days[1], (one, other)


def _by_the_hour(house: House, *, days: int, hours: float = 5) -> None:
    """Bells that ring rarely, at odd hours of the day."""
    for _ in range(int(days * 24 / hours)):
        house.tick()
        house.charge()
        house.resolve()
        house.advance(hours=hours)


@pytest.mark.parametrize("is_slow", [False, True])
@pytest.mark.parametrize("zones", [(SEOUL, SEOUL), (SEOUL, NEW_YORK), (NEW_YORK, SEOUL)])
def test_with_all_a_customer_is_charged_once_a_day_until_everything_is_paid(
    house: House, zones: tuple[str, str], *, is_slow: bool
) -> None:
    first, _, current = _behind(house, CatchUp.ALL, customer="c", started_on=date(2025, 9, 15), zone=zones[0])
    second, _, other = _behind(
        house, CatchUp.ALL, customer="c", started_on=date(2025, 10, 31), zone=zones[1], plan="second"
    )
    plain = house.subscription(plan="plain", customer_ref="c")
    for sub, ordinal in ((first, 1), (first, 2), (second, 0), (plain, 0)):
        house.gateway.script(house.uid(sub, ordinal), Fate.DECLINE)
    house.gateway.script(house.uid(first, 3), Fate.LOSE_ANSWER)

    if is_slow:
        _by_the_hour(house, days=25)
    else:
        settle_fast(house, days=25)

    _assert_one_a_day(house)
    owed = [(first, range(current + 1)), (second, range(other + 1)), (plain, range(1))]
    paid = house.paid_at_gateway()
    for sub, ordinals in owed:
        assert all(paid[house.uid(sub, ordinal)[:-3]] == 1 for ordinal in ordinals)


def test_other_customers_are_caught_up_side_by_side(house: House) -> None:
    for customer in range(4):
        _behind(house, CatchUp.ALL, customer=f"c{customer}", started_on=date(2025, 10, 1))

    settle_fast(house, days=6)

    assert house.states("invoice") == {"paid": 20}
    _assert_one_a_day(house)


@pytest.mark.parametrize(("catch_up", "paid"), [(CatchUp.LATEST, 2), (CatchUp.NONE, 1)])
def test_with_latest_or_none_only_that_is_charged(house: House, catch_up: CatchUp, paid: int) -> None:
    sub, first, current = _behind(house, catch_up, customer="c", started_on=date(2025, 9, 15))

    settle_fast(house, days=10)

    assert house.paid_at_gateway() == {house.uid(sub, ordinal)[:-3]: 1 for ordinal in range(first, current + 1)}
    assert len(house.paid_at_gateway()) == paid


def test_what_fell_due_during_a_pause_is_caught_up_once_a_day(house: House) -> None:
    sub, _, current = _behind(house, CatchUp.ALL, customer="c", started_on=date(2026, 1, 31))
    assert current == 0
    settle_fast(house, days=1)
    pause(house.ports, sub, by=BY)
    house.advance(days=100)

    resume(house.ports, sub, by=BY)
    settle_fast(house, days=5)

    assert house.paid_at_gateway() == {house.uid(sub, ordinal)[:-3]: 1 for ordinal in range(4)}
    _assert_one_a_day(house)


@pytest.mark.parametrize("trouble", ["subscription set aside", "invoice set aside", "card revoked", "channel missing"])
def test_what_is_never_charged_by_itself_takes_nobodys_day(house: House, trouble: str) -> None:
    sub, _, current = _behind(house, CatchUp.ALL, customer="c", started_on=date(2025, 10, 15))
    other = house.subscription(plan="other", customer_ref="c")
    if trouble == "subscription set aside":
        statement = "UPDATE subscription SET set_aside_reason = 'odd' WHERE id = :id"
    elif trouble == "invoice set aside":
        house.tick()
        statement = "UPDATE invoice SET set_aside_reason = 'odd' WHERE subscription_id = :id"
    elif trouble == "channel missing":
        elsewhere, _ = house.beside("not-configured-any-more")
        change_card(elsewhere, other, customer_uid="card-over-there", by=BY)
        statement = "SELECT FROM subscription WHERE id = :id"
    else:
        house.tick()
        statement = (
            "UPDATE billing_key SET revoked_at = '2026-01-31Z'"
            " WHERE id = (SELECT billing_key_id FROM subscription WHERE id = :id)"
        )
    with house.database.transaction() as tx:
        tx.connection.execute(text(statement), {"id": other})

    _by_the_hour(house, days=6, hours=9)

    paid = house.paid_at_gateway()
    assert all(paid[house.uid(sub, ordinal)[:-3]] == 1 for ordinal in range(current + 1))
