"""A card's name that an import takes is one that a charge can carry."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import BadInput
from domain.subscription_row import read_customer_uid
from gateway.fields import require_customer_uid


@given(st.text(max_size=90) | st.sampled_from([".", "..", "카" * 80, "😀" * 41]))
def test_what_is_taken_can_be_sent(value: str) -> None:
    try:
        taken = read_customer_uid(value)
    except BadInput:
        return
    require_customer_uid(taken)


@pytest.mark.parametrize("value", [".", "..", "card-😀"])
def test_a_name_that_no_address_can_carry_is_refused(value: str) -> None:
    with pytest.raises(BadInput, match="addresses cannot carry"):
        read_customer_uid(value)
