"""What happens to an invoice once a charge was declined: the simple ladder."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from domain.decline import DeclineClass, class_of
from domain.instants import require_utc

if TYPE_CHECKING:
    from domain.outcome import DeclineCode

#: Days from a decline to the next step's attempt. Our choice until policies become data.
LADDER_DAYS: Final = (1, 3, 5)

#: A card that will never pay is not tried again by itself: issuers count such attempts against the merchant.
WAITS_FOR_CARD: Final = (DeclineClass.CARD_DEAD, DeclineClass.IDENTITY)

#: Not the customer's fault: the ladder does not move, and an operator must look first.
NO_STRIKE: Final = (DeclineClass.REQUEST_BUG, DeclineClass.MERCHANT)

#: An operator's attempt that was declined leaves the ladder alone, but not closer than this to the next try.
MINIMUM_GAP: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReattemptAt:
    """Try again at an instant; ``step`` is the ladder's position after this decline."""

    at: datetime
    step: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitCard:
    """Nothing by itself: a new card, or an operator, brings the next attempt."""

    step: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveUp:
    """The ladder has ended: the invoice is uncollectible."""

    step: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AskOperator:
    """The gateway refuses the request itself: no attempt until an operator has looked."""

    step: int


DunningDecision = ReattemptAt | AwaitCard | GiveUp | AskOperator


def decide_after_decline(
    *,
    step: int,
    decline_code: DeclineCode,
    declined_at: datetime,
    moves_ladder: bool,
    ladder_at: datetime | None,
) -> DunningDecision:
    """Choose what follows a decline.

    Args:
        step: Ladder steps used before this decline, from 0.
        decline_code: Why it was declined.
        declined_at: The instant of the decline.
        moves_ladder: False for an operator's attempt, which neither uses up nor resets the ladder.
        ladder_at: The ladder's own next instant, kept beside an operator's attempt; None if it had none.

    Returns:
        A decision; ``ReattemptAt.at`` is always later than ``declined_at``.
    """
    declined_at = require_utc(declined_at)
    decline_class = class_of(decline_code)
    if decline_class in WAITS_FOR_CARD:
        return AwaitCard(step=step)
    if decline_class in NO_STRIKE:
        return AskOperator(step=step)
    if not moves_ladder:
        if ladder_at is not None:
            return ReattemptAt(at=max(ladder_at, declined_at + MINIMUM_GAP), step=step)
        # It had waited for a card or an operator: with this one it may pay yet.
        if step >= len(LADDER_DAYS):
            return AwaitCard(step=step)
        return ReattemptAt(at=declined_at + timedelta(days=LADDER_DAYS[step]), step=step)
    if step >= len(LADDER_DAYS):
        return GiveUp(step=step)
    return ReattemptAt(at=declined_at + timedelta(days=LADDER_DAYS[step]), step=step + 1)
