"""What do /subscribe/payments/again and /onetime do?

Source: PortOne V1 documentation, "request a payment by billing key": a decline is HTTP 200 with code 0 and a record
whose status is ``failed``; HTTP 200 with another code means that nothing was carried out. A card that came with a
one-off charge is kept under its ``customer_uid``, if it has one, once it was charged.
"""

import json
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace

from simulator.accounts import Mid
from simulator.faults import AT_DELIVERY, UNCHARGED, Fault, FaultKind, Place, UnreadableFault
from simulator.incoming import Incoming, Reply
from simulator.ledger import Done, NewPayment, Via, mid_of
from simulator.options import UsedMerchantUid
from simulator.orders import Asked, Order, raw_number, raw_text, read_again, read_onetime
from simulator.simulation import Simulation
from simulator.tokens import token_digest
from simulator.wire import (
    ALREADY_PAID,
    NAME_REQUIRED,
    UNDER_WAY,
    UNKNOWN_BUYER,
    Answer,
    Fields,
    Refused,
    Unreadable,
    annotate_payment,
    refusal,
    success,
    unauthorized,
)

CARD_FIELDS = ("card_code", "card_name", "card_number")
ReadOrder = Callable[[Fields, Asked], Order]
USED_ONCE = "이미 존재하는 merchant_uid입니다."


async def charge_again(simulation: Simulation, incoming: Incoming) -> Reply:
    """POST /subscribe/payments/again: charge a card by its billing key."""
    return await charge(simulation, incoming, via=Via.AGAIN, read=read_again)


async def charge_once(simulation: Simulation, incoming: Incoming) -> Reply:
    """POST /subscribe/payments/onetime: charge the card in the request; with ``customer_uid`` it is kept."""
    return await charge(simulation, incoming, via=Via.ONETIME, read=read_onetime)


async def charge(simulation: Simulation, incoming: Incoming, *, via: Via, read: ReadOrder) -> Reply:
    """Carry out one request that was received whole; the token is looked at only once nothing holds it any more."""
    ledger, fields = simulation.ledger, incoming.fields
    request_id = ledger.record_request(
        received_at=simulation.now(),
        token_digest=token_digest(incoming.token),
        merchant_uid=incoming.path.get("merchant_uid") or raw_text(fields, "merchant_uid"),
        customer_uid=raw_text(fields, "customer_uid"),
        amount=raw_number(fields, "amount"),
        via=via,
    )
    gate = simulation.gates[Place.CHARGE]
    if gate.is_closed:
        ledger.conclude_request(request_id, Done.HELD, now=simulation.now())
        await ledger.durable()
        if not await gate.passed():
            ledger.conclude_request(request_id, Done.ABANDONED, now=simulation.now())
            return abandoned()
    now = simulation.now()
    account = simulation.account_of(incoming.token, now=now)
    if account is None:
        ledger.conclude_request(request_id, Done.UNAUTHORIZED, now=now)
        return Reply(answer=unauthorized())
    if fields is None:
        ledger.conclude_request(request_id, Done.INVALID, now=now)
        return Reply(answer=refusal(incoming.trouble, status=400, code=-1))
    try:
        asked = Asked(
            account=account, via=via, request_id=request_id, token_digest=token_digest(incoming.token), at=now
        )
        order = read(fields, asked)
    except Unreadable as wrong:
        ledger.conclude_request(request_id, Done.INVALID, now=now)
        return Reply(answer=refusal(str(wrong), status=400))
    except Refused as refused:
        ledger.conclude_request(request_id, Done.INVALID, now=now)
        return Reply(answer=refused.answer)
    return _refuse_nameless(simulation, order) or await _carry_out(simulation, order)


def abandoned() -> Reply:
    """Let a held call go because the simulator ends: nothing is done, nothing is answered."""
    return Reply(answer=refusal("simulator stopped", status=503, code=-1), fault=Fault(kind=FaultKind.DROP_UNCHARGED))


def _refuse_nameless(simulation: Simulation, order: Order) -> Reply | None:
    """KG Inicis wants a name; that an unknown card is none of its cards comes first."""
    if order.terms.details.get("name"):
        return None
    now = simulation.now()
    is_known = simulation.customer(order.account, order.customer_uid, now=now) is not None
    done = Done.INVALID if is_known else Done.UNKNOWN_CUSTOMER
    simulation.ledger.conclude_request(order.request_id, done, now=now)
    return Reply(answer=refusal(NAME_REQUIRED, status=400) if is_known else refusal(UNKNOWN_BUYER))


