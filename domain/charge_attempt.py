"""The life of a charge attempt: one request to move money, numbered from 1 in its invoice."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class AttemptState(StrEnum):
    """Where an attempt stands."""

    IN_FLIGHT = "in_flight"
    UNKNOWN = "unknown"
    NOT_EXECUTED = "not_executed"  # proven; waits to be re-sent under the same merchant_uid
    APPROVED = "approved"
    DECLINED = "declined"
    ABANDONED = "abandoned"  # proven not executed, and no longer wanted


class AttemptEvent(StrEnum):
    """What happens to an attempt."""

    APPROVED = "approved"
    DECLINED = "declined"
    NOT_EXECUTED = "not_executed"
    UNKNOWN = "unknown"
    RESENT = "resent"
    ABANDONED = "abandoned"


_S: Final = AttemptState
_E: Final = AttemptEvent

ATTEMPT_TABLE: Final = {
    (_S.IN_FLIGHT, _E.APPROVED): _S.APPROVED,
    (_S.IN_FLIGHT, _E.DECLINED): _S.DECLINED,
    (_S.IN_FLIGHT, _E.NOT_EXECUTED): _S.NOT_EXECUTED,
    (_S.IN_FLIGHT, _E.UNKNOWN): _S.UNKNOWN,
    (_S.UNKNOWN, _E.APPROVED): _S.APPROVED,
    (_S.UNKNOWN, _E.DECLINED): _S.DECLINED,
    (_S.UNKNOWN, _E.NOT_EXECUTED): _S.NOT_EXECUTED,
    (_S.UNKNOWN, _E.UNKNOWN): _S.UNKNOWN,
    (_S.NOT_EXECUTED, _E.RESENT): _S.IN_FLIGHT,
    (_S.NOT_EXECUTED, _E.ABANDONED): _S.ABANDONED,
    # Late evidence of success is always taken, as an incident.
    (_S.NOT_EXECUTED, _E.APPROVED): _S.APPROVED,
    (_S.DECLINED, _E.APPROVED): _S.APPROVED,
    (_S.ABANDONED, _E.APPROVED): _S.APPROVED,
}

#: While an invoice has an attempt in one of these states no other number is minted for it.
OPEN_ATTEMPT: Final = (AttemptState.IN_FLIGHT, AttemptState.UNKNOWN, AttemptState.NOT_EXECUTED)

#: Nobody knows, or will know only later, what the gateway did.
UNDECIDED: Final = (AttemptState.IN_FLIGHT, AttemptState.UNKNOWN)
