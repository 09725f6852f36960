"""Commands about what stands: lists, one thing whole, changes, and how errors are told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from cli import main
from tests.fakes.gateway import Fate

if TYPE_CHECKING:
    from uuid import UUID

    from tests.integration.cli.conftest import Jeonggi
    from tests.support.house import House

REASON = ("--reason", "the customer called")


@pytest.fixture
def house(house: House) -> House:
    """Three subscriptions that were charged: one paid, one was declined, one's answer was lost."""
    _, declined, lost = (house.subscription(customer_ref=ref) for ref in ("c-paid", "c-declined", "c-lost"))
    house.gateway.script(house.uid(declined, 0), Fate.DECLINE)
    house.gateway.script(house.uid(lost, 0), Fate.LOSE_ANSWER)
    house.tick()
    house.charge()
    return house


def invoice_of(house: House, ref: str) -> UUID:
    found: UUID = house.value(
        "SELECT i.id FROM invoice i JOIN subscription s ON s.id = i.subscription_id"
        " JOIN customer c ON c.id = s.customer_id WHERE c.customer_ref = :ref",
        ref=ref,
    )
    return found


def subscription_of(house: House, ref: str) -> UUID:
    found: UUID = house.value(
        "SELECT s.id FROM subscription s JOIN customer c ON c.id = s.customer_id WHERE c.customer_ref = :ref", ref=ref
    )
    return found


def listed(jeonggi: Jeonggi, *arguments: str) -> list[Any]:
    ran = jeonggi(*arguments, "--json")
    assert ran.code == 0, ran.err
    found: list[Any] = ran.document
    return found


def test_invoices_are_listed_by_what_is_asked_for(jeonggi: Jeonggi, house: House) -> None:
    assert [row["customer_ref"] for row in listed(jeonggi, "invoice", "list", "--state", "paid")] == ["c-paid"]
    assert len(listed(jeonggi, "invoice", "list")) == 3
    assert listed(jeonggi, "invoice", "list", "--due") == []
    house.advance(days=1)
    assert [row["customer_ref"] for row in listed(jeonggi, "invoice", "list", "--due")] == ["c-declined"]
    mine = str(subscription_of(house, "c-lost"))
    assert [row["state"] for row in listed(jeonggi, "invoice", "list", "--subscription", mine)] == ["open"]


def test_pages_follow_each_other_without_gaps(jeonggi: Jeonggi, house: House) -> None:
    for noun in ("invoice", "subscription", "attempt"):
        whole = [row["id"] for row in listed(jeonggi, noun, "list")]
        paged: list[str] = []
        while page := listed(jeonggi, noun, "list", "--limit", "1", *(("--after", paged[-1]) if paged else ())):
            paged += [row["id"] for row in page]

        assert paged == whole
        assert len(whole) == 3
    del house


def test_an_invoice_is_shown_with_all_that_happened(jeonggi: Jeonggi, house: House) -> None:
    invoice_id = invoice_of(house, "c-declined")
    jeonggi("invoice", "charge-now", invoice_id, *REASON, "--actor", "kim")

    shown = jeonggi("invoice", "show", invoice_id, "--json").document

    assert shown["state"] == "past_due"
    assert [attempt["state"] for attempt in shown["attempts"]] == ["declined"]
    assert shown["sends"][0]["customer_uid"] == "card***"
    assert {event["kind"] for event in shown["events"]} == {"invoice.opened", "attempt.declined", "invoice.past_due"}
    assert [(entry["actor"], entry["reason"]) for entry in shown["audit"]] == [("kim", "the customer called")]
    told = jeonggi("invoice", "show", invoice_id).out
    assert "한도초과" in told
    assert "won asked of card card***" in told


def test_nothing_personal_is_shown_whole(jeonggi: Jeonggi, house: House) -> None:
    sub = subscription_of(house, "c-paid")
    card = house.card_of(sub)
    for arguments in (
        ("subscription", "list"),
        ("subscription", "show", str(sub)),
        ("invoice", "list"),
        ("invoice", "show", str(invoice_of(house, "c-paid"))),
        ("attempt", "list"),
    ):
        for said in (jeonggi(*arguments), jeonggi(*arguments, "--json")):
            assert said.code == 0, said.err
            for secret in (card, "a@shop.example", "010-0000-0000"):
                assert secret not in said.out


def test_ids_may_be_shortened_while_they_are_unique(jeonggi: Jeonggi, house: House) -> None:
    sub = subscription_of(house, "c-paid")

    assert jeonggi("subscription", "show", str(sub)[:13], "--json").document["id"] == str(sub)
    # Three invoices of one moment begin alike.
    ambiguous = jeonggi("invoice", "show", str(invoice_of(house, "c-paid"))[:8])
    assert ambiguous.code == 2
    assert "fits more than one invoice; give more of its digits" in ambiguous.err
    assert jeonggi("subscription", "show", str(sub)[:7]).code == 2
    missing = jeonggi("subscription", "show", "0" * 32)
    assert (missing.code, missing.err) == (1, f"there is no subscription {'0' * 32}\n")