async def _carry_out(simulation: Simulation, order: Order) -> Reply:
    """Charge, unless something goes wrong on purpose; the money's moving and its answer are two moments."""
    ledger = simulation.ledger
    is_strict = simulation.used_merchant_uid is not UsedMerchantUid.CARELESS
    key = (order.account.name, order.merchant_uid)
    if is_strict and key in simulation.under_way:
        ledger.conclude_request(order.request_id, Done.DUPLICATE, now=simulation.now())
        return Reply(answer=refusal(UNDER_WAY))
    try:
        fault = draw_fault(simulation, order)
    except UnreadableFault as wrong:
        ledger.conclude_request(order.request_id, Done.INVALID, now=simulation.now())
        return Reply(answer=refusal(f"simulator: {wrong}", status=400, code=-1))
    if fault is not None and fault.kind in UNCHARGED:
        ledger.conclude_request(order.request_id, Done.NOT_CHARGED, now=simulation.now())
        simulation.counters.fire(fault)
        return Reply(answer=answer_uncharged(fault), fault=fault)
    half_latency = simulation.latency_ms[Place.CHARGE] / 2000
    if half_latency:
        # Half of the time passes before the money moves and half after it: callers that leave find both.
        simulation.under_way.add(key)
        try:
            await simulation.pause(half_latency)
        finally:
            simulation.under_way.discard(key)
    answer = move_money(simulation, order, fault)
    await ledger.durable()
    await simulation.pause(half_latency)
    is_delivery = fault is not None and fault.kind in AT_DELIVERY
    if fault is not None and is_delivery:
        simulation.counters.fire(fault)
    return Reply(answer=answer, fault=fault if is_delivery else None)


def draw_fault(simulation: Simulation, order: Order) -> Fault | None:
    """Let a charge have its turn at the faults.

    Raises:
        UnreadableFault: The card's uid has a directive that cannot be read.
    """
    ledger = simulation.ledger
    fault = simulation.faults.for_card(
        Place.CHARGE,
        customer_uid=order.customer_uid,
        merchant_uid=order.merchant_uid,
        turns_of_card=lambda: ledger.turns("customer_uid", order.customer_uid),
        turns_of_order=lambda: ledger.turns("merchant_uid", order.merchant_uid),
    )
    ledger.take_turn(
        order.request_id, fault.kind if fault else None, customer_uid=order.customer_uid, amount=order.terms.amount
    )
    return fault


def answer_uncharged(fault: Fault) -> Answer:
    """Return what a fault answers that comes before anything is done."""
    match fault.kind:
        case FaultKind.UNAUTHORIZED:
            return unauthorized()
        case FaultKind.TOO_MANY:
            return refusal("Too Many Requests", status=429, code=-1)
        case FaultKind.REFUSE:
            return refusal(fault.text, code=-1)
        case FaultKind.UNKNOWN_CUSTOMER:
            return refusal(UNKNOWN_BUYER)
        case _:
            return refusal("Internal Server Error", status=500, code=-1)


def move_money(simulation: Simulation, order: Order, fault: Fault | None) -> Answer:
    """Decide and write in one piece: no other request comes in between."""
    ledger, now = simulation.ledger, simulation.now()
    ledger.let_turn(now)
    customer = None
    if order.card is None:
        customer = simulation.customer(order.account, order.customer_uid, now=now)
        if customer is None:
            ledger.conclude_request(order.request_id, Done.UNKNOWN_CUSTOMER, now=now)
            return refusal(UNKNOWN_BUYER)
    used = _use_before(simulation, order)
    if used is not None:
        ledger.conclude_request(order.request_id, Done.DUPLICATE, now=now)
        return refusal(used)
    if not order.terms.amount:
        return _store_only(simulation, order, now=now)
    card, mid = _source(order, customer)
    payment = _new_payment(order, fault, now=now, mid=mid, details={**order.terms.details, **card})
    if fault is not None and fault.kind not in AT_DELIVERY:
        simulation.counters.fire(fault)
    imp_uid = ledger.add_payment(payment)
    if order.card is not None and order.customer_uid and payment.status == "paid":
        _store(simulation, order, now=now)
    done = {"paid": Done.CHARGED, "failed": Done.DECLINED, "ready": Done.READY}[payment.status]
    ledger.conclude_request(order.request_id, done, now=now, imp_uid=imp_uid)
    if order.schedule_seq is not None:
        ledger.write("UPDATE schedule SET imp_uid = ? WHERE seq = ?", (imp_uid, order.schedule_seq))
    simulation.hooks.tell_of_charge(imp_uid, payment, urls=order.terms.notice_urls)
    (row,) = ledger.rows("SELECT * FROM payment WHERE imp_uid = ?", (imp_uid,))
    return success(simulation.annotated(row))


