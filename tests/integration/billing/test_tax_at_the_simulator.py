"""Tax parts and instalments by the real client, at a simulator that is a process of its own, and back again."""

from __future__ import annotations

import json
import sqlite3
import urllib.request
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from billing.refund import Wanted, request_refund
from gateway.tokens import boottime
from tests.contract.gateway.asking import client
from tests.support.house import House
from tests.support.refunds import BY, ask
from tests.support.simulator import IMP_KEY, IMP_SECRET

if TYPE_CHECKING:
    from tests.support.simulator import RunningSimulator

#: Won and tax-free of a unit, who reckons the VAT, months, units; and what must arrive over there.
SOLD: tuple[tuple[tuple[int, int, str, int, int], dict[str, int]], ...] = (
    ((9_900, 0, "gateway", 0, 1), {}),
    ((9_900, 0, "included", 0, 1), {"vat_amount": 900}),
    ((9_900, 9_900, "included", 0, 2), {"tax_free": 19_800, "vat_amount": 0}),
    ((9_900, 1_000, "gateway", 0, 1), {"tax_free": 1_000}),
    ((16_667, 0, "included", 3, 3), {"vat_amount": 4_546, "card_quota": 3}),  # 50,001 won: 4,545.54...
    ((16_666, 0, "included", 3, 3), {"vat_amount": 4_545}),  # 49,998 won: too little for instalments
    ((60_000, 5_000, "included", 12, 1), {"tax_free": 5_000, "vat_amount": 5_000, "card_quota": 12}),
)


def _details(simulator: RunningSimulator) -> dict[str, dict[str, Any]]:
    """What the simulator wrote down of each payment's request, by card."""
    with closing(sqlite3.connect(f"file:{simulator.ledger}?mode=ro", uri=True)) as ledger:
        rows = ledger.execute("SELECT customer_uid, details FROM payment").fetchall()
    return {uid: json.loads(details) for uid, details in rows}


def _cancellations(simulator: RunningSimulator) -> list[dict[str, Any]]:
    with urllib.request.urlopen(f"{simulator.control_url}/cancellations") as answer:  # noqa: S310 - our own simulator
        return [dict(row) for row in json.loads(answer.read())]


def test_tax_parts_and_instalments_arrive_and_go_back_in_the_same_parts(
    database_url: str, simulator: RunningSimulator
) -> None:
    with closing(House(database_url)) as house, client(simulator.url, imp_key=IMP_KEY, imp_secret=IMP_SECRET) as real:
        house.ports = replace(house.ports, gateway=real, boottime=boottime)
        expected: dict[str, dict[str, int]] = {}
        for number, ((amount, tax_free, vat, quota, units), told) in enumerate(SOLD):
            house.plan(f"p{number}", amount=amount)
            sub = house.subscription(plan=f"p{number}")
            with house.database.transaction() as tx:
                tx.connection.execute(
                    text(
                        "UPDATE plan_price SET tax_free = :tax_free, vat = :vat, card_quota = :quota"
                        " WHERE id = (SELECT plan_price_id FROM subscription WHERE id = :id)"
                    ),
                    {"tax_free": tax_free, "vat": vat, "quota": quota, "id": sub},
                )
                tx.connection.execute(
                    text("UPDATE subscription SET quantity = :units WHERE id = :id"), {"units": units, "id": sub}
                )
            expected[house.card_of(sub)] = told
        house.tick()
        house.charge()

        names = ("tax_free", "vat_amount", "card_quota")
        arrived = {
            card: {name: details[name] for name in names if details.get(name) or (name in details and name != names[2])}
            for card, details in _details(simulator).items()
        }
        assert arrived == expected
        assert house.states("invoice") == {"paid": len(SOLD)}

        parts: dict[str, tuple[int, int]] = {}
        for row in house.rows("SELECT id, imp_uid, amount, tax_free, vat_amount FROM payment"):
            parts[row.imp_uid] = (row.tax_free, row.vat_amount or 0)
            half = Wanted(
                amount=row.amount // 2,
                tax_free=row.tax_free // 2,
                vat_amount=None if row.vat_amount is None else row.vat_amount // 2,
            )
            request_refund(house.database, row.id, half, by=BY)
        house.refund()
        for row in house.rows("SELECT id, amount FROM payment"):
            ask(house, row.id, row.amount - row.amount // 2, is_full=True)
        house.refund()

        assert house.states("refund") == {"succeeded": 2 * len(SOLD)}
        given_back = {imp_uid: [0, 0] for imp_uid in parts}
        for row in _cancellations(simulator):
            given_back[row["imp_uid"]][0] += row["tax_free"]
            given_back[row["imp_uid"]][1] += row["vat_amount"]
        assert {imp_uid: tuple(back) for imp_uid, back in given_back.items()} == parts
