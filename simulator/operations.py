"""What do the other calls do: tokens, cards, cancellations?

Source: PortOne V1 documentation, REST API, users, subscribe.customer and payments.cancel.
"""

import re
from dataclasses import asdict

from simulator.lookups import BadQuery, Call, missing_customer
from simulator.simulation import Simulation
from simulator.wire import (
    ALREADY_CANCELLED,
    BAD_CARD,
    CUSTOMER_FIELDS,
    MISSING_KEY,
    NOT_FOUND_TO_CANCEL,
    WRONG_KEY,
    Answer,
    annotate_customer,
    refusal,
    success,
)

_CARD_NUMBER = re.compile(r"\d{14,16}")
_EXPIRY = re.compile(r"\d{4}-(0[1-9]|1[0-2])")


def get_token(simulation: Simulation, call: Call) -> Answer:
    """POST /users/getToken."""
    key, secret = call.fields.text("imp_key"), call.fields.text("imp_secret")
    if key is None or secret is None:
        return refusal(MISSING_KEY, status=400, code=-1)
    options = simulation.options
    if options.imp_key is not None and (key, secret) != (options.imp_key, options.imp_secret):
        return refusal(WRONG_KEY, status=401, code=-1)
    return success(asdict(simulation.tokens.issue(imp_key=key, now=call.now)))


def get_customer(simulation: Simulation, call: Call) -> Answer:
    """GET /subscribe/customers/{customer_uid}."""
    customer_uid = call.path["customer_uid"]
    row = simulation.customer(customer_uid, now=call.now)
    if row is None:
        return missing_customer(customer_uid)
    return success(annotate_customer(row, is_sandbox=simulation.options.is_sandbox))


def get_customers(simulation: Simulation, call: Call) -> Answer:
    """GET /subscribe/customers?customer_uid[]=: 207 if some of them are unknown, 404 if all are."""
    wanted = call.lists.get("customer_uid[]", ())
    if not wanted:
        raise BadQuery("customer_uid[] 파라메터는 필수입니다.")
    rows = [simulation.customer(customer_uid, now=call.now) for customer_uid in dict.fromkeys(wanted)]
    found = [annotate_customer(row, is_sandbox=simulation.options.is_sandbox) for row in rows if row is not None]
    if not found:
        return missing_customer(", ".join(wanted))
    return success(found, status=200 if len(found) == len(rows) else 207)


def issue_customer(simulation: Simulation, call: Call) -> Answer:
    """POST /subscribe/customers/{customer_uid}: a card already there is replaced without a word."""
    number = (call.fields.text("card_number") or "").replace("-", "")
    expiry = call.fields.text("expiry") or ""
    if not _CARD_NUMBER.fullmatch(number) or not _EXPIRY.fullmatch(expiry):
        return refusal(BAD_CARD, code=-1)
    details = {name: call.fields.text(name, longest=longest) for name, longest in CUSTOMER_FIELDS.items()}
    simulation.ledger.issue_customer(call.path["customer_uid"], now=call.now, details=details, card_number=number)
    return get_customer(simulation, call)


def delete_customer(simulation: Simulation, call: Call) -> Answer:
    """DELETE /subscribe/customers/{customer_uid}: the card cannot be charged any more."""
    answer = get_customer(simulation, call)
    if answer.code == 0:
        simulation.ledger.delete_customer(call.path["customer_uid"], now=call.now)
    return answer


def cancel(simulation: Simulation, call: Call) -> Answer:
    """POST /payments/cancel: imp_uid wins over merchant_uid; no amount means all that is left.

    ``checksum`` is what the caller believes can still be cancelled; it makes a repeated cancellation harmless.
    """
    fields, ledger = call.fields, simulation.ledger
    imp_uid, merchant_uid = fields.text("imp_uid"), fields.text("merchant_uid")
    column, uid = ("imp_uid", imp_uid) if imp_uid is not None else ("merchant_uid", merchant_uid)
    rows = ledger.rows(
        f"SELECT * FROM payment WHERE {column} = ? AND status IN ('paid', 'cancelled') AND visible_at <= ?"  # noqa: S608
        " ORDER BY cancel_amount = amount, seq DESC LIMIT 1",
        (uid, call.now),
    )
    if not rows:
        return refusal(NOT_FOUND_TO_CANCEL)
    left = rows[0]["amount"] - rows[0]["cancel_amount"]
    amount, checksum = fields.number("amount") or left, fields.number("checksum")
    if left == 0:
        return refusal(ALREADY_CANCELLED)
    if checksum is not None and checksum != left:
        return refusal("취소 가능금액 검증에 실패하였습니다(checksum 불일치).")
    if not 0 < amount <= left:
        return refusal("취소 요청금액이 취소 가능금액을 초과하였습니다.")
    ledger.cancel_payment(rows[0]["imp_uid"], amount=amount, reason=fields.text("reason") or "", now=call.now)
    (row,) = ledger.rows("SELECT * FROM payment WHERE imp_uid = ?", (rows[0]["imp_uid"],))
    return success(simulation.annotated(row))
