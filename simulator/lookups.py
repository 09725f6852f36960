"""What does the gateway answer when it is asked about payments?

Source: PortOne V1 documentation, REST API, payments and subscribe: paths, paging (``total``, ``previous``, ``next``,
``list``; 0 where there is no such page), sorting, 90 days at most, 400 for a bad status or a page beyond the end.
"""

import sqlite3
from collections.abc import Mapping

from simulator.call import LARGEST_PAGE_SIZE, PAGE_SIZE, BadQuery, Call, last_page, number_in_query, paged
from simulator.simulation import Simulation
from simulator.wire import BAD_STATUS, NOT_FOUND_PAYMENT, Answer, refusal, success

STATUSES = ("ready", "paid", "cancelled", "failed")
SORT_ORDERS = {
    "-started": "started_at DESC, seq DESC",
    "started": "started_at, seq",
    "-paid": "paid_at DESC, seq DESC",
    "paid": "paid_at, seq",
    "-updated": "updated_at DESC, seq DESC",
    "updated": "updated_at, seq",
}
LONGEST_WINDOW_SECONDS = 90 * 86_400
MOST_IDS = 100


def _order_in_query(call: Call) -> str:
    sorting = call.query.get("sorting") or "-started"
    if sorting not in SORT_ORDERS:
        raise BadQuery("지원되지 않는 정렬기준입니다.")
    return SORT_ORDERS[sorting]


def _missing() -> Answer:
    return refusal(NOT_FOUND_PAYMENT, status=404, code=-1)


def _select(
    simulation: Simulation, where: str, values: Mapping[str, object], *, order: str, limit: int, offset: int = 0
) -> list[sqlite3.Row]:
    # The pieces put together here are constants of this file; what callers sent is bound.
    sql = (
        f"SELECT * FROM payment WHERE {where} AND account = :account AND visible_at <= :now"  # noqa: S608
        f" ORDER BY {order} LIMIT :limit OFFSET :offset"
    )
    return simulation.ledger.rows(sql, {**values, "limit": limit, "offset": offset})


def _page(
    simulation: Simulation, where: str, values: Mapping[str, object], *, order: str, page: int, limit: int
) -> tuple[int, dict[str, object]]:
    """Return the number of the last page and one page."""
    sql = f"SELECT count(*) FROM payment WHERE {where} AND account = :account AND visible_at <= :now"  # noqa: S608
    total = simulation.ledger.scalar(sql, values)
    rows = _select(simulation, where, values, order=order, limit=limit, offset=(page - 1) * limit)
    return last_page(total, limit), paged(simulation.annotated_all(rows), total=total, page=page, limit=limit)


def one_payment(simulation: Simulation, call: Call) -> Answer:
    """GET /payments/{imp_uid}: since 2026-01-26 payments of test channels are hidden unless asked for."""
    values = {"imp_uid": call.path["imp_uid"], "account": call.account.name, "now": call.now}
    rows = _select(simulation, "imp_uid = :imp_uid", values, order="seq", limit=1)
    is_asked_for = call.query.get("include_sandbox", "").lower() in ("true", "1")
    if not rows or (rows[0]["sandbox"] and simulation.is_hiding_sandbox and not is_asked_for):
        return _missing()
    return success(simulation.annotated(rows[0]))


def several_payments(simulation: Simulation, call: Call) -> Answer:
    """GET /payments?imp_uid[]=&merchant_uid[]=: 207 if some of them are unknown."""
    wanted = [("imp_uid", uid) for uid in call.lists.get("imp_uid[]", ())]
    wanted += [("merchant_uid", uid) for uid in call.lists.get("merchant_uid[]", ())]
    if not wanted or len(wanted) > MOST_IDS:
        raise BadQuery("imp_uid[] 또는 merchant_uid[]는 1개 이상 100개 이하로 요청하셔야 합니다.")
    found: dict[str, sqlite3.Row] = {}
    missing = 0
    for column, uid in wanted:
        values = {"uid": uid, "account": call.account.name, "now": call.now}
        rows = _select(simulation, f"{column} = :uid", values, order=SORT_ORDERS["-started"], limit=1)
        missing += not rows
        found.update({row["imp_uid"]: row for row in rows})
    if not found:
        return _missing()
    return success(simulation.annotated_all(list(found.values())), status=207 if missing else 200)


