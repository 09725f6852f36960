"""The life of a subscription: its states, and what moves them."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class SubscriptionState(StrEnum):
    """Where a subscription stands."""

    PENDING = "pending"  # no card yet
    TRIALING = "trialing"
    ACTIVE = "active"
    PAST_DUE = "past_due"  # at least one of its invoices is
    PAUSED = "paused"
    ENDED = "ended"


class SubscriptionEvent(StrEnum):
    """What happens to a subscription."""

    CARD_ADDED = "card_added"
    TRIAL_CARD_ADDED = "trial_card_added"  # within a trial
    TRIAL_ENDED = "trial_ended"
    DEBT_AROSE = "debt_arose"
    DEBT_CLEARED = "debt_cleared"
    PAUSED = "paused"
    RESUMED = "resumed"
    RESUMED_IN_DEBT = "resumed_in_debt"
    RESUMED_IN_TRIAL = "resumed_in_trial"
    ENDED = "ended"


class EndedReason(StrEnum):
    """Why a subscription ended."""

    CANCELLED = "cancelled"
    DUNNING = "dunning"
    NO_CONSENT = "no_consent"
    COMPLETED = "completed"


_S: Final = SubscriptionState
_E: Final = SubscriptionEvent

SUBSCRIPTION_TABLE: Final = {
    (_S.PENDING, _E.CARD_ADDED): _S.ACTIVE,
    (_S.PENDING, _E.TRIAL_CARD_ADDED): _S.TRIALING,
    (_S.PENDING, _E.ENDED): _S.ENDED,
    (_S.TRIALING, _E.TRIAL_ENDED): _S.ACTIVE,
    (_S.TRIALING, _E.PAUSED): _S.PAUSED,
    (_S.TRIALING, _E.ENDED): _S.ENDED,
    (_S.ACTIVE, _E.DEBT_AROSE): _S.PAST_DUE,
    (_S.ACTIVE, _E.DEBT_CLEARED): _S.ACTIVE,
    (_S.ACTIVE, _E.PAUSED): _S.PAUSED,
    (_S.ACTIVE, _E.ENDED): _S.ENDED,
    (_S.PAST_DUE, _E.DEBT_AROSE): _S.PAST_DUE,
    (_S.PAST_DUE, _E.DEBT_CLEARED): _S.ACTIVE,
    (_S.PAST_DUE, _E.PAUSED): _S.PAUSED,
    (_S.PAST_DUE, _E.ENDED): _S.ENDED,
    # Late money may come in at any time; it clears a debt and wakes nobody.
    (_S.PAUSED, _E.DEBT_CLEARED): _S.PAUSED,
    (_S.PAUSED, _E.RESUMED): _S.ACTIVE,
    (_S.PAUSED, _E.RESUMED_IN_DEBT): _S.PAST_DUE,
    (_S.PAUSED, _E.RESUMED_IN_TRIAL): _S.TRIALING,
    (_S.PAUSED, _E.ENDED): _S.ENDED,
    (_S.ENDED, _E.DEBT_CLEARED): _S.ENDED,
}

#: Periods are opened, and invoices claimed, in these states only.
BILLABLE: Final = (SubscriptionState.ACTIVE, SubscriptionState.PAST_DUE)


class Change(StrEnum):
    """What a person may ask for; with an open attempt it waits for the outcome."""

    PAUSE = "pause"
    CANCEL = "cancel"
    CHANGE_CARD = "change_card"
