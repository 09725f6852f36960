"""What happens when the time of a schedule has come?

Source: PortOne V1 documentation: a schedule is tried once, ``executed`` says that it was, ``payment_status`` how it
went; a hook tells either. One that failed can be charged again under its own merchant_uid.
"""

import json
import sqlite3

from simulator.accounts import Account
from simulator.charge import answer_uncharged, charge, draw_fault, move_money, record_failure
from simulator.faults import UNCHARGED, Fault, FaultKind, UnreadableFault
from simulator.incoming import Incoming, Reply
from simulator.ledger import Via
from simulator.orders import Asked, Order, Terms, order_of
from simulator.simulation import Simulation
from simulator.wire import Fields, Refused, annotate_schedule, refusal

NOT_FAILED = "결제에 실패한 예약결제가 아닙니다."
UNKNOWN_SCHEDULE = "존재하지 않는 예약결제정보입니다."
MOST_AT_ONCE = 200


def newest(simulation: Simulation, account: str, merchant_uid: str) -> sqlite3.Row | None:
    """Find the schedule of this name that was made last."""
    sql = "SELECT * FROM schedule WHERE account = ? AND merchant_uid = ? ORDER BY seq DESC LIMIT 1"
    rows = simulation.ledger.rows(sql, (account, merchant_uid))
    return rows[0] if rows else None


def by_seq(simulation: Simulation, seq: int) -> sqlite3.Row:
    """Return one schedule."""
    (row,) = simulation.ledger.rows("SELECT * FROM schedule WHERE seq = ?", (seq,))
    return row


def annotated(simulation: Simulation, row: sqlite3.Row) -> dict[str, object]:
    """Return a ScheduleResultAnnotation."""
    return annotate_schedule(row, simulation.ledger.payment(row["imp_uid"]) if row["imp_uid"] else None)


def has_failed(simulation: Simulation, row: sqlite3.Row) -> bool:
    """Whether a schedule was tried, and its payment failed."""
    payment = simulation.ledger.payment(row["imp_uid"]) if row["imp_uid"] else None
    return row["status"] == "executed" and (payment is None or payment["status"] == "failed")


def fire_due(simulation: Simulation) -> None:
    """Charge what is scheduled for now or before; a long row is charged in several turns of the clock."""
    for row in waiting(simulation, "schedule_at <= ?", simulation.now(), most=MOST_AT_ONCE):
        fire(simulation, row)


def waiting(simulation: Simulation, where: str, value: str | float, *, most: int = -1) -> list[sqlite3.Row]:
    """Return the schedules that wait, of the merchants who are served in this run; the first one due comes first."""
    served = [account.name for account in simulation.accounts.all()]
    return simulation.ledger.rows(
        f"SELECT * FROM schedule WHERE status = 'scheduled' AND {where}"  # noqa: S608 - constants
        f" AND account IN ({', '.join('?' * len(served))}) ORDER BY schedule_at, seq LIMIT ?",
        (value, *served, most),
    )


def fire(simulation: Simulation, row: sqlite3.Row) -> None:
    """Charge one schedule; it is executed, whatever becomes of the charge."""
    account = simulation.accounts.named(row["account"])
    if account is None:
        return
    payment = charge_by_itself(
        simulation,
        account,
        via=Via.SCHEDULE,
        terms=_terms(row),
        customer_uid=row["customer_uid"],
        schedule_seq=row["seq"],
    )
    simulation.ledger.write(
        "UPDATE schedule SET status = 'executed', executed_at = ?, imp_uid = ? WHERE seq = ?",
        (simulation.now(), payment["imp_uid"], row["seq"]),
    )


def charge_by_itself(
    simulation: Simulation,
    account: Account,
    *,
    via: Via,
    terms: Terms,
    customer_uid: str,
    schedule_seq: int | None = None,
) -> sqlite3.Row:
    """Charge a card without a caller; return the payment: failed, whatever kept the card from being charged."""
    ledger, now = simulation.ledger, simulation.now()
    request_id = ledger.record_request(
        received_at=now,
        token_digest="",
        merchant_uid=terms.merchant_uid,
        customer_uid=customer_uid,
        amount=terms.amount,
        via=via,
    )
    asked = Asked(account=account, via=via, request_id=request_id, token_digest="", at=now)
    order = order_of(asked, terms=terms, customer_uid=customer_uid, schedule_seq=schedule_seq)
    try:
        fault = draw_fault(simulation, order)
    except UnreadableFault as wrong:
        fault = Fault(kind=FaultKind.DECLINE, text=f"simulator: {wrong}")
    if fault is not None and fault.kind in UNCHARGED:
        simulation.counters.fire(fault)
        fault = Fault(kind=FaultKind.DECLINE, text=answer_uncharged(fault).message or "")
    answer = move_money(simulation, order, fault)
    match answer.response:
        case {"imp_uid": str(imp_uid)}:
            pass
        case _:
            imp_uid = record_failure(simulation, order, answer.message or "")
    (row,) = ledger.rows("SELECT * FROM payment WHERE imp_uid = ?", (imp_uid,))
    return row


async def charge_failed_again(simulation: Simulation, incoming: Incoming) -> Reply:
    """POST /subscribe/payments/schedule/{merchant_uid}/retry: charge one that failed, now, as any other charge is."""

    def read(_fields: Fields, asked: Asked) -> Order:
        row = newest(simulation, asked.account.name, incoming.path["merchant_uid"])
        if row is None:
            raise Refused(refusal(UNKNOWN_SCHEDULE, status=404, code=-1))
        if not has_failed(simulation, row):
            raise Refused(refusal(NOT_FAILED, status=400))
        return order_of(asked, terms=_terms(row), customer_uid=row["customer_uid"], schedule_seq=row["seq"])

    return await charge(simulation, incoming, via=Via.SCHEDULE_AGAIN, read=read)


def _terms(row: sqlite3.Row) -> Terms:
    details = json.loads(row["details"])
    urls = tuple(details.pop("notice_urls", ()))
    return Terms(merchant_uid=row["merchant_uid"], amount=row["amount"], details=details, notice_urls=urls)
