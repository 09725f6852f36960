"""Refunds as a person asks for them: what is refused, what is shown before, what is written, and who asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.fakes.gateway import Fate

if TYPE_CHECKING:
    from domain.evidence import Record
    from tests.integration.cli.conftest import Jeonggi
    from tests.support.house import House

REASON = ("--reason", "the customer called", "--actor", "mina")


@pytest.fixture
def house(house: House) -> House:
    """Two subscriptions of 9,900 won, one paid and one declined."""
    _, declined = (house.subscription(customer_ref=ref) for ref in ("c-paid", "c-declined"))
    house.gateway.script(house.uid(declined, 0), Fate.DECLINE)
    house.tick()
    house.charge()
    return house


def paid(house: House) -> Record:
    (record,) = [each for each in house.gateway.records if each.status != "failed"]
    return record


def asked(jeonggi: Jeonggi, *arguments: str) -> Any:  # noqa: ANN401 - JSON
    ran = jeonggi("refund", *arguments, "--json")
    assert ran.code == 0, ran.err
    return ran.document


def test_a_part_is_asked_for_sent_and_shown_with_who_asked(jeonggi: Jeonggi, house: House) -> None:
    uid = paid(house).imp_uid
    before = asked(jeonggi, "request", uid, "--amount", "4000", *REASON, "--dry-run")
    assert (before["written"], before["left"], before["refund_id"]) == (False, 5900, None)
    assert house.states("refund") == {}

    made = asked(jeonggi, "request", uid, "--amount", "4000", *REASON)
    assert house.refund() == {"succeeded": 1}

    shown = asked(jeonggi, "show", made["refund_id"][:18])
    assert (shown["state"], shown["amount"], shown["checksum"], shown["requested_by"]) == (
        "succeeded", 4000, 9900, "mina",
    )  # fmt: skip
    assert [(each["actor"], each["action"], each["reason"]) for each in shown["audit"]] == [
        ("mina", "refund.requested", "the customer called")
    ]
    assert asked(jeonggi, "show", shown["mark"])["id"] == made["refund_id"]
    assert shown["mark"] in paid(house).cancellations[0].reason
    told = jeonggi("refund", "show", made["refund_id"])
    assert told.code == 0
    assert "answer shows done" in told.out


def test_all_of_it_goes_back_only_by_its_own_word_and_with_the_number(jeonggi: Jeonggi, house: House) -> None:
    uid = paid(house).imp_uid
    refused = {
        ("--amount", "9900"): "say --full 9900",
        ("--full", "9000"): "say --full 9900",
        ("--amount", "10000"): "give an amount from 1 to 9899",
        (): "--amount WON for a part, or --full WON",
        ("--amount", "1", "--full", "9900"): "--amount WON for a part, or --full WON",
        ("--full", "9900", "--tax-free", "1"): "leave --tax-free and --vat out",
        ("--amount", "100", "--vat", "9"): "leave --vat out",
        ("--amount", "100", "--tax-free", "9"): "give less",
    }
    for given, mend in refused.items():
        ran = jeonggi("refund", "request", uid, *given, *REASON)
        assert (ran.code, mend in ran.err, ran.err.count("\n")) == (2, True, 1), (given, ran.err)

    asked(jeonggi, "request", uid, "--full", "9900", *REASON)
    again = jeonggi("refund", "request", uid, "--full", "9900", *REASON)
    assert (again.code, "nothing is left" in again.err) == (1, True)

    house.refund()
    assert house.gateway.paid_won() == 0


def test_what_names_no_payment_is_said_in_a_sentence(jeonggi: Jeonggi, house: House) -> None:
    declined = house.value("SELECT id FROM invoice WHERE state = 'past_due'")
    for given, code, told in (
        ("imp_000000000000", 1, "there is no payment"),
        (str(declined), 1, "has no payment"),
        ("nonsense", 2, "hex digits"),
    ):
        ran = jeonggi("refund", "request", given, "--amount", "1", *REASON)
        assert (ran.code, told in ran.err, ran.err.count("\n")) == (code, True, 1), ran.err
    assert jeonggi("refund", "show", "0" * 32).code == 1


def test_money_that_came_after_a_decline_waits_for_a_yes_or_a_no(jeonggi: Jeonggi, house: House) -> None:
    """The declined attempt turns out to be paid: its invoice is paid, and a person says whether the money stays."""
    (charge,) = [each for each in house.gateway.asked if each.merchant_uid != paid(house).merchant_uid]
    late = house.gateway.record_payment(charge)
    house.advance(days=1)
    house.tick()
    house.charge()
    assert house.states("invoice") == {"paid": 2}
    (proposal,) = asked(jeonggi, "list", "--operator")
    assert (proposal["state"], proposal["imp_uid"], proposal["amount"]) == ("proposed", late.imp_uid, 9900)
    assert house.refund() == {}, "nothing goes back by itself"

    ran = jeonggi("refund", "approve", proposal["id"], *REASON, "--dry-run")
    assert (ran.code, "would be sent" in ran.out) == (0, True)
    assert house.states("refund") == {"proposed": 1}
    asked(jeonggi, "approve", proposal["id"], *REASON)
    assert house.refund() == {"succeeded": 1}
    assert house.gateway.cancels.given_back(late.imp_uid) == 9900
    assert "착오 결제 환불" in house.gateway.cancels.asked[0].reason
    told = jeonggi("invoice", "show", house.value("SELECT invoice_id FROM payment WHERE imp_uid = :u", u=late.imp_uid))
    assert "asked by engine: succeeded" in told.out
    assert f"9,900 won of {late.imp_uid} cancelled by refund {proposal['id']}" in told.out
    assert jeonggi("refund", "reject", proposal["id"], *REASON).code == 1
    assert asked(jeonggi, "list", "--operator") == []


def test_a_no_frees_the_money_for_another_refund(jeonggi: Jeonggi, house: House) -> None:
    uid = paid(house).imp_uid
    made = asked(jeonggi, "request", uid, "--full", "9900", *REASON)
    rejected = asked(jeonggi, "reject", made["refund_id"], *REASON)
    assert (rejected["state"], rejected["left"]) == ("rejected", 9900)
    assert house.refund() == {}
    house.advance(seconds=1)

    asked(jeonggi, "request", uid, "--amount", "100", *REASON)
    assert house.refund() == {"succeeded": 1}
    assert [row["state"] for row in asked(jeonggi, "list")] == ["rejected", "succeeded"]
    assert [row["state"] for row in asked(jeonggi, "list", "--state", "rejected")] == ["rejected"]
    table = jeonggi("refund", "list")
    assert (table.code, uid in table.out) == (0, True)
