"""What do the calls about charges of a later day do?

Source: PortOne V1 documentation, REST API, subscribe.payments: schedule, unschedule, look-ups (three months at most, by
the time scheduled, newest first), reschedule, and the second attempt of one that failed. ``schedule_at`` is in seconds.
"""

import json
import sqlite3

from simulator.call import LARGEST_PAGE_SIZE, PAGE_SIZE, BadQuery, Call, last_page, number_in_query, paged
from simulator.cancel import Cancellation, give_back
from simulator.cards import read_card
from simulator.ledger import Via
from simulator.options import ScheduleShape, UsedMerchantUid
from simulator.orders import Terms, read_customer_uid, read_mid, read_terms, stored_details
from simulator.schedule_runs import (
    NOT_FAILED,
    UNKNOWN_SCHEDULE,
    annotated,
    by_seq,
    charge_by_itself,
    has_failed,
    newest,
)
from simulator.simulation import Simulation
from simulator.wire import (
    NO_CUSTOMER_TO_SCHEDULE,
    NOTHING_SCHEDULED,
    Answer,
    Fields,
    Refused,
    Unreadable,
    refusal,
    success,
)

LONGEST_WINDOW_SECONDS = 92 * 86_400
# Later than this is a time in milliseconds.
LATEST = 4_102_444_800
MOST_AT_ONCE = 1000
STATUSES = ("scheduled", "executed", "revoked")
_SORT_ORDERS = {
    "": "schedule_at DESC, seq DESC",
    "-scheduled": "schedule_at DESC, seq DESC",
    "scheduled": "schedule_at, seq",
}

USED_NAME = "이미 등록된 merchant_uid입니다({})."
NOT_WAITING = "이미 실행되었거나 철회된 예약결제입니다."
CHECK_FAILED = "카드 유효성 확인 결제에 실패하였습니다."
IN_THE_PAST = "schedule_at은 현재시각 이후의 unix timestamp(초)여야 합니다."


def schedule(simulation: Simulation, call: Call) -> Answer:
    """POST /subscribe/payments/schedule: all of the entries, or none."""
    customer_uid = read_customer_uid(call.fields)
    entries = call.fields.entries("schedules")
    if customer_uid is None or not entries or len(entries) > MOST_AT_ONCE:
        raise Unreadable("customer_uid, schedules 파라메터는 필수입니다.")
    wanted = [(read_terms(entry), _read_time(entry, now=call.now)) for entry in entries]
    names = [terms.merchant_uid for terms, _ in wanted]
    used = [name for name in names if names.count(name) > 1 or _is_used(simulation, call.account.name, name)]
    if used:
        return refusal(USED_NAME.format(used[0]))
    try:
        customer = _require_customer(simulation, call, customer_uid)
        _check_card(simulation, call, customer)
    except Refused as refused:
        return refused.answer
    customer_id = call.fields.text("customer_id")
    for terms, at in wanted:
        details = {**terms.details, "customer_id": customer_id, "notice_urls": terms.notice_urls}
        simulation.ledger.write(
            "INSERT INTO schedule (account, customer_uid, merchant_uid, pg_provider, pg_id, amount, status,"
            " schedule_at, details) VALUES (?, ?, ?, ?, ?, ?, 'scheduled', ?, ?)",
            (
                *(call.account.name, customer_uid, terms.merchant_uid, customer["pg_provider"], customer["pg_id"]),
                *(terms.amount, at, json.dumps(details, ensure_ascii=False)),
            ),
        )
    rows = [newest(simulation, call.account.name, name) for name in names]
    return success([annotated(simulation, row) for row in rows if row is not None])


