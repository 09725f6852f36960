"""Refunds, whatever becomes of the cancel and of its answer: money goes back once, and both ledgers say the same."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from billing.book_cancellations import book_cancellations
from billing.halt_channel import halt, resume
from billing.refund import Wanted, approve_refund, propose_refund, reject_refund, request_refund
from domain.errors import BadInput, Conflict
from domain.refund import refund_mark
from models.session import RowsRefused
from scheduler.pace import Bell
from tests.fakes.cancels import CancelFate
from tests.support.refunds import BY, ask, pay, refund, settle_refunds, unlike

if TYPE_CHECKING:
    from tests.support.house import House

PART = 4_000

#: What becomes of a cancel; the refund's state in the end, whether the money went back, how often it was sent.
ENDS = [
    (CancelFate.DONE, "succeeded", True, 1),
    (CancelFate.LOSE_ANSWER, "succeeded", True, 1),
    (CancelFate.FORGET_REASON, "succeeded", True, 1),
    (CancelFate.REFUSE_AND_DO, "succeeded", True, 1),
    (CancelFate.LOSE_REQUEST, "succeeded", True, 2),
    (CancelFate.HOLD, "succeeded", True, 2),
    (CancelFate.NOT_SENT, "succeeded", True, 1),
    (CancelFate.UNAUTHORIZED, "succeeded", True, 2),
    (CancelFate.REFUSE, "refused", False, 1),
    (CancelFate.SAY_DONE, "unknown", False, 1),
]


@pytest.mark.parametrize("is_silent", [False, True], ids=["history", "sum only"])
def test_whatever_becomes_of_a_cancel_the_money_goes_back_once_or_somebody_is_told(
    house: House, is_silent: bool
) -> None:
    book = house.gateway.cancels
    book.is_silent = is_silent
    mine = {}
    for (imp_uid, payment_id), (fate, *_) in zip(pay(house, len(ENDS)).items(), ENDS, strict=True):
        book.script(imp_uid, fate)
        mine[fate] = (imp_uid, ask(house, payment_id, PART))

    settle_refunds(house)

    for fate, state, went_back, asked in ENDS:
        imp_uid, refund_id = mine[fate]
        row = refund(house, refund_id)
        assert (row.state, fate) == (state, fate)
        assert (row.operator_since is not None) == (state == "unknown"), "what asking does not settle is an operator's"
        assert book.given_back(imp_uid) == (PART if went_back else 0), fate
        orders = [order for order in book.asked if order.imp_uid == imp_uid]
        assert len(orders) == asked, fate
        assert {order.checksum for order in orders} == {9_900}, "a resend asks the very same"
    assert unlike(house) == []


def test_nothing_is_sent_again_while_the_first_cancel_may_still_be_carried_out(house: House) -> None:
    """It is held over there until just before its token dies; then it is done, once."""
    ((imp_uid, payment_id),) = pay(house).items()
    house.gateway.cancels.fates.append(CancelFate.HOLD)
    mine = ask(house, payment_id, PART)
    house.refund()
    while house.real.timestamp() < refund(house, mine).sent_at.timestamp() + 1_700:
        house.advance(seconds=100)
        house.refund()
    assert refund(house, mine).state == "unknown"

    assert house.gateway.cancels.release() == 1
    settle_refunds(house)

    assert refund(house, mine).state == "succeeded"
    assert (house.gateway.cancels.given_back(imp_uid), len(house.gateway.cancels.asked)) == (PART, 1)
    assert unlike(house) == []


def test_old_pictures_of_a_payment_prove_nothing(house: House) -> None:
    ((_, payment_id),) = pay(house).items()
    house.gateway.cancels.fates.append(CancelFate.LOSE_ANSWER)
    mine = ask(house, payment_id, PART)
    house.refund()
    house.gateway.cancels.stale_looks = 3

    settle_refunds(house)

    assert refund(house, mine).state == "succeeded"
    assert len(house.gateway.cancels.asked) == 1


def test_another_amount_under_our_mark_is_booked_and_put_before_an_operator(house: House) -> None:
    ((_, payment_id),) = pay(house).items()
    house.gateway.cancels.fates.append(CancelFate.ODD_AMOUNT)
    mine = ask(house, payment_id, PART)

    settle_refunds(house)

    assert refund(house, mine).operator_since is not None
    assert unlike(house) == []


def test_a_refund_that_is_never_there_goes_before_an_operator_and_is_sent_again_by_his_word(house: House) -> None:
    ((imp_uid, payment_id),) = pay(house).items()
    house.gateway.cancels.default = CancelFate.LOSE_REQUEST
    mine = ask(house, payment_id, PART)
    settle_refunds(house, hours=48)
    stuck = refund(house, mine)
    assert (stuck.state, stuck.absent_count, len(house.gateway.cancels.asked)) == ("not_executed", 3, 3)
    ask(house, payment_id, 9_900 - PART, is_full=True)
    with pytest.raises(Conflict, match="nothing is left"):
        ask(house, payment_id, 1)

    house.gateway.cancels.default = CancelFate.DONE
    approve_refund(house.database, mine, by=BY)
    settle_refunds(house)

    assert refund(house, mine).state == "succeeded"
    assert unlike(house) == []
    assert house.gateway.cancels.given_back(imp_uid) == 9_900


def test_of_a_payment_one_refund_is_out_at_a_time_and_each_checksum_is_what_is_left(house: House) -> None:
    ((imp_uid, payment_id),) = pay(house).items()
    house.gateway.cancels.fates.append(CancelFate.LOSE_ANSWER)
    for amount in (1_000, 2_000, 3_000):
        ask(house, payment_id, amount)

    settle_refunds(house)

    orders = house.gateway.cancels.asked
    left = 9_900
    for order in orders:
        assert order.checksum == left
        left -= order.amount
    assert sorted(order.amount for order in orders) == [1_000, 2_000, 3_000]
    assert house.gateway.cancels.given_back(imp_uid) == 6_000
    assert unlike(house) == []


def test_a_cancel_made_elsewhere_is_booked_and_ends_what_is_open(house: House) -> None:
    ((imp_uid, payment_id),) = pay(house).items()
    waiting = ask(house, payment_id, PART)
    house.gateway.cancels.elsewhere(imp_uid, 5_000)

    booked = book_cancellations(house.ports, house.gateway.records)

    assert booked == {"elsewhere": 1}
    assert refund(house, waiting).state == "refused"
    assert book_cancellations(house.ports, house.gateway.records) == {}, "each cancel is booked once"
    house.refund()
    assert house.gateway.cancels.asked == []
    told = house.rows("SELECT kind FROM outbox_event WHERE kind LIKE 'payment.cancelled%'")
    assert len(told) == 1
    assert unlike(house) == []
    with pytest.raises(BadInput, match="--full 4900"):
        ask(house, payment_id, 5_000)


def test_a_cancel_made_elsewhere_meanwhile_makes_the_gateway_refuse_ours_and_nothing_is_given_twice(
    house: House,
) -> None:
    ((imp_uid, payment_id),) = pay(house).items()
    mine = ask(house, payment_id, PART)
    house.gateway.cancels.elsewhere(imp_uid, PART)

    settle_refunds(house)

    assert refund(house, mine).state == "refused"
    assert house.gateway.cancels.given_back(imp_uid) == PART
    assert unlike(house) == []


def test_a_refund_that_a_restored_backup_has_forgotten_is_found_by_its_mark(house: House) -> None:
    ((imp_uid, payment_id),) = pay(house).items()
    mine = ask(house, payment_id, PART)
    house.gateway.cancels.elsewhere(imp_uid, PART, reason=f"{refund_mark(mine)} the customer called")

    assert book_cancellations(house.ports, house.gateway.records) == {"ours": 1}

    assert refund(house, mine).state == "succeeded"
    house.refund()
    assert house.gateway.cancels.asked == []
    assert unlike(house) == []


def test_a_proposed_refund_waits_and_a_rejected_one_is_never_sent(house: House) -> None:
    ((_, payment_id),) = pay(house).items()
    asked = propose_refund(house.database, payment_id, Wanted(amount=PART), by=BY)
    assert asked.refund_id is not None
    house.advance(days=2)
    assert house.refund() == {}

    reject_refund(house.database, asked.refund_id, by=BY)
    with pytest.raises(Conflict):
        approve_refund(house.database, asked.refund_id, by=BY)

    assert house.refund() == {}
    assert house.gateway.cancels.asked == []


def test_what_is_out_cannot_be_taken_back(house: House) -> None:
    ((_, payment_id),) = pay(house).items()
    house.gateway.cancels.fates.append(CancelFate.LOSE_ANSWER)
    mine = ask(house, payment_id, PART)
    house.refund()

    with pytest.raises(Conflict, match="cannot be taken back"):
        reject_refund(house.database, mine, by=BY)


def test_what_asking_never_settles_is_ended_by_a_person_and_a_new_one_can_be_asked_for(house: House) -> None:
    """The gateway called it done and never shows it: no other refund of the payment can go before it has ended."""
    ((imp_uid, payment_id),) = pay(house).items()
    house.gateway.cancels.fates.append(CancelFate.SAY_DONE)
    mine = ask(house, payment_id, PART)
    house.refund()
    patience = house.ports.limits.patience
    with pytest.raises(Conflict, match="before an operator is asked"):
        reject_refund(house.database, mine, by=BY, patience=patience)
    settle_refunds(house)
    assert refund(house, mine).operator_since is not None

    reject_refund(house.database, mine, by=BY, patience=patience)
    again = ask(house, payment_id, PART)
    settle_refunds(house)

    assert (refund(house, mine).state, refund(house, again).state) == ("rejected", "succeeded")
    assert house.gateway.cancels.given_back(imp_uid) == PART
    assert unlike(house) == []


def test_nothing_is_sent_through_a_halted_channel_and_all_of_it_after(house: House) -> None:
    ((_, payment_id),) = pay(house).items()
    mine = ask(house, payment_id, PART)
    halt(house.database, house.ports.channel.name, by=BY)
    before = house.bells[Bell.REFUND]
    house.tick()
    assert house.bells[Bell.REFUND] == before
    assert house.refund() == {}

    resume(house.database, house.ports.channel.name, by=BY)
    house.tick()
    assert house.bells[Bell.REFUND] == before + 1
    house.refund()
    assert refund(house, mine).state == "succeeded"


def test_a_cancel_that_comes_too_late_to_be_sent_is_not_sent(house: House) -> None:
    ((_, payment_id),) = pay(house).items()
    mine = ask(house, payment_id, PART)
    claimed_at = house.boottime()
    house.ports = replace(house.ports, boottime=lambda: claimed_at)
    house.gateway.boottime = lambda: claimed_at + 1.0  # frozen between the claim and the call

    house.refund()

    assert (refund(house, mine).state, house.gateway.cancels.asked) == ("not_executed", [])
    house.gateway.boottime = house.boottime


def test_tax_parts_go_back_with_the_money_and_never_more_of_them_than_there_were(house: House) -> None:
    ((_, payment_id),) = pay(house).items()
    with house.database.transaction() as tx:
        tx.connection.execute(text("UPDATE payment SET tax_free = 3000, vat_amount = 627"))
    with pytest.raises(BadInput, match="say --vat"):
        ask(house, payment_id, PART)
    request_refund(house.database, payment_id, Wanted(amount=4_000, tax_free=1_000, vat_amount=272), by=BY)
    with pytest.raises(BadInput, match="2000 won tax-free and 355 won VAT"):
        request_refund(house.database, payment_id, Wanted(amount=4_000, tax_free=2_500, vat_amount=100), by=BY)
    request_refund(house.database, payment_id, Wanted(amount=5_900, is_full=True), by=BY)

    settle_refunds(house)

    sent = {(order.amount, order.tax_free, order.vat_amount) for order in house.gateway.cancels.asked}
    assert sent == {(4_000, 1_000, 272), (5_900, 2_000, 355)}


def test_the_database_itself_refuses_more_than_was_paid(house: House) -> None:
    ((_, payment_id),) = pay(house).items()
    ask(house, payment_id, 9_000)
    by_hand = text(
        "INSERT INTO refund (id, payment_id, channel, amount, tax_free, reason, requested_by, requested_at, mark,"
        " state, send_no, fence, absent_count) VALUES (gen_random_uuid(), :id, 'default', :amount, 0, 'by hand',"
        " 'somebody', now(), 'jr' || :amount, 'proposed', 0, 0, 0)"
    )
    with pytest.raises(RowsRefused, match="refund_within_payment"), house.database.transaction() as tx:
        tx.connection.execute(by_hand, {"id": payment_id, "amount": 901})
    with house.database.transaction() as tx:
        tx.connection.execute(by_hand, {"id": payment_id, "amount": 900})
    with pytest.raises(RowsRefused, match="refund_within_payment"), house.database.transaction() as tx:
        tx.connection.execute(text("UPDATE refund SET amount = 901 WHERE amount = 900"))


def test_parts_are_told_apart_where_the_gateway_tells_only_their_sum(house: House) -> None:
    ((imp_uid, payment_id),) = pay(house).items()
    house.gateway.cancels.is_silent = True
    house.gateway.cancels.script(imp_uid, *[CancelFate.LOSE_ANSWER] * 3)
    for _ in range(3):
        ask(house, payment_id, 1_000)

    settle_refunds(house)

    assert house.states("refund") == {"succeeded": 3}
    assert house.gateway.cancels.given_back(imp_uid) == 3_000
    assert unlike(house) == []


def test_cancels_of_which_first_only_the_sum_was_told_are_booked_once(house: House) -> None:
    """One made elsewhere and one of ours, told in sum; then the history is told, with a second of ours."""
    ((imp_uid, payment_id),) = pay(house).items()
    book = house.gateway.cancels
    book.is_silent = True
    book.elsewhere(imp_uid, 1_000)
    book_cancellations(house.ports, [book.look(book.records[0])])
    first = ask(house, payment_id, 2_000)
    settle_refunds(house)

    book.is_silent = False
    second = ask(house, payment_id, 3_000)
    settle_refunds(house)

    assert (refund(house, first).state, refund(house, second).state) == ("succeeded", "succeeded")
    assert unlike(house) == []
    assert house.value("SELECT count(*) FROM outbox_event WHERE kind = 'payment.cancelled_elsewhere'") == 1
