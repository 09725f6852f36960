"""The life of an invoice: what one billing period owes."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Purpose(StrEnum):
    """What an invoice is for; with the subscription and the ordinal it is unique.

    The ordinal is a period's, also of a final one; of a change it is a number of its own, from 0.
    """

    PERIOD = "period"
    CHANGE = "change"  # the rest of a period, after a change within it
    FINAL = "final"  # what was delivered and not billed when its subscription ended

    @property
    def letter(self) -> str:
        """The purpose's field in a ``merchant_uid``; never changed once used."""
        return {Purpose.PERIOD: "p", Purpose.CHANGE: "c", Purpose.FINAL: "f"}[self]


class InvoiceState(StrEnum):
    """Where an invoice stands."""

    OPEN = "open"
    PAST_DUE = "past_due"
    PAID = "paid"
    VOID = "void"
    UNCOLLECTIBLE = "uncollectible"


class InvoiceEvent(StrEnum):
    """What happens to an invoice."""

    PAID = "paid"
    DECLINED = "declined"
    VOIDED = "voided"
    GIVEN_UP = "given_up"


_S: Final = InvoiceState
_E: Final = InvoiceEvent

INVOICE_TABLE: Final = {
    (_S.OPEN, _E.PAID): _S.PAID,
    (_S.OPEN, _E.DECLINED): _S.PAST_DUE,
    (_S.OPEN, _E.VOIDED): _S.VOID,
    (_S.PAST_DUE, _E.PAID): _S.PAID,
    (_S.PAST_DUE, _E.DECLINED): _S.PAST_DUE,
    (_S.PAST_DUE, _E.VOIDED): _S.VOID,
    (_S.PAST_DUE, _E.GIVEN_UP): _S.UNCOLLECTIBLE,
    # Late money.
    (_S.UNCOLLECTIBLE, _E.PAID): _S.PAID,
}

#: An attempt may be made in these states only.
CHARGEABLE: Final = (InvoiceState.OPEN, InvoiceState.PAST_DUE)


class Trigger(StrEnum):
    """Who asked for an attempt. Only SCHEDULE and DUNNING move the dunning ladder."""

    SCHEDULE = "schedule"  # the period fell due
    DUNNING = "dunning"  # the ladder's next step
    ADMIN = "admin"  # an operator's hand


LADDER_TRIGGERS: Final = (Trigger.SCHEDULE, Trigger.DUNNING)
