"""Cancel or pause, now or once the paid period is over, and go on by itself: asked for, foretold, and taken back.

What is asked for ahead is an instant in the subscription's row. The opening and the claim compare it with their own
now, so that nothing is opened or claimed from that instant on, whoever is awake; ``make_what_has_come`` makes it so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from billing.calendars import calendar_of
from billing.change_subscription import (
    Made,
    arrears_of,
    calendar_after,
    change_within,
    lock_subscription,
    refuse_impossible,
    refuse_pause_within,
    waits_for_outcome,
)
from billing.forecast import expect_more
from billing.foretold_stop import Foretold, Kept
from billing.give_back import GiveBack, Leaving
from billing.left_to_bill import final_bill, is_in_arrears, left_to_bill
from domain.errors import BadInput, Conflict
from domain.stop import Stop, first_unbilled, goes_on_at
from domain.subscription import Change, SubscriptionState
from models.queries import installation, stop

if TYPE_CHECKING:
    from datetime import date, datetime
    from uuid import UUID

    from sqlalchemy import Row

    from billing.change_subscription import By
    from billing.give_back import Giving
    from billing.left_to_bill import FinalBill
    from billing.ports import Ports
    from domain.billing_period import Arrears, Calendar
    from models.session import Transaction


def stop_subscription(  # noqa: PLR0913 - each is one thing that a person may say
    ports: Ports,
    subscription_id: UUID,
    wanted: Stop,
    *,
    at_period_end: bool = False,
    until: date | Literal["none"] | None = None,
    before_term: bool = False,
    give_back: GiveBack | None = None,
    by: By,
    dry_run: bool = False,
) -> Foretold:
    """Cancel or pause a subscription, or only tell what would come of it.

    Args:
        ports: Any channel's.
        subscription_id: Whose.
        wanted: What becomes of it.
        at_period_end: Once the period that runs is over; else now, which an undecided charge may put off.
        until: Of a pause: the civil date, in its zone, on which it goes on by itself at the hour at which it is billed;
            ``"none"``: not by itself. Of one that is paused already, the date is changed.
        before_term: Of a cancel: also before the minimum term is over, which is refused otherwise.
        give_back: Of a cancel at once: what of the period that runs; None: nothing.
        by: Who asks, and why.
        dry_run: Only tell.

    Raises:
        NotFound, Conflict: There is none, or it cannot be stopped so; or nothing can be given back.
        BadInput: The date does not come after the beginning of the pause, or leaves too much to catch up.
    """
    with ports.database.transaction() as tx:
        asked = _Asked(ports, tx, lock_subscription(tx, subscription_id), wanted, at_period_end, until)
        asked.leave(give_back)
        if not before_term:
            asked.refuse_before_term()
        foretold = asked.foretold()
        if not dry_run:
            asked.write(by)
        return foretold


def keep_subscription(ports: Ports, subscription_id: UUID, *, by: By, dry_run: bool = False) -> Kept:
    """Take back a cancel or a pause that was to come with the end of the period.

    Raises:
        NotFound, Conflict: There is none, or nothing of it is ahead.
    """
    with ports.database.transaction() as tx:
        subscription = lock_subscription(tx, subscription_id)
        if subscription.stops_at is None:
            raise Conflict(
                f"subscription {subscription_id} {_why_nothing(subscription)}: there is nothing to take back"
            )
        if subscription.requested_change in set(Stop):
            raise Conflict(
                f"subscription {subscription_id} has a {subscription.requested_change} that waits for the outcome of a"
                " charge: it is too late to take it back"
            )
        if subscription.stops_at <= tx.now:
            raise Conflict(
                f"the {subscription.stops_as} of subscription {subscription_id} came at {subscription.stops_at}: it is"
                " too late to take it back"
            )
        kept = Kept(
            stop=Stop(subscription.stops_as), at=subscription.stops_at, next_billing_at=subscription.next_billing_at
        )
        if not dry_run:
            stop.drop_stop(tx, subscription_id)
            if kept.stop is Stop.PAUSE:
                stop.write_resume(tx, subscription_id=subscription_id, at=None, actor=None)
            expect_more(tx, [subscription_id])
            _tell(tx, "subscription.kept", subscription_id, by, stop=kept.stop, at=kept.at.isoformat())
        return kept


def _why_nothing(subscription: Row[Any]) -> str:
    state = SubscriptionState(subscription.state)
    if state is SubscriptionState.ENDED:
        return f"has ended ({subscription.ended_reason})"
    if subscription.requested_change is not None:
        return f"has a {subscription.requested_change} that waits for the outcome of a charge, and nothing else ahead"
    if state is SubscriptionState.PAUSED:
        return "is paused already, `jeonggi subscription resume` ends that"
    return f"is {state}, and nobody has asked for a stop"


class _Asked:
    """One question about one subscription, under its lock."""

    def __init__(
        self,
        ports: Ports,
        tx: Transaction,
        subscription: Row[Any],
        wanted: Stop,
        at_period_end: bool,  # noqa: FBT001 - named by whoever asks
        until: date | Literal["none"] | None,
    ) -> None:
        self._ports, self._tx, self._row, self._wanted = ports, tx, subscription, wanted
        self._calendar: Calendar = calendar_of(subscription)
        self._until = until
        #: It is paused, and only the date on which that ends is asked for.
        self._is_date_only = (
            subscription.state == SubscriptionState.PAUSED and wanted is Stop.PAUSE and until is not None
        )
        self._refuse(at_period_end=at_period_end)
        self._before = self._first_unbilled() if at_period_end else None
        self._give_back: GiveBack | None = None
        self._leaving: Leaving | None = None
        self._begins_at = tx.now if self._before is None else self._calendar.start(self._before)
        self._resumes_at = self._goes_on_at()

    def leave(self, give_back: GiveBack | None) -> None:
        """Look what there is to give back, if the customer leaves at once.

        Raises:
            BadInput, Conflict: It is asked for, and they do not, or a charge is under way, or there is nothing.
        """
        self._give_back = give_back
        leaves = self._wanted is Stop.CANCEL and self._before is None
        if give_back is not None and not leaves:
            raise BadInput("--refund goes with a cancel now: leave out --at-period-end, or --refund")
        if leaves:
            self._leaving = Leaving(self._tx, self._row)
        if give_back is not None and (self._is_undecided() or self._row.requested_change is not None):
            raise Conflict(
                f"a charge of subscription {self._row.id} is under way: what is to be given back is known once its"
                " outcome is; ask again then, or cancel without --refund"
            )

    def _is_undecided(self) -> bool:
        """Whether nobody knows yet what the gateway did with a charge, also one of an invoice that another paid."""
        return waits_for_outcome(self._tx, self._row, Change(self._wanted))

    def _refuse(self, *, at_period_end: bool) -> None:
        row = self._row
        if self._is_date_only:
            if at_period_end:
                raise Conflict(f"subscription {row.id} is paused already: give the date without --at-period-end")
            return
        refuse_impossible(row, Change(self._wanted))
        if not at_period_end:
            refuse_pause_within(row, Change(self._wanted))
            return
        if row.requested_change is not None:
            raise Conflict(
                f"subscription {row.id} has a {row.requested_change} that waits for the outcome of a charge; ask again"
                " once it is made"
            )
        if row.stops_as == Stop.CANCEL:
            raise Conflict(
                f"subscription {row.id} ends at {row.stops_at} already; `jeonggi subscription keep` takes that back"
            )

    def _first_unbilled(self) -> int:
        row, now = self._row, self._tx.now
        state = SubscriptionState(row.state)
        runs_nothing = state is SubscriptionState.PENDING or (
            state is SubscriptionState.PAUSED and row.next_billing_at <= now
        )
        if runs_nothing:
            raise Conflict(f"subscription {row.id} is {state}, and no period of it runs: cancel it now")
        before = first_unbilled(self._calendar, unopened=row.ordinal + 1, now=now)
        if not self._calendar.has(before):
            raise Conflict(
                f"subscription {row.id} completes with its last period, at {row.term_ends_at}: nothing begins after it"
            )
        return before

    def _minimum_until(self) -> datetime | None:
        """The end of the minimum term, if this is a cancel that comes before it."""
        if self._wanted is not Stop.CANCEL or self._row.minimum_periods is None:
            return None
        until = self._calendar.start(self._row.minimum_periods)
        return until if self._begins_at < until else None

    def refuse_before_term(self) -> None:
        """A customer is bound for so many periods, and may leave all the same: who writes that down says so."""
        until = self._minimum_until()
        if until is not None:
            raise Conflict(
                f"subscription {self._row.id} is bound for {self._row.minimum_periods} periods, until {until}:"
                " --before-term ends it all the same"
            )

    def _goes_on_at(self) -> datetime | None:
        row = self._row
        if self._wanted is Stop.CANCEL or self._until == "none":
            return None
        if self._until is None:
            # A pause that was ahead comes sooner; the date on which it was to end stands.
            stands: datetime | None = row.resumes_at
            return stands if stands is not None and stands > self._begins_at else None
        at = goes_on_at(self._until, next_billing_at=row.next_billing_at, zone_name=row.timezone)
        if at <= self._tx.now:
            raise BadInput(f"--until {self._until} is over ({at}); give a later date")
        if at <= self._begins_at:
            raise BadInput(
                f"--until {self._until} ({at}) does not come after the pause begins ({self._begins_at}); give a"
                " later date"
            )
        if row.term_ends_at is not None and at >= row.term_ends_at:
            raise Conflict(
                f"subscription {row.id} completes at {row.term_ends_at}, before it would go on; give an earlier date"
            )
        if row.stops_as == Stop.CANCEL and at >= row.stops_at:
            raise Conflict(
                f"subscription {row.id} ends at {row.stops_at}, before it would go on; `jeonggi subscription keep`"
                " takes that back"
            )
        return at

    def foretold(self) -> Foretold:
        owed = stop.owed(self._tx, self._row.id)
        waits = self._before is None and not self._is_date_only and self._is_undecided()
        arrears = self._arrears()
        return Foretold(
            made=Made.LATER if self._before is not None else Made.AFTER_OUTCOME if waits else Made.AT_ONCE,
            begins_at=None if waits else self._begins_at,
            debts=owed.invoices,
            debts_won=int(owed.won),
            undecided=owed.undecided,
            debts_become=self._debts_become(),
            resumes_at=self._resumes_at,
            next_billing_at=self._next_billing_at(arrears),
            behind=0 if arrears is None else arrears.behind_count,
            skipped=0 if arrears is None else sum(skip.last - skip.first + 1 for skip in arrears.skips),
            minimum_until=self._minimum_until(),
            offer=None if self._leaving is None or waits else self._leaving.offer,
            given_back=self._given_back(),
            final=self._final(),
        )

    def _debts_become(self) -> Literal["void", "held", "charged"]:
        if is_in_arrears(self._row):
            return "charged"
        return "void" if self._wanted is Stop.CANCEL else "held"

    def _next_billing_at(self, arrears: Arrears | None) -> datetime | None:
        if arrears is None or self._resumes_at is None:
            return None
        return calendar_after(self._row, arrears, at=self._resumes_at).due_at(arrears.first)

    def _withdraws(self) -> bool:
        return self._give_back is GiveBack.WITHDRAWAL

    def _final(self) -> FinalBill | None:
        """The invoice that follows a cancel at once."""
        if self._wanted is not Stop.CANCEL or self._before is not None or self._withdraws():
            return None
        left = left_to_bill(self._row, now=self._tx.now)
        return None if left is None else final_bill(self._tx, self._row, left)

    def _given_back(self) -> Giving | None:
        if self._leaving is None or self._give_back is None:
            return None
        return self._leaving.giving(self._give_back)

    def _arrears(self) -> Arrears | None:
        """What the resume will find, by the code that it will use."""
        if self._resumes_at is None:
            return None
        unopened = self._row.ordinal + 1
        if self._before is not None:
            unopened = max(unopened, self._before)
        try:
            return arrears_of(
                self._row,
                now=self._resumes_at,
                from_ordinal=unopened,
                max_behind=self._ports.limits.max_behind,
            )
        except BadInput:
            raise BadInput(
                f"--until {self._until} leaves more than {self._ports.limits.max_behind} periods to catch up; give an"
                " earlier date"
            ) from None

    def write(self, by: By) -> None:
        tx, row = self._tx, self._row
        resumes_at = self._resumes_at
        if self._before is not None:
            if self._wanted is Stop.PAUSE or row.stops_as == Stop.PAUSE:  # a cancel takes the place of a pause
                self._write_resume(resumes_at, by)
            stop.write_stop(
                tx,
                subscription_id=row.id,
                at=self._begins_at,
                before=self._before,
                stops_as=self._wanted,
                actor=by.actor,
            )
            data = {"at": self._begins_at.isoformat(), "resumes_at": _iso(resumes_at)}
            if self._wanted is Stop.CANCEL:
                _tell(tx, "subscription.cancel_planned", row.id, by, at=data["at"], **self._early())
            else:
                _tell(tx, "subscription.pause_planned", row.id, by, **data)
            return
        is_pause_ahead = self._wanted is Stop.PAUSE and row.stops_as == Stop.PAUSE
        if is_pause_ahead and resumes_at is not None and resumes_at <= row.stops_at:
            # It is over by then. Else its instant stands until it is made: no period is opened while it waits.
            stop.drop_stop(tx, row.id)
        if not self._is_date_only:
            told = {**self._early(), **self._refunded()}
            change_within(tx, row, Change(self._wanted), by=by, withdraws=self._withdraws(), **told)
        if self._leaving is not None and self._give_back is not None:
            self._leaving.write(self._give_back, by)
        if self._wanted is Stop.PAUSE and resumes_at != row.resumes_at:
            self._write_resume(resumes_at, by)
            _tell(tx, "subscription.resume_planned", row.id, by, at=_iso(resumes_at))

    def _early(self) -> dict[str, Any]:
        """What is told of a cancel before the end of a minimum term."""
        until = self._minimum_until()
        return {} if until is None else {"minimum_until": until.isoformat()}

    def _refunded(self) -> dict[str, Any]:
        """What is told of a cancel that gives something back."""
        giving = self._given_back()
        return {} if giving is None else {"refunded": giving.refunded, "credited": giving.credited}

    def _write_resume(self, at: datetime | None, by: By) -> None:
        actor = None if at is None else by.actor
        stop.write_resume(self._tx, subscription_id=self._row.id, at=at, actor=actor)


def _iso(instant: datetime | None) -> str | None:
    return None if instant is None else instant.isoformat()


def _tell(
    tx: Transaction,
    kind: str,
    subscription_id: UUID,
    by: By,
    **data: Any,  # noqa: ANN401 - JSON
) -> None:
    installation.write_events(tx, [installation.event(tx, kind, subscription_id=subscription_id, **data)])
    installation.write_audit(
        tx, actor=by.actor, action=kind, subject="subscription", subject_id=subscription_id, reason=by.reason, **data
    )
