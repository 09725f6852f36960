"""Which periods does a subscription owe: the calendar of one subscription, and what is behind when it comes to us."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from domain.business_day import Shift, shifted
from domain.errors import BadInput
from domain.instants import ONE_DAY, civil_date, instant_of, require_utc
from domain.proration import Share
from domain.schedule import MAX_ORDINAL, Schedule, has_billing_days, next_billing_day, on_day, start_before, start_on

if TYPE_CHECKING:
    from uuid import UUID


class CatchUp(StrEnum):
    """What a subscriber owes for periods that ended before the subscription came to us or was resumed."""

    ALL = "all"  # every one, at most one charge a customer and civil day
    LATEST = "latest"  # the last one that ended
    NONE = "none"


class Billed(StrEnum):
    """When a period of a plan is charged."""

    IN_ADVANCE = "in-advance"  # as it begins
    IN_ARREARS = "in-arrears"  # when it is over


class AfterOutage(StrEnum):
    """What is charged of periods that were over before anybody opened them, and were not behind when it came to us."""

    ALL = "all"  # every one, at most one charge a customer and civil day
    LATEST = "latest"  # the last one that ended
    NONE = "none"


class SkipReason(StrEnum):
    """Why a period has no invoice."""

    PAID_ELSEWHERE = "paid_elsewhere"  # it starts on or before `paid_through`
    CATCH_UP = "catch_up"  # the plan's `catch_up` does not ask for it
    TRIAL = "trial"  # it was free: consent or notice was missing, and the trial went on
    PAUSED = "paused"  # it ended while the subscription was paused, and `catch_up` does not ask for it
    OUTAGE = "outage"  # it ended before anybody opened it, and `after_outage` does not ask for it


@dataclass(frozen=True, slots=True, kw_only=True)
class BillingPeriod:
    """A half-open span of UTC instants that one invoice pays for, numbered from 0.

    ``share``: of a partial period, its part of a whole one; None: it is whole.
    """

    ordinal: int
    start: datetime
    end: datetime
    share: Share | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Skip:
    """Periods ``first``..``last``, both included, that are never charged."""

    first: int
    last: int
    reason: SkipReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrears:
    """Where billing begins for a subscription that comes to us (or back) at some instant.

    Ordinals below ``current`` ended before that instant: they are behind. ``first`` is the first to be opened.
    """

    first: int
    current: int
    skips: tuple[Skip, ...]

    @property
    def behind_count(self) -> int:
        """How many periods behind will be opened."""
        return max(0, self.current - self.first)


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """One subscription's periods: contiguous, each computed from the anchor alone; and when each is charged.

    The period ``anchor_ordinal`` starts on ``anchored_on``, each later one so many intervals after it; on the day
    ``billing_day`` of its month if that is given, for a February does not tell whether 28 or 31 is meant. With
    ``stub_from`` the period before the anchor is a partial one, from that day on. What was before the first of these is
    in the books only: asked for it, a calendar gives instants in their order, and where only the billing day was moved
    never later ones than the true ones.

    With ``periods`` it has so many, and no more: instants after its last one are still told.
    """

    schedule: Schedule
    anchored_on: date
    zone_name: str
    anchor_ordinal: int = 0
    stub_from: date | None = None
    billing_day: int | None = None
    shift: Shift = Shift.NONE
    spread_seconds: int = 0  # this subscription's own: ``spread_seconds_of``
    periods: int | None = None
    billed: Billed = Billed.IN_ADVANCE

    @property
    def ends_at(self) -> datetime | None:
        """The UTC instant at which its last period ends; None: it has no last one."""
        return None if self.periods is None else self.start(self.periods)

    @property
    def begins_on(self) -> date:
        """The civil date from which on it knows its periods."""
        return self.stub_from or self.anchored_on

    @property
    def first_known(self) -> int:
        """The period that begins then."""
        return self.anchor_ordinal if self.stub_from is None else self.anchor_ordinal - 1

    @property
    def day(self) -> int:
        """The day of the month on which its periods begin, where they are of months or years."""
        return self.billing_day or self.anchored_on.day

    def from_billing_day(self, ordinal: int, day: int) -> Calendar:
        """The same up to the start of a period; then a partial one up to the next ``day``, and whole ones from it on.

        If that period starts on that day, it is a whole one. Of schedules that have billing days.
        """
        begin = self._civil(ordinal).date()
        anchor = next_billing_day(begin, day)
        is_whole = anchor == begin
        return replace(
            self,
            anchored_on=anchor,
            anchor_ordinal=ordinal if is_whole else ordinal + 1,
            stub_from=None if is_whole else begin,
            billing_day=day,
        )

    def billed_as(self, other: Calendar) -> Calendar:
        """The same periods, charged at the other one's due times: both have one schedule."""
        return replace(self, shift=other.shift, spread_seconds=other.spread_seconds)

    def numbered_from(self, ordinal: int) -> Calendar:
        """The same periods, the first of them of that number."""
        return replace(self, anchor_ordinal=self.anchor_ordinal + ordinal)

    def has(self, ordinal: int) -> bool:
        """Whether the period belongs to it."""
        return self.periods is None or ordinal < self.periods

    def start(self, ordinal: int) -> datetime:
        """The UTC instant at which a period starts: a pure function of the anchor and the ordinal.

        Raises:
            BadInput: The ordinal is out of bounds.
        """
        civil = self._civil(ordinal)
        return instant_of(civil.date(), civil.time(), self.zone_name)

    def due_at(self, ordinal: int) -> datetime:
        """The UTC instant from which a period is charged; never earlier than that of the period before.

        Its start, or its end if it is billed in arrears; moved to a business day at the same civil time where the plan
        says so, and on by the subscription's spread.
        """
        if self.billed is Billed.IN_ARREARS:
            ordinal += 1
        due = self.start(ordinal)
        if self.shift is not Shift.NONE:
            civil = self._civil(ordinal)
            due = instant_of(shifted(civil.date(), self.shift), civil.time(), self.zone_name)
        return due + timedelta(seconds=self.spread_seconds)

    def period(self, ordinal: int) -> BillingPeriod:
        """The period of an ordinal."""
        return BillingPeriod(
            ordinal=ordinal, start=self.start(ordinal), end=self.start(ordinal + 1), share=self.share(ordinal)
        )

    def share(self, ordinal: int) -> Share | None:
        """Of a partial period, its civil days and those of the whole period that ends with it; None: it is whole."""
        if self.stub_from is None or ordinal != self.anchor_ordinal - 1:
            return None
        whole = self.anchored_on - self._before_anchor()
        return Share((self.anchored_on - self.stub_from).days, whole.days)

    def delivered(self, ordinal: int, until: datetime) -> Share:
        """The civil days of a period before that of an instant, and those of a whole one; at most all of its own."""
        period = self.period(ordinal)
        begin = civil_date(period.start, self.zone_name)
        mine = (civil_date(period.end, self.zone_name) - begin).days
        days = (civil_date(until, self.zone_name) - begin).days
        return Share(min(max(days, 0), mine), mine if period.share is None else period.share.of_days)

    def goes_on(self, ordinal: int, instant: datetime) -> Calendar:
        """The same after a pause that ended within a period: that one begins on the civil day of the instant."""
        day = civil_date(instant, self.zone_name)
        if not self.has(ordinal) or civil_date(self.start(ordinal), self.zone_name) >= day:
            return self
        anchor = self._civil(ordinal + 1).date()
        if anchor <= day:
            return self
        return replace(
            self,
            anchored_on=anchor,
            anchor_ordinal=ordinal + 1,
            stub_from=day,
            billing_day=self.day if has_billing_days(self.schedule) else None,
        )

    def first_from(self, instant: datetime) -> int:
        """The first period that starts at or after an instant."""
        require_utc(instant)
        if self.start(0) >= instant:
            return 0
        # From the anchor on, ever farther: never much farther than the instant, for dates end with the year 9999.
        low, high, reach = 0, self.anchor_ordinal, 1
        while self.start(high) < instant:
            if high == MAX_ORDINAL:
                raise BadInput(f"started_on {self.begins_on} is more than {MAX_ORDINAL} periods ago; give a later one")
            low, high, reach = high, min(high + reach, MAX_ORDINAL), 2 * reach
        while high - low > 1:  # low starts before, high does not
            middle = (low + high) // 2
            low, high = (middle, high) if self.start(middle) < instant else (low, middle)
        return high

    def _civil(self, ordinal: int) -> datetime:
        """The civil (naive) start of a period."""
        if not 0 <= ordinal <= MAX_ORDINAL:
            raise BadInput(f"ordinal {ordinal} is outside 0..{MAX_ORDINAL}; check started_on")
        if self.stub_from is not None and ordinal == self.anchor_ordinal - 1:
            return start_on(self.schedule, self.stub_from)
        if ordinal < self.anchor_ordinal:
            return self.schedule.start(self.begins_on, ordinal - self.first_known)
        return self._from_anchor(ordinal - self.anchor_ordinal)

    def _from_anchor(self, periods: int) -> datetime:
        civil = self.schedule.start(self.anchored_on, periods)
        return civil if self.billing_day is None else civil.replace(day=on_day(civil, self.billing_day).day)

    def _before_anchor(self) -> date:
        """Where the whole period began that ends at the anchor."""
        day = start_before(self.schedule, self.anchored_on)
        return day if self.billing_day is None else on_day(day, self.billing_day)

    def first_unpaid(self, paid_through: date) -> int:
        """The first period that starts after a civil date; the one after the last, if none does."""
        ordinal = self.first_from(instant_of(paid_through + ONE_DAY, _MIDNIGHT, self.zone_name))
        return ordinal if self.has(ordinal) else self.periods or 0

    def missed_below(self, now: datetime, *, from_ordinal: int) -> int:
        """The first period that was not missed: those before it have ended, and the charge after them is due.

        Both, for a charge that is spread up to the end of its period is late by a minute, and no outage.
        """
        ordinal = from_ordinal
        while self.has(ordinal) and self.start(ordinal + 1) <= now and self.due_at(ordinal + 1) <= now:
            ordinal += 1
        return ordinal

    def arrears(
        self,
        *,
        now: datetime,
        catch_up: CatchUp,
        from_ordinal: int = 0,
        paid_through: date | None = None,
        max_behind: int,
        skipped_because: SkipReason = SkipReason.CATCH_UP,
    ) -> Arrears:
        """Decide which periods are opened when the subscription comes to us, or back, at ``now``.

        Args:
            now: The instant of import or resume; periods that ended at or before it are behind.
            catch_up: What is owed for them.
            from_ordinal: The first period not yet opened or skipped.
            paid_through: Periods that start on or before this civil date were paid elsewhere.
            max_behind: A bound on the periods behind that may be opened.
            skipped_because: The reason to write beside those that `catch_up` leaves out.

        Raises:
            BadInput: More periods behind than the bound.
        """
        skips = []
        unpaid = from_ordinal
        if paid_through is not None:
            unpaid = max(from_ordinal, self.first_unpaid(paid_through))
            if unpaid > from_ordinal:
                skips.append(Skip(first=from_ordinal, last=unpaid - 1, reason=SkipReason.PAID_ELSEWHERE))
        upcoming = self.first_from(now)
        # The period before the upcoming one has started; it is running unless it ends exactly now.
        current = upcoming if upcoming == 0 or self.start(upcoming) <= now else upcoming - 1
        current = max(current if self.has(current) else self.periods or 0, unpaid)
        first = {
            CatchUp.ALL: unpaid,
            CatchUp.LATEST: max(unpaid, current - 1),
            CatchUp.NONE: current,
        }[catch_up]
        if first > unpaid:
            skips.append(Skip(first=unpaid, last=first - 1, reason=skipped_because))
        if current - first > max_behind:
            raise BadInput(
                f"started_on {self.begins_on} leaves {current - first} periods to catch up, more than {max_behind};"
                " give paid_through, a later started_on, or another catch_up"
            )
        return Arrears(first=first, current=current, skips=tuple(skips))


def spread_seconds_of(subscription_id: UUID, *, spread_minutes: int) -> int:
    """How long after its due time a subscription is charged, in seconds: its own share of the plan's spread, for ever.

    So that a hundred thousand that began on one day do not fall due at one second.
    """
    return subscription_id.int % (spread_minutes * 60) if spread_minutes else 0


_MIDNIGHT: Final = time.min
