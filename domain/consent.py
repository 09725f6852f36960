"""May a price rise, a trial become paid, a promotion end? Not without the customer's consent and a notice, in time.

Sources: 전자상거래법 art. 13(6) and its decree (in force since 2025-02-14): consent within the 30 days before a price
rises or a free service is charged, given for that, silence being none; 여신전문금융업감독규정 (2021-11-18): a notice at
least 7 days before a trial becomes paid. Engineering, not legal advice.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import datetime

#: Consent counts that was given at most so long before what it is about.
CONSENT_WITHIN: Final = timedelta(days=30)
#: A notice counts that was given at least so long before.
NOTICE_AHEAD: Final = timedelta(days=7)


class ChangeKind(StrEnum):
    """What changes in what a subscription owes a period."""

    PRICE = "price"  # it moves to another version of its plan's price
    CONVERSION = "conversion"  # its trial is over, and it pays
    PROMOTION = "promotion"  # its coupon of some periods is used up, and it pays its price again


class ChangeState(StrEnum):
    """Where a change of price stands."""

    PLANNED = "planned"
    MADE = "made"
    LAPSED = "lapsed"  # consent or notice was missing: what stood before goes on
    ENDED = "ended"  # consent or notice was missing: the subscription ended
    WITHDRAWN = "withdrawn"  # taken back before its time, or its subscription ended


class ChangeEvent(StrEnum):
    """What happens to a change of price."""

    MADE = "made"
    LAPSED = "lapsed"
    ENDED = "ended"
    WITHDRAWN = "withdrawn"


_S: Final = ChangeState
_E: Final = ChangeEvent

CHANGE_TABLE: Final = {
    (_S.PLANNED, _E.MADE): _S.MADE,
    (_S.PLANNED, _E.LAPSED): _S.LAPSED,
    (_S.PLANNED, _E.ENDED): _S.ENDED,
    (_S.PLANNED, _E.WITHDRAWN): _S.WITHDRAWN,
}


class WithoutConsent(StrEnum):
    """What the merchant chose for a customer who has not consented in time."""

    STAY = "stay"  # the old price, the free trial or the coupon goes on
    END = "end"  # the subscription ends


class Answer(StrEnum):
    """What a customer said when asked."""

    AGREED = "agreed"
    REFUSED = "refused"  # also one that had agreed, and does no more


class Lack(StrEnum):
    """What a change of price lacks."""

    CONSENT = "consent"
    NOTICE = "notice"


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreed:
    """What is known about one change. UTC; None: nothing.

    ``consented_at``: when the customer's newest answer was given, if it is that they agree. ``noticed_at``: the oldest
    notice.
    """

    consented_at: datetime | None
    noticed_at: datetime | None


def needs_consent(kind: ChangeKind, *, old: int, new: int) -> bool:
    """Whether a change asks for consent and notice: what costs more, or nothing so far, or less. Won a unit."""
    return kind is not ChangeKind.PRICE or new > old


def lacks(agreed: Agreed, *, at: datetime) -> tuple[Lack, ...]:
    """What is missing for a change that needs consent and is to be made ``at``; nothing: it may be made."""
    missing = []
    if agreed.consented_at is None or not at - CONSENT_WITHIN <= agreed.consented_at <= at:
        missing.append(Lack.CONSENT)
    if agreed.noticed_at is None or agreed.noticed_at > at - NOTICE_AHEAD:
        missing.append(Lack.NOTICE)
    return tuple(missing)


def decided(kind: ChangeKind, agreed: Agreed, *, old: int, new: int, at: datetime, otherwise: str) -> ChangeEvent:
    """What becomes of a change whose time has come. Won a unit."""
    if not needs_consent(kind, old=old, new=new) or not lacks(agreed, at=at):
        return ChangeEvent.MADE
    return ChangeEvent.ENDED if otherwise == WithoutConsent.END else ChangeEvent.LAPSED
