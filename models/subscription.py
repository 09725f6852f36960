"""Tables of what is sold and to whom: plans, prices, customers, billing keys, subscriptions, skipped periods."""

from __future__ import annotations

from datetime import date, datetime, time
from typing import Final
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    Text,
    Time,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from domain.billing_period import AfterOutage, Billed, CatchUp, SkipReason
from domain.business_day import Shift
from domain.channel import DEFAULT_CHANNEL
from domain.consent import WithoutConsent
from domain.plan_dates import MOST_SPREAD_MINUTES
from domain.price import MINIMUM_AMOUNT, MOST_INSTALMENTS, Vat
from domain.stop import Stop
from domain.subscription import BILLABLE, Change, EndedReason, SubscriptionState
from models.base import Base, Id, Instant, Won, Word, listed, one_of

_TERM: Final = "periods >= 1 AND minimum_periods >= 1 AND minimum_periods <= periods"


class Plan(Base):
    """What is sold, and how often it is billed."""

    __tablename__ = "plan"
    __table_args__ = (
        UniqueConstraint("code"),
        CheckConstraint("(every IS NULL) <> (cron IS NULL)", name="one_schedule"),
        CheckConstraint("charge_time IS NULL OR cron IS NULL", name="cron_has_its_own_time"),
        CheckConstraint(
            "billing_day IS NULL OR (billing_day BETWEEN 1 AND 31 AND coalesce(every ~ ' (month|year)s?$', false))",
            name="billing_day_of_a_month",
        ),
        CheckConstraint(f"spread_minutes BETWEEN 0 AND {MOST_SPREAD_MINUTES}", name="spread_within_a_day"),
        one_of("catch_up", CatchUp),
        one_of("shift", Shift),
        CheckConstraint("trial_days >= 1", name="trial_days_from_one"),
        one_of("without_consent", WithoutConsent),
        one_of("after_outage", AfterOutage),
        one_of("billed", Billed),
        CheckConstraint(
            f"billed <> '{Billed.IN_ARREARS}' OR (shift <> '{Shift.PREVIOUS}' AND trial_days IS NULL"
            f" AND without_consent <> '{WithoutConsent.END}'"
            f" AND (usage IS NULL OR after_outage = '{AfterOutage.ALL}'))",
            name="in_arrears_once_it_is_over",
        ),
        CheckConstraint(_TERM, name="term_from_one"),
    )

    id: Mapped[Id]
    code: Mapped[Word]
    name: Mapped[Word]
    every: Mapped[str | None] = mapped_column(Text)
    cron: Mapped[str | None] = mapped_column(Text)
    charge_time: Mapped[time | None] = mapped_column(Time)  # civil; None: of the cron expression, or 10:00
    billing_day: Mapped[int | None] = mapped_column(Integer)  # of a new subscription; None: the day of its start
    shift: Mapped[Word] = mapped_column(server_default=Shift.NONE)
    spread_minutes: Mapped[int] = mapped_column(Integer, server_default="0")
    catch_up: Mapped[Word]
    trial_days: Mapped[int | None] = mapped_column(Integer)  # of those who come new; None: they pay at once
    without_consent: Mapped[Word] = mapped_column(server_default=WithoutConsent.STAY)
    after_outage: Mapped[Word] = mapped_column(server_default=AfterOutage.ALL)
    periods: Mapped[int | None] = mapped_column(Integer)  # of a new subscription: so many, and it completes
    minimum_periods: Mapped[int | None] = mapped_column(Integer)  # of a new subscription: bound for so many
    usage: Mapped[str | None] = mapped_column(Text)  # the entry point that tells what a period used; None: nothing
    billed: Mapped[Word] = mapped_column(server_default=Billed.IN_ADVANCE)
    created_at: Mapped[Instant] = mapped_column(server_default=func.clock_timestamp())


