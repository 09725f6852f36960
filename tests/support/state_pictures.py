"""Prints the page of state diagrams from the tables: ``python -m tests.support.state_pictures``."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from domain.charge_attempt import ATTEMPT_TABLE, AttemptState
from domain.consent import CHANGE_TABLE, ChangeState
from domain.foreign import ADOPTION_TABLE, AdoptionState
from domain.hold import HOLD_TABLE, HoldState
from domain.invoice import INVOICE_TABLE, InvoiceState
from domain.refund import REFUND_TABLE, RefundState
from domain.subscription import SUBSCRIPTION_TABLE, SubscriptionState

if TYPE_CHECKING:
    from collections.abc import Mapping
    from enum import StrEnum


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A state machine as the page shows it; ``starts``: the states in which a row may be written first."""

    name: str
    told: str
    states: type[StrEnum]
    table: Mapping[Any, StrEnum]  # (state, event) -> the state after it
    starts: tuple[StrEnum, ...]
    final: tuple[StrEnum, ...]  # no event leads out of them


MACHINES: Final = (
    Machine(
        name="Subscription",
        told="Periods are opened and invoices claimed only while it is active or past due, and before the instant at"
        " which it stops, if somebody asked for that: then it is ended or paused, by the tick that finds it. A pause"
        " may have a date on which it is resumed. Invoices of what was delivered are claimed in any state. A trial is"
        " known to the table, and nothing starts one yet.",
        states=SubscriptionState,
        table=SUBSCRIPTION_TABLE,
        starts=(SubscriptionState.PENDING, SubscriptionState.TRIALING, SubscriptionState.ACTIVE),
        final=(SubscriptionState.ENDED,),
    ),
    Machine(
        name="Invoice",
        told="An attempt is made only while it is open or past due; one that owes nothing is paid from its opening."
        " Money that comes late still pays what was given up;"
        " what was voided stays void, and the money is surplus.",
        states=InvoiceState,
        table=INVOICE_TABLE,
        starts=(InvoiceState.OPEN,),
        final=(InvoiceState.PAID, InvoiceState.VOID),
    ),
    Machine(
        name="Charge attempt",
        told="While an attempt is in flight, unknown or not executed, its invoice gets no other. Evidence of success is"
        " taken from every state; everything else needs the newest fence number.",
        states=AttemptState,
        table=ATTEMPT_TABLE,
        starts=(AttemptState.IN_FLIGHT,),
        final=(AttemptState.APPROVED,),
    ),
    Machine(
        name="Refund",
        told="What is open keeps its amount of the payment; of a payment one refund is out at a time. That money went"
        " back is believed in every state; everything else needs the newest fence number.",
        states=RefundState,
        table=REFUND_TABLE,
        starts=(RefundState.PROPOSED, RefundState.REQUESTED),
        final=(RefundState.SUCCEEDED,),
    ),
    Machine(
        name="Adoption",
        told="A subscription on its way from the gateway's schedules to us: its card is not charged before it is done,"
        " which it is once every schedule has said what became of it.",
        states=AdoptionState,
        table=ADOPTION_TABLE,
        starts=(AdoptionState.CREATED,),
        final=(AdoptionState.DONE,),
    ),
    Machine(
        name="Change of price",
        told="From a period on a subscription is to owe another price, its trial is to become paid, or its coupon is to"
        " end. It is decided when that period is due: a rise is made with consent and a notice in time only.",
        states=ChangeState,
        table=CHANGE_TABLE,
        starts=(ChangeState.PLANNED,),
        final=(ChangeState.MADE, ChangeState.LAPSED, ChangeState.ENDED, ChangeState.WITHDRAWN),
    ),
    Machine(
        name="Hold",
        told="While it stands, and its date has not come, nothing of its customer or its subscription is claimed. It"
        " needs nobody to expire: the state says that it was told.",
        states=HoldState,
        table=HOLD_TABLE,
        starts=(HoldState.STANDING,),
        final=(HoldState.RELEASED, HoldState.EXPIRED),
    ),
)

_HEAD: Final = """# States

Printed from the tables in `domain/` by `python -m tests.support.state_pictures > docs/concepts/states.md`; a test
compares. An event that a state does not list is refused: `IllegalTransition`.
"""


def page() -> str:
    """The whole page, as Markdown."""
    return "\n".join((_HEAD, *(f"## {machine.name}\n\n{machine.told}\n\n{picture(machine)}\n" for machine in MACHINES)))


def picture(machine: Machine) -> str:
    """One diagram: an arrow for every pair of states, with the events that lead along it."""
    events: dict[tuple[Any, StrEnum], list[str]] = {}
    for (state, event), after in machine.table.items():
        events.setdefault((state, after), []).append(event.value)
    lines = [f"    [*] --> {state.value}" for state in machine.starts]
    lines += [f"    {state.value} --> {after.value}: {', '.join(names)}" for (state, after), names in events.items()]
    lines += [f"    {state.value} --> [*]" for state in machine.final]
    return "\n".join(("```mermaid", "stateDiagram-v2", *lines, "```"))


if __name__ == "__main__":
    sys.stdout.write(page())
