"""What does POST /payments/cancel do?

Source: PortOne V1 documentation, REST API, payments.cancel: ``imp_uid`` wins over ``merchant_uid``; no ``amount`` means
all that is left; ``checksum`` is what the caller believes can still be cancelled; KG Inicis cancels exactly the tax
that is sent, so ``vat_amount`` must come again if it came with the payment. HTTP 200 with another code than 0: not
cancelled. A partial cancellation too makes a payment ``cancelled``.
"""

import json
import secrets
import sqlite3
from dataclasses import dataclass

from simulator.charge import abandoned, answer_uncharged
from simulator.faults import AT_DELIVERY, UNCHARGED, Fault, Place, UnreadableFault, parse_traits
from simulator.incoming import Incoming, Reply
from simulator.ledger import Done
from simulator.orders import raw_number, raw_text
from simulator.simulation import Simulation
from simulator.tokens import token_digest
from simulator.wire import (
    ALREADY_CANCELLED,
    NO_PARTIAL_CANCEL,
    NOT_FOUND_TO_CANCEL,
    Answer,
    Fields,
    Refused,
    Unreadable,
    refusal,
    success,
    unauthorized,
)

BAD_CHECKSUM = "취소 가능금액 검증에 실패하였습니다(checksum 불일치)."
TOO_MUCH = "취소 요청금액이 취소 가능금액을 초과하였습니다."
TAX_MISSING = "부가세(vat_amount)를 지정하여 승인된 결제입니다. 취소할 부가세를 지정하셔야 합니다."
TAX_TOO_MUCH = "취소 요청금액의 면세금액 또는 부가세가 올바르지 않습니다."


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancellation:
    """What is asked for; None is left to the gateway. Money is won."""

    imp_uid: str | None = None
    merchant_uid: str | None = None
    amount: int | None = None
    tax_free: int | None = None
    vat_amount: int | None = None
    checksum: int | None = None
    reason: str = ""
    is_told: bool = False


async def cancel(simulation: Simulation, incoming: Incoming) -> Reply:
    """Carry out one request that was received whole; the token is looked at only once nothing holds it any more."""
    ledger, fields, digest = simulation.ledger, incoming.fields, token_digest(incoming.token)
    cursor = ledger.write(
        "INSERT INTO cancel_request (received_at, token_digest, imp_uid, merchant_uid, amount, checksum, done)"
        " VALUES (?, ?, ?, ?, ?, ?, 'received')",
        (
            *(simulation.now(), digest, raw_text(fields, "imp_uid"), raw_text(fields, "merchant_uid")),
            *(raw_number(fields, "amount"), raw_number(fields, "checksum")),
        ),
    )
    request_id = int(cursor.lastrowid or 0)
    gate = simulation.gates[Place.CANCEL]
    if gate.is_closed:
        conclude(simulation, request_id, Done.HELD)
        await ledger.durable()
        if not await gate.passed():
            conclude(simulation, request_id, Done.ABANDONED)
            return abandoned()
    now = simulation.now()
    account = simulation.account_of(incoming.token, now=now)
    if account is None:
        conclude(simulation, request_id, Done.UNAUTHORIZED)
        return Reply(answer=unauthorized())
    try:
        wanted = _read(incoming)
    except Unreadable as wrong:
        conclude(simulation, request_id, Done.INVALID)
        return Reply(answer=refusal(str(wrong), status=400))
    ledger.let_turn(now)
    return await _carry_out(simulation, account.name, wanted, request_id)


async def _carry_out(simulation: Simulation, account: str, wanted: Cancellation, request_id: int) -> Reply:
    payment = find_payment(simulation, account, wanted)
    try:
        fault = _draw_fault(simulation, payment, request_id)
    except UnreadableFault as wrong:
        conclude(simulation, request_id, Done.INVALID)
        return Reply(answer=refusal(f"simulator: {wrong}", status=400, code=-1))
    if fault is not None:
        simulation.counters.fire(fault)
    if fault is not None and fault.kind in UNCHARGED:
        conclude(simulation, request_id, Done.NOT_DONE)
        return Reply(answer=answer_uncharged(fault), fault=fault)
    half_latency = simulation.latency_ms[Place.CANCEL] / 2000
    await simulation.pause(half_latency)
    try:
        answer = give_back(simulation, account, wanted, request_id=request_id)
    except Refused as refused:
        conclude(simulation, request_id, Done.REFUSED)
        answer = refused.answer
    await simulation.ledger.durable()
    await simulation.pause(half_latency)
    return Reply(answer=answer, fault=fault if fault is not None and fault.kind in AT_DELIVERY else None)


def conclude(simulation: Simulation, request_id: int, done: Done, *, cancellation_id: str | None = None) -> None:
    """Write down what became of a request."""
    decided_at = None if done is Done.HELD else simulation.now()
    simulation.ledger.write(
        "UPDATE cancel_request SET done = ?, decided_at = ?, cancellation_id = ? WHERE id = ?",
        (done, decided_at, cancellation_id, request_id),
    )


def _draw_fault(simulation: Simulation, payment: sqlite3.Row | None, request_id: int) -> Fault | None:
    """Let a cancellation have its turn at the faults.

    Raises:
        UnreadableFault: The card's uid has a directive that cannot be read.
    """
    ledger = simulation.ledger
    customer_uid, merchant_uid = ("", "") if payment is None else (payment["customer_uid"], payment["merchant_uid"])

    def turns(column: str, value: str) -> int:
        sql = f"SELECT count(*) FROM cancel_request WHERE {column} = ? AND had_turn = 1"  # noqa: S608 - a constant
        return int(ledger.scalar(sql, (value,)))

    fault = simulation.faults.for_card(
        Place.CANCEL,
        customer_uid=customer_uid,
        merchant_uid=merchant_uid,
        turns_of_card=lambda: turns("customer_uid", customer_uid),
        turns_of_order=lambda: turns("merchant_uid", merchant_uid),
    )
    ledger.write(
        "UPDATE cancel_request SET had_turn = 1, fault = ?, customer_uid = ?,"
        " merchant_uid = coalesce(merchant_uid, ?) WHERE id = ?",
        (fault.kind if fault else None, customer_uid or None, merchant_uid or None, request_id),
    )
    return fault