class PlanPrice(Base):
    """A version of a plan's price in won; subscriptions are pinned to one. It is never changed.

    ``tax_free`` is a part of ``amount``; ``card_quota``: months of instalments, 0 at once; ``setup_fee``: once, in won.
    """

    __tablename__ = "plan_price"
    __table_args__ = (
        UniqueConstraint("plan_id", "effective_from"),
        CheckConstraint(f"amount >= {MINIMUM_AMOUNT}", name="amount_chargeable"),
        CheckConstraint("0 <= tax_free AND tax_free <= amount", name="tax_free_within_amount"),
        one_of("vat", Vat),
        CheckConstraint(f"card_quota = 0 OR card_quota BETWEEN 2 AND {MOST_INSTALMENTS}", name="card_quota_from_two"),
        CheckConstraint("setup_fee >= 0", name="setup_fee_not_negative"),
    )

    id: Mapped[Id]
    plan_id: Mapped[UUID] = mapped_column(ForeignKey("plan.id"))
    amount: Mapped[Won]
    tax_free: Mapped[Won] = mapped_column(BigInteger, server_default="0")
    vat: Mapped[Word] = mapped_column(Text, server_default=Vat.GATEWAY.value)
    card_quota: Mapped[int] = mapped_column(Integer, server_default="0")
    setup_fee: Mapped[Won] = mapped_column(BigInteger, server_default="0")
    effective_from: Mapped[Instant]


class Customer(Base):
    """Who pays. ``customer_ref`` is the merchant's own name for them."""

    __tablename__ = "customer"
    __table_args__ = (UniqueConstraint("customer_ref"),)

    id: Mapped[Id]
    customer_ref: Mapped[Word]
    name: Mapped[Word]
    email: Mapped[Word]
    tel: Mapped[Word]
    created_at: Mapped[Instant] = mapped_column(server_default=func.clock_timestamp())


class BillingKey(Base):
    """A card that may be charged, under its public name ``customer_uid``; one customer's, one card's.

    ``channel`` is where its key was issued: nobody else can charge it. It never changes (trigger).
    """

    __tablename__ = "billing_key"
    __table_args__ = (
        UniqueConstraint("customer_uid", "channel"),  # each account has names of its own
        CheckConstraint("length(customer_uid) BETWEEN 1 AND 80", name="customer_uid_length"),
        Index(None, "customer_id"),
    )

    id: Mapped[Id]
    customer_id: Mapped[UUID] = mapped_column(ForeignKey("customer.id"))
    customer_uid: Mapped[Word]
    channel: Mapped[Word] = mapped_column(ForeignKey("channel_state.name"), server_default=DEFAULT_CHANNEL)
    revoked_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    issuer_code: Mapped[str | None] = mapped_column(Text)  # as the gateway tells it with a payment; None: not yet told
    #: Real time since which a schedule that we did not make may charge it, too: we do not before somebody answered.
    foreign_schedule_since: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    created_at: Mapped[Instant] = mapped_column(server_default=func.clock_timestamp())


