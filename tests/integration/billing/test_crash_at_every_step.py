"""A process that dies at any boundary of the straight line changes nothing about how it all ends."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import pytest

from billing.token_in_hand import token_in_hand
from tests.fakes.gateway import FakeGateway, Fate
from tests.support.house import START, House
from tests.support.mortal import Died, Life, empty, live_on, mortal
from tests.support.profiles import is_long

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.port import AccessToken, Answer, Charge

pytestmark = pytest.mark.at_both_gateways

TOKEN_ENDS: Final = "401 near the token's end"

#: What becomes of the sends of each subscription's first period, by attempt number.
SCENARIOS: Final[dict[str, dict[int, tuple[Fate, ...]]]] = {
    "approved": {},
    "declined, then approved": {1: (Fate.DECLINE,)},
    "answer lost": {1: (Fate.LOSE_ANSWER,)},
    "answer of a decline lost": {1: (Fate.LOSE_DECLINE,)},
    "request lost": {1: (Fate.LOSE_REQUEST,)},
    "500 before": {1: (Fate.SERVER_ERROR_BEFORE,)},
    "500 after": {1: (Fate.SERVER_ERROR_AFTER,)},
    "not sent": {1: (Fate.NOT_SENT,)},
    TOKEN_ENDS: {},
}
#: Long enough for a ladder step and its settling, and short of the next period.
HORIZON: Final = timedelta(days=5)
TOKEN_LEFT: Final = 40  # seconds: more than the guard, less than what makes a 401 a wrong configuration

EndState = dict[str, dict[str, Any]]

#: After these a dead process leaves something else behind than at the boundary before. The other kinds leave behind
#: what the last of these left: of them one each is enough.
COMMIT: Final = "after a commit"
CHARGE: Final = "after a charge, its answer not yet recorded"


@dataclass(slots=True)
class EndingToken(FakeGateway):
    """Refuses one charge as long as its token is near its end."""

    refusing: str = ""

    def carry_out(self, charge: Charge, token: AccessToken) -> Answer:  # type: ignore[explicit-override]  # typing has no @override in 3.11
        if charge.merchant_uid == self.refusing and token.dies_at_boottime - self.boottime() <= TOKEN_LEFT:
            self.script(charge.merchant_uid, Fate.UNAUTHORIZED)
        return FakeGateway.carry_out(self, charge, token)


@pytest.fixture
def town(house: House) -> Iterator[House]:
    """A house in which many lives are lived, one after the other."""
    house.plan()
    yield house
    house.database.close()


def _move_in(house: House) -> dict[str, str]:
    """Everything as on the first day; gives the merchant_uid's stem of each scenario."""
    empty(house)
    house.to(START)
    gateway = EndingToken(is_strict=house.gateway.is_strict, now=lambda: house.real, boottime=house.boottime)
    house.gateway = gateway
    house.ports = replace(house.ports, gateway=gateway)
    token_in_hand(house.ports)
    house.advance(seconds=house.gateway.token_life_seconds - TOKEN_LEFT)
    stems = {}
    for number, (name, fates) in enumerate(SCENARIOS.items()):
        sub = house.subscription(customer_ref=f"c{number:02d}")
        for attempt_no, fated in fates.items():
            house.gateway.script(house.uid(sub, 0, attempt_no), *fated)
        stems[name] = house.uid(sub, 0)[:-3]
        if name == TOKEN_ENDS:
            gateway.refusing = house.uid(sub, 0)
    return stems


def _end_state(house: House, stems: dict[str, str]) -> EndState:
    """All that matters of each scenario, timestamps and numbers of sends aside."""
    rows = house.rows(
        "SELECT i.ordinal, i.state, i.ladder_step, i.attempt_count, s.state AS subscription_state,"
        " i.next_attempt_at IS NULL AS rests, i.set_aside_reason,"
        " array_agg(a.state || ' ' || coalesce(a.decline_code, '') ORDER BY a.attempt_no) AS attempts,"
        " min(left(a.merchant_uid, length(a.merchant_uid) - 3)) AS stem,"
        " (SELECT count(*) FROM payment p WHERE p.invoice_id = i.id AND p.counts) AS paid,"
        " (SELECT count(*) FROM payment p WHERE p.invoice_id = i.id AND NOT p.counts) AS surplus"
        " FROM invoice i JOIN subscription s ON s.id = i.subscription_id"
        " JOIN charge_attempt a ON a.invoice_id = i.id GROUP BY i.id, s.id ORDER BY i.ordinal"
    )
    ledger = house.paid_at_gateway()
    names = {stem: name for name, stem in stems.items()}
    ended: EndState = {}
    for row in rows:
        values = dict(row._mapping)
        stem = values.pop("stem")
        ended[names[stem]] = values | {"paid_at_gateway": ledger[stem]}
    return ended


def _live(house: House, *, dies_at: int | None) -> tuple[EndState, Life]:
    stems = _move_in(house)
    until = house.now + HORIZON
    life = Life(dies_at=dies_at)
    ports = mortal(house, life)
    try:
        live_on(house, ports, until=until, life=life)
    except Died:
        live_on(house, house.ports, until=until)  # another process: nothing of the first one's memory
    finally:
        ports.database.close()
    return _end_state(house, stems), life


def _deaths(boundaries: list[str], *, is_strict: bool) -> list[tuple[int, str]]:
    """Which boundaries to die at: every one that leaves something new behind, and the first and last of every kind.

    After a charge at either gateway, for what each makes of a ``merchant_uid`` that it has seen differs. After a commit
    at one of them, in turn: what is in the rows does not. In a longer run at both.
    """
    chosen = {}
    commits = 0
    for number, name in enumerate(boundaries, start=1):
        is_first, is_last = name not in boundaries[: number - 1], name not in boundaries[number:]
        commits += name == COMMIT
        is_mine = name == CHARGE or (name == COMMIT and (is_long() or is_strict == bool(commits % 2)))
        if is_mine or is_first or is_last:
            chosen[number] = name
    return list(chosen.items())


def test_a_process_that_dies_at_any_boundary_ends_where_one_ends_that_lives(town: House) -> None:
    expected, life = _live(town, dies_at=None)
    assert set(expected) == set(SCENARIOS)
    assert {ended["paid_at_gateway"] for ended in expected.values()} == {1}

    otherwise = {}
    for number, name in _deaths(life.boundaries, is_strict=town.gateway.is_strict):
        ended, _ = _live(town, dies_at=number)
        if ended != expected:
            differing = {key: (ended.get(key), expected[key]) for key in expected if ended.get(key) != expected[key]}
            otherwise[number, name] = differing

    assert otherwise == {}
