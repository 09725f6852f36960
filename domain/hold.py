"""A hold: nothing of a customer, or of one subscription, is charged while it stands."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class HoldKind(StrEnum):
    """Why charges are held."""

    DISPUTE = "dispute"
    FRAUD = "fraud"
    DEATH = "death"
    OTHER = "other"


class HoldState(StrEnum):
    """Where a hold stands. One whose date has come holds nothing any more, told or not."""

    STANDING = "standing"
    RELEASED = "released"
    EXPIRED = "expired"


class HoldEvent(StrEnum):
    """What happens to a hold."""

    RELEASED = "released"
    EXPIRED = "expired"


_S: Final = HoldState
_E: Final = HoldEvent

HOLD_TABLE: Final = {
    (_S.STANDING, _E.RELEASED): _S.RELEASED,
    (_S.STANDING, _E.EXPIRED): _S.EXPIRED,
}
