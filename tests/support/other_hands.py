"""What other hands do to cards: schedules of the gateway's own, payments of nobody of us, and subscribers on their way.

The gateway's ledger is the oracle: a period is paid by the schedule that was made for it, or by us.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from billing.adopt_rows import resume_adoptions
from billing.adopt_schedules import Offer, adopt, offer_rows
from billing.change_subscription import By
from domain.identity import merchant_uid, subscription_id
from domain.invoice import Purpose
from domain.subscription_row import SubscriptionRow
from gateway.port import Charge
from tests.support.house import NAMESPACE, START

if TYPE_CHECKING:
    from collections.abc import Sequence

    from domain.evidence import Record
    from tests.support.house import House

WHO: Final = By(actor="ops", reason="off the gateway's schedules")
SEOUL: Final = ZoneInfo("Asia/Seoul")
PERIODS: Final = 3
MONTHS: Final = (
    timedelta(minutes=15), timedelta(hours=1), timedelta(days=31), timedelta(days=37), timedelta(days=1),
)  # fmt: skip
"""Up to 10 April: three periods of everybody have begun, and no fourth; what ended between two steps is caught up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscriber:
    """One whom the gateway charges by itself so far. ``first_in``: seconds from now until its first schedule runs."""

    ref: str
    first_in: float
    declined: bool = False

    @property
    def card(self) -> str:
        return f"card-{self.ref}"

    def at(self, period: int) -> datetime:
        """When its schedule of a period is to run: the same day of every month, by Seoul's calendar."""
        first = (START + timedelta(seconds=self.first_in)).astimezone(SEOUL)
        month = first.month - 1 + period
        days = {0: 31, 1: 28, 2: 31, 3: 30, 4: 31}
        return first.replace(month=month + 1, day=min(first.day, days[month % 12])).astimezone(UTC)

    @property
    def started_on(self) -> date:
        return self.at(0).astimezone(SEOUL).date()

    @property
    def id(self) -> str:
        return str(
            subscription_id(namespace=NAMESPACE, customer_ref=self.ref, plan_code="basic", started_on=self.started_on)
        )

    def row(self, line: int) -> SubscriptionRow:
        return SubscriptionRow(
            line=line,
            customer_ref=self.ref,
            name="김하나",
            email="a@shop.example",
            tel="010-0000-0000",
            customer_uid=self.card,
            plan="basic",
            started_on=self.started_on,
            timezone="Asia/Seoul",
            paid_through=None,
        )


def schedule_all(house: House, people: Sequence[Subscriber], periods: int = PERIODS) -> None:
    """What the merchant's old program has made at the gateway."""
    for each in people:
        for period in range(periods):
            house.gateway.book.add(
                f"old-{each.ref}-{period}",
                customer_uid=each.card,
                at=each.at(period),
                declined=each.declined and period == 0,
            )


def begun(house: House, subscriber: Subscriber) -> Offer:
    """Our subscription is made and blocked; nothing was asked of the gateway yet."""
    (offer,) = offer_rows(house.ports, [subscriber.row(2)], accept_amount=False)
    assert isinstance(offer, Offer)
    adopt(house.ports, offer, by=WHO)
    return offer


def go_on(house: House, *steps: timedelta) -> None:
    """Time passes; every bell rings, and the hourly comparison goes on with what is unfinished."""
    for step in steps:
        house.to(house.now + step)
        house.gateway.book.run_due()
        resume_adoptions(house.ports, moved=lambda _: None)
        for _ in range(2):
            house.tick()
            house.charge()
            house.resolve()


def payments(house: House, people: Sequence[Subscriber]) -> dict[str, Counter[int]]:
    """Who paid for which period how often, by the gateway's ledger: by a schedule's name, or by one of ours."""
    names = {}
    for each in people:
        for period in range(12):
            names[f"old-{each.ref}-{period}"] = (each.ref, period)
            ours = merchant_uid(
                namespace=NAMESPACE,
                subscription_id=house.value("SELECT CAST(:id AS uuid)", id=each.id),
                purpose=Purpose.PERIOD,
                ordinal=period,
                attempt_no=1,
            )
            names[ours[:-3]] = (each.ref, period)
    paid: dict[str, Counter[int]] = {each.ref: Counter() for each in people}
    for record in house.gateway.records:
        if record.status == "paid":
            ref, period = names.get(record.merchant_uid) or names[record.merchant_uid[:-3]]
            paid[ref][period] += 1
    return paid


def somebodys(
    house: House, card: str, *, name: str = "old-shop-1", status: str = "paid", amount: int = 9_900
) -> Record:
    """A payment that no attempt of ours made."""
    charge = Charge(
        attempt_id=UUID(int=0),
        send_no=1,
        fence=1,
        merchant_uid=name,
        customer_uid=card,
        amount=amount,
        name="somebody's",
    )
    return house.gateway.record_payment(charge, status=status)


class Instead:
    """The gateway in memory, but for the calls that a test answers itself."""

    def __init__(self, house: House, **calls: object) -> None:
        self._house = house
        self._calls = calls

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the gateway has by that name
        return self._calls[name] if name in self._calls else getattr(self._house.gateway, name)