def unschedule(simulation: Simulation, call: Call) -> Answer:
    """POST /subscribe/payments/unschedule: those named, or, as the real one does, all of the card if none is."""
    customer_uid, names = read_customer_uid(call.fields), call.fields.texts("merchant_uid")
    if len(names) > MOST_AT_ONCE or (customer_uid is None and not names):
        raise Unreadable("customer_uid 또는 merchant_uid 파라메터는 필수입니다.")
    where, values = "account = ? AND status = 'scheduled'", [call.account.name]
    if customer_uid is not None:
        where, values = where + " AND customer_uid = ?", [*values, customer_uid]
    if names:
        where, values = where + f" AND merchant_uid IN ({', '.join('?' * len(names))})", [*values, *names]
    rows = simulation.ledger.rows(f"SELECT seq FROM schedule WHERE {where} ORDER BY schedule_at, seq", values)  # noqa: S608
    if not rows:
        return refusal(NOTHING_SCHEDULED)
    for row in rows:
        simulation.ledger.write(
            "UPDATE schedule SET status = 'revoked', revoked_at = ? WHERE seq = ?", (call.now, row["seq"])
        )
    return success([annotated(simulation, by_seq(simulation, row["seq"])) for row in rows])


def one_schedule(simulation: Simulation, call: Call) -> Answer:
    """GET /subscribe/payments/schedule/{merchant_uid}."""
    row = newest(simulation, call.account.name, call.path["merchant_uid"])
    return _missing() if row is None else success(annotated(simulation, row))


def move(simulation: Simulation, call: Call) -> Answer:
    """PUT /subscribe/payments/schedule/{merchant_uid}: another time for one that waits."""
    row = newest(simulation, call.account.name, call.path["merchant_uid"])
    if row is None:
        return _missing()
    at = _read_time(call.fields, now=call.now)
    if row["status"] != "scheduled":
        return refusal(NOT_WAITING, status=400)
    simulation.ledger.write("UPDATE schedule SET schedule_at = ? WHERE seq = ?", (at, row["seq"]))
    return success(annotated(simulation, by_seq(simulation, row["seq"])))


def schedule_again(simulation: Simulation, call: Call) -> Answer:
    """POST /subscribe/payments/schedule/{merchant_uid}/reschedule: another time for one that was tried and failed."""
    row = newest(simulation, call.account.name, call.path["merchant_uid"])
    if row is None:
        return _missing()
    at = _read_time(call.fields, now=call.now)
    is_under_way = (call.account.name, row["merchant_uid"]) in simulation.under_way
    if is_under_way or not has_failed(simulation, row):
        return refusal(NOT_FAILED, status=400)
    simulation.ledger.write(
        "UPDATE schedule SET status = 'scheduled', schedule_at = ?, executed_at = 0, imp_uid = NULL WHERE seq = ?",
        (at, row["seq"]),
    )
    return success(annotated(simulation, by_seq(simulation, row["seq"])))


def list_schedules(simulation: Simulation, call: Call) -> Answer:
    """GET /subscribe/payments/schedule?schedule_from=&schedule_to=."""
    sorting = call.query.get("sorting", "")
    if sorting not in _SORT_ORDERS:
        raise BadQuery("지원되지 않는 정렬기준입니다.")
    limit = number_in_query(call, "limit", PAGE_SIZE, highest=LARGEST_PAGE_SIZE)
    names = ("schedule_from", "schedule_to", "schedule_status")
    return _list(simulation, call, names, order=_SORT_ORDERS[sorting], limit=limit)


def of_customer(simulation: Simulation, call: Call) -> Answer:
    """GET /subscribe/payments/schedule/customers/{customer_uid}?from=&to=: also those of a card that was deleted."""
    names = ("from", "to", "schedule-status")
    return _list(simulation, call, names, order=_SORT_ORDERS[""], limit=PAGE_SIZE)


