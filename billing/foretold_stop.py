"""What is told of a stop, or of one that is taken back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from datetime import datetime

    from billing.change_subscription import Made
    from billing.give_back import Giving, Offer
    from billing.left_to_bill import FinalBill
    from domain.stop import Stop


@dataclass(frozen=True, slots=True, kw_only=True)
class Foretold:
    """What a stop comes to. Instants are UTC; of a cancel nothing goes on.

    ``begins_at`` None: once the outcome of a charge is known. ``debts`` and ``debts_won`` are owed now, ``undecided``
    of them have a charge that is under way; ``debts_become`` is what the stop makes of those that are not paid by then:
    void, kept for after a pause, or charged all the same, for what they are for was delivered.
    ``next_billing_at``: when the first period that is billed after it is due; None: none is, by itself.
    """

    made: Made
    begins_at: datetime | None
    debts: int
    debts_won: int
    undecided: int
    debts_become: Literal["void", "held", "charged"]
    resumes_at: datetime | None = None
    next_billing_at: datetime | None = None
    behind: int = 0  # periods that ended during the pause and are billed
    skipped: int = 0  # and those that are not
    minimum_until: datetime | None = None  # the minimum term that a cancel comes before the end of
    offer: Offer | None = None  # what the customer could get back, of a cancel at once
    given_back: Giving | None = None  # and what of it they do
    final: FinalBill | None = None  # the invoice that follows the end, of a cancel at once


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What was taken back: what it would have been, and when; and the start of the next period to be billed."""

    stop: Stop
    at: datetime
    next_billing_at: datetime
