"""A merchant moves off the gateway's schedules: whatever dies or fires on the way, every period is paid once.

The gateway's ledger is the oracle: a period is paid by the schedule that was made for it, or by us, and never by both.
"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import pytest
from sqlalchemy import text

from billing.adopt_rows import Moved, adopt_rows
from billing.adopt_schedules import Offer, Standing, offer_rows
from billing.answer_foreign import ignore_schedule
from billing.change_subscription import change_card
from billing.charge_now import charge_now
from billing.compare_gateway import compare_due
from billing.finish_adoption import finish_adoption
from billing.halt_channel import resume
from domain.errors import BillingError, Conflict
from tests.fakes.schedules import RevokeFate
from tests.support.house import START, House
from tests.support.mortal import Died, Life, empty, mortal
from tests.support.other_hands import MONTHS, PERIODS, WHO, Subscriber, begun, go_on, payments, schedule_all

if TYPE_CHECKING:
    from collections.abc import Sequence

    from billing.ports import Ports
    from domain.subscription_file import Refused


@pytest.fixture
def house(house: House) -> House:
    """One house: no charge of ours meets a used name here, so both kinds of gateway do the same."""
    house.plan()
    return house


def move(ports: Ports, people: Sequence[Subscriber]) -> list[Moved | Refused]:
    """What ``jeonggi schedule adopt`` does with a file of them."""
    offers = offer_rows(ports, [each.row(line) for line, each in enumerate(people, 2)], accept_amount=False)
    told: list[Moved | Refused] = [each for each in offers if not isinstance(each, Offer | Standing)]
    adopt_rows(ports, [each for each in offers if isinstance(each, Offer | Standing)], by=WHO, moved=told.append)
    return told


def test_a_schedule_is_adopted_and_its_periods_are_charged_by_us(house: House) -> None:
    people = [Subscriber(ref="a", first_in=86_400 * 5)]
    schedule_all(house, people)

    (moved,) = move(house.ports, people)

    assert isinstance(moved, Moved)
    assert moved.is_done
    assert moved.stands is not None
    assert moved.stands.revoked == PERIODS
    assert house.gateway.book.waiting() == set()
    assert house.gateway.book.revoked == [[f"old-a-{period}" for period in range(PERIODS)]]
    assert house.gateway.records == []
    go_on(house, *MONTHS)
    assert payments(house, people) == {"a": {0: 1, 1: 1, 2: 1}}
    assert {record.merchant_uid[:1] for record in house.gateway.records} == {"j"}


#: Somebody is always about to be charged: the clock goes on by a second at every boundary.
PEOPLE: Final = (
    Subscriber(ref="calm", first_in=86_400 * 5),
    Subscriber(ref="soon", first_in=8),
    Subscriber(ref="poor", first_in=20, declined=True),
    Subscriber(ref="later", first_in=40),
)
FATES: Final = (RevokeFate.LOST_DONE, RevokeFate.SAID_NOT_DONE, RevokeFate.FIRST_ONLY, RevokeFate.LOST_NOT_DONE)
EFFECTS: Final = ("after a commit", "after an unschedule")


class AgingLife(Life):
    """Every boundary takes a second, so that schedules fire between any two steps."""

    def __init__(self, house: House, *, dies_at: int | None = None) -> None:
        super().__init__(dies_at=dies_at)
        self._house = house

    def boundary(self, name: str) -> None:  # type: ignore[explicit-override]  # typing has no @override in 3.11
        with self._lock:
            if not self._is_dead:
                self._house.advance(seconds=1)
                self._house.gateway.book.run_due()
        super().boundary(name)


def live(house: House, *, dies_at: int | None) -> list[str]:
    """Move everybody; if the process dies, another one goes on with the same file twenty minutes later."""
    empty(house)
    house.to(START)
    house.gateway.book.clear()
    house.gateway.records.clear()
    schedule_all(house, PEOPLE)
    house.gateway.book.fates.extend(FATES)
    life = AgingLife(house, dies_at=dies_at)
    ports = mortal(house, life)
    try:
        move(ports, PEOPLE)
    except Died:
        house.gateway.book.fates.clear()
        go_on(house, timedelta(minutes=20))
        with suppress(BillingError):
            move(house.ports, PEOPLE)
    finally:
        ports.database.close()
    go_on(house, *MONTHS)
    return life.boundaries


def expected(house: House) -> dict[str, Counter[int]]:
    """Every period once; but what was declined before its row was adopted, the old program must see to."""
    ours = set(house.rows("SELECT left(merchant_uid, -2), ordinal FROM adopted_schedule"))
    return {
        each.ref: Counter(
            {period: 1 for period in range(PERIODS) if not each.declined or (f"old-{each.ref}", period) in ours}
        )
        for each in PEOPLE
    }


def deaths(boundaries: Sequence[str]) -> list[tuple[int, str]]:
    """Every boundary that leaves something new behind, and the first and last of every other kind."""
    chosen = {}
    for number, name in enumerate(boundaries, start=1):
        is_first, is_last = name not in boundaries[: number - 1], name not in boundaries[number:]
        if name in EFFECTS or is_first or is_last:
            chosen[number] = name
    return list(chosen.items())


def test_a_move_that_dies_at_any_step_and_is_resumed_charges_every_period_once(house: House) -> None:
    boundaries = live(house, dies_at=None)
    assert payments(house, PEOPLE) == expected(house)
    assert house.gateway.book.waiting() == set()

    otherwise = {}
    for number, name in deaths(boundaries):
        live(house, dies_at=number)
        paid = payments(house, PEOPLE)
        if paid != expected(house) or house.gateway.book.waiting() or house.states("adoption") != {"done": len(PEOPLE)}:
            otherwise[number, name] = paid, house.gateway.book.waiting(), house.states("adoption")

    assert otherwise == {}


def test_schedules_that_are_made_meanwhile_are_taken_over_too(house: House) -> None:
    someone = Subscriber(ref="a", first_in=86_400 * 5)
    schedule_all(house, [someone], periods=2)
    offer = begun(house, someone)
    house.gateway.book.add("old-a-2", customer_uid=someone.card, at=someone.at(2))

    stands = finish_adoption(house.ports, offer.subscription_id)

    assert stands.is_done
    assert stands.revoked == PERIODS
    assert house.gateway.book.waiting() == set()
    go_on(house, *MONTHS)
    assert payments(house, [someone]) == {"a": {0: 1, 1: 1, 2: 1}}


def test_a_schedule_made_meanwhile_that_is_not_of_the_plan_blocks_and_asks(house: House) -> None:
    someone = Subscriber(ref="a", first_in=86_400 * 5)
    schedule_all(house, [someone])
    offer = begun(house, someone)
    house.gateway.book.add("odd", customer_uid=someone.card, at=START + timedelta(days=60), amount=500)

    assert finish_adoption(house.ports, offer.subscription_id).is_done

    go_on(house, timedelta(days=6))
    assert house.gateway.records == []
    assert house.gateway.book.waiting() == {"odd"}
    assert house.value("SELECT count(*) FROM outbox_event WHERE kind = 'subscription.schedule_blocks'") == 1
    ignore_schedule(house.database, "default", "odd", by=WHO)
    go_on(house, timedelta(hours=1))
    assert payments(house, [someone]) == {"a": {0: 1}}


def test_what_an_adopted_schedule_paid_is_no_incident(house: House) -> None:
    someone = Subscriber(ref="a", first_in=3_600)
    schedule_all(house, [someone])
    offer = begun(house, someone)
    house.advance(hours=2)
    house.gateway.book.run_due()
    house.advance(seconds=1)
    compare_due(house.ports, for_seconds=600)  # it goes on with the adoption, too

    assert house.states("adoption") == {"done": 1}
    assert house.value("SELECT count(*) FROM outbox_event WHERE is_incident") == 0
    assert house.value("SELECT count(*) FROM foreign_payment WHERE accepted_at IS NOT NULL") == 1
    assert finish_adoption(house.ports, offer.subscription_id).paid_elsewhere == 1
    go_on(house, *MONTHS)
    assert payments(house, [someone]) == {"a": {0: 1, 1: 1, 2: 1}}


def test_what_an_adopted_schedule_paid_is_listed_although_another_one_is_still_open(house: House) -> None:
    someone = Subscriber(ref="a", first_in=60)
    schedule_all(house, [someone])
    offer = begun(house, someone)
    house.advance(seconds=90)
    house.gateway.book.run_due()
    house.gateway.book.lag("old-a-1", looks=6)

    assert not finish_adoption(house.ports, offer.subscription_id).is_done
    house.advance(hours=2)
    assert finish_adoption(house.ports, offer.subscription_id).is_done

    listed = house.rows("SELECT merchant_uid FROM foreign_payment WHERE accepted_at IS NOT NULL")
    assert [row.merchant_uid for row in listed] == ["old-a-0"]


@pytest.mark.parametrize("declined", [False, True])
def test_a_schedule_that_ran_and_does_not_tell_its_end_is_looked_up_by_its_order_number(
    house: House, declined: bool
) -> None:
    someone = Subscriber(ref="a", first_in=3_600, declined=declined)
    schedule_all(house, [someone])
    offer = begun(house, someone)
    house.advance(hours=2)
    house.gateway.book.run_due()
    house.gateway.book.hide_end("old-a-0")

    stands = finish_adoption(house.ports, offer.subscription_id)

    assert (stands.is_done, stands.paid_elsewhere) == (True, 0 if declined else 1)
    go_on(house, *MONTHS)
    assert payments(house, [someone]) == {"a": {0: 1, 1: 1, 2: 1}}


def test_schedules_that_another_account_does_not_know_are_not_taken_to_be_revoked(house: House) -> None:
    house.subscription()
    house.tick()
    house.charge()
    house.advance(hours=2)
    people = [Subscriber(ref="a", first_in=86_400 * 5)]
    schedule_all(house, people)
    house.gateway.book.fates.extend([RevokeFate.LOST_NOT_DONE] * 10)
    move(house.ports, people)
    own = house.point_at(house.another_account())

    go_on(house, *[timedelta(hours=1)] * 3)

    assert house.states("adoption") == {"unscheduling": 1}
    assert house.value("SELECT halt_cause FROM channel_state WHERE halted_at IS NOT NULL") == "account"
    house.point_at(own)
    own.book.fates.clear()
    resume(house.database, "default", by=WHO)
    go_on(house, *MONTHS)
    assert house.states("adoption") == {"done": 1}
    own.records[:] = [each for each in own.records if each.customer_uid == people[0].card]
    assert payments(house, people) == {"a": {0: 1, 1: 1, 2: 1}}


def test_nobody_gets_past_an_adoption_that_is_not_ended(house: House) -> None:
    someone = Subscriber(ref="a", first_in=-3_600 * 2)
    house.gateway.book.add("old-a-0", customer_uid=someone.card, at=START + timedelta(seconds=30))
    offer = begun(house, someone)
    house.tick()

    with pytest.raises(Conflict, match="being adopted"):
        ignore_schedule(house.database, "default", "old-a-0", by=WHO)
    invoice = house.value("SELECT id FROM invoice")
    with pytest.raises(Conflict):
        charge_now(house.ports, invoice, by=WHO)
    with pytest.raises(Conflict, match="answer that first"):
        change_card(house.ports, offer.subscription_id, customer_uid="another", by=WHO)
    assert house.charge().claimed == 0
    assert house.gateway.asked == []


def test_a_subscription_that_charges_by_itself_already_is_not_adopted(house: House) -> None:
    someone = Subscriber(ref="a", first_in=86_400 * 5)
    schedule_all(house, [someone])
    (moved,) = move(house.ports, [someone])
    assert isinstance(moved, Moved)
    assert moved.is_done
    with house.database.transaction() as tx:
        tx.connection.execute(text("DELETE FROM adopted_schedule"))
        tx.connection.execute(text("DELETE FROM adoption"))
    house.gateway.book.clear()
    schedule_all(house, [someone])

    (refused,) = move(house.ports, [someone])

    assert isinstance(refused, Moved)
    assert refused.stands is None
    assert "stands already" in refused.because
    assert len(house.gateway.book.waiting()) == PERIODS