def find_payment(simulation: Simulation, account: str, wanted: Cancellation) -> sqlite3.Row | None:
    """Find the payment that is meant: of several with one merchant_uid the newest with something left."""
    column, uid = ("imp_uid", wanted.imp_uid) if wanted.imp_uid is not None else ("merchant_uid", wanted.merchant_uid)
    rows = simulation.ledger.rows(
        f"SELECT * FROM payment WHERE {column} = ? AND account = ? AND status IN ('paid', 'cancelled')"  # noqa: S608
        " AND visible_at <= ? ORDER BY cancel_amount = amount, seq DESC LIMIT 1",
        (uid, account, simulation.now()),
    )
    return rows[0] if rows else None


def give_back(simulation: Simulation, account: str, wanted: Cancellation, *, request_id: int = 0) -> Answer:
    """Decide and write in one piece: no other request comes in between.

    Raises:
        Refused: Nothing may be given back, or not so much, or not in this way.
    """
    ledger, now = simulation.ledger, simulation.now()
    payment = find_payment(simulation, account, wanted)
    if payment is None:
        raise Refused(refusal(NOT_FOUND_TO_CANCEL))
    left = payment["amount"] - payment["cancel_amount"]
    amount = wanted.amount or left
    if left == 0:
        raise Refused(refusal(ALREADY_CANCELLED))
    if wanted.checksum is not None and wanted.checksum != left:
        raise Refused(refusal(BAD_CHECKSUM))
    if not 0 < amount <= left:
        raise Refused(refusal(TOO_MUCH))
    if amount != payment["amount"] and parse_traits(payment["customer_uid"]).is_whole_cancel_only:
        raise Refused(refusal(NO_PARTIAL_CANCEL))
    tax_free, vat_amount = _tax(simulation, payment, wanted, amount)
    cancellation_id = f"cancellation_{secrets.token_hex(12)}"
    ledger.write(
        "INSERT INTO cancellation (cancellation_id, imp_uid, amount, tax_free, vat_amount, reason, cancelled_at,"
        " request_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (cancellation_id, payment["imp_uid"], amount, tax_free, vat_amount, wanted.reason, now, request_id),
    )
    ledger.write(
        "UPDATE payment SET status = 'cancelled', cancel_amount = cancel_amount + :amount,"
        " cancelled_at = :now, status_at = :now, updated_at = :now WHERE imp_uid = :imp_uid",
        {"amount": amount, "now": now, "imp_uid": payment["imp_uid"]},
    )
    conclude(simulation, request_id, Done.CANCELLED, cancellation_id=cancellation_id)
    if wanted.is_told:
        simulation.hooks.tell_of_cancellation(payment, cancellation_id)
    (row,) = ledger.rows("SELECT * FROM payment WHERE imp_uid = ?", (payment["imp_uid"],))
    return success(simulation.annotated(row))


def _tax(simulation: Simulation, payment: sqlite3.Row, wanted: Cancellation, amount: int) -> tuple[int, int]:
    """Return how much of a cancellation is free of tax, and how much is tax.

    Raises:
        Refused: The parts do not fit what was paid and what is left of it.
    """
    paid = json.loads(payment["details"])
    done = simulation.ledger.cancellations(payment["imp_uid"])
    left = {name: paid.get(name, 0) - sum(row[name] for row in done) for name in ("tax_free", "vat_amount")}
    if amount == payment["amount"] and wanted.tax_free is None and wanted.vat_amount is None:
        return left["tax_free"], left["vat_amount"]  # all at once needs no parts
    if wanted.vat_amount is None and "vat_amount" in paid:
        raise Refused(refusal(TAX_MISSING))
    parts = {"tax_free": wanted.tax_free or 0, "vat_amount": wanted.vat_amount or 0}
    is_vat_known = "vat_amount" in paid
    taxed_left = payment["amount"] - payment["cancel_amount"] - left["tax_free"]
    is_good = (
        0 <= parts["tax_free"] <= left["tax_free"]
        and parts["vat_amount"] >= 0
        and (parts["vat_amount"] <= left["vat_amount"] or not is_vat_known)
        and 0 <= amount - parts["tax_free"] <= taxed_left
        and sum(parts.values()) <= amount
    )
    if not is_good:
        raise Refused(refusal(TAX_TOO_MUCH))
    return parts["tax_free"], parts["vat_amount"]


def _read(incoming: Incoming) -> Cancellation:
    if incoming.fields is None:
        raise Unreadable(incoming.trouble)
    return read_cancellation(incoming.fields)


def read_cancellation(fields: Fields) -> Cancellation:
    """Read the fields of a cancellation.

    Raises:
        Unreadable: One is not of its type.
    """
    amount = fields.number("amount")
    if amount is not None and amount < 0:
        raise Unreadable("amount 파라메터가 범위를 벗어났습니다.")
    return Cancellation(
        imp_uid=fields.text("imp_uid"),
        merchant_uid=fields.text("merchant_uid"),
        amount=amount,
        tax_free=fields.number("tax_free"),
        vat_amount=fields.number("vat_amount"),
        checksum=fields.number("checksum"),
        reason=fields.text("reason") or "",
        is_told=fields.flag("enable_webhook"),
    )
