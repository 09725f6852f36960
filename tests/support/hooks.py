"""Hooks as a test sends them to a house, and what came of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from billing.follow_hints import follow_hints
from billing.receive_hint import receive_hint
from domain.hint import read_hint

if TYPE_CHECKING:
    from collections import Counter

    from domain.evidence import Record
    from tests.fakes.gateway import Fate
    from tests.support.house import House

#: A payment that never was.
FORGED = "imps_999999999999"


def hook(house: House, merchant_uid: str, *, imp_uid: str = FORGED, status: str = "paid") -> int:
    told = {"imp_uid": imp_uid, "merchant_uid": merchant_uid, "status": status}
    return receive_hint(house.database, read_hint(told, channel="default"))


def true_hook(house: House, record: Record) -> int:
    return hook(house, record.merchant_uid, imp_uid=record.imp_uid, status=record.status)


def follow(house: House) -> Counter[str]:
    return follow_hints(house.ports)


def follow_to_the_end(house: House) -> None:
    for _ in range(12):
        follow(house)
        house.advance(seconds=400)


def outcomes(house: House) -> list[str | None]:
    return [row.outcome for row in house.rows("SELECT outcome FROM gateway_event ORDER BY id")]


def charged(house: House, fate: Fate, text: str = "[120002] 한도초과") -> str:
    """A subscription whose first charge met a fate; its order number."""
    sub = house.subscription()
    uid = house.uid(sub, 0)
    house.gateway.script(uid, fate, text=text)
    house.tick()
    house.charge()
    return uid
