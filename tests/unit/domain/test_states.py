"""States x events, whole: what the tables list happens, everything else is refused and leaves no doubt which it was."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import pytest

from domain.charge_attempt import ATTEMPT_TABLE, OPEN_ATTEMPT, UNDECIDED, AttemptEvent, AttemptState
from domain.errors import IllegalTransition
from domain.invoice import CHARGEABLE, INVOICE_TABLE, InvoiceEvent, InvoiceState
from domain.states import advance
from domain.subscription import BILLABLE, SUBSCRIPTION_TABLE, SubscriptionEvent, SubscriptionState

if TYPE_CHECKING:
    from enum import StrEnum

MACHINES: list[tuple[Any, type[StrEnum], type[StrEnum]]] = [
    (ATTEMPT_TABLE, AttemptState, AttemptEvent),
    (INVOICE_TABLE, InvoiceState, InvoiceEvent),
    (SUBSCRIPTION_TABLE, SubscriptionState, SubscriptionEvent),
]
PAIRS = [
    pytest.param(table, state, event, id=f"{state.__class__.__name__}-{state}-{event}")
    for table, states, events in MACHINES
    for state, event in product(states, events)
]


@pytest.mark.parametrize(("table", "state", "event"), PAIRS)
def test_every_event_in_every_state_moves_it_or_is_refused(table: Any, state: Any, event: Any) -> None:  # noqa: ANN401
    if (state, event) in table:
        assert advance(table, state, event) in type(state)
    else:
        with pytest.raises(IllegalTransition, match=f"{type(state).__name__} {state} does not take {event}"):
            advance(table, state, event)


def test_success_is_taken_in_every_state_but_after_success() -> None:
    takes = {state for state, event in ATTEMPT_TABLE if event is AttemptEvent.APPROVED}

    assert takes == set(AttemptState) - {AttemptState.APPROVED}


def test_only_what_is_undecided_can_be_declined_and_only_what_is_proven_is_sent_again() -> None:
    assert {state for state, event in ATTEMPT_TABLE if event is AttemptEvent.DECLINED} == set(UNDECIDED)
    assert {state for state, event in ATTEMPT_TABLE if event is AttemptEvent.RESENT} == set(OPEN_ATTEMPT) - set(
        UNDECIDED
    )


def test_an_ended_subscription_and_a_settled_invoice_are_woken_by_nothing() -> None:
    assert {SUBSCRIPTION_TABLE[pair] for pair in SUBSCRIPTION_TABLE if pair[0] is SubscriptionState.ENDED} == {
        SubscriptionState.ENDED
    }
    settled = set(InvoiceState) - set(CHARGEABLE)
    assert not {INVOICE_TABLE[pair] for pair in INVOICE_TABLE if pair[0] in settled} & set(CHARGEABLE)
    assert SubscriptionState.PAUSED not in BILLABLE
