"""``judge`` branch by branch, and what follows proven absence; the properties are in ``tests/property``."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from domain.evidence import (
    Patience,
    Record,
    Said,
    SentCharge,
    after_absence,
    judge,
    matches,
    next_look_up,
    settled_at,
)
from domain.outcome import (
    Approved,
    DeclineCode,
    Declined,
    NotExecuted,
    NotExecutedReason,
    Unknown,
    UnknownReason,
)

if TYPE_CHECKING:
    from domain.outcome import Outcome

AT = datetime(2026, 1, 31, 1, tzinfo=UTC)
PATIENCE = Patience(settling=timedelta(seconds=2700), longest_processing=timedelta(seconds=600))
SENT = SentCharge(
    merchant_uid="uid",
    customer_uids=frozenset({"card", "older card"}),
    amount=9_900,
    send_no=1,
    committed_at=AT,
    token_digest="sent",
    token_dead_at=AT + timedelta(seconds=1800),
)
PAID = Record(imp_uid="imp_1", merchant_uid="uid", status="paid", amount=9_900, customer_uid="card", paid_at=AT)
FAILED = replace(PAID, imp_uid="imp_2", status="failed", paid_at=None, failed_at=AT, fail_reason="한도초과")
LIMIT = replace(FAILED, decline_code=DeclineCode.LIMIT_EXCEEDED)
UNSURE = replace(FAILED, decline_code=DeclineCode.ISSUER_TIMEOUT)
EARLY, SETTLED = AT + timedelta(seconds=60), AT + timedelta(seconds=2700)
RESENT = replace(SENT, send_no=2)


@pytest.mark.parametrize(
    ("committed", "dead_at", "settled"),
    [
        (AT, None, None),
        (AT, AT, AT + timedelta(seconds=2700)),
        (AT, AT + timedelta(seconds=2100), AT + timedelta(seconds=2700)),
        (AT, AT + timedelta(seconds=2101), AT + timedelta(seconds=2701)),
        (AT, AT + timedelta(days=1), AT + timedelta(days=1, seconds=600)),
    ],
)
def test_a_send_is_settled_once_its_time_is_over_and_its_token_dead(
    committed: datetime, dead_at: datetime | None, settled: datetime | None
) -> None:
    assert settled_at(replace(SENT, committed_at=committed, token_dead_at=dead_at), PATIENCE) == settled


@pytest.mark.parametrize(
    ("records", "sent", "now", "outcome"),
    [
        pytest.param([], SENT, SETTLED, None, id="no record says nothing"),
        pytest.param([PAID], SENT, EARLY, Approved(imp_uid="imp_1", amount=9_900, paid_at=AT), id="paid"),
        pytest.param(
            [replace(PAID, status="cancelled")],
            SENT,
            EARLY,
            Approved(imp_uid="imp_1", amount=9_900, paid_at=AT),
            id="cancelled was paid",
        ),
        pytest.param(
            [FAILED, PAID], SENT, EARLY, Approved(imp_uid="imp_1", amount=9_900, paid_at=AT), id="failed, paid"
        ),
        pytest.param(
            [replace(PAID, customer_uid="older card")],
            RESENT,
            EARLY,
            Approved(imp_uid="imp_1", amount=9_900, paid_at=AT),
            id="an earlier send's card",
        ),
        pytest.param(
            [replace(PAID, amount=9_901)],
            SENT,
            SETTLED,
            Unknown(reason=UnknownReason.MISMATCH, raw_reason="imp_1 has 9901 won, we asked for 9900"),
            id="another amount",
        ),
        pytest.param(
            [replace(PAID, customer_uid="another")],
            SENT,
            SETTLED,
            Unknown(reason=UnknownReason.MISMATCH, raw_reason="imp_1 was made with another card than the one we named"),
            id="another card",
        ),
        pytest.param(
            [replace(PAID, sandbox=True, is_money=False)],
            SENT,
            SETTLED,
            Unknown(
                reason=UnknownReason.MISMATCH, raw_reason="imp_1: marked sandbox on a live channel: no money moved"
            ),
            id="a test payment on a live channel",
        ),
        pytest.param(
            [replace(LIMIT, sandbox=True, is_money=False)],
            SENT,
            SETTLED,
            Unknown(
                reason=UnknownReason.MISMATCH, raw_reason="imp_2: marked sandbox on a live channel: no money moved"
            ),
            id="a test channel's decline on a live channel",
        ),
        pytest.param(
            [replace(PAID, imp_uid="imp_0", is_money=False), PAID],
            SENT,
            SETTLED,
            Approved(imp_uid="imp_1", amount=9_900, paid_at=AT),
            id="money beside a test payment is money",
        ),
        pytest.param(
            [replace(FAILED, status="ready")], SENT, SETTLED, Unknown(reason=UnknownReason.NOT_FINAL), id="ready"
        ),
        pytest.param(
            [LIMIT, replace(FAILED, status="brand_new")],
            SENT,
            SETTLED,
            Unknown(reason=UnknownReason.NOT_FINAL),
            id="a status that we do not know",
        ),
        pytest.param(
            [LIMIT],
            SENT,
            EARLY,
            Declined(decline_code=DeclineCode.LIMIT_EXCEEDED, raw_reason="한도초과", imp_uid="imp_2"),
            id="failed is final on the first send",
        ),
        pytest.param(
            [UNSURE],
            SENT,
            EARLY,
            Unknown(reason=UnknownReason.AMBIGUOUS_DECLINE, raw_reason="한도초과"),
            id="a text that doubts itself waits",
        ),
        pytest.param(
            [UNSURE],
            SENT,
            SETTLED,
            Declined(decline_code=DeclineCode.ISSUER_TIMEOUT, raw_reason="한도초과", imp_uid="imp_2"),
            id="and is final once settled",
        ),
        pytest.param(
            [UNSURE],
            replace(SENT, token_dead_at=None),
            SETTLED + timedelta(days=9),
            Unknown(reason=UnknownReason.AMBIGUOUS_DECLINE, raw_reason="한도초과"),
            id="but never while the token may live",
        ),
        pytest.param(
            [LIMIT],
            RESENT,
            EARLY,
            Unknown(reason=UnknownReason.NOT_FINAL, raw_reason="한도초과"),
            id="failed may be an earlier send's",
        ),
        pytest.param(
            [LIMIT],
            RESENT,
            SETTLED,
            Declined(decline_code=DeclineCode.LIMIT_EXCEEDED, raw_reason="한도초과", imp_uid="imp_2"),
            id="and is final once the resend is settled",
        ),
        pytest.param(
            [replace(LIMIT, imp_uid="imp_9"), replace(UNSURE, failed_at=EARLY)],
            SENT,
            EARLY,
            Unknown(reason=UnknownReason.AMBIGUOUS_DECLINE, raw_reason="한도초과"),
            id="the newest failure speaks",
        ),
    ],
)
def test_what_records_say(records: list[Record], sent: SentCharge, now: datetime, outcome: Outcome | None) -> None:
    assert judge(records=records, sent=sent, now=now, patience=PATIENCE) == outcome


@pytest.mark.parametrize(
    ("record", "is_ours"),
    [
        (PAID, True),
        (replace(PAID, customer_uid=None), True),
        (replace(PAID, merchant_uid="another"), False),
        (replace(PAID, amount=1), False),
        (replace(PAID, customer_uid="another"), False),
    ],
)
def test_a_record_is_ours_by_order_amount_and_card(record: Record, is_ours: bool) -> None:
    assert matches(record, SENT) == is_ours


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("paid", Said.PAID),
        ("cancelled", Said.CANCELLED),
        ("failed", Said.FAILED),
        ("ready", Said.OTHER),
        ("absent", Said.OTHER),
        ("", Said.OTHER),
    ],
)
def test_a_status_in_a_word(status: str, said: Said) -> None:
    assert replace(PAID, status=status).said is said


@pytest.mark.parametrize("reason", UnknownReason)
def test_after_proven_absence(reason: UnknownReason) -> None:
    outcome = after_absence(reason, "told")

    if reason is UnknownReason.REFUSED_REQUEST:
        assert outcome == Declined(decline_code=DeclineCode.REQUEST_REFUSED, raw_reason="told")
    else:
        assert outcome == NotExecuted(reason=NotExecutedReason.PROVEN_ABSENT)


@pytest.mark.parametrize(
    ("seconds", "before_operator", "at_once", "expected"),
    [
        (0, False, False, 30),
        (30, False, False, 90),
        (1800, False, False, 2700),
        (2700, False, False, 2790),
        (100, True, False, 1000),
        (100, False, True, 100),
    ],
)
def test_when_it_is_asked_about_next(seconds: int, before_operator: bool, at_once: bool, expected: int) -> None:
    at = next_look_up(
        sent=SENT,
        now=AT + timedelta(seconds=seconds),
        patience=PATIENCE,
        before_operator=before_operator,
        at_once=at_once,
    )

    assert (at - AT).total_seconds() == pytest.approx(expected)
