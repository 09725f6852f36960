"""What a payment's record proves of a refund: each row of the table, and what no history can make of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.evidence import Cancellation, Patience, Record
from domain.refund import (
    REASON_LENGTH,
    RefundLook,
    RefundSource,
    SentRefund,
    Trace,
    cancel_reason,
    entries_of,
    never_happened,
    refund_mark,
    refusal_stands,
    trace_of,
)

START = datetime(2026, 1, 31, tzinfo=UTC)
MARK = refund_mark(UUID(int=1))
OTHERS_MARK = refund_mark(UUID(int=2))
PATIENCE = Patience(settling=timedelta(seconds=2700), longest_processing=timedelta(seconds=600))
#: 9,900 won paid, 1,000 cancelled before, 4,000 asked for.
SENT = SentRefund(
    imp_uid="imp_1",
    mark=MARK,
    paid=9_900,
    amount=4_000,
    checksum=8_900,
    booked=1_000,
    send_no=1,
    committed_at=START,
    token_digest="first",
    token_dead_at=START + timedelta(seconds=1_800),
)
BEFORE = (1_000, "before")


def record(*cancels: tuple[int, str], told: int | None = None, **changes: object) -> Record:
    made = Record(
        imp_uid="imp_1",
        merchant_uid="m",
        status="cancelled",
        amount=9_900,
        cancel_amount=sum(amount for amount, _ in cancels) if told is None else told,
        cancellations=[
            Cancellation(amount=amount, reason=reason, cancelled_at=START + timedelta(seconds=number))
            for number, (amount, reason) in enumerate(cancels)
        ],
    )
    return replace(made, **changes)  # type: ignore[arg-type]


TRACES = [
    ("nothing new", record(BEFORE), Trace.NONE),
    ("our mark", record(BEFORE, (4_000, f"{MARK} half")), Trace.DONE),
    ("our mark, and another's after it", record(BEFORE, (4_000, f"{MARK} half"), (9, "console")), Trace.DONE),
    ("our sum, and no reason told", record(BEFORE, (4_000, " ")), Trace.DONE),
    ("only the sum told", record(told=5_000), Trace.DONE),
    ("our sum, with somebody's reason", record(BEFORE, (4_000, "console")), Trace.OVERTAKEN),
    ("our sum, with another refund's mark", record(BEFORE, (4_000, f"{OTHERS_MARK} x")), Trace.OVERTAKEN),
    ("another sum, and no reason told", record(BEFORE, (4_001, "")), Trace.OVERTAKEN),
    ("our sum after somebody's", record(BEFORE, (7, ""), (4_000, "")), Trace.OVERTAKEN),
    ("our mark with another sum", record(BEFORE, (3_999, f"{MARK} half")), Trace.ODD),
    ("a history of more than its sum", record(BEFORE, (500, "x"), told=1_000), Trace.ODD),
    ("an old picture", record(), Trace.BEHIND),
    ("another payment", record(BEFORE, imp_uid="imp_2"), Trace.ODD),
    ("another amount", record(BEFORE, amount=9_901), Trace.ODD),
    ("no payment", None, Trace.MISSING),
]


@pytest.mark.parametrize(("seen", "trace"), [row[1:] for row in TRACES], ids=[row[0] for row in TRACES])
def test_what_a_record_shows_of_a_refund(seen: Record | None, trace: Trace) -> None:
    assert trace_of(seen, SENT) is trace


def test_what_is_booked_is_not_explained_again_where_only_the_sum_is_told() -> None:
    entries = entries_of(record(told=5_000), booked=1_000)

    assert [(each.key, each.before, each.amount) for each in entries] == [("untold:5000", 1_000, 4_000)]
    assert entries_of(record(told=1_000), booked=1_000) == []


def test_alike_cancels_keep_their_places_whatever_comes_after_them() -> None:
    cancels = [Cancellation(amount=5, reason="x", cancelled_at=START) for _ in range(3)]
    two = record(cancellations=cancels[:2], told=10)
    three = record(cancellations=cancels, told=15)

    keys = [each.key for each in entries_of(three)]

    assert len(set(keys)) == 3
    assert [each.key for each in entries_of(two)] == keys[:2]


def look(source: RefundSource, seconds: int, trace: Trace = Trace.NONE, by: str = "second") -> RefundLook:
    return RefundLook(source=source, trace=trace, began_at=START + timedelta(seconds=seconds), token_digest=by)


PROOF = (
    look(RefundSource.PAYMENT, 30, by="first"),
    look(RefundSource.PAYMENT, 2_700),
    look(RefundSource.FIND_ALL, 2_700),
)


def proven(*looks: RefundLook, sent: SentRefund = SENT) -> bool:
    return never_happened(looks=looks, sent=sent, patience=PATIENCE)


def test_absence_needs_every_part_of_its_proof() -> None:
    assert proven(*PROOF)
    for left_out in range(3):
        assert not proven(*(each for number, each in enumerate(PROOF) if number != left_out))
    assert not proven(*PROOF, sent=replace(SENT, token_dead_at=None))
    assert not proven(*PROOF, sent=replace(SENT, token_dead_at=START + timedelta(seconds=2_200)))
    assert not proven(PROOF[0], replace(PROOF[1], token_digest="first"), PROOF[2])
    assert not proven(PROOF[0], PROOF[1], replace(PROOF[2], trace=Trace.MISSING))
    for contradiction in (Trace.DONE, Trace.ODD):
        assert not proven(*PROOF, look(RefundSource.PAYMENT, 100, contradiction))


TRACE_LOOKS = st.builds(
    look,
    st.sampled_from(RefundSource),
    st.integers(0, 8_000),
    st.sampled_from(Trace),
    st.sampled_from(["first", "second"]),
)


@given(looks=st.lists(TRACE_LOOKS, max_size=8), more=st.lists(TRACE_LOOKS, max_size=4))
def test_no_looks_that_show_it_done_let_it_be_sent_again(looks: list[RefundLook], more: list[RefundLook]) -> None:
    done = look(RefundSource.PAYMENT, 60, Trace.DONE)

    assert not proven(*looks, done, *more)
    assert not refusal_stands([*looks, done, *more], PATIENCE)
    if all(each.trace in {Trace.MISSING, Trace.BEHIND} for each in looks):
        assert not proven(*looks), "what shows nothing proves nothing"


@given(
    cancels=st.lists(st.tuples(st.integers(1, 900), st.sampled_from(["", "x", f"{MARK} y", OTHERS_MARK])), max_size=6),
    untold=st.integers(0, 900),
    booked=st.integers(0, 5_000),
)
def test_entries_explain_the_sum_once_and_under_names_of_their_own(
    cancels: list[tuple[int, str]], untold: int, booked: int
) -> None:
    told = sum(amount for amount, _ in cancels)
    seen = record(*cancels, told=told + untold)

    entries = entries_of(seen, booked=booked)

    assert len({each.key for each in entries}) == len(entries)
    assert sum(each.amount for each in entries) == max(told, told + untold - max(booked - told, 0))
    if booked == 0:
        assert sum(each.amount for each in entries) == seen.cancel_amount


@given(reason=st.text(max_size=300))
def test_the_mark_stands_first_and_is_never_cut_off(reason: str) -> None:
    said = cancel_reason(mark=MARK, reason=reason)

    assert said.startswith(MARK)
    assert len(said) <= REASON_LENGTH
    assert entries_of(record((1, said)))[0].mark == MARK
    assert entries_of(record((1, cancel_reason(mark=MARK, reason=f"of {OTHERS_MARK}"))))[0].mark == MARK