def test_charge_now_makes_due_and_tells_the_amount(jeonggi: Jeonggi, house: House) -> None:
    invoice_id = invoice_of(house, "c-declined")
    before = house.value("SELECT next_attempt_at FROM invoice WHERE id = :id", id=invoice_id)

    dry = jeonggi("invoice", "charge-now", invoice_id, *REASON, "--dry-run")
    assert "would be due now: 9,900 won" in dry.out
    assert house.value("SELECT next_attempt_at FROM invoice WHERE id = :id", id=invoice_id) == before
    ran = jeonggi("invoice", "charge-now", invoice_id, *REASON)

    assert (ran.code, "is due now: 9,900 won" in ran.out) == (0, True)
    assert house.value("SELECT next_attempt_at FROM invoice WHERE id = :id", id=invoice_id) == house.now


def test_charge_now_on_an_unknown_attempt_changes_nothing(jeonggi: Jeonggi, house: House) -> None:
    ran = jeonggi("invoice", "charge-now", invoice_of(house, "c-lost"), *REASON, "--json")

    assert ran.code == 1
    assert ran.document["error"]["code"] == "conflict"
    assert "is unknown: the gateway is asked first, nothing was changed" in ran.err
    assert house.value("SELECT count(*) FROM audit_entry") == 0


def test_a_reason_is_asked_for(jeonggi: Jeonggi, house: House) -> None:
    invoice_id = invoice_of(house, "c-declined")

    assert jeonggi("invoice", "charge-now", invoice_id).code == 2
    assert "--reason cannot be used" in jeonggi("invoice", "charge-now", invoice_id, "--reason", " ").err


def test_unknown_attempts_are_listed(jeonggi: Jeonggi, house: House) -> None:
    (unknown,) = listed(jeonggi, "attempt", "list", "--unknown")

    assert (unknown["state"], unknown["unknown_reason"]) == ("unknown", "no_answer")
    assert unknown["invoice_id"] == str(invoice_of(house, "c-lost"))
    assert listed(jeonggi, "attempt", "list", "--operator") == []


def test_a_subscription_is_paused_resumed_given_a_card_and_cancelled(jeonggi: Jeonggi, house: House) -> None:
    sub = str(subscription_of(house, "c-paid"))

    assert "is paused: paused" in jeonggi("subscription", "pause", sub, *REASON).out
    assert jeonggi("subscription", "pause", sub, *REASON).code == 1
    assert jeonggi("subscription", "resume", sub, *REASON, "--json").document["state"] == "active"
    assert jeonggi("subscription", "change-card", sub, "card-new", *REASON).code == 0
    assert house.card_of(subscription_of(house, "c-paid")) == "card-new"
    too_long = jeonggi("subscription", "change-card", sub, "x" * 81, *REASON)
    assert (too_long.code, "customer_uid has 81 characters" in too_long.err) == (2, True)
    assert jeonggi("subscription", "cancel", sub, *REASON, "--json").document["ended_reason"] == "cancelled"
    assert house.value("SELECT count(*) FROM audit_entry WHERE reason = 'the customer called'") == 4


def test_a_change_waits_for_the_outcome_of_a_charge(jeonggi: Jeonggi, house: House) -> None:
    ran = jeonggi("subscription", "cancel", str(subscription_of(house, "c-lost")), *REASON)

    assert (ran.code, "once the outcome of its charge is known" in ran.out) == (0, True)


def test_the_channel_is_halted_and_resumed(jeonggi: Jeonggi, house: House) -> None:
    assert jeonggi("channel", "halt", *REASON, "--actor", "kim").out == "channel default is halted\n"
    assert jeonggi("channel", "show", "--json").document["halt_reason"] == "kim: the customer called"
    assert jeonggi("channel", "halt", *REASON).out == "channel default was halted already\n"
    assert jeonggi("channel", "resume", *REASON, "--json").document == {"changed": {"default": True}}
    actions = [row.action for row in house.rows("SELECT action FROM audit_entry ORDER BY id")]
    assert actions == ["channel.halted", "channel.resumed"]


def test_invariants_are_checked_and_a_broken_one_is_an_exit_code(jeonggi: Jeonggi, house: House) -> None:
    clean = jeonggi("invariants", "check")
    assert (clean.code, clean.out) == (0, "0 broken, 0 to be looked at by a person\n")
    with house.database.transaction() as tx:
        tx.connection.execute(text("UPDATE subscription SET next_billing_at = next_billing_at + interval '1 day'"))

    ran = jeonggi("invariants", "check", "--json")

    assert ran.code == 1
    assert {each["invariant"] for each in ran.document["broken"]} == {"next_billing_is_the_next_period"}


def test_the_gateway_is_only_compared_where_one_is_set(jeonggi: Jeonggi, house: House) -> None:
    ran = jeonggi("invariants", "check", "--gateway", "--json")

    assert ran.code == 2
    assert ran.document["error"]["code"] == "misconfigured"
    assert "JEONGGI_GATEWAY_URL is not set" in ran.err
    del house


def test_an_unexpected_error_is_a_sentence_without_its_text(
    jeonggi: Jeonggi,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Any,  # noqa: ANN401
) -> None:
    def broken() -> None:
        raise RuntimeError("imp_secret=hunter2")

    monkeypatch.setattr(main, "load_settings", broken)
    monkeypatch.setenv("JEONGGI_STATE_DIR", str(tmp_path))

    ran = jeonggi("migrate")

    assert ran.code == 1
    assert "something unexpected happened (RuntimeError)" in ran.err
    assert "hunter2" not in ran.err + ran.out
    assert "Traceback" not in ran.err
