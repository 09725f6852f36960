"""What follows a refusal: what is ours costs the customer nothing, doubt is asked about, the shop's errors halt."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from billing.change_subscription import By
from billing.charge_held import charge_held
from billing.check_invariants import Broken, check_invariants
from billing.halt_channel import resume
from domain.breaker import BreakerTerms
from domain.decline import DeclineClass, codes_of
from domain.errors import BadInput
from domain.outcome import DeclineCode
from gateway.decline_table import TABLE
from tests.fakes.gateway import Fate
from tests.support.house import NO_BRAKES

if TYPE_CHECKING:
    from uuid import UUID

    from tests.support.house import House

BY = By(actor="kim", reason="mended")
MERCHANT_TEXT = "[550431] 빌링 사용구분 확인 오류"


def one_text_of_each_code(*classes: DeclineClass) -> list[str]:
    """For each decline code of these classes, the first row of the table that means it."""
    rows = {row.decline_code: f"[{row.code}] {row.message}" for row in reversed([*TABLE.rows.values()])}
    return [rows[code] for code in codes_of(*classes) if code in rows]


def refused(house: House, *texts: str) -> list[UUID]:
    """A subscription for each text, whose first charge is refused so."""
    subs = [house.subscription() for _ in texts]
    for sub, text in zip(subs, texts, strict=True):
        house.gateway.script(house.uid(sub, 0), Fate.DECLINE, text=text)
    house.tick()
    house.charge()
    return subs


def held(house: House) -> set[tuple[object, ...]]:
    """The invoices, as they are when nothing was counted against the customer."""
    return {
        tuple(row)
        for row in house.rows(
            "SELECT i.state, i.ladder_step, i.ladder_at, i.next_attempt_at, s.state AS subscription"
            " FROM invoice i JOIN subscription s ON s.id = i.subscription_id"
        )
    }


HELD = {("open", 0, None, None, "active")}


def test_what_is_ours_costs_the_customer_nothing_until_a_person_has_mended_it(house: House) -> None:
    texts = one_text_of_each_code(DeclineClass.REQUEST_BUG, DeclineClass.MERCHANT)
    assert len(texts) == len(codes_of(DeclineClass.REQUEST_BUG, DeclineClass.MERCHANT)) - 1  # all but request_refused

    subs = refused(house, *texts)

    assert held(house) == HELD
    events = {row.kind: row.n for row in house.rows("SELECT kind, count(*) AS n FROM outbox_event GROUP BY kind")}
    assert events["invoice.needs_operator"] == len(texts)
    assert "invoice.past_due" not in events
    for _ in range(4):  # longer than the whole ladder
        house.advance(days=3)
        house.tick()
        house.charge()
        house.resolve()
    assert held(house) == HELD
    assert len(house.gateway.asked) == len(texts)

    one = charge_held(house.ports, decline_code=DeclineCode.AMOUNT_WRONG, by=BY, dry_run=True)
    assert (one.invoices, one.won, one.left) == (1, 9_900, {})
    assert held(house) == HELD
    for rest in (len(texts), 0):
        assert charge_held(house.ports, decline_code=None, by=BY).invoices == rest
    with pytest.raises(BadInput, match="request_bug or merchant"):
        charge_held(house.ports, decline_code=DeclineCode.CARD_EXPIRED, by=BY)
    house.settle(step_seconds=300)
    assert house.states("invoice") == {"paid": len(texts)}
    assert house.paid_at_gateway() == {house.uid(sub, 0)[:-3]: 1 for sub in subs}
    assert house.value("SELECT max(ladder_step) FROM invoice") == 0


def test_a_request_that_the_gateway_refuses_is_held_once_its_absence_is_proven(house: House) -> None:
    sub = house.subscription()
    house.gateway.script(house.uid(sub, 0), Fate.REFUSE)
    house.tick()
    house.charge()
    assert house.states("charge_attempt") == {"unknown": 1}

    house.settle(step_seconds=300)

    assert house.value("SELECT decline_code FROM charge_attempt") == "request_refused"
    assert held(house) == HELD
    for_a_person: list[Broken] = []
    assert check_invariants(house.ports, progress=lambda _: None, attention=for_a_person.append) == []
    assert [each.invariant for each in for_a_person] == ["refused_not_the_customers"]


def test_a_refusal_in_doubt_is_asked_about_and_stands_only_once_it_is_settled(house: House) -> None:
    texts = one_text_of_each_code(DeclineClass.AMBIGUOUS)
    assert len(texts) == len(codes_of(DeclineClass.AMBIGUOUS))
    subs = refused(house, *texts)
    reasons = house.rows("SELECT DISTINCT state, unknown_reason FROM charge_attempt")
    assert [tuple(row) for row in reasons] == [("unknown", "ambiguous_decline")]

    late = house.uid(subs[0], 0)  # one of them turns out paid
    house.gateway.records = [
        replace(record, status="paid", paid_at=house.real, failed_at=None) if record.merchant_uid == late else record
        for record in house.gateway.records
    ]
    house.advance(minutes=40)
    house.resolve()
    assert house.states("charge_attempt") == {"unknown": len(texts) - 1, "approved": 1}
    house.settle(step_seconds=300)

    assert house.states("charge_attempt") == {"declined": len(texts) - 1, "approved": 1}
    assert house.states("invoice") == {"past_due": len(texts) - 1, "paid": 1}
    assert len(house.gateway.asked) == len(texts)
    assert house.paid_at_gateway() == {house.uid(subs[0], 0)[:-3]: 1}


@pytest.mark.parametrize("fate", [Fate.DECLINE, Fate.REFUSE])
def test_a_run_of_the_shop_s_errors_halts_the_channel_and_nothing_else_does(house: House, fate: Fate) -> None:
    house.limit(brakes=replace(NO_BRAKES, breaker=BreakerTerms(merchant_run=3)), concurrency=1, claim_size=1)
    for text in (MERCHANT_TEXT, MERCHANT_TEXT, "[120054] 잔액부족", MERCHANT_TEXT, "[550608] 금액 오류"):
        refused(house, text)
        assert house.value("SELECT halted_at FROM channel_state") is None
    for _ in range(3):
        assert house.value("SELECT halted_at FROM channel_state") is None
        house.gateway.script(house.uid(house.subscription(), 0), fate, text=MERCHANT_TEXT)
        house.tick()
        house.charge()

    halted = house.rows("SELECT halted_at, halt_cause FROM channel_state")[0]
    assert halted.halted_at is not None
    assert halted.halt_cause == "merchant"
    asked = len(house.gateway.asked)
    later = house.subscription()
    house.tick()
    house.charge()
    assert len(house.gateway.asked) == asked

    resume(house.database, house.ports.channel.name, by=BY)
    house.charge()
    assert house.paid_at_gateway() == {house.uid(later, 0)[:-3]: 1}
