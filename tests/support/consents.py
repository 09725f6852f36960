"""What people say and are told of prices, in a house; and what came of it."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import text

from billing.change_prices import add_price
from billing.change_subscription import By
from billing.check_invariants import check_invariants
from billing.record_consent import record_consent, record_notice
from domain.consent import Answer
from domain.consent_file import Statement
from tests.support.mortal import next_instant

if TYPE_CHECKING:
    from uuid import UUID

    from billing.record_consent import Recorded
    from tests.support.house import House

BY = By(actor="mina", reason="spring prices")


def say(house: House, sub: UUID, at: datetime, answer: Answer = Answer.AGREED) -> Recorded:
    said = Statement(subscription=str(sub), at=at, through="web", text_version="v3", ref="form-77", answer=answer)
    return record_consent(house.database, said, by=BY)


def tell(house: House, sub: UUID, at: datetime) -> None:
    record_notice(house.database, Statement(subscription=str(sub), at=at, through="sms"), by=BY)


def rise(house: House, *, to: int = 12_900, on: date = date(2026, 3, 1), plan: str = "basic") -> None:
    add_price(house.database, plan, {"amount": to}, on=on, zone_name="Asia/Seoul", by=BY)


def without_consent(house: House, otherwise: str, **columns: object) -> None:
    with house.database.transaction() as tx:
        tx.connection.execute(text("UPDATE plan SET without_consent = :otherwise"), {"otherwise": otherwise})
        for name, value in columns.items():
            tx.connection.execute(text(f"UPDATE plan SET {name} = :value"), {"value": value})


def amounts(house: House, sub: UUID) -> list[int]:
    rows = house.rows("SELECT amount FROM invoice WHERE subscription_id = :id ORDER BY ordinal", id=sub)
    return [row.amount for row in rows]


def live(house: House, *, until: datetime) -> None:
    """From one instant at which something is due to the next."""
    while house.now < until:
        house.tick()
        house.charge()
        house.to(min(until, max(next_instant(house) or until, house.now + timedelta(minutes=1))))


def broken(house: House) -> list[object]:
    return list(check_invariants(house.ports, gateways=[house.ports], progress=lambda _: None))


def charge_for(house: House, *, days: int) -> None:
    """Charge what is open, now and on so many days more: a customer is charged once a day for what was late."""
    for day in range(days + 1):
        if day:
            house.advance(days=1)
        while house.charge().claimed:
            pass
