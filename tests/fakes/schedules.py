"""The gateway's own schedules, in memory: they run when their time has come, and revoking them has a fate.

book.add("order-1", customer_uid="card-1", at=START, amount=9900)
book.fates.append(RevokeFate.LOST_DONE)
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from domain.errors import GatewayUnreachable, RuleBroken
from gateway.port import Schedule, ScheduleState

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from domain.evidence import Record
    from gateway.port import AccessToken

#: The longest span that the gateway takes. Source: PortOne V1 manual, at most three months a call.
LONGEST_DAYS = 92


class RevokeFate(StrEnum):
    """What becomes of one request to revoke."""

    DONE = "done"
    LOST_DONE = "lost_done"  # revoked, but the answer never comes
    LOST_NOT_DONE = "lost_not_done"  # the request never comes there
    SAID_NOT_DONE = "said_not_done"  # answered as if revoked, and it is not
    FIRST_ONLY = "first_only"  # of several names the first alone is revoked
    RUNS_FIRST = "runs_first"  # the first of them runs at this very moment, and is paid; the others are revoked


@dataclass(slots=True)
class ScheduleBook:
    """What the gateway will charge by itself. ``execute`` writes a payment into its ledger."""

    now: Callable[[], datetime]
    execute: Callable[[Schedule, str], Record]
    fates: deque[RevokeFate] = field(default_factory=deque)
    #: Every request to revoke that came there, by its names.
    revoked: list[Sequence[str]] = field(default_factory=list)
    _planned: dict[str, Schedule] = field(default_factory=dict)
    _declined: set[str] = field(default_factory=set)
    _lag: dict[str, int] = field(default_factory=dict)
    _before: dict[str, Schedule] = field(default_factory=dict)

    # What a test says.

    def add(
        self, merchant_uid: str, *, customer_uid: str, at: datetime, amount: int = 9_900, declined: bool = False
    ) -> None:
        """A schedule that somebody has made."""
        self._planned[merchant_uid] = Schedule(
            merchant_uid=merchant_uid,
            customer_uid=customer_uid,
            schedule_at=at,
            amount=amount,
            name="somebody's",
            state=ScheduleState.SCHEDULED,
        )
        if declined:
            self._declined.add(merchant_uid)

    def lag(self, merchant_uid: str, *, looks: int) -> None:
        """The next looks at this schedule by its name show it as it is now."""
        self._lag[merchant_uid] = looks
        self._before[merchant_uid] = self._planned[merchant_uid]

    def hide_end(self, merchant_uid: str) -> None:
        """It tells that it ran, and not what became of its payment."""
        self._planned[merchant_uid] = replace(self._planned[merchant_uid], payment_status="", imp_uid=None)

    def forget(self, merchant_uid: str) -> None:
        """The gateway does not know it any more."""
        del self._planned[merchant_uid]

    def put(self, merchant_uid: str, state: ScheduleState) -> None:
        """Somebody else has done something to it."""
        self._planned[merchant_uid] = replace(self._planned[merchant_uid], state=state)

    def clear(self) -> None:
        """Nothing was ever planned."""
        self._planned.clear()
        self._declined.clear()
        self.fates.clear()
        self.revoked.clear()

    def waiting(self) -> set[str]:
        """The names of those that will still run."""
        self.run_due()
        return {each.merchant_uid for each in self._planned.values() if each.state is ScheduleState.SCHEDULED}

    # How it goes over there.

    def run_due(self) -> None:
        """What has come to its time runs."""
        for schedule in list(self._planned.values()):
            if schedule.state is ScheduleState.SCHEDULED and schedule.schedule_at <= self.now():
                self._run(schedule)

    def _run(self, schedule: Schedule) -> None:
        status = "failed" if schedule.merchant_uid in self._declined else "paid"
        record = self.execute(schedule, status)
        self._planned[schedule.merchant_uid] = replace(
            schedule, state=ScheduleState.EXECUTED, payment_status=status, imp_uid=record.imp_uid
        )

    def between(self, begin: datetime, end: datetime) -> Sequence[Schedule]:
        """Those whose time lies in a span."""
        self.run_due()
        if not 0 < (end - begin).days <= LONGEST_DAYS:
            raise RuleBroken("schedules are looked up for more than nothing and at most three months")
        return [each for each in self._planned.values() if begin <= each.schedule_at < end]

    def named(self, merchant_uid: str) -> Schedule | None:
        """One by its name."""
        self.run_due()
        left = self._lag.get(merchant_uid, 0)
        if left:
            self._lag[merchant_uid] = left - 1
            return self._before[merchant_uid]
        return self._planned.get(merchant_uid)

    def revoke(self, customer_uid: str, merchant_uids: Sequence[str]) -> Sequence[Schedule]:
        """Revoke those of a card, by name."""
        if not merchant_uids:
            raise RuleBroken("no schedule is named: that would revoke all of the card's")
        fate = self.fates.popleft() if self.fates else RevokeFate.DONE
        self.run_due()
        if fate is RevokeFate.LOST_NOT_DONE:
            raise GatewayUnreachable("the request to revoke got lost")
        self.revoked.append(list(merchant_uids))
        mine = [
            each
            for name in merchant_uids
            if (each := self._planned.get(name)) is not None
            and each.customer_uid == customer_uid
            and each.state is ScheduleState.SCHEDULED
        ]
        done = {RevokeFate.SAID_NOT_DONE: [], RevokeFate.FIRST_ONLY: mine[:1]}.get(fate, mine)
        for schedule in done:
            if fate is RevokeFate.RUNS_FIRST and schedule is mine[0]:
                self._run(schedule)
            else:
                self._planned[schedule.merchant_uid] = replace(schedule, state=ScheduleState.REVOKED)
        if fate is RevokeFate.LOST_DONE:
            raise GatewayUnreachable("the answer got lost")
        return [self._planned[each.merchant_uid] for each in mine]


class WithSchedules:
    """The part of the port that is about schedules."""

    __slots__ = ()
    book: ScheduleBook

    def _ask(self, token: AccessToken) -> None:
        raise NotImplementedError

    def schedules(
        self, *, begin: datetime, end: datetime, token: AccessToken, seen: Callable[[int], None]
    ) -> Sequence[Schedule]:
        self._ask(token)
        found = self.book.between(begin, end)
        seen(len(found))
        return found

    def card_schedules(
        self, *, customer_uid: str, begin: datetime, end: datetime, token: AccessToken
    ) -> Sequence[Schedule]:
        self._ask(token)
        return [each for each in self.book.between(begin, end) if each.customer_uid == customer_uid]

    def schedule(self, *, merchant_uid: str, token: AccessToken) -> Schedule | None:
        self._ask(token)
        return self.book.named(merchant_uid)

    def unschedule(self, *, customer_uid: str, merchant_uids: Sequence[str], token: AccessToken) -> Sequence[Schedule]:
        self._ask(token)
        return self.book.revoke(customer_uid, merchant_uids)
