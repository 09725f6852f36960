"""What becomes of the rows of a subscription file: made, left as they stand, brought up to date, or refused?

Decides for one chunk inside a transaction, from what stands and from what the same file said before; writes nothing.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from billing.admitted_terms import Pinned, consent_row, conversion, pinned, trial_day
from billing.calendars import anchor_columns, calendar_for
from domain.billing_period import CatchUp, SkipReason
from domain.channel import DEFAULT_CHANNEL
from domain.errors import BadInput
from domain.identity import subscription_id
from domain.instants import civil_date
from domain.price import refuse_too_much
from domain.subscription import SubscriptionState
from domain.subscription_file import Refused
from domain.subscription_row import refuse_far_dates
from models.ids import new_id
from models.queries import importing, installation

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import date
    from uuid import UUID

    from sqlalchemy import Row

    from billing.said_before import Said
    from billing.starting_point import StartingPoint, StartingPoints
    from domain.billing_period import Calendar
    from domain.subscription_row import SubscriptionRow
    from models.session import Transaction

#: What may become of a row.
ROWS_BECAME: Final = ("created", "unchanged", "updated", "refused")

_CONTACT: Final = ("name", "email", "tel")


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """Under which terms rows are admitted."""

    namespace: str
    max_behind: int
    update: bool  # contact data of customers that stand may change
    channels: Collection[str] = (DEFAULT_CHANNEL,)  # those that a row may name
    channel: str | None = DEFAULT_CHANNEL  # of rows that name none; None: each must


@dataclass(slots=True)
class Tally:
    """What a file comes to: rows by what became of them, charges and won by when they are due."""

    rows: Counter[str] = field(default_factory=Counter)  # ROWS_BECAME
    pending: int = 0  # created without a card
    trials: int = 0  # created within a trial
    kept_price: int = 0  # created at an older price of their plan: what they paid last, or less
    due_count: int = 0
    due_won: int = 0
    spread_count: int = 0  # catch_up = "all": one charge a customer and day
    spread_won: int = 0
    skipped: Counter[str] = field(default_factory=Counter)  # periods by reason

    def add(self, other: Tally) -> None:
        """Take another tally's numbers on top."""
        self.rows += other.rows
        self.skipped += other.skipped
        self.pending += other.pending
        self.trials += other.trials
        self.kept_price += other.kept_price
        self.due_count += other.due_count
        self.due_won += other.due_won
        self.spread_count += other.spread_count
        self.spread_won += other.spread_won


@dataclass(slots=True)
class Admitted:
    """What a chunk comes to, and the rows to write for it."""

    tally: Tally = field(default_factory=Tally)
    refused: list[Refused] = field(default_factory=list)
    customers: list[dict[str, Any]] = field(default_factory=list)
    contacts: dict[UUID, dict[str, Any]] = field(default_factory=dict)
    keys: list[dict[str, Any]] = field(default_factory=list)
    subscriptions: list[dict[str, Any]] = field(default_factory=list)
    skips: list[dict[str, Any]] = field(default_factory=list)
    price_changes: list[dict[str, Any]] = field(default_factory=list)
    consents: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)


def admit(
    tx: Transaction, rows: Sequence[SubscriptionRow], *, terms: Terms, said: Said, points: StartingPoints
) -> Admitted:
    """Decide about a chunk of rows, in order."""
    return _Chunk(tx, rows, terms, said, points).admitted


