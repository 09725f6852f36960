"""Pause, resume, cancel, change the card: what a person asks of a subscription.

With an attempt of which nobody knows yet what the gateway did, the change waits for the outcome: it is written down,
no new attempt is claimed meanwhile, and the recording of the outcome makes it. Otherwise it is made at once. What
would refuse a change of card now is asked again when it is made: then it is dropped, and told.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from billing.calendars import anchor_columns, calendar_of
from billing.forecast import expect_more
from billing.left_to_bill import final_of, is_in_arrears, left_to_bill
from domain.billing_period import CatchUp, SkipReason
from domain.errors import BadInput, Conflict, NotFound
from domain.instants import civil_date
from domain.states import advance
from domain.subscription import (
    BILLABLE,
    SUBSCRIPTION_TABLE,
    Change,
    EndedReason,
    SubscriptionEvent,
    SubscriptionState,
)
from models.queries import change, foreign, installation, record

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import Row

    from billing.ports import Ports
    from domain.billing_period import Arrears, Calendar
    from models.session import Transaction

_EVENT_OF = {Change.PAUSE: SubscriptionEvent.PAUSED, Change.CANCEL: SubscriptionEvent.ENDED}


class Made(StrEnum):
    """Whether a change was made at once, waits for the outcome of a charge, or comes at its own time."""

    AT_ONCE = "at_once"
    AFTER_OUTCOME = "after_outcome"
    LATER = "later"


@dataclass(frozen=True, slots=True, kw_only=True)
class By:
    """Who asks, and why."""

    actor: str
    reason: str


def pause(ports: Ports, subscription_id: UUID, *, by: By) -> Made:
    """Bill nothing until it is resumed; what is owed stays owed and is not attempted meanwhile."""
    return _change(ports, subscription_id, Change.PAUSE, by=by)


def cancel(ports: Ports, subscription_id: UUID, *, by: By) -> Made:
    """End it now; what is owed and was not charged is void."""
    return _change(ports, subscription_id, Change.CANCEL, by=by)


def change_card(ports: Ports, subscription_id: UUID, *, customer_uid: str, by: By) -> Made:
    """Charge another card of the same customer from now on; what waited for a card is due at once."""
    return _change(ports, subscription_id, Change.CHANGE_CARD, by=by, customer_uid=customer_uid)


def resume(ports: Ports, subscription_id: UUID, *, by: By) -> None:
    """Bill again: what ended during the pause is owed as the plan's ``catch_up`` says, the running period is due.

    Raises:
        NotFound, Conflict: There is none, or it is not paused.
        BadInput: More periods ended during the pause than may be caught up.
    """
    with ports.database.transaction() as tx:
        subscription = lock_subscription(tx, subscription_id)
        if subscription.state != SubscriptionState.PAUSED:
            raise Conflict(f"subscription {subscription_id} is {subscription.state}, not paused")
        if subscription.stops_at is not None and subscription.stops_at <= tx.now:
            raise Conflict(f"subscription {subscription_id} is over since {subscription.stops_at}: nothing goes on")
        resume_within(tx, subscription, by=by, at=tx.now, max_behind=ports.limits.max_behind)
        expect_more(tx, [subscription_id])


def resume_within(tx: Transaction, subscription: Row[Any], *, by: By, at: datetime, max_behind: int) -> None:
    """Resume a subscription that is locked, as of an instant: it may have come while nobody was there to see it.

    That more is to be expected of the day is left to the caller.

    Raises:
        BadInput: More periods ended during the pause than may be caught up.
    """
    happened = SubscriptionEvent.RESUMED
    if subscription.in_trial:
        happened = SubscriptionEvent.RESUMED_IN_TRIAL
    elif record.in_debt(tx, [subscription.id]):
        happened = SubscriptionEvent.RESUMED_IN_DEBT
    _come_back(tx, subscription, happened, at=at, max_behind=max_behind)
    _tell(tx, "subscription.resumed", subscription.id, by)


def release(ports: Ports, subscription_id: UUID, *, by: By) -> None:
    """Bill a subscription again that an error took out of the way, once its cause is mended.

    Raises:
        NotFound, Conflict: There is none, or it is not set aside.
    """
    with ports.database.transaction() as tx:
        subscription = lock_subscription(tx, subscription_id)
        if subscription.set_aside_reason is None:
            raise Conflict(f"subscription {subscription_id} is not set aside")
        change.take_back(tx, subscription_id)
        expect_more(tx, [subscription_id])
        _tell(tx, "subscription.released", subscription_id, by)


def _come_back(
    tx: Transaction, subscription: Row[Any], happened: SubscriptionEvent, *, at: datetime, max_behind: int
) -> None:
    """Billing begins again: what is behind is owed as the plan's ``catch_up`` says, and nothing of a trial is."""
    arrears = arrears_of(subscription, now=at, from_ordinal=subscription.ordinal + 1, max_behind=max_behind)
    calendar = calendar_after(subscription, arrears, at=at)
    change.write_skips(tx, subscription_id=subscription.id, skips=arrears.skips)
    change.write_resumed(
        tx,
        subscription_id=subscription.id,
        state=advance(SUBSCRIPTION_TABLE, SubscriptionState(subscription.state), happened),
        ordinal=arrears.first - 1,
        next_billing_at=calendar.due_at(arrears.first),
        catch_up_below=arrears.current,
        anchor=anchor_columns(calendar),
    )


