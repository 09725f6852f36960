"""Which changes of price will be made on a subscription's way? Decided as things stand, where the opening will decide.

What is ahead is decided by the consent and the notice that are there now. What the opening will plan only then, the
end of a coupon, nobody has agreed to: its coupon goes on, or its subscription ends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from billing.calendars import calendar_of
from billing.promotions import end_after
from domain.consent import ChangeEvent, ChangeKind, WithoutConsent, decided
from domain.price import Price, Vat
from models.queries.consent import agreed_of

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Row

    from billing.due_periods import DuePeriod
    from billing.lines import Reckoning


class ForeseenChanges:
    """The changes of one subscription, period by period. ``price``: what it owes since; None: what it is pinned to."""

    def __init__(self, subscription: Row[Any], reckoning: Reckoning, *, now: datetime) -> None:
        self._row, self._reckoning, self._now = subscription, reckoning, now
        self._from: int | None = subscription.changes_from
        self._kind = None if subscription.change_kind is None else ChangeKind(subscription.change_kind)
        self._is_stored = self._from is not None  # what is ahead is in its row, with what was said to it
        self.price: Price | None = None
        #: Nothing more of it is charged.
        self.is_over = False
        self._come_to(subscription.ordinal + 1, subscription.next_billing_at)

    def come_to(self, due: DuePeriod) -> None:
        """Decide what is to be decided before this period is opened."""
        self._come_to(due.period.ordinal, due.due_at)

    def _come_to(self, ordinal: int, due_at: datetime) -> None:
        if self._from is not None and ordinal >= self._from:
            self._decide(due_at)
            self._from, self._is_stored = None, False
        left = self._coupon_left()
        if self._from is None and left is not None:
            end = end_after(calendar_of(self._row), first=ordinal, left=left, now=max(due_at, self._now))
            self._from, self._kind = None if end is None else end.ordinal, ChangeKind.PROMOTION

    def _decide(self, due_at: datetime) -> None:
        is_promotion = self._kind is ChangeKind.PROMOTION
        if is_promotion and self._coupon_left() != 0:
            return  # periods were skipped: its end is planned anew
        becomes = self._becomes(due_at)
        if becomes is ChangeEvent.MADE and is_promotion:
            self._reckoning.end_coupon()
        elif becomes is ChangeEvent.MADE:
            self.price = _new_price(self._row)
        else:  # a trial that goes on is free
            self.is_over = becomes is ChangeEvent.ENDED or self._kind is ChangeKind.CONVERSION

    def _becomes(self, due_at: datetime) -> ChangeEvent:
        row = self._row
        if not self._is_stored:
            is_ended = row.without_consent == WithoutConsent.END
            return ChangeEvent.ENDED if is_ended else ChangeEvent.LAPSED
        return decided(
            ChangeKind(row.change_kind),
            agreed_of(row),
            old=row.old_unit,
            new=row.new_amount,
            at=max(row.effective_at, due_at),
            otherwise=row.otherwise,
        )

    def _coupon_left(self) -> int | None:
        """So many periods its coupon is still to lower; None: it has none that is to end."""
        coupon = self._reckoning.beside.coupon
        return None if coupon is None else coupon.left


def _new_price(row: Row[Any]) -> Price:
    return Price(
        amount=row.new_amount,
        tax_free=row.new_tax_free,
        vat=Vat(row.new_vat),
        card_quota=row.new_card_quota,
        setup_fee=row.new_setup_fee,
    )