class _Chunk:
    def __init__(
        self,
        tx: Transaction,
        rows: Sequence[SubscriptionRow],
        terms: Terms,
        said: Said,
        points: StartingPoints,
    ) -> None:
        self._tx, self._terms, self._said, self._points = tx, terms, said, points
        self._ids = {row.line: _id_of(row, terms) for row in rows}
        self._plans = importing.plans_by_code(tx, (row.plan for row in rows))
        self._standing = importing.subscriptions_by_id(tx, self._ids.values())
        self._had = importing.had_otherwise(tx, ((row.customer_ref, row.plan, row.started_on) for row in rows))
        self._customers = importing.customers_by_ref(tx, (row.customer_ref for row in rows))
        self._keys = importing.keys_by_uid(tx, (row.customer_uid for row in rows if row.customer_uid))
        told = {row.plan for row in rows if row.last_paid_amount is not None}
        self._prices = importing.prices_in_force(tx, [plan.id for code, plan in self._plans.items() if code in told])
        self._new_customers: dict[str, UUID] = {}
        self._new_keys: dict[tuple[str, str], UUID] = {}
        self.admitted = Admitted()
        for row in rows:
            try:
                became = self._admit(row)
            except BadInput as error:
                became = "refused"
                self.admitted.refused.append(Refused(line=row.line, reason=str(error)))
            self.admitted.tally.rows[became] += 1

    def _admit(self, row: SubscriptionRow) -> str:
        if row.plan not in self._plans or self._plans[row.plan].plan_price_id is None:
            raise BadInput(f"plan {row.plan!r} is unknown; import it first, or correct the row")
        refuse_far_dates(row, today=civil_date(self._tx.now, row.timezone))
        subscription, uid = self._ids[row.line], row.customer_uid
        channel = _channel_of(row, self._terms)
        agreed = (row.trial_until, row.last_paid_amount, row.consented_on, row.consent_ref)
        terms_told = (uid, channel, row.timezone, row.paid_through, row.quantity, *agreed)
        if self._said.differs("subscription", str(subscription), terms_told):
            raise BadInput("an earlier row of this file names the same subscription with other terms")
        if self._said.differs("customer", row.customer_ref, row.contact):
            raise BadInput("an earlier row of this file tells another name, email or tel of the same customer")
        if uid is not None:
            self._refuse_foreign_card(row, uid, channel)
        self._refuse_other_contact(row)
        repeated = self._said.differs("subscription", str(subscription), terms_told) is not None
        plan = self._plans[row.plan]
        refuse_too_much(amount=plan.amount, quantity=row.quantity or 1)
        standing = self._standing.get(subscription)
        trial_until = standing.trial_until if standing is not None else trial_day(row, plan, now=self._tx.now)
        calendar = calendar_for(
            plan,
            subscription_id=subscription,
            begins_on=trial_until or row.started_on,
            zone_name=row.timezone,
            periods=plan.periods if standing is None else standing.periods,
        )
        if standing is not None:
            _refuse_other_terms(row, standing, calendar, channel)
        self._refuse_changed(row, subscription)
        is_new = standing is None and not repeated
        point = (
            self._points.find(
                calendar, catch_up=CatchUp(plan.catch_up), paid_through=row.paid_through, now=self._tx.now
            )
            if is_new
            else None
        )
        price = None
        if point is not None:
            price = pinned(
                row, plan, self._prices, is_trial=trial_until is not None, first_at=point.first_at, now=self._tx.now
            )
        # Nothing may refuse the row from here on.
        changed = self._change_contact(row)
        if point is not None and price is not None:
            self._create(row, plan, calendar, point, channel, price)
            if trial_until is not None:
                self._begin_trial(row, plan, calendar, trial_until)
        self._said.note("subscription", str(subscription), terms_told)
        self._said.note("customer", row.customer_ref, row.contact)
        if uid is not None:
            self._said.note("card", f"{channel} {uid}", row.customer_ref)
        return "created" if is_new else "updated" if changed else "unchanged"

    def _refuse_changed(self, row: SubscriptionRow, subscription: UUID) -> None:
        """By its row it would be another subscription than the one that it is, and be charged beside it."""
        other = self._had.get((row.customer_ref, row.plan, row.started_on), subscription)
        if other != subscription:
            raise BadInput(f"subscription {other} of this customer was changed to that plan and stands for this row")

    def _refuse_foreign_card(self, row: SubscriptionRow, uid: str, channel: str) -> None:
        key = self._keys.get((channel, uid))
        if self._said.differs("card", f"{channel} {uid}", row.customer_ref) or (
            key is not None and key.customer_ref != row.customer_ref
        ):
            raise BadInput("customer_uid is another customer's card; give one of this customer's")
        if key is not None and key.revoked_at is not None:
            raise BadInput("customer_uid is a card that was revoked; give one that may be charged")

    def _refuse_other_contact(self, row: SubscriptionRow) -> None:
        customer = self._customers.get(row.customer_ref)
        if customer is None or self._terms.update:
            return
        for name in _CONTACT:
            if getattr(row, name) != getattr(customer, name):
                raise BadInput(f"{name} differs from what stands for this customer; --update changes contact data")

    def _change_contact(self, row: SubscriptionRow) -> bool:
        customer = self._customers.get(row.customer_ref)
        if customer is None or row.contact == (customer.name, customer.email, customer.tel):
            return False
        is_first = self._said.differs("customer", row.customer_ref, row.contact) is None
        self.admitted.contacts[customer.id] = {
            "id": customer.id,
            "name": row.name,
            "email": row.email,
            "tel": row.tel,
        }
        return is_first

    def _begin_trial(self, row: SubscriptionRow, plan: Row[Any], calendar: Calendar, trial_until: date) -> None:
        """The subscription that was just created is free until a day; whether it pays then is decided then."""
        created = self.admitted.subscriptions[-1]
        change = conversion(self._tx, created, plan, calendar)
        created |= {"trial_until": trial_until, "changes_from": 0, "changes_at": change["effective_at"]}
        if created["state"] == SubscriptionState.ACTIVE:
            created["state"] = SubscriptionState.TRIALING
        self.admitted.price_changes.append(change)
        self.admitted.tally.trials += 1
        if row.consented_on is not None:
            self.admitted.consents.append(
                consent_row(
                    self._tx,
                    row,
                    subscription_id=created["id"],
                    price_change_id=change["id"],
                    new_won=change["new_won"],
                    effective_at=change["effective_at"],
                )
            )

    def _create(
        self,
        row: SubscriptionRow,
        plan: Row[Any],
        calendar: Calendar,
        point: StartingPoint,
        channel: str,
        price: Pinned,
    ) -> None:
        arrears = point.arrears
        subscription = self._ids[row.line]
        has_card = row.customer_uid is not None
        customer_id = self._customer(row)
        self.admitted.subscriptions.append(
            {
                "id": subscription,
                "customer_id": customer_id,
                "plan_id": plan.id,
                "plan_price_id": price.plan_price_id,
                "quantity": row.quantity or 1,
                "billing_key_id": self._key(row.customer_uid, customer_id, channel) if row.customer_uid else None,
                "timezone": row.timezone,
                "started_on": row.started_on,
                "state": SubscriptionState.ACTIVE if has_card else SubscriptionState.PENDING,
                "ordinal": arrears.first - 1,
                "next_billing_at": point.first_at,
                "catch_up_below": arrears.current,
                "trial_until": None,
                "changes_from": None,
                "changes_at": None,
                "periods": calendar.periods,
                "term_ends_at": calendar.ends_at,
                "minimum_periods": plan.minimum_periods,
                **anchor_columns(calendar),
            }
        )
        self.admitted.skips.extend(
            {
                "subscription_id": subscription,
                "first_ordinal": skip.first,
                "last_ordinal": skip.last,
                "reason": skip.reason,
            }
            for skip in arrears.skips
        )
        self.admitted.events.append(
            installation.event(
                self._tx,
                "subscription.imported",
                subscription_id=subscription,
                plan=plan.code,
                next_ordinal=arrears.first,
                next_billing_at=point.first_at.isoformat(),
            )
        )
        if price.is_consented:
            self.admitted.consents.append(
                consent_row(
                    self._tx,
                    row,
                    subscription_id=subscription,
                    price_change_id=None,
                    new_won=price.amount * (row.quantity or 1),
                    effective_at=point.first_at,
                )
            )
        self.admitted.tally.kept_price += price.is_kept
        self._count(plan, calendar, point, amount=price.amount * (row.quantity or 1), has_card=has_card)

    def _customer(self, row: SubscriptionRow) -> UUID:
        if row.customer_ref in self._customers:
            known: UUID = self._customers[row.customer_ref].id
            return known
        if row.customer_ref not in self._new_customers:
            customer_id = self._new_customers[row.customer_ref] = new_id(self._tx.real)
            self.admitted.customers.append(
                {
                    "id": customer_id,
                    "customer_ref": row.customer_ref,
                    "name": row.name,
                    "email": row.email,
                    "tel": row.tel,
                }
            )
        return self._new_customers[row.customer_ref]

    def _key(self, uid: str, customer_id: UUID, channel: str) -> UUID:
        if (channel, uid) in self._keys:
            known: UUID = self._keys[channel, uid].id
            return known
        if (channel, uid) not in self._new_keys:
            key_id = self._new_keys[channel, uid] = new_id(self._tx.real)
            row = {"id": key_id, "customer_id": customer_id, "customer_uid": uid, "channel": channel}
            self.admitted.keys.append({**row, "created_at": self._tx.real})
        return self._new_keys[channel, uid]

    def _count(self, plan: Row[Any], calendar: Calendar, point: StartingPoint, *, amount: int, has_card: bool) -> None:
        arrears = point.arrears
        tally = self.admitted.tally
        for skip in arrears.skips:
            tally.skipped[SkipReason(skip.reason).value] += skip.last - skip.first + 1
        if not has_card:
            tally.pending += 1
            return
        is_spread = plan.catch_up == CatchUp.ALL
        due = point.due_besides + (0 if is_spread else point.due_behind)
        spread = arrears.behind_count if is_spread else 0
        share = calendar.share(arrears.first)
        # The first of them has the setup fee, and may be a partial period.
        first = (plan.setup_fee if arrears.first == 0 else 0) + (share.of(amount) - amount if share else 0)
        tally.due_count += due
        tally.due_won += due * amount + (first if due and not spread else 0)
        tally.spread_count += spread
        tally.spread_won += spread * amount + (first if spread else 0)


