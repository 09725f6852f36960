"""What does POST /subscribe/payments/again do?

Source: PortOne V1 documentation, "request a payment by billing key": a decline is HTTP 200 with code 0 and a record
whose status is ``failed``; HTTP 200 with another code means that nothing was carried out.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from simulator.faults import AT_DELIVERY, UNCHARGED, Fault, FaultKind, UnreadableFault
from simulator.ledger import Done, NewPayment
from simulator.options import UsedMerchantUid
from simulator.simulation import Simulation
from simulator.tokens import token_digest
from simulator.wire import (
    ALREADY_PAID,
    ECHOED,
    LENGTHS,
    NAME_REQUIRED,
    UNDER_WAY,
    UNKNOWN_BUYER,
    Answer,
    Fields,
    Unreadable,
    parse_body,
    refusal,
    success,
    unauthorized,
)

INSTALMENTS_FROM_WON = 50_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer, and what goes wrong while it is delivered."""

    answer: Answer
    fault: Fault | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A charge whose fields were found good; ``details`` are echoed in its record."""

    request_id: int
    token_digest: str
    started_at: float
    customer_uid: str
    merchant_uid: str
    amount: int
    details: Mapping[str, object]


async def charge_again(simulation: Simulation, *, body: bytes, content_type: str, token: str) -> Reply:
    """Carry out one request that was received whole; the token is looked at only once nothing holds it any more."""
    ledger = simulation.ledger
    fields, trouble = _read(body, content_type)
    request_id = ledger.record_request(
        received_at=simulation.now(),
        token_digest=token_digest(token),
        merchant_uid=_raw_text(fields, "merchant_uid"),
        customer_uid=_raw_text(fields, "customer_uid"),
        amount=_raw_amount(fields),
    )
    if simulation.is_holding:
        ledger.conclude_request(request_id, Done.HELD, now=simulation.now())
        await ledger.durable()
        if not await simulation.pass_hold():
            ledger.conclude_request(request_id, Done.ABANDONED, now=simulation.now())
            return Reply(
                answer=refusal("simulator stopped", status=503, code=-1), fault=Fault(kind=FaultKind.DROP_UNCHARGED)
            )
    now = simulation.now()
    if not simulation.tokens.is_good(token, now=now):
        ledger.conclude_request(request_id, Done.UNAUTHORIZED, now=now)
        return Reply(answer=unauthorized())
    if fields is None:
        ledger.conclude_request(request_id, Done.INVALID, now=now)
        return Reply(answer=refusal(trouble, status=400, code=-1))
    try:
        order = _read_order(fields, request_id=request_id, digest=token_digest(token), now=now)
    except Unreadable as wrong:
        ledger.conclude_request(request_id, Done.INVALID, now=now)
        return Reply(answer=refusal(str(wrong), status=400))
    return await _carry_out(simulation, order)


async def _carry_out(simulation: Simulation, order: Order) -> Reply:
    ledger = simulation.ledger
    is_strict = simulation.used_merchant_uid is UsedMerchantUid.STRICT
    if is_strict and order.merchant_uid in simulation.under_way:
        ledger.conclude_request(order.request_id, Done.DUPLICATE, now=simulation.now())
        return Reply(answer=refusal(UNDER_WAY))
    try:
        fault = simulation.faults.for_charge(
            customer_uid=order.customer_uid,
            merchant_uid=order.merchant_uid,
            turns_of_card=lambda: ledger.turns("customer_uid", order.customer_uid),
            turns_of_order=lambda: ledger.turns("merchant_uid", order.merchant_uid),
        )
    except UnreadableFault as wrong:
        ledger.conclude_request(order.request_id, Done.INVALID, now=simulation.now())
        return Reply(answer=refusal(f"simulator: {wrong}", status=400, code=-1))
    ledger.take_turn(order.request_id, fault.kind if fault else None)
    if fault is not None and fault.kind in UNCHARGED:
        ledger.conclude_request(order.request_id, Done.NOT_CHARGED, now=simulation.now())
        simulation.counters.fire(fault)
        return Reply(answer=answer_uncharged(fault), fault=fault)
    half_latency = simulation.latency_ms / 2000
    if half_latency:
        # Half of the time passes before the money moves and half after it: callers that leave find both.
        simulation.under_way.add(order.merchant_uid)
        try:
            await simulation.pause(half_latency)
        finally:
            simulation.under_way.discard(order.merchant_uid)
    answer = _move_money(simulation, order, fault)
    await ledger.durable()
    await simulation.pause(half_latency)
    is_delivery = fault is not None and fault.kind in AT_DELIVERY
    if fault is not None and is_delivery:
        simulation.counters.fire(fault)
    return Reply(answer=answer, fault=fault if is_delivery else None)


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


def _move_money(simulation: Simulation, order: Order, fault: Fault | None) -> Answer:
    """Decide and write in one piece: no other request comes in between."""
    ledger, now = simulation.ledger, simulation.now()
    ledger.let_turn(now)
    customer = simulation.customer(order.customer_uid, now=now)
    if customer is None:
        ledger.conclude_request(order.request_id, Done.UNKNOWN_CUSTOMER, now=now)
        return refusal(UNKNOWN_BUYER)
    if simulation.used_merchant_uid is UsedMerchantUid.STRICT:
        # A failed merchant_uid may be used again; one that is ready may still turn paid.
        if ledger.has_payment(order.merchant_uid, ("paid", "cancelled")):
            ledger.conclude_request(order.request_id, Done.DUPLICATE, now=now)
            return refusal(ALREADY_PAID)
        if ledger.has_payment(order.merchant_uid, ("ready",)):
            ledger.conclude_request(order.request_id, Done.DUPLICATE, now=now)
            return refusal(UNDER_WAY)
    card = {name: customer[name] for name in ("card_code", "card_name", "card_number")}
    payment = _new_payment(order, fault, now=now, details={**order.details, **card})
    if fault is not None and fault.kind not in AT_DELIVERY:
        simulation.counters.fire(fault)
    imp_uid = ledger.add_payment(payment)
    done = {"paid": Done.CHARGED, "failed": Done.DECLINED, "ready": Done.READY}[payment.status]
    ledger.conclude_request(order.request_id, done, now=now, imp_uid=imp_uid)
    (row,) = ledger.rows("SELECT * FROM payment WHERE imp_uid = ?", (imp_uid,))
    return success(simulation.annotated(row))


def _new_payment(order: Order, fault: Fault | None, *, now: float, details: Mapping[str, object]) -> NewPayment:
    status, amount = "paid", order.amount
    visible_at, turns_at, turns_to, fail_reason = 0.0, None, None, None
    match fault.kind if fault else None:
        case FaultKind.DECLINE | FaultKind.DEAD_CARD:
            status = "failed"
        case FaultKind.OTHER_AMOUNT:
            amount = max(1, amount + (fault.number if fault else 0))
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
        merchant_uid=order.merchant_uid,
        customer_uid=order.customer_uid,
        amount=amount,
        status=status,
        started_at=order.started_at,
        now=now,
        token_digest=order.token_digest,
        request_id=order.request_id,
        details=details,
        fault=fault.kind if fault else None,
        fail_reason=fail_reason,
        visible_at=visible_at,
        turns_at=turns_at,
        turns_to=turns_to,
    )


def _read(body: bytes, content_type: str) -> tuple[Fields | None, str]:
    try:
        return parse_body(body, content_type), ""
    except Unreadable as broken:
        return None, str(broken)


def _read_order(fields: Fields, *, request_id: int, digest: str, now: float) -> Order:
    """Check the fields as the documentation describes them.

    Raises:
        Unreadable: A field is missing, too long or not of its type.
    """
    texts = {name: fields.text(name, longest=longest) for name, longest in LENGTHS.items()}
    customer_uid, merchant_uid = texts["customer_uid"], texts["merchant_uid"]
    if customer_uid is None or merchant_uid is None:
        raise Unreadable("customer_uid, merchant_uid 파라메터는 필수입니다.")
    amount = fields.number("amount")
    if amount is None or amount <= 0:
        raise Unreadable("amount 파라메터는 0보다 커야 합니다.")
    if texts["name"] is None:
        raise Unreadable(NAME_REQUIRED)
    for part in ("tax_free", "vat_amount"):
        won = fields.number(part)
        if won is not None and not 0 <= won <= amount:
            raise Unreadable(f"{part} 파라메터가 결제금액의 범위를 벗어났습니다.")
    quota = fields.number("card_quota") or 0
    if quota < 0 or quota == 1 or (quota and amount < INSTALMENTS_FROM_WON):
        raise Unreadable("할부는 5만원 이상의 결제에서 2개월 이상만 가능합니다.")
    details: dict[str, object] = {name: fields.text(name) for name in ECHOED}
    return Order(
        request_id=request_id,
        token_digest=digest,
        started_at=now,
        customer_uid=customer_uid,
        merchant_uid=merchant_uid,
        amount=amount,
        details={**details, "card_quota": quota},
    )


def _raw_text(fields: Fields | None, name: str) -> str | None:
    value = None if fields is None else fields.values.get(name)
    return value if value is None or isinstance(value, str) else json.dumps(value)


def _raw_amount(fields: Fields | None) -> int | None:
    if fields is None:
        return None
    try:
        return fields.number("amount")
    except Unreadable:
        return None
