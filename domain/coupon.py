"""What is a coupon: a part of the plan's price, or so many won, off for some periods or for all?

It takes off what the plan costs (the base line), never more than that; not what a person put beside it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from domain.errors import BadInput
from domain.price import MAXIMUM_AMOUNT

#: All of it.
_WHOLE: Final = 100
#: Our choice, a bound on typing errors.
MOST_PERIODS: Final = 1_200
MOST_REDEMPTIONS: Final = 10_000_000
_CODE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Discount:
    """What a coupon takes off: ``percent`` of the base, rounded down to the won, or ``won`` of it. One is given."""

    percent: int | None = None
    won: int | None = None

    def off(self, amount: int) -> int:
        """The won that it takes off an amount; at most all of it."""
        if self.percent is not None:
            return amount * self.percent // _WHOLE
        return min(amount, self.won or 0)

    @property
    def words(self) -> str:
        """As a person reads it."""
        return f"{self.percent} % off" if self.percent is not None else f"{self.won or 0:,} won off"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningCoupon:
    """A coupon that a subscription has, with the terms of when it got it. ``left``: periods; None: for ever.

    Using the last of them does not end it: that is a rise, and decided like one. Until then it goes on.
    """

    code: str
    discount: Discount
    left: int | None

    def after_use(self) -> RunningCoupon:
        """As it stands for the period after one that it was used in."""
        if not self.left:
            return self
        return RunningCoupon(code=self.code, discount=self.discount, left=self.left - 1)


def uses_left(*, periods: int | None, used: int) -> int | None:
    """How many of a coupon's periods are not used; None: it is for ever. It may have been used in more."""
    return None if periods is None else max(0, periods - used)


def read_code(given: str) -> str:
    """A coupon's code, in capitals: customers type it as they like.

    Raises:
        BadInput: It cannot be typed or printed.
    """
    if not _CODE.fullmatch(given.strip()):
        raise BadInput(
            f"coupon code {given[:50]!r} cannot be used; give 1 to 40 letters, digits, - or _, such as WELCOME50"
        )
    return given.strip().upper()


def read_discount(*, percent: int | None, won: int | None) -> Discount:
    """What a coupon takes off, by one of two options.

    Raises:
        BadInput: Not one of the two is given, or it is out of range.
    """
    if (percent is None) == (won is None):
        raise BadInput("give either --percent or --won")
    if percent is not None and not 1 <= percent <= _WHOLE:
        raise BadInput(f"--percent {percent} cannot be taken off; give 1 to {_WHOLE}")
    if won is not None and not 1 <= won <= MAXIMUM_AMOUNT:
        raise BadInput(f"--won {won} cannot be taken off; give 1 to {MAXIMUM_AMOUNT:,}")
    return Discount(percent=percent, won=won)
