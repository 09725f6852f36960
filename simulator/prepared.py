"""What do the calls do that tell the gateway beforehand what a payment window will ask for?

Source: PortOne V1 documentation, REST API, payments.prepare.
"""

from simulator.call import Call
from simulator.simulation import Simulation
from simulator.wire import LENGTHS, Answer, Unreadable, refusal, success

USED_NAME = "결제정보 사전등록에 실패하였습니다(이미 등록된 merchant_uid입니다)."
UNKNOWN = "사전등록된 결제정보가 존재하지 않습니다."


def prepare(simulation: Simulation, call: Call) -> Answer:
    """POST /payments/prepare: once for a merchant_uid."""
    merchant_uid, amount = _read(call)
    if _amount(simulation, call, merchant_uid) is not None:
        return refusal(USED_NAME)
    simulation.ledger.write("INSERT INTO prepared VALUES (?, ?, ?)", (call.account.name, merchant_uid, amount))
    return _told(merchant_uid, amount)


def change(simulation: Simulation, call: Call) -> Answer:
    """PUT /payments/prepare: another amount."""
    merchant_uid, amount = _read(call)
    if _amount(simulation, call, merchant_uid) is None:
        return refusal(UNKNOWN, status=404)
    simulation.ledger.write(
        "UPDATE prepared SET amount = ? WHERE account = ? AND merchant_uid = ?",
        (amount, call.account.name, merchant_uid),
    )
    return _told(merchant_uid, amount)


def get_prepared(simulation: Simulation, call: Call) -> Answer:
    """GET /payments/prepare/{merchant_uid}."""
    merchant_uid = call.path["merchant_uid"]
    amount = _amount(simulation, call, merchant_uid)
    return refusal(UNKNOWN, status=404) if amount is None else _told(merchant_uid, amount)


def _read(call: Call) -> tuple[str, int]:
    merchant_uid = call.fields.text("merchant_uid", longest=LENGTHS["merchant_uid"])
    amount = call.fields.number("amount")
    if merchant_uid is None or amount is None or amount <= 0:
        raise Unreadable("merchant_uid, amount 파라메터는 필수입니다.")
    return merchant_uid, amount


def _amount(simulation: Simulation, call: Call, merchant_uid: str) -> int | None:
    sql = "SELECT amount FROM prepared WHERE account = ? AND merchant_uid = ?"
    amount = simulation.ledger.scalar(sql, (call.account.name, merchant_uid))
    return None if amount is None else int(amount)


def _told(merchant_uid: str, amount: int) -> Answer:
    return success({"merchant_uid": merchant_uid, "amount": amount, "currency": "KRW"})