class Subscription(Base):
    """A standing agreement. ``ordinal`` is the last period opened or skipped (-1: none).

    ``next_billing_at`` is always when ordinal + 1 is due; an ended subscription has none.
    """

    __tablename__ = "subscription"
    __table_args__ = (
        UniqueConstraint("customer_id", "plan_id", "started_on"),
        one_of("state", SubscriptionState),
        one_of("ended_reason", EndedReason),
        one_of("requested_change", Change),
        CheckConstraint("ordinal >= -1", name="ordinal_from_minus_one"),
        CheckConstraint("quantity >= 1", name="quantity_from_one"),
        CheckConstraint("0 <= carried_tax_free AND carried_tax_free <= carried", name="carried_has_its_parts"),
        CheckConstraint("(state = 'ended') = (next_billing_at IS NULL)", name="ended_bills_never"),
        CheckConstraint("(state = 'ended') = (ended_reason IS NOT NULL)", name="ended_has_a_reason"),
        CheckConstraint("state IN ('pending', 'ended') OR billing_key_id IS NOT NULL", name="billed_by_a_card"),
        CheckConstraint(
            "(requested_change IS NOT DISTINCT FROM 'change_card') = (requested_key_id IS NOT NULL)",
            name="requested_key_goes_with_the_change",
        ),
        CheckConstraint(_TERM, name="term_from_one"),
        CheckConstraint("(periods IS NULL) = (term_ends_at IS NULL)", name="a_term_says_when_it_ends"),
        CheckConstraint("ordinal < periods", name="nothing_after_the_term"),
        one_of("stops_as", Stop),
        CheckConstraint(
            "(stops_at IS NULL) = (stops_as IS NULL) AND (stops_at IS NULL) = (stops_by IS NULL)"
            " AND (stops_at IS NULL) = (stops_before IS NULL)",
            name="a_stop_says_when_what_and_by_whom",
        ),
        CheckConstraint("(resumes_at IS NULL) = (resumes_by IS NULL)", name="a_resume_says_when_and_by_whom"),
        CheckConstraint(
            "state <> 'ended' OR (stops_at IS NULL AND resumes_at IS NULL)", name="ended_has_nothing_ahead"
        ),
        CheckConstraint(
            "stops_as IS DISTINCT FROM 'pause' OR resumes_at IS NULL OR stops_at < resumes_at",
            name="resumes_after_its_pause",
        ),
        CheckConstraint("trial_until > started_on", name="trial_until_after_its_start"),
        CheckConstraint("billing_day BETWEEN 1 AND 31", name="billing_day_of_a_month"),
        CheckConstraint(
            "anchor_ordinal >= 0 AND (stub_from IS NULL OR (stub_from < anchored_on AND anchor_ordinal >= 1))",
            name="a_partial_period_ends_at_the_anchor",
        ),
        # Its calendar knows the next period.
        CheckConstraint(
            "anchor_ordinal <= greatest(ordinal, -1) + CASE WHEN stub_from IS NULL THEN 1 ELSE 2 END",
            name="anchored_before_its_next_period",
        ),
        CheckConstraint("(changes_from IS NULL) = (changes_at IS NULL)", name="a_change_to_come_says_when"),
        CheckConstraint("state <> 'ended' OR changes_at IS NULL", name="ended_has_no_change_to_come"),
        CheckConstraint("state <> 'trialing' OR changes_at IS NOT NULL", name="trialing_is_to_be_decided"),
        CheckConstraint(
            "(final_ordinal IS NULL) = (final_at IS NULL) AND (final_ordinal IS NULL OR (final_ordinal >= 0"
            " AND state = 'ended'))",
            name="a_final_invoice_follows_the_end",
        ),
        # Whose final invoice is to be opened.
        Index("ix_subscription_final", "final_at", postgresql_where=text("final_at IS NOT NULL")),
        # What was asked for ahead and has come.
        Index("ix_subscription_stops", "stops_at", postgresql_where=text("stops_at IS NOT NULL")),
        Index("ix_subscription_resumes", "resumes_at", postgresql_where=text("resumes_at IS NOT NULL")),
        # Changes of price that are to be decided.
        Index("ix_subscription_changes", "changes_at", postgresql_where=text("changes_at IS NOT NULL")),
        # Whose last period is over.
        Index(
            "ix_subscription_term",
            "term_ends_at",
            postgresql_where=text(f"term_ends_at IS NOT NULL AND state <> '{SubscriptionState.ENDED}'"),
        ),
        # What is due to be opened, oldest first.
        Index(
            "ix_subscription_due",
            "next_billing_at",
            postgresql_where=text(f"state IN ({listed(BILLABLE)}) AND set_aside_reason IS NULL"),
        ),
        # A card's subscriptions: card change, one charge a day.
        Index(None, "billing_key_id"),
    )

    id: Mapped[Id]
    customer_id: Mapped[UUID] = mapped_column(ForeignKey("customer.id"))
    plan_id: Mapped[UUID] = mapped_column(ForeignKey("plan.id"))
    plan_price_id: Mapped[UUID] = mapped_column(ForeignKey("plan_price.id"))
    quantity: Mapped[int] = mapped_column(Integer, server_default="1")  # seats: a period costs so many units
    #: Won that were too few to be charged, and how many of them are free of tax: its next invoice has them.
    carried: Mapped[Won] = mapped_column(BigInteger, server_default="0")
    carried_tax_free: Mapped[Won] = mapped_column(BigInteger, server_default="0")
    billing_key_id: Mapped[UUID | None] = mapped_column(ForeignKey("billing_key.id"))
    timezone: Mapped[Word]
    started_on: Mapped[date]
    #: Where its periods are counted from: the period ``anchor_ordinal`` starts on the civil day ``anchored_on``, on the
    #: day ``billing_day`` of its month if it has one; the one before is a partial one from ``stub_from`` on, if given.
    anchored_on: Mapped[date]
    anchor_ordinal: Mapped[int] = mapped_column(Integer, server_default="0")
    stub_from: Mapped[date | None]
    billing_day: Mapped[int | None] = mapped_column(Integer)
    state: Mapped[Word]
    ended_reason: Mapped[str | None] = mapped_column(Text)
    ordinal: Mapped[int] = mapped_column(Integer)
    next_billing_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    catch_up_below: Mapped[int] = mapped_column(Integer)  # ordinals below were behind when it came to us, or back
    paused_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    requested_change: Mapped[str | None] = mapped_column(Text)
    requested_key_id: Mapped[UUID | None] = mapped_column(ForeignKey("billing_key.id"))
    requested_by: Mapped[str | None] = mapped_column(Text)
    #: Billing time from which nothing is claimed: the end of the paid period in which it was asked for. The period
    #: ``stops_before`` starts then: neither it nor a later one is opened, whenever its charge would be due.
    stops_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    stops_as: Mapped[str | None] = mapped_column(Text)
    stops_by: Mapped[str | None] = mapped_column(Text)
    stops_before: Mapped[int | None] = mapped_column(Integer)
    resumes_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))  # billing time: once paused, by itself
    resumes_by: Mapped[str | None] = mapped_column(Text)
    #: Its trial: the civil day on which the first paid period begins; None: it had none.
    trial_until: Mapped[date | None]
    #: A change of price is ahead: no period from ``changes_from`` on is opened before it is decided, from the billing
    #: time ``changes_at`` on.
    changes_from: Mapped[int | None] = mapped_column(Integer)
    changes_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    #: Copied from the plan when it came: ordinals from ``periods`` on do not exist, ``term_ends_at`` is the last one's
    #: end in billing time, by the anchor of now. Who leaves before ``minimum_periods`` are over is asked about.
    periods: Mapped[int | None] = mapped_column(Integer)
    term_ends_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    minimum_periods: Mapped[int | None] = mapped_column(Integer)
    #: It has ended, at this billing time, and its final invoice is still to be opened: for what was delivered of this
    #: period, or used in it.
    final_ordinal: Mapped[int | None] = mapped_column(Integer)
    final_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    set_aside_reason: Mapped[str | None] = mapped_column(Text)  # its batch failed because of it: an operator's
    created_at: Mapped[Instant] = mapped_column(server_default=func.clock_timestamp())


class SkippedPeriod(Base):
    """Periods ``first_ordinal``..``last_ordinal`` have no invoice, and why. Append-only (trigger)."""

    __tablename__ = "skipped_period"
    __table_args__ = (
        one_of("reason", SkipReason),
        CheckConstraint("0 <= first_ordinal AND first_ordinal <= last_ordinal", name="a_span"),
    )

    subscription_id: Mapped[UUID] = mapped_column(ForeignKey("subscription.id"), primary_key=True)
    first_ordinal: Mapped[int] = mapped_column(Integer, primary_key=True)
    last_ordinal: Mapped[int] = mapped_column(Integer)
    reason: Mapped[Word]
    created_at: Mapped[Instant] = mapped_column(server_default=func.clock_timestamp())