def calendar_after(subscription: Row[Any], arrears: Arrears, *, at: datetime) -> Calendar:
    """Its calendar once it goes on at an instant: in arrears the days of a pause are in no period that is billed."""
    calendar = calendar_of(subscription)
    if subscription.state == SubscriptionState.PENDING or not is_in_arrears(subscription):
        return calendar
    return calendar.goes_on(arrears.first, at)


def arrears_of(subscription: Row[Any], *, now: datetime, from_ordinal: int, max_behind: int) -> Arrears:
    """What a subscription will owe that goes on at an instant.

    Raises:
        BadInput: More periods ended before it than may be caught up.
    """
    calendar = calendar_of(subscription)
    # In arrears nothing was delivered in a pause, and its last day belongs to what comes after it.
    is_free = is_in_arrears(subscription) and subscription.state != SubscriptionState.PENDING
    upcoming = calendar.start(calendar.first_from(now)) if is_free else now
    if civil_date(upcoming, subscription.timezone) == civil_date(now, subscription.timezone):
        now = upcoming
    return calendar.arrears(
        now=now,
        catch_up=CatchUp.NONE if subscription.in_trial or is_free else CatchUp(subscription.catch_up),
        from_ordinal=from_ordinal,
        max_behind=max_behind,
        skipped_because=SkipReason.TRIAL if subscription.in_trial else SkipReason.PAUSED,
    )


def apply_requested_changes(tx: Transaction, subscription_ids: Sequence[UUID]) -> None:
    """Make the changes that waited, of those subscriptions whose charges are all decided. Rows are locked already."""
    undecided = record.undecided(tx, subscription_ids)
    for subscription_id in subscription_ids:
        if subscription_id not in undecided:
            subscription = lock_subscription(tx, subscription_id)
            if subscription.requested_change is not None:
                wanted = Change(subscription.requested_change)
                by = By(actor=subscription.requested_by, reason="waited for the outcome of a charge")
                if wanted is Change.CHANGE_CARD and _is_blocked(tx, subscription):
                    _drop_card(tx, subscription, by)
                else:
                    _apply(tx, subscription, wanted, subscription.requested_key_id, by)


def _drop_card(tx: Transaction, subscription: Row[Any], by: By) -> None:
    """A schedule of the old card was found while the change waited: no card is charged before somebody answers."""
    customer_uid = change.drop_request(tx, subscription.id)
    _tell(
        tx,
        "subscription.change_card_dropped",
        subscription.id,
        by,
        is_incident=True,
        customer_uid=customer_uid,
        reason="the gateway may charge the old card by a schedule that we did not make: answer that, then ask for the"
        " change again; `jeonggi schedule list` tells which",
    )