def _channel_of(row: SubscriptionRow, terms: Terms) -> str:
    """Which channel a row's card is of; what a row without a card says of it is only checked."""
    if row.channel is not None and row.channel not in terms.channels:
        raise BadInput(f"channel {row.channel[:40]!r} is none of {', '.join(terms.channels)}; correct it")
    channel = row.channel or terms.channel
    if channel is None and row.customer_uid is not None:
        raise BadInput(f"channel is empty; write which of {', '.join(terms.channels)} has its card, or give --channel")
    return channel or ""


def _refuse_other_terms(row: SubscriptionRow, standing: Row[Any], calendar: Calendar, channel: str) -> None:
    """A subscription that stands is never changed by a file: not its card, zone, or what was paid elsewhere."""
    if row.customer_uid != standing.customer_uid:
        raise BadInput(
            "customer_uid differs from what stands for this subscription; `jeonggi subscription change-card` changes it"
        )
    if row.customer_uid is not None and channel != standing.channel:
        raise BadInput(f"channel {channel} differs from what stands for this subscription: {standing.channel}")
    if row.timezone != standing.timezone:
        raise BadInput(f"timezone {row.timezone} differs from what stands for this subscription: {standing.timezone}")
    if row.trial_until not in {None, standing.trial_until}:
        raise BadInput(f"trial_until {row.trial_until} differs from what stands for this subscription")
    if row.quantity not in {None, standing.quantity}:
        raise BadInput(f"quantity {row.quantity} differs from what stands for this subscription: {standing.quantity}")
    if _first_unpaid(row, calendar) != standing.unpaid_from:
        raise BadInput("paid_through differs from what stands for this subscription")


def _first_unpaid(row: SubscriptionRow, calendar: Calendar) -> int:
    """The first period that was not paid elsewhere: another date that means the same period is no difference."""
    return 0 if row.paid_through is None else calendar.first_unpaid(row.paid_through)


def _id_of(row: SubscriptionRow, terms: Terms) -> UUID:
    return subscription_id(
        namespace=terms.namespace, customer_ref=row.customer_ref, plan_code=row.plan, started_on=row.started_on
    )
