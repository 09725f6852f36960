"""A trial is free and becomes paid by a decision only; what comes in by a file never pays more than was paid last."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from billing.change_subscription import cancel, change_card, pause, resume
from billing.foresee import foresee
from billing.stop_subscription import stop_subscription
from domain.stop import Stop
from tests.support.consents import BY, amounts, broken, live, rise, say, tell, without_consent
from tests.support.imports import bring_in, subscription_of

if TYPE_CHECKING:
    from tests.support.house import House

SEOUL = ZoneInfo("Asia/Seoul")


@pytest.fixture
def house(house: House) -> House:
    house.plan()
    return house


@pytest.mark.parametrize("otherwise", ["stay", "end"])
@pytest.mark.parametrize("agrees", [True, False])
def test_a_trial_is_free_and_becomes_paid_only_with_consent_and_notice(
    house: House, otherwise: str, agrees: bool
) -> None:
    without_consent(house, otherwise, trial_days=30)
    assert not bring_in(house, {"customer_ref": "c1", "started_on": "2026-01-31"})
    sub = subscription_of(house, "c1")
    ends = datetime(2026, 3, 2, 10, tzinfo=SEOUL)
    assert house.value("SELECT state FROM subscription") == "trialing"
    assert house.value("SELECT changes_at FROM subscription") == ends

    live(house, until=ends - timedelta(days=9))
    tell(house, sub, house.now)
    if agrees:
        say(house, sub, house.now)
    with house.database.reading() as tx:
        foreseen = [(each.ordinal, each.amount) for each in foresee(tx, until=ends + timedelta(days=40))]
    live(house, until=ends)
    assert amounts(house, sub) == []
    live(house, until=ends + timedelta(days=40))

    paid = [9_900, 9_900] if agrees else []
    assert amounts(house, sub) == [won for _, won in sorted(foreseen)] == paid
    starts = house.rows("SELECT period_start FROM invoice ORDER BY ordinal")
    assert [row.period_start for row in starts[:1]] == [ends][: len(paid)]
    expected = "active" if agrees else "trialing" if otherwise == "stay" else "ended no_consent"
    assert house.value("SELECT state || coalesce(' ' || ended_reason, '') FROM subscription") == expected
    skipped = house.rows("SELECT first_ordinal, reason FROM skipped_period ORDER BY 1")
    assert [tuple(row) for row in skipped] == ([(0, "trial"), (1, "trial")] if expected == "trialing" else [])
    assert broken(house) == []


def test_a_trial_may_be_left_paused_or_given_its_card_later(house: House) -> None:
    ends = datetime(2026, 3, 2, 10, tzinfo=SEOUL)
    row = {"started_on": "2026-01-31", "trial_until": "2026-03-02"}
    bring_in(house, *({"customer_ref": ref, **row} for ref in ("leaves", "rests", "now")))
    bring_in(house, {"customer_ref": "cardless", "customer_uid": "", **row})
    subs = {ref: subscription_of(house, ref) for ref in ("leaves", "rests", "now", "cardless")}
    stop_subscription(house.ports, subs["leaves"], Stop.CANCEL, at_period_end=True, by=BY)
    cancel(house.ports, subs["now"], by=BY)
    live(house, until=datetime(2026, 2, 20, tzinfo=UTC))
    pause(house.ports, subs["rests"], by=BY)
    change_card(house.ports, subs["cardless"], customer_uid="card-late", by=BY)
    for ref in ("leaves", "rests", "cardless"):
        tell(house, subs[ref], house.now)
        say(house, subs[ref], house.now)
    live(house, until=datetime(2026, 2, 26, tzinfo=UTC))
    resume(house.ports, subs["rests"], by=BY)
    states = {
        row.customer_ref: row.state
        for row in house.rows(
            "SELECT c.customer_ref, s.state FROM subscription s JOIN customer c ON c.id = s.customer_id"
        )
    }
    assert states == {"leaves": "trialing", "rests": "trialing", "now": "ended", "cardless": "trialing"}
    live(house, until=ends + timedelta(days=10))

    assert {ref: amounts(house, sub) for ref, sub in subs.items()} == {
        "leaves": [], "rests": [9_900], "now": [], "cardless": [9_900]
    }  # fmt: skip
    assert broken(house) == []


def test_an_engine_that_was_down_decides_as_one_that_was_not(house: House) -> None:
    without_consent(house, "stay", trial_days=30)
    bring_in(house, {"customer_ref": "agrees", "started_on": "2026-01-31"})
    bring_in(house, {"customer_ref": "silent", "started_on": "2026-01-31"})
    agrees, silent = subscription_of(house, "agrees"), subscription_of(house, "silent")
    house.to(datetime(2026, 2, 20, tzinfo=UTC))
    tell(house, agrees, house.now)
    say(house, agrees, house.now)

    house.to(datetime(2026, 6, 10, tzinfo=UTC))
    live(house, until=datetime(2026, 6, 11, tzinfo=UTC))

    assert amounts(house, agrees) == [9_900] * 4  # 2 March to 2 June
    assert amounts(house, silent) == []
    assert house.value("SELECT ordinal FROM subscription WHERE id = :id", id=silent) == 3


# What comes in by a file.


def test_an_imported_subscriber_never_pays_more_than_was_paid_last_but_with_consent(house: House) -> None:
    house.advance(minutes=1)
    rise(house, on=date(2026, 2, 1))
    house.to(datetime(2026, 2, 10, 2, tzinfo=UTC))
    base = {"started_on": "2025-12-20", "paid_through": "2026-02-19"}
    agreed = {"consent_ref": "form-1", "last_paid_amount": 9_900}
    refused = bring_in(
        house,
        {"customer_ref": "keeps", "last_paid_amount": 9_900, **base},
        {"customer_ref": "pays", "last_paid_amount": 12_900, **base},
        {"customer_ref": "agreed", "consented_on": "2026-02-05", **agreed, **base},
        {"customer_ref": "too_early", "consented_on": "2026-01-10", **agreed, **base},
        {"customer_ref": "cheap", "last_paid_amount": 5_000, **base},
        {"customer_ref": "half", "consented_on": "2026-02-05", "last_paid_amount": 9_900, **base},
    )
    live(house, until=datetime(2026, 2, 25, tzinfo=UTC))

    assert ["so low" in refused[0].reason, "consent_ref is empty" in refused[1].reason] == [True, True]
    paid = {ref: amounts(house, subscription_of(house, ref)) for ref in ("keeps", "pays", "agreed", "too_early")}
    assert paid == {"keeps": [9_900], "pays": [12_900], "agreed": [12_900], "too_early": [9_900]}
    (said,) = house.rows("SELECT ref, old_won, new_won, through FROM consent")
    assert tuple(said) == ("form-1", 9_900, 12_900, "import")
    # The day's brake expects what is paid.
    assert not bring_in(house, {"customer_ref": "keeps", "last_paid_amount": 9_900, **base})  # again: unchanged


def test_a_trial_in_a_file_is_checked(house: House) -> None:
    without_consent(house, "stay", trial_days=14)
    house.advance(days=30)
    told = [
        row.reason
        for row in bring_in(
            house,
            {"customer_ref": "a", "started_on": "2026-01-31"},
            {"customer_ref": "b", "started_on": "2026-01-31", "trial_until": "2026-02-20"},
            {"customer_ref": "c", "started_on": "2026-01-31", "trial_until": "2026-01-31"},
            {"customer_ref": "d", "started_on": "2026-01-31", "trial_until": "2026-04-01", "last_paid_amount": 100},
            {"customer_ref": "e", "started_on": "2026-03-01", "consented_on": "2026-03-01", "consent_ref": "x"},
        )
    ]
    assert [
        "its trial was over on 2026-02-14" in told[0],
        "has come" in told[1],
        "does not come after" in told[2],
        "a trial has paid nothing" in told[3],
    ] == [True] * 4
    assert len(told) == 4
    assert house.value("SELECT count(*) FROM consent WHERE price_change_id IS NOT NULL") == 1