def _of_order(call: Call) -> tuple[str, dict[str, object]]:
    status = call.path.get("payment_status", "all")
    if status not in (*STATUSES, "all"):
        raise BadQuery(BAD_STATUS)
    values: dict[str, object] = {"merchant_uid": call.path["merchant_uid"], "status": status}
    values |= {"account": call.account.name, "now": call.now}
    return "merchant_uid = :merchant_uid" + ("" if status == "all" else " AND status = :status"), values


def find(simulation: Simulation, call: Call) -> Answer:
    """GET /payments/find/{merchant_uid}[/{status}]: the first record by the sorting, the newest unless asked."""
    where, values = _of_order(call)
    rows = _select(simulation, where, values, order=_order_in_query(call), limit=1)
    return success(simulation.annotated(rows[0])) if rows else _missing()


def find_all(simulation: Simulation, call: Call) -> Answer:
    """GET /payments/findAll/{merchant_uid}[/{status}]: all records; with a status only the newest one of it."""
    where, values = _of_order(call)
    page = number_in_query(call, "page", 1)
    limit = number_in_query(call, "limit", PAGE_SIZE, highest=LARGEST_PAGE_SIZE)
    if "AND status" in where:
        where = f"seq = (SELECT max(seq) FROM payment WHERE {where} AND account = :account AND visible_at <= :now)"  # noqa: S608 - constants
    last, listed = _page(simulation, where, values, order=_order_in_query(call), page=page, limit=limit)
    if not listed["total"]:
        return _missing()
    if page > last:
        raise BadQuery("존재하지 않는 페이지입니다.")
    return success(listed)


def by_status(simulation: Simulation, call: Call) -> Answer:
    """GET /payments/status/{status}: the instant compared is that of the status a record has now."""
    status = call.path["payment_status"]
    if status not in (*STATUSES, "all"):
        raise BadQuery(BAD_STATUS)
    page = number_in_query(call, "page", 1)
    limit = number_in_query(call, "limit", PAGE_SIZE, highest=LARGEST_PAGE_SIZE)
    until = number_in_query(call, "to", 0, lowest=0)
    since = number_in_query(call, "from", 0, lowest=0)
    if not until:
        until = min(int(call.now), since + LONGEST_WINDOW_SECONDS) if since else int(call.now)
    if not since:
        since = max(0, until - LONGEST_WINDOW_SECONDS)
    if not 0 <= until - since <= LONGEST_WINDOW_SECONDS:
        raise BadQuery("조회기간은 최대 90일까지 가능합니다.")
    where = "status_at >= :since AND status_at < :until + 1" + ("" if status == "all" else " AND status = :status")
    values = {"since": since, "until": until, "status": status, "account": call.account.name, "now": call.now}
    last, listed = _page(simulation, where, values, order=_order_in_query(call), page=page, limit=limit)
    if page > last:
        raise BadQuery("존재하지 않는 페이지입니다.")
    return success(listed)


def of_customer(simulation: Simulation, call: Call) -> Answer:
    """GET /subscribe/customers/{customer_uid}/payments: 404 for a card that is unknown or deleted."""
    customer_uid = call.path["customer_uid"]
    if simulation.customer(call.account, customer_uid, now=call.now) is None:
        return missing_customer(customer_uid)
    values = {"customer_uid": customer_uid, "account": call.account.name, "now": call.now}
    page = number_in_query(call, "page", 1)
    _, listed = _page(
        simulation, "customer_uid = :customer_uid", values, order=SORT_ORDERS["-started"], page=page, limit=PAGE_SIZE
    )
    return success(listed)


def missing_customer(customer_uid: str) -> Answer:
    """Answer that a card is unknown."""
    message = f"요청하신 customer_uid({customer_uid})로 등록된 정보를 찾을 수 없습니다."
    return refusal(message, status=404)