def _change(ports: Ports, subscription_id: UUID, wanted: Change, *, by: By, customer_uid: str | None = None) -> Made:
    with ports.database.transaction() as tx:
        subscription = lock_subscription(tx, subscription_id)
        key_id = _card(tx, subscription, customer_uid, ports.channel.name) if customer_uid is not None else None
        owes_still = wanted is Change.CHANGE_CARD and change.owes_what_was_delivered(tx, subscription_id)
        if subscription.state != SubscriptionState.ENDED or not owes_still:
            refuse_impossible(subscription, wanted)
        refuse_pause_within(subscription, wanted)
        if wanted is Change.CHANGE_CARD:
            _refuse_what_blocks(tx, subscription)
        made = change_within(tx, subscription, wanted, by=by, key_id=key_id)
        is_first_card = subscription.state == SubscriptionState.PENDING and wanted is Change.CHANGE_CARD
        if made is Made.AT_ONCE and is_first_card:
            # What ended while there was none is behind.
            happened = SubscriptionEvent.CARD_ADDED
            if subscription.in_trial:
                happened = SubscriptionEvent.TRIAL_CARD_ADDED
            _come_back(tx, subscription, happened, at=tx.now, max_behind=ports.limits.max_behind)
            expect_more(tx, [subscription_id])
        return made


def change_within(
    tx: Transaction,
    subscription: Row[Any],
    wanted: Change,
    *,
    by: By,
    key_id: UUID | None = None,
    withdraws: bool = False,
    **data: Any,  # noqa: ANN401 - JSON
) -> Made:
    """Make a change that nothing refuses, of a subscription that is locked, or let it wait for the outcome of a charge.

    Args:
        tx: Where.
        subscription: As it was locked.
        wanted: The change.
        by: Who asks, and why.
        key_id: The other card, if it is a change of card.
        withdraws: Of a cancel: the customer has used nothing, and no use is billed.
        data: What is told beside it.
    """
    if waits_for_outcome(tx, subscription, wanted):
        change.write_request(tx, subscription_id=subscription.id, change=wanted, key_id=key_id, actor=by.actor)
        _tell(tx, f"subscription.{wanted}_requested", subscription.id, by, **data)
        return Made.AFTER_OUTCOME
    _apply(tx, subscription, wanted, key_id, by, withdraws=withdraws, **data)
    return Made.AT_ONCE


def waits_for_outcome(tx: Transaction, subscription: Row[Any], wanted: Change) -> bool:
    """Whether a change is put off by a charge of which nobody knows yet what the gateway did.

    A stop is not, in arrears: what is owed there was delivered, and stays owed and charged.
    """
    if wanted is not Change.CHANGE_CARD and is_in_arrears(subscription):
        return False
    return bool(record.undecided(tx, [subscription.id]))


def _apply(
    tx: Transaction,
    subscription: Row[Any],
    wanted: Change,
    key_id: UUID | None,
    by: By,
    *,
    withdraws: bool = False,
    **data: Any,  # noqa: ANN401 - JSON
) -> None:
    left = None
    if wanted is Change.CANCEL and not withdraws:
        left = left_to_bill(subscription, now=tx.now)
    state = SubscriptionState(subscription.state)
    if wanted in _EVENT_OF and (state, _EVENT_OF[wanted]) in SUBSCRIPTION_TABLE:
        state = advance(SUBSCRIPTION_TABLE, state, _EVENT_OF[wanted])
    if wanted is Change.PAUSE:
        change.hold_invoices(tx, subscription.id)
    elif wanted is Change.CANCEL:
        change.void_invoices(tx, subscription.id)
    else:
        change.wake_invoices(tx, subscription.id)
    change.write_changed(
        tx,
        subscription_id=subscription.id,
        state=state,
        billing_key_id=key_id or subscription.billing_key_id,
        ended_reason=_why_ended(subscription) if wanted is Change.CANCEL else subscription.ended_reason,
        final=final_of(left),
    )
    if wanted is Change.CHANGE_CARD:
        expect_more(tx, [subscription.id])
    _tell(tx, f"subscription.{wanted}", subscription.id, by, **data)