def _list(simulation: Simulation, call: Call, names: tuple[str, str, str], *, order: str, limit: int) -> Answer:
    if not call.query.get(names[0]) or not call.query.get(names[1]):
        raise BadQuery(f"{names[0]}, {names[1]} 파라메터는 필수입니다.")
    since, until = (number_in_query(call, name, 0, lowest=0) for name in names[:2])
    if not 0 <= until - since <= LONGEST_WINDOW_SECONDS:
        raise BadQuery("조회기간은 최대 3개월까지 가능합니다.")
    status, page = call.query.get(names[2], ""), number_in_query(call, "page", 1)
    if status not in ("", *STATUSES):
        raise BadQuery("지원되지 않는 상태값입니다.")
    where = "account = :account AND schedule_at BETWEEN :since AND :until"
    values: dict[str, object] = {"account": call.account.name, "since": since, "until": until}
    for column, wanted in (("status", status), ("customer_uid", call.path.get("customer_uid", ""))):
        if wanted:
            where, values = f"{where} AND {column} = :{column}", {**values, column: wanted}
    total = int(simulation.ledger.scalar(f"SELECT count(*) FROM schedule WHERE {where}", values))  # noqa: S608
    rows = simulation.ledger.rows(
        f"SELECT * FROM schedule WHERE {where} ORDER BY {order} LIMIT :limit OFFSET :offset",  # noqa: S608 - constants
        {**values, "limit": limit, "offset": (page - 1) * limit},
    )
    told = [annotated(simulation, row) for row in rows]
    if simulation.schedule_shape is ScheduleShape.PLAIN:
        return success(told)
    if page > last_page(total, limit):
        raise BadQuery("존재하지 않는 페이지입니다.")
    return success(paged(told, total=total, page=page, limit=limit))


def _missing() -> Answer:
    return refusal(UNKNOWN_SCHEDULE, status=404, code=-1)


def _read_time(fields: Fields, *, now: float) -> int:
    at = fields.number("schedule_at")
    if at is None or not now < at < LATEST:
        raise Unreadable(IN_THE_PAST)
    return at


def _is_used(simulation: Simulation, account: str, merchant_uid: str) -> bool:
    """Whether a schedule must not have this name: another waits or was tried under it, or it is paid already."""
    row = newest(simulation, account, merchant_uid)
    if row is not None and row["status"] != "revoked":
        return True
    used = simulation.ledger.statuses(account, merchant_uid)
    match simulation.used_merchant_uid:
        case UsedMerchantUid.CARELESS:
            return False
        case UsedMerchantUid.STRICT:
            return bool(used & {"paid", "cancelled", "ready"})
        case UsedMerchantUid.ONCE:
            return bool(used)


def _require_customer(simulation: Simulation, call: Call, customer_uid: str) -> sqlite3.Row:
    """Return the card; one that comes with the request is issued if there is none yet.

    Raises:
        Refused: There is no card, or it is no good.
    """
    fields = call.fields
    known = simulation.ledger.customer(call.account.name, customer_uid)
    if fields.text("card_number") and (known is None or known["deleted_at"] is not None):
        card, mid = read_card(fields, customer_uid=customer_uid, now=call.now), read_mid(call.account, fields)
        simulation.ledger.issue_customer(
            call.account.name, customer_uid, mid=mid, card=card, now=call.now, details=stored_details(fields)
        )
    row = simulation.customer(call.account, customer_uid, now=call.now)
    if row is None:
        raise Refused(refusal(NO_CUSTOMER_TO_SCHEDULE))
    return row


def _check_card(simulation: Simulation, call: Call, customer: sqlite3.Row) -> None:
    """Charge ``checking_amount`` and give it back at once, if that was asked for.

    Raises:
        Refused: The charge was declined.
    """
    amount = call.fields.number("checking_amount") or 0
    if amount <= 0:
        return
    number = simulation.ledger.scalar("SELECT coalesce(max(seq), 0) + 1 FROM payment")
    terms = Terms(merchant_uid=f"check_{number:010d}", amount=amount, details={})
    payment = charge_by_itself(
        simulation, call.account, via=Via.CHECKING, terms=terms, customer_uid=customer["customer_uid"]
    )
    if payment["status"] != "paid":
        raise Refused(refusal(f"{CHECK_FAILED} {payment['fail_reason']}", code=-1))
    give_back(simulation, call.account.name, Cancellation(imp_uid=payment["imp_uid"], reason="checking_amount"))
