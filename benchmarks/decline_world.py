"""Why do cards decline? Stated models of a year, by which dunning policies are judged; the policies never see this.

A card's year is a list of troubles, each with its span and the text that the gateway says while it lasts. All ranges
stand below and are drawn from uniformly. They are assumptions: no public data tell how Korean cards behave, so three
models differ in what matters most, when money is there again:

- ``paydays``: wages come on the days that are commonly named, before the banks open, and last for a while;
- ``scattered``: no paydays; money comes back at any hour of any day;
- ``shifted``: as the first, on other days, and a day or two late.

Everything else is the same in all: limits of a day and of a month, cards that expire, are lost, are blocked for a
while, accounts that are never filled again, and outages of a card company that meet all of its cards.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SEOUL: Final = ZoneInfo("Asia/Seoul")


class Model(StrEnum):
    """When does money come back?"""

    PAYDAYS = "paydays"
    SCATTERED = "scattered"
    SHIFTED = "shifted"


#: Days of the month on which wages come; 31: the last one.
WAGES_ON: Final = {Model.PAYDAYS: (1, 10, 15, 20, 25, 31), Model.SHIFTED: (5, 12, 17, 21, 28)}
#: Days by which they come late.
LATE_DAYS: Final = {Model.PAYDAYS: (0, 0), Model.SHIFTED: (0, 2)}
WAGES_HOUR: Final = (0, 10)  # civil hours, from and up to

#: Of a hundred cards so many are short of money before the next wages.
SHORT_OF_MONEY: Final = 30
MONEY_LASTS_DAYS: Final = (6, 33)  # drawn anew each month
WAGES_MISSED: Final = 5  # of a hundred months

#: Where there are no paydays: how long money is there, and how long it is not.
FILLED_HOURS: Final = (5 * 24, 40 * 24)
EMPTY_HOURS: Final = (6, 12 * 24)

MONTH_LIMIT: Final = 6  # of a hundred cards reach their limit of the month, in some months
MONTH_LIMIT_REACHED: Final = 40  # of a hundred months
MONTH_LIMIT_DAY: Final = (16, 30)
DAY_LIMIT: Final = 8  # of a hundred cards reach their limit of the day, on some days
DAY_LIMIT_REACHED: Final = 4  # of a hundred days
DAY_LIMIT_HOUR: Final = (8, 22)

#: Of a thousand cards in a year.
EXPIRE: Final = 120
LOST: Final = 40
BLOCKED: Final = 50
EMPTIED: Final = 30
BLOCKED_HOURS: Final = (24, 20 * 24)

COMPANIES: Final = 9
OUTAGES: Final = (3, 8)  # of each company in a year
OUTAGE_MINUTES: Final = (15, 360)

#: What the gateway says, as its code book has it.
SAYS_BALANCE: Final = "[120054] 잔액부족"
SAYS_MONTH_LIMIT: Final = "[120016] 월 사용한도 초과"
SAYS_DAY_LIMIT: Final = "[120002] 1일 사용금액초과"
SAYS_EXPIRED: Final = "[120004] 유효기간 만료(기간오류)"
SAYS_LOST: Final = "[120026] 도난, 분실카드"
SAYS_BLOCKED: Final = "[120001] 거래제한(정지)카드"
SAYS_OUTAGE: Final = "[1200E4] 참가기관 시스템장애"

#: When two troubles last at once, the text that stands earlier here is said.
_FIRST: Final = (
    SAYS_OUTAGE,
    SAYS_LOST,
    SAYS_EXPIRED,
    SAYS_BLOCKED,
    SAYS_MONTH_LIMIT,
    SAYS_DAY_LIMIT,
    SAYS_BALANCE,
)


@dataclass(frozen=True, slots=True)
class Trouble:
    """While it lasts, from ``begin`` on and before ``end`` (UTC; None: for ever), a charge is refused with a text."""

    begin: datetime
    end: datetime | None
    says: str

    def lasts(self, at: datetime) -> bool:
        """Whether it lasts at an instant."""
        return self.begin <= at and (self.end is None or at < self.end)


class World:
    """What a gateway answers to charges of cards that are numbered from 0, for ``days`` days from a civil date on.

    It is a pure function of the model, the seed and the number: two policies meet the same world.
    """

    def __init__(self, model: Model, *, seed: int, begins_on: date, days: int) -> None:
        self.model = model
        self._seed, self._begins_on, self._days = seed, begins_on, days
        self._outages = [self._outages_of(company) for company in range(COMPANIES)]
        self._troubles: dict[int, list[Trouble]] = {}

    def refusal(self, card: int, at: datetime) -> str | None:
        """The text with which a charge is refused at an instant (UTC); None: it is approved."""
        said = {trouble.says for trouble in self._of(card) if trouble.lasts(at)}
        return next((text for text in _FIRST if text in said), None)

    def clears_at(self, card: int, at: datetime) -> datetime | None:
        """The first instant from ``at`` on (UTC) at which a charge is approved; None: never."""
        troubles = self._of(card)
        while True:
            ends = [trouble.end for trouble in troubles if trouble.lasts(at)]
            if not ends:
                return at
            known = [end for end in ends if end is not None]
            if len(known) < len(ends):
                return None
            at = max(known)

    def _of(self, card: int) -> Sequence[Trouble]:
        if card not in self._troubles:
            drawn = random.Random(f"{self.model} {self._seed} card {card}")
            own = [*self._money(drawn), *self._limits(drawn), *self._ends(drawn)]
            self._troubles[card] = own + self._outages[drawn.randrange(COMPANIES)]
        return self._troubles[card]

    def _outages_of(self, company: int) -> list[Trouble]:
        drawn = random.Random(f"{self.model} {self._seed} company {company}")
        count = drawn.randint(*OUTAGES) * self._days // 365
        return [
            Trouble(begin, begin + timedelta(minutes=drawn.randint(*OUTAGE_MINUTES)), SAYS_OUTAGE)
            for begin in (self._any_time(drawn) for _ in range(count))
        ]

    def _money(self, drawn: random.Random) -> Iterator[Trouble]:
        if drawn.randrange(100) >= SHORT_OF_MONEY:
            return
        if self.model is Model.SCATTERED:
            at = self._instant(0, 0) + timedelta(hours=drawn.uniform(0, FILLED_HOURS[1]))
            while at < self._over:
                empty = timedelta(hours=drawn.uniform(*EMPTY_HOURS))
                yield Trouble(at, at + empty, SAYS_BALANCE)
                at += empty + timedelta(hours=drawn.uniform(*FILLED_HOURS))
            return
        wages = list(self._wages(drawn))
        for come, next_come in pairwise(wages):
            gone = come + timedelta(days=drawn.uniform(*MONEY_LASTS_DAYS))
            if gone < next_come:
                yield Trouble(gone, next_come, SAYS_BALANCE)

    def _wages(self, drawn: random.Random) -> Iterator[datetime]:
        day = drawn.choice(WAGES_ON[self.model])
        for first in self._months(before=2, after=2):
            is_missed = drawn.randrange(100) < WAGES_MISSED
            late = drawn.randint(*LATE_DAYS[self.model])
            hour = drawn.uniform(*WAGES_HOUR)
            if not is_missed:
                on = _day_of_month(first, day) + timedelta(days=late)
                yield _at_midnight(on) + timedelta(hours=hour)

    def _limits(self, drawn: random.Random) -> Iterator[Trouble]:
        if drawn.randrange(100) < MONTH_LIMIT:
            for first in self._months(before=0, after=1):
                reached = drawn.randrange(100) < MONTH_LIMIT_REACHED
                begin = _at_midnight(_day_of_month(first, drawn.randint(*MONTH_LIMIT_DAY)))
                if reached:
                    yield Trouble(begin, _at_midnight(_next_month(first)), SAYS_MONTH_LIMIT)
        if drawn.randrange(100) < DAY_LIMIT:
            for day in range(self._days):
                if drawn.randrange(100) < DAY_LIMIT_REACHED:
                    begin = self._instant(day, drawn.randint(*DAY_LIMIT_HOUR))
                    yield Trouble(begin, self._instant(day + 1, 0), SAYS_DAY_LIMIT)

    def _ends(self, drawn: random.Random) -> Iterator[Trouble]:
        for of_a_thousand, says in ((LOST, SAYS_LOST), (EMPTIED, SAYS_BALANCE)):
            at = self._any_time(drawn)
            if self._happens(drawn, of_a_thousand):
                yield Trouble(at, None, says)
        month = drawn.choice(list(self._months(before=0, after=0)))
        if self._happens(drawn, EXPIRE):
            yield Trouble(_at_midnight(_next_month(month)), None, SAYS_EXPIRED)
        at, hours = self._any_time(drawn), drawn.uniform(*BLOCKED_HOURS)
        if self._happens(drawn, BLOCKED):
            yield Trouble(at, at + timedelta(hours=hours), SAYS_BLOCKED)

    def _happens(self, drawn: random.Random, of_a_thousand: int) -> bool:
        return drawn.randrange(1000 * 365) < of_a_thousand * self._days

    def _any_time(self, drawn: random.Random) -> datetime:
        return self._instant(0, 0) + timedelta(seconds=drawn.randrange(self._days * 86_400))

    def _instant(self, day: int, hour: int) -> datetime:
        return _at_midnight(self._begins_on + timedelta(days=day)) + timedelta(hours=hour)

    @property
    def _over(self) -> datetime:
        return self._instant(self._days, 0)

    def _months(self, *, before: int, after: int) -> Iterator[date]:
        first = self._begins_on.replace(day=1)
        for _ in range(before):
            first = (first - timedelta(days=1)).replace(day=1)
        last = self._begins_on + timedelta(days=self._days - 1 + 31 * after)
        while first <= last:
            yield first
            first = _next_month(first)


def _at_midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, SEOUL).astimezone(UTC)


def _next_month(first: date) -> date:
    return (first + timedelta(days=31)).replace(day=1)


def _day_of_month(first: date, day: int) -> date:
    return min(first.replace(day=1) + timedelta(days=day - 1), _next_month(first.replace(day=1)) - timedelta(days=1))