def _why_ended(subscription: Row[Any]) -> EndedReason:
    return EndedReason.NO_CONSENT if subscription.lacked_consent else EndedReason.CANCELLED


def refuse_impossible(subscription: Row[Any], wanted: Change) -> None:
    """Refuse what the state, or what waits already, does not allow.

    Raises:
        Conflict: It does not.
    """
    state = SubscriptionState(subscription.state)
    if state is SubscriptionState.ENDED:
        raise Conflict(f"subscription {subscription.id} has ended ({subscription.ended_reason})")
    waits_for_other = subscription.requested_change is not None and subscription.requested_change != wanted
    if waits_for_other and wanted is not Change.CANCEL:  # an end wins over whatever else waits
        raise Conflict(
            f"subscription {subscription.id} already has a {subscription.requested_change} that waits for the outcome"
            " of a charge; ask again once it is made"
        )
    if wanted in _EVENT_OF and (state, _EVENT_OF[wanted]) not in SUBSCRIPTION_TABLE:
        raise Conflict(f"subscription {subscription.id} is {state}: it cannot take {wanted}")


def refuse_pause_within(subscription: Row[Any], wanted: Change) -> None:
    """Refuse a pause at once in arrears: what the running period delivered until then would be billed by nobody.

    Raises:
        Conflict: A period runs that is charged once it is over.
    """
    if wanted is Change.PAUSE and is_in_arrears(subscription) and subscription.state in BILLABLE:
        raise Conflict(
            f"subscription {subscription.id} is billed in arrears, and the period that runs is not paid: a pause begins"
            " once it is over: --at-period-end"
        )


def _refuse_what_blocks(tx: Transaction, subscription: Row[Any]) -> None:
    """What the gateway may charge the old card by itself would be for a period that the new one pays, too."""
    if _is_blocked(tx, subscription):
        raise Conflict(
            f"the gateway may charge the card of subscription {subscription.id} by a schedule that we did not make:"
            " answer that first; `jeonggi schedule list` tells which"
        )


def _is_blocked(tx: Transaction, subscription: Row[Any]) -> bool:
    key_id = subscription.billing_key_id
    return key_id is not None and foreign.is_blocked(tx, key_id)


def _card(tx: Transaction, subscription: Row[Any], customer_uid: str, channel: str) -> UUID:
    key = change.find_billing_key(tx, customer_uid, channel=channel)
    if key is None:
        change.add_billing_key(tx, customer_id=subscription.customer_id, customer_uid=customer_uid, channel=channel)
        key = change.find_billing_key(tx, customer_uid, channel=channel)
    if key is None:
        raise Conflict("that card was added and taken away at this moment; ask again")
    if key.customer_id != subscription.customer_id:
        raise BadInput("that customer_uid is another customer's card; give one of this customer's")
    if key.revoked_at is not None:
        raise BadInput("that card was revoked; give one that may be charged")
    found: UUID = key.id
    return found


def lock_subscription(tx: Transaction, subscription_id: UUID) -> Row[Any]:
    """One subscription with its plan's schedule, locked.

    Raises:
        NotFound: There is none.
    """
    row = change.lock_subscription(tx, subscription_id)
    if row is None:
        raise NotFound(f"there is no subscription {subscription_id}")
    return row


def _tell(
    tx: Transaction,
    kind: str,
    subscription_id: UUID,
    by: By,
    *,
    is_incident: bool = False,
    **data: Any,  # noqa: ANN401 - JSON
) -> None:
    told = installation.event(tx, kind, subscription_id=subscription_id, is_incident=is_incident, **data)
    installation.write_events(tx, [told])
    installation.write_audit(
        tx, actor=by.actor, action=kind, subject="subscription", subject_id=subscription_id, reason=by.reason
    )
