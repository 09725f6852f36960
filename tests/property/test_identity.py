"""Ids are pure functions: the same fields give the same id, other fields another."""

from __future__ import annotations

import re
from datetime import date
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import RuleBroken
from domain.identity import is_ours, merchant_uid, subscription_id
from domain.invoice import Purpose

_LONGEST = 40

fields = st.tuples(
    st.uuids(),
    st.sampled_from(Purpose),
    st.integers(min_value=0, max_value=32**6 - 1),
    st.integers(min_value=0, max_value=32**3 - 1),
)
namespaces = st.text(min_size=1, max_size=20)
names = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=20)
agreements = st.tuples(names, names, names, st.dates())


def _uid(namespace: str, told: tuple[UUID, Purpose, int, int]) -> str:
    sub, purpose, ordinal, attempt_no = told
    return merchant_uid(
        namespace=namespace, subscription_id=sub, purpose=purpose, ordinal=ordinal, attempt_no=attempt_no
    )


def _id(told: tuple[str, str, str, date]) -> UUID:
    namespace, ref, plan, started_on = told
    return subscription_id(namespace=namespace, customer_ref=ref, plan_code=plan, started_on=started_on)


@given(namespace=namespaces, told=fields)
def test_a_merchant_uid_is_forty_letters_and_digits_and_the_same_every_time(
    namespace: str, told: tuple[UUID, Purpose, int, int]
) -> None:
    uid = _uid(namespace, told)

    assert len(uid) == _LONGEST
    assert re.fullmatch(r"[A-Za-z0-9]+", uid)
    assert uid == _uid(namespace, told)
    assert is_ours(uid, namespace=namespace)


@given(namespace=namespaces, one=fields, other=fields)
def test_other_fields_make_another_merchant_uid(
    namespace: str, one: tuple[UUID, Purpose, int, int], other: tuple[UUID, Purpose, int, int]
) -> None:
    assert (_uid(namespace, one) == _uid(namespace, other)) == (one == other)


@given(namespace=namespaces, told=fields, data=st.data())
def test_one_field_changed_makes_another_merchant_uid(
    namespace: str, told: tuple[UUID, Purpose, int, int], data: st.DataObject
) -> None:
    sub, purpose, ordinal, attempt_no = told
    bit = data.draw(st.integers(min_value=0, max_value=127))
    flipped = UUID(int=sub.int ^ (1 << bit))
    another = data.draw(st.integers(min_value=0, max_value=32**3 - 1).filter(lambda number: number != attempt_no))
    later = data.draw(st.integers(min_value=0, max_value=32**6 - 1).filter(lambda number: number != ordinal))

    uids = {
        _uid(namespace, told),
        _uid(namespace, (flipped, purpose, ordinal, attempt_no)),
        _uid(namespace, (sub, purpose, ordinal, another)),
        _uid(namespace, (sub, purpose, later, attempt_no)),
    }

    assert len(uids) == 4


@given(namespace=namespaces, told=fields, text=st.text(max_size=45))
def test_what_others_made_is_not_ours(namespace: str, told: tuple[UUID, Purpose, int, int], text: str) -> None:
    uid = _uid(namespace, told)

    assert not is_ours(uid[:-1], namespace=namespace)
    assert not is_ours(f"{uid}a", namespace=namespace)
    assert not is_ours(f"{uid}\n", namespace=namespace)
    assert not is_ours(uid.upper(), namespace=namespace)
    assert is_ours(text, namespace=namespace) <= bool(re.fullmatch(r"j[a-z2-7]{39}", text))


def test_namespaces_that_differ_mark_their_order_numbers() -> None:
    told = (UUID(int=1), Purpose.PERIOD, 0, 1)

    uids = {_uid(namespace, told) for namespace in ("production", "staging", "test", "house", "jeonggi", "shop")}

    assert len(uids) == 6


@pytest.mark.parametrize(("ordinal", "attempt_no"), [(-1, 1), (32**6, 1), (0, -1), (0, 32**3)])
def test_a_number_that_does_not_fit_its_field_is_refused(ordinal: int, attempt_no: int) -> None:
    with pytest.raises(RuleBroken, match="does not fit"):
        _uid("house", (UUID(int=1), Purpose.PERIOD, ordinal, attempt_no))


@given(one=agreements, other=agreements)
def test_a_subscription_id_is_a_pure_function_of_its_four_fields(
    one: tuple[str, str, str, date], other: tuple[str, str, str, date]
) -> None:
    assert _id(one) == _id(one)
    assert (_id(one) == _id(other)) == (one == other)


@given(told=agreements, at=st.integers(min_value=1, max_value=19))
def test_moving_a_letter_from_one_field_to_the_next_makes_another_subscription(
    told: tuple[str, str, str, date], at: int
) -> None:
    namespace, ref, plan, started_on = told
    joined = ref + plan
    at = at % len(joined)

    moved = (namespace, joined[:at], joined[at:], started_on)

    assert (_id(moved) == _id(told)) == (moved == told)


def test_ids_never_change_once_they_were_used() -> None:
    sub = _id(("house", "c00001", "basic", date(2026, 1, 31)))

    assert _uid("house", (sub, Purpose.PERIOD, 0, 1)) == _GOLDEN_UID
    assert str(sub) == _GOLDEN_ID


# Written down once: another version of this code must make the same.
_GOLDEN_ID = "89fddacf-df5c-57a0-a1fe-1722b02adcdd"
_GOLDEN_UID = "j23rrh65vt67lrl2bip6c4rlakw43upaaaaaaaab"