def _use_before(simulation: Simulation, order: Order) -> str | None:
    """Return with which words a used order number is refused; None if it may be used."""
    if simulation.used_merchant_uid is UsedMerchantUid.CARELESS:
        return None
    used = simulation.ledger.statuses(order.account.name, order.merchant_uid)
    if used & {"paid", "cancelled"}:
        return ALREADY_PAID
    if "ready" in used:  # it may still turn paid
        return UNDER_WAY
    is_taken = used and simulation.used_merchant_uid is UsedMerchantUid.ONCE and order.schedule_seq is None
    return USED_ONCE if is_taken else None


def _source(order: Order, customer: sqlite3.Row | None) -> tuple[dict[str, object], Mid]:
    """Return the card that is charged, masked, and the MID that issued its key."""
    if order.card is not None or customer is None:
        return asdict(order.card) if order.card else {}, order.mid or order.account.mids[0]
    return {name: customer[name] for name in CARD_FIELDS}, mid_of(customer)


def record_failure(simulation: Simulation, order: Order, reason: str) -> str:
    """Write a failed payment for a charge that nobody waits for and that cannot be made; return its imp_uid."""
    fault = Fault(kind=FaultKind.DECLINE, text=reason)
    payment = _new_payment(order, fault, now=simulation.now(), mid=order.account.mids[0], details=order.terms.details)
    imp_uid = simulation.ledger.add_payment(payment)
    simulation.hooks.tell_of_charge(imp_uid, payment, urls=order.terms.notice_urls)
    return imp_uid


def _store(simulation: Simulation, order: Order, *, now: float) -> None:
    if order.card is not None:
        simulation.ledger.issue_customer(
            order.account.name,
            order.customer_uid,
            mid=order.mid or order.account.mids[0],
            card=order.card,
            now=now,
            details=order.stored_details,
        )


def _store_only(simulation: Simulation, order: Order, *, now: float) -> Answer:
    """Keep the card and charge nothing: the answer is a record of 0 won that is in no list of payments."""
    _store(simulation, order, now=now)
    simulation.ledger.conclude_request(order.request_id, Done.STORED, now=now)
    mid = order.mid or order.account.mids[0]
    record = {
        "imp_uid": f"imps_{order.request_id:012d}",
        "merchant_uid": order.merchant_uid,
        "via": "storing",
        "customer_uid": order.customer_uid,
        "amount": 0,
        "cancel_amount": 0,
        "status": "paid",
        "fail_reason": None,
        "started_at": now,
        "paid_at": now,
        "failed_at": 0,
        "cancelled_at": 0,
        "pg_tid": None,
        "apply_num": None,
        "pg_provider": mid.pg_provider,
        "pg_id": mid.pg_id,
        "sandbox": mid.is_sandbox,
        "details": json.dumps({**order.terms.details, **(asdict(order.card) if order.card else {})}),
    }
    return success(annotate_payment(record, []))


def _new_payment(
    order: Order, fault: Fault | None, *, now: float, mid: Mid, details: Mapping[str, object]
) -> NewPayment:
    status, amount = "paid", order.terms.amount
    visible_at, turns_at, turns_to, fail_reason = 0.0, None, None, None
    match fault.kind if fault else None:
        case FaultKind.DECLINE | FaultKind.DEAD_CARD:
            status = "failed"
        case FaultKind.OTHER_AMOUNT:
            amount = max(1, amount + (fault.number if fault else 0))
        case FaultKind.SANDBOX:
            mid = replace(mid, is_sandbox=True)
        case FaultKind.LOOKUP_LAG:
            visible_at = now + (fault.number if fault else 0) / 1000
        case FaultKind.LATE_APPROVAL:
            status, turns_to = "failed", "paid"
        case FaultKind.READY_PAID:
            status, turns_to = "ready", "paid"
        case FaultKind.READY_FAILED:
            status, turns_to = "ready", "failed"
        case _:
            pass
    if fault is not None and (status == "failed" or turns_to == "failed"):
        fail_reason = fault.text
    if fault is not None and turns_to is not None:
        turns_at = now + fault.number / 1000
    return NewPayment(
        account=order.account.name,
        mid=mid,
        via=order.via,
        merchant_uid=order.merchant_uid,
        customer_uid=order.customer_uid,
        amount=amount,
        status=status,
        started_at=order.started_at,
        now=now,
        token_digest=order.token_digest,
        request_id=order.request_id,
        details={**details, "notice_urls": order.terms.notice_urls} if order.terms.notice_urls else details,
        fault=fault.kind if fault else None,
        fail_reason=fail_reason,
        visible_at=visible_at,
        turns_at=turns_at,
        turns_to=turns_to,
    )
