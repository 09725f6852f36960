"""What look-ups prove: never absence too early, never money that is not ours."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import assume, given
from hypothesis import strategies as st

from domain.decline import is_ambiguous
from domain.evidence import (
    Look,
    Patience,
    Record,
    Said,
    SentCharge,
    Source,
    absence_is_proven,
    after_absence,
    judge,
    next_look_up,
    settled_at,
)
from domain.outcome import Approved, DeclineCode, Declined, NotExecuted, Unknown, UnknownReason

SENT_AT = datetime(2026, 1, 31, 1, tzinfo=UTC)
PATIENCE = Patience(settling=timedelta(seconds=2700), longest_processing=timedelta(seconds=600))
OURS = "jabcdefghijklmnopqrstuvwxyz234567abcdefg"

moments = st.integers(min_value=-600, max_value=4 * 2700).map(lambda count: SENT_AT + timedelta(seconds=count))
tokens = st.sampled_from(["sent", "second", "third"])
charges = st.builds(
    SentCharge,
    merchant_uid=st.just(OURS),
    customer_uids=st.sampled_from([frozenset({"card"}), frozenset({"card", "older"})]),
    amount=st.integers(min_value=100, max_value=10**7),
    send_no=st.integers(min_value=1, max_value=3),
    committed_at=st.just(SENT_AT),
    token_digest=st.just("sent"),
    token_dead_at=st.none() | moments,
)
looks = st.builds(
    Look, source=st.sampled_from(Source), said=st.sampled_from(Said), began_at=moments, token_digest=tokens
)
absences = st.builds(
    Look,
    source=st.sampled_from([Source.FIND_ALL, Source.CARD_PAYMENTS, Source.DAY_LIST]),
    said=st.just(Said.ABSENT),
    began_at=moments,
    token_digest=tokens,
)
many = st.lists(looks, max_size=8) | st.lists(absences, max_size=12)
records = st.builds(
    Record,
    imp_uid=st.uuids().map(str),
    merchant_uid=st.sampled_from([OURS, "another"]),
    status=st.sampled_from(["paid", "cancelled", "failed", "ready", "something_new"]),
    amount=st.integers(min_value=100, max_value=10**7),
    customer_uid=st.sampled_from([None, "card", "older", "another"]),
    decline_code=st.sampled_from(DeclineCode),
    failed_at=st.none() | moments,
    is_money=st.booleans(),
)


def _proof(sent: SentCharge) -> list[Look]:
    """Looks that do prove absence."""
    final_from = settled_at(sent, PATIENCE)
    assert final_from is not None
    found = [
        (Source.FIND_ALL, SENT_AT + timedelta(seconds=30)),
        (Source.FIND_ALL, final_from),
        (Source.CARD_PAYMENTS, final_from),
    ]
    return [Look(source=source, said=Said.ABSENT, began_at=at, token_digest="second") for source, at in found]


@given(sent=charges, asked=many)
def test_absence_is_proven_only_by_all_that_it_needs(sent: SentCharge, asked: list[Look]) -> None:
    if not absence_is_proven(looks=asked, sent=sent, patience=PATIENCE):
        return

    counted = [look for look in asked if look.source is not Source.AGAIN]
    assert sent.token_dead_at is not None
    assert {look.said for look in counted} == {Said.ABSENT}
    find_all = [look.began_at for look in counted if look.source is Source.FIND_ALL]
    assert len(find_all) >= 2
    assert max(find_all) - min(find_all) >= PATIENCE.settling / 10
    final = [
        look
        for look in counted
        if look.token_digest != "sent"
        and look.began_at >= SENT_AT + PATIENCE.settling
        and look.began_at >= sent.token_dead_at + PATIENCE.longest_processing
    ]
    assert Source.FIND_ALL in {look.source for look in final}
    assert len({look.source for look in final}) >= 2


@given(sent=charges)
def test_the_least_that_proves_absence_does(sent: SentCharge) -> None:
    assume(sent.token_dead_at is not None)

    assert absence_is_proven(looks=_proof(sent), sent=sent, patience=PATIENCE)


@given(sent=charges, data=st.data())
def test_each_piece_of_the_proof_is_needed(sent: SentCharge, data: st.DataObject) -> None:
    assume(sent.token_dead_at is not None)
    proof = _proof(sent)
    at = data.draw(st.integers(min_value=0, max_value=len(proof) - 1))
    final = data.draw(st.integers(min_value=1, max_value=2))
    early = data.draw(st.timedeltas(min_value=timedelta(microseconds=1), max_value=timedelta(hours=1)))

    weaker = {
        "one look less": [*proof[:at], *proof[at + 1 :]],
        "a final look too early": [
            replace(look, began_at=look.began_at - early) if n == final else look for n, look in enumerate(proof)
        ],
        "under the send's own token": [
            replace(look, token_digest="sent") if n == final else look for n, look in enumerate(proof)
        ],
        "a single endpoint": [replace(look, source=Source.FIND_ALL) for look in proof],
        "nothing at all": [],
    }

    for why, looks_had in weaker.items():
        assert not absence_is_proven(looks=looks_had, sent=sent, patience=PATIENCE), why
    alive = replace(sent, token_dead_at=None)
    assert not absence_is_proven(looks=proof, sent=alive, patience=PATIENCE)


@given(sent=charges, more=st.lists(absences, max_size=6), other=looks)
def test_one_look_that_saw_anything_ends_every_proof(sent: SentCharge, more: list[Look], other: Look) -> None:
    assume(sent.token_dead_at is not None)
    assume(other.source is not Source.AGAIN)
    assume(other.said is not Said.ABSENT)

    assert absence_is_proven(looks=[*_proof(sent), *more], sent=sent, patience=PATIENCE)
    assert not absence_is_proven(looks=[*_proof(sent), *more, other], sent=sent, patience=PATIENCE)


@given(sent=charges, found=st.lists(records, max_size=5), now=moments)
def test_approved_is_only_what_we_asked_for(sent: SentCharge, found: list[Record], now: datetime) -> None:
    outcome = judge(records=found, sent=sent, now=now, patience=PATIENCE)

    if not found:
        assert outcome is None
        return
    ours = [
        record.imp_uid
        for record in found
        if record.status in {"paid", "cancelled"}
        and record.is_money
        and record.merchant_uid == OURS
        and record.amount == sent.amount
        and record.customer_uid in {None, *sent.customer_uids}
    ]
    assert isinstance(outcome, Approved) == bool(ours)
    if isinstance(outcome, Approved):
        assert outcome.imp_uid in ours
        assert outcome.amount == sent.amount


@given(sent=charges, found=st.lists(records, min_size=1, max_size=5), now=moments)
def test_declined_is_only_what_failed_and_nothing_else(sent: SentCharge, found: list[Record], now: datetime) -> None:
    outcome = judge(records=found, sent=sent, now=now, patience=PATIENCE)

    assert not isinstance(outcome, NotExecuted)
    if isinstance(outcome, Declined):
        assert {(record.status, record.is_money) for record in found} == {("failed", True)}
        settled = settled_at(sent, PATIENCE)
        is_settled = settled is not None and now >= settled
        assert is_settled or (sent.send_no == 1 and not is_ambiguous(outcome.decline_code))


@given(sent=charges, found=st.lists(records, min_size=1, max_size=5), now=moments)
def test_money_that_is_not_what_we_asked_for_goes_before_an_operator(
    sent: SentCharge, found: list[Record], now: datetime
) -> None:
    outcome = judge(records=found, sent=sent, now=now, patience=PATIENCE)

    is_odd = any(record.status in {"paid", "cancelled"} or not record.is_money for record in found)
    if is_odd and not isinstance(outcome, Approved):
        assert isinstance(outcome, Unknown)
        assert outcome.reason is UnknownReason.MISMATCH


@given(sent=charges, now=moments, before_operator=st.booleans(), at_once=st.booleans())
def test_an_unknown_is_always_asked_about_again(
    sent: SentCharge,
    now: datetime,
    before_operator: bool,
    at_once: bool,
) -> None:
    at = next_look_up(sent=sent, now=now, patience=PATIENCE, before_operator=before_operator, at_once=at_once)

    assert at == now if at_once else at > now
    assert at - now <= PATIENCE.settling * 4


@given(sent=charges, dies_after_seconds=st.integers(min_value=0, max_value=4 * 2700))
def test_asking_at_every_next_look_up_proves_absence_soon_after_settling(
    sent: SentCharge, dies_after_seconds: int
) -> None:
    sent = replace(sent, token_dead_at=SENT_AT + timedelta(seconds=dies_after_seconds))
    final_from = settled_at(sent, PATIENCE)
    assert final_from is not None
    now, asked = SENT_AT, list[Look]()
    while not absence_is_proven(looks=asked, sent=sent, patience=PATIENCE):
        now = next_look_up(sent=sent, now=now, patience=PATIENCE, before_operator=False)
        sources = [Source.FIND_ALL, Source.CARD_PAYMENTS] if now >= final_from else [Source.FIND_ALL]
        asked += [Look(source=source, said=Said.ABSENT, began_at=now, token_digest="second") for source in sources]
        assert now <= final_from + PATIENCE.settling / 10

    assert now >= final_from


@given(reason=st.sampled_from(UnknownReason), text=st.text(max_size=20))
def test_proven_absence_is_not_executed_or_a_refused_request(reason: UnknownReason, text: str) -> None:
    outcome = after_absence(reason, text)

    assert isinstance(outcome, Declined) == (reason is UnknownReason.REFUSED_REQUEST)
    assert isinstance(outcome, Declined | NotExecuted)
