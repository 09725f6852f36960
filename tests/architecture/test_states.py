"""Do the state tables say something about every state and every event?

Each pair stands either in its table or here, among the refusals that somebody has looked at. A new state or event
fails until both are thought through.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any, Final

import pytest

from domain.charge_attempt import ATTEMPT_TABLE, AttemptEvent, AttemptState
from domain.consent import CHANGE_TABLE, ChangeEvent, ChangeState
from domain.errors import IllegalTransition
from domain.foreign import ADOPTION_TABLE, AdoptionEvent, AdoptionState
from domain.hold import HOLD_TABLE, HoldEvent, HoldState
from domain.invoice import INVOICE_TABLE, InvoiceEvent, InvoiceState
from domain.refund import REFUND_TABLE, RefundEvent, RefundState
from domain.states import advance
from domain.subscription import SUBSCRIPTION_TABLE, SubscriptionEvent, SubscriptionState
from tests.support.source_tree import listed
from tests.support.state_pictures import MACHINES, Machine

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from enum import StrEnum

_A: Final = AttemptState
_AE: Final = AttemptEvent
_I: Final = InvoiceState
_IE: Final = InvoiceEvent
_R: Final = RefundState
_RE: Final = RefundEvent
_S: Final = SubscriptionState
_SE: Final = SubscriptionEvent
_C: Final = ChangeState
#: Of one that is billed: it has its card, and neither a trial nor a pause ends.
_COMES_FROM_ELSEWHERE: Final = frozenset(
    {
        _SE.CARD_ADDED,
        _SE.TRIAL_CARD_ADDED,
        _SE.TRIAL_ENDED,
        _SE.RESUMED,
        _SE.RESUMED_IN_DEBT,
        _SE.RESUMED_IN_TRIAL,
    }
)

#: Events that no row in this state takes, and why.
REFUSED: Final[Mapping[str, Mapping[StrEnum, frozenset[StrEnum]]]] = {
    "Adoption": {
        AdoptionState.CREATED: frozenset(),
        AdoptionState.UNSCHEDULING: frozenset(),
        # The subscription is ours: nothing is asked of the gateway any more.
        AdoptionState.DONE: frozenset(AdoptionEvent),
    },
    "Charge attempt": {
        # Nothing is re-sent or given up while the gateway may still be at it.
        _A.IN_FLIGHT: frozenset({_AE.RESENT, _AE.ABANDONED}),
        _A.UNKNOWN: frozenset({_AE.RESENT, _AE.ABANDONED}),
        # Proven absent: only late success, a resend or giving up may follow.
        _A.NOT_EXECUTED: frozenset({_AE.DECLINED, _AE.NOT_EXECUTED, _AE.UNKNOWN}),
        # Money has moved: nothing takes that back.
        _A.APPROVED: frozenset(_AE),
        # Ended: success alone is believed later.
        _A.DECLINED: frozenset(_AE) - {_AE.APPROVED},
        _A.ABANDONED: frozenset(_AE) - {_AE.APPROVED},
    },
    "Hold": {
        HoldState.STANDING: frozenset(),
        # It is over, for good: another one may be placed.
        HoldState.RELEASED: frozenset(HoldEvent),
        HoldState.EXPIRED: frozenset(HoldEvent),
    },
    "Change of price": {
        _C.PLANNED: frozenset(),
        # Decided, for good: another one may be planned.
        **{state: frozenset(ChangeEvent) for state in ChangeState if state is not _C.PLANNED},
    },
    "Invoice": {
        # The ladder has not begun.
        _I.OPEN: frozenset({_IE.GIVEN_UP}),
        _I.PAST_DUE: frozenset(),
        # Settled: a second payment is surplus, a second decline says nothing.
        _I.PAID: frozenset(_IE),
        _I.VOID: frozenset(_IE),
        # Given up: late money alone changes that.
        _I.UNCOLLECTIBLE: frozenset(_IE) - {_IE.PAID},
    },
    "Subscription": {
        # No card, so nothing was charged, and there is nothing to pause.
        _S.PENDING: frozenset(_SE) - {_SE.CARD_ADDED, _SE.TRIAL_CARD_ADDED, _SE.ENDED},
        # Nothing is owed during a trial.
        _S.TRIALING: frozenset(_SE) - {_SE.TRIAL_ENDED, _SE.PAUSED, _SE.ENDED},
        _S.ACTIVE: _COMES_FROM_ELSEWHERE,
        _S.PAST_DUE: _COMES_FROM_ELSEWHERE,
        # Whether it is in debt is looked up at the resume; a decline that comes meanwhile wakes nobody.
        _S.PAUSED: frozenset({_SE.CARD_ADDED, _SE.TRIAL_CARD_ADDED, _SE.TRIAL_ENDED, _SE.DEBT_AROSE, _SE.PAUSED}),
        # Ended is for good; late money may still clear a debt.
        _S.ENDED: frozenset(_SE) - {_SE.DEBT_CLEARED},
    },
    "Refund": {
        # Nobody has said yes, so nothing was sent.
        _R.PROPOSED: frozenset({_RE.SENT, _RE.NOT_EXECUTED, _RE.UNKNOWN}),
        _R.REQUESTED: frozenset({_RE.APPROVED, _RE.NOT_EXECUTED, _RE.UNKNOWN}),
        # The gateway may still be at it: nobody says no to it, and a refusal is looked at before it is believed.
        _R.IN_FLIGHT: frozenset({_RE.APPROVED, _RE.REJECTED, _RE.SENT, _RE.REFUSED}),
        # Until nothing can come of it any more: then a person may say no.
        _R.UNKNOWN: frozenset({_RE.APPROVED, _RE.SENT}),
        # Proven absent.
        _R.NOT_EXECUTED: frozenset({_RE.NOT_EXECUTED, _RE.UNKNOWN}),
        # Money went back: nothing undoes that.
        _R.SUCCEEDED: frozenset(_RE),
        # Ended: that money went back is all that is believed later.
        _R.REFUSED: frozenset(_RE) - {_RE.SUCCEEDED},
        _R.REJECTED: frozenset(_RE) - {_RE.SUCCEEDED},
    },
}

EVENTS: Final[Mapping[str, type[StrEnum]]] = {
    "Adoption": AdoptionEvent,
    "Change of price": ChangeEvent,
    "Charge attempt": AttemptEvent,
    "Hold": HoldEvent,
    "Invoice": InvoiceEvent,
    "Refund": RefundEvent,
    "Subscription": SubscriptionEvent,
}
TABLES: Final = {
    "Adoption": ADOPTION_TABLE,
    "Change of price": CHANGE_TABLE,
    "Charge attempt": ATTEMPT_TABLE,
    "Hold": HOLD_TABLE,
    "Invoice": INVOICE_TABLE,
    "Refund": REFUND_TABLE,
    "Subscription": SUBSCRIPTION_TABLE,
}


def unthought(
    pairs: Iterable[tuple[StrEnum, StrEnum]],
    table: Mapping[Any, StrEnum],
    refused: Mapping[StrEnum, frozenset[StrEnum]],
) -> list[str]:
    """Pairs that stand nowhere, or in both places."""
    return [
        f"{type(state).__name__} {state} x {event} is {'in both' if (state, event) in table else 'in neither'}"
        for state, event in pairs
        if ((state, event) in table) == (event in refused.get(state, frozenset()))
    ]


def unreachable(machine: Machine) -> set[StrEnum]:
    """States that no row ever comes to."""
    reached = set(machine.starts)
    while more := {after for (state, _), after in machine.table.items() if state in reached} - reached:
        reached |= more
    return set(machine.states) - reached


def without_way_out(machine: Machine) -> set[StrEnum]:
    """States that lead to no other."""
    return set(machine.states) - {state for (state, _), after in machine.table.items() if after is not state}


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.name)
def test_every_state_says_what_it_does_with_every_event(machine: Machine) -> None:
    pairs = product(machine.states, EVENTS[machine.name])

    found = unthought(pairs, machine.table, REFUSED[machine.name])

    assert found == [], listed(found, "Put the pair into the table in domain/, or into REFUSED here with its reason.")


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.name)
def test_every_state_can_be_reached(machine: Machine) -> None:
    assert unreachable(machine) == set(), "Take the state out, or tell in state_pictures how a row comes to it."


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.name)
def test_every_state_without_a_way_out_is_told(machine: Machine) -> None:
    assert without_way_out(machine) == set(machine.final), "Tell it as final in tests/support/state_pictures.py."


def test_the_machines_shown_are_the_tables_themselves() -> None:
    assert {machine.name: machine.table for machine in MACHINES} == TABLES


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.name)
def test_what_is_refused_raises(machine: Machine) -> None:
    for state, events in REFUSED[machine.name].items():
        for event in events:
            with pytest.raises(IllegalTransition):
                advance(machine.table, state, event)


def test_the_checks_can_fail() -> None:
    attempt = next(machine for machine in MACHINES if machine.name == "Charge attempt")
    pair = (AttemptState.IN_FLIGHT, AttemptEvent.APPROVED)
    table = {key: after for key, after in attempt.table.items() if key != pair}
    without_unknown = {key: after for key, after in attempt.table.items() if after is not AttemptState.UNKNOWN}
    broken = Machine(
        name="", told="", states=AttemptState, table=without_unknown, starts=attempt.starts, final=attempt.final
    )

    assert unthought([pair], table, REFUSED["Charge attempt"])
    assert unthought([pair], attempt.table, {AttemptState.IN_FLIGHT: frozenset({AttemptEvent.APPROVED})})
    assert unreachable(broken) == {AttemptState.UNKNOWN}
    assert without_way_out(attempt) == {AttemptState.APPROVED}
