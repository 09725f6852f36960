"""Payments to give back in a house, time that goes on until no refund is due, and both ledgers side by side."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from billing.change_subscription import By
from billing.refund import Wanted, request_refund
from billing.refund_due import refund_due

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from billing.ports import Ports
    from tests.support.house import House

BY: Final = By(actor="mina", reason="the customer called")
#: Runs after which something that is still due is taken to be forgotten.
ROUNDS: Final = 500
TICK: Final = timedelta(seconds=5)

#: When a refund is sent, or asked about, next: one that waits for another of its payment has no time of its own.
NEXT_REFUND: Final = (
    "SELECT min(r.next_at) FROM refund r WHERE r.state IN ('in_flight', 'unknown') OR (r.operator_since IS NULL"
    " AND (r.state = 'not_executed' OR (r.state = 'requested' AND NOT EXISTS (SELECT FROM refund o"
    "  WHERE o.payment_id = r.payment_id AND o.state IN ('in_flight', 'unknown', 'not_executed')))))"
)


def pay(house: House, count: int = 1, *, amount: int = 9_900) -> dict[str, UUID]:
    """So many paid invoices; gives each payment by the gateway's number."""
    house.plan(f"at-{amount}", amount=amount)
    known = {row.imp_uid for row in house.rows("SELECT imp_uid FROM payment")}
    for _ in range(count):
        house.subscription(plan=f"at-{amount}")
    house.tick()
    house.charge()
    rows = house.rows("SELECT id, imp_uid FROM payment ORDER BY imp_uid")
    paid = {row.imp_uid: row.id for row in rows if row.imp_uid not in known}
    assert len(paid) == count
    return paid


def ask(house: House, payment_id: UUID, amount: int, *, is_full: bool = False) -> UUID:
    """Ask for a refund."""
    refund_id = request_refund(house.database, payment_id, Wanted(amount=amount, is_full=is_full), by=BY).refund_id
    assert refund_id is not None
    return refund_id


def settle_refunds(house: House, *, hours: float = 12, ports: Ports | None = None) -> None:
    """Let time go on by jumps until no refund is due any more, or for so long; ``ports``: of the process that works."""
    end = house.now + timedelta(hours=hours)
    due: datetime | None = None
    for _ in range(ROUNDS):
        refund_due(ports or house.ports)
        due = house.value(NEXT_REFUND)
        if due is None or due > end:
            return
        house.to(max(due, house.now + TICK))
    raise AssertionError(f"after {ROUNDS} runs a refund is still due at {due}: it is never taken")


def refund(house: House, refund_id: UUID) -> Any:  # noqa: ANN401 - a row
    """One refund as it stands."""
    return house.rows("SELECT * FROM refund WHERE id = :id", id=refund_id)[0]


def unlike(house: House) -> list[str]:
    """Where the gateway's ledger and ours differ, or ours does not add up; empty: nowhere."""
    there = {each.imp_uid: each for each in house.gateway.records if each.said in {"paid", "cancelled"}}
    told = []
    for row in house.rows(
        "SELECT p.imp_uid, p.amount, p.cancelled_amount,"
        " (SELECT coalesce(sum(amount), 0) FROM payment_cancellation c WHERE c.payment_id = p.id) AS entries,"
        " (SELECT coalesce(sum(amount), 0) FROM refund r WHERE r.payment_id = p.id AND state = 'succeeded') AS given"
        " FROM payment p"
    ):
        record = there[row.imp_uid]
        if (row.amount, row.cancelled_amount) != (record.amount, record.cancel_amount):
            told.append(f"{row.imp_uid}: {row.cancelled_amount} won cancelled here, {record.cancel_amount} there")
        if row.entries != row.cancelled_amount or row.given > row.cancelled_amount:
            told.append(f"{row.imp_uid}: {row.cancelled_amount} won are {row.entries} in entries, {row.given} given")
    history = [cancel.reason for record in there.values() for cancel in record.cancellations]
    for row in house.rows("SELECT mark, state FROM refund"):
        times = sum(row.mark in reason for reason in history)
        if times > 1:
            told.append(f"refund {row.mark} was carried out {times} times")
    return told
