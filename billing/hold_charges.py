"""Hold whatever would be charged of a customer, or of one subscription, until a date or until somebody releases it.

A hold is a row that the claim reads under its locks. It is written under the same locks, so a claim is wholly before it
or sees it: what was claimed before is under way and goes out, nothing else does. It moves no due time; periods go on
being opened and wait. One with a date ends by comparison: nobody has to be awake for it, the tick only tells.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from billing.change_subscription import lock_subscription
from billing.forecast import expect_more
from domain.errors import BadInput, Conflict, NotFound
from domain.hold import HOLD_TABLE, HoldEvent, HoldState
from domain.instants import instant_of
from domain.schedule import BILLING_TIME
from domain.states import advance
from domain.stop import goes_on_at
from domain.subscription import SubscriptionState
from models.ids import new_id
from models.queries import change, hold, installation

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date, datetime
    from uuid import UUID

    from sqlalchemy import Row

    from billing.change_subscription import By
    from billing.ports import Ports
    from domain.hold import HoldKind
    from models.session import Transaction

#: Holds that one tick tells the end of.
TOLD_AT_ONCE: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A hold: its id, until when (UTC; None: until it is released), whom it holds, and what.

    ``due`` charges of ``won`` are due and wait; ``under_way`` ones were claimed before, and are not stopped by it.
    """

    hold_id: UUID
    until: datetime | None
    subscriptions: int
    due: int
    won: int
    under_way: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """What a release makes due at once: charges and won; ``still_held``: subscriptions that another hold is of."""

    hold_id: UUID
    due: int
    won: int
    still_held: int


def place_hold(
    ports: Ports,
    *,
    customer_ref: str | None = None,
    subscription_id: UUID | None = None,
    kind: HoldKind,
    until: date | None,
    by: By,
    dry_run: bool = False,
) -> Placed:
    """Claim nothing more of a customer, or of a subscription; once this is committed no call of theirs begins.

    Args:
        ports: Any channel's.
        customer_ref: All of this customer's subscriptions, also those to come; or
        subscription_id: this one.
        kind: Why, as a word.
        until: The civil date on which it is over, at the hour at which the subscription is billed; of a customer at
            10:00 in the installation's zone. None: until it is released.
        by: Who asks, and why.
        dry_run: Only tell.

    Raises:
        BadInput: Not one of the two is given, or the date is over.
        NotFound, Conflict: There is none, or the subscription has ended.
    """
    with ports.database.transaction() as tx:
        customer_id, held, ends_at = _subject(tx, ports, customer_ref, subscription_id, until)
        if ends_at is not None and ends_at <= tx.now:
            raise BadInput(f"--until {until} is over ({ends_at}); give a later date")
        due = hold.due_of(tx, held)
        placed = Placed(
            hold_id=new_id(tx.real),
            until=ends_at,
            subscriptions=len(held),
            due=due.charges,
            won=int(due.won),
            under_way=hold.under_way(tx, held),
        )
        if not dry_run:
            hold.write_hold(
                tx,
                hold_id=placed.hold_id,
                customer_id=customer_id,
                subscription_id=subscription_id,
                kind=kind,
                until=ends_at,
                reason=by.reason,
                actor=by.actor,
            )
            of = {"customer_id": customer_id, "subscription_id": subscription_id}
            _tell(tx, "hold.placed", placed.hold_id, of, hold_kind=kind, until=_iso(ends_at))
            _audit(tx, "hold.placed", placed.hold_id, by, of)
        return placed


def release_hold(ports: Ports, hold_id: UUID, *, by: By, dry_run: bool = False) -> Released:
    """End a hold: what waited behind it alone is due at once.

    Raises:
        NotFound, Conflict: There is none, or it is over.
    """
    with ports.database.transaction() as tx:
        found = hold.lock_hold(tx, hold_id)
        if found is None:
            raise NotFound(f"there is no hold {hold_id}")
        state = HoldState(found.state)
        if state is not HoldState.STANDING:
            raise Conflict(f"hold {hold_id} is {state} already")
        if found.until is not None and found.until <= tx.now:
            raise Conflict(f"hold {hold_id} is over since {found.until}")
        of = {"customer_id": found.customer_id, "subscription_id": found.subscription_id}
        ids = hold.ids_of(tx, found.customer_id, found.subscription_id)
        free = hold.free_of(tx, ids, but=hold_id)
        due = hold.due_of(tx, free)
        if not dry_run:
            released = advance(HOLD_TABLE, state, HoldEvent.RELEASED)
            hold.write_released(tx, hold_id=hold_id, state=released, actor=by.actor, reason=by.reason)
            expect_more(tx, free)
            _tell(tx, "hold.released", hold_id, of, charges=due.charges, won=int(due.won))
            _audit(tx, "hold.released", hold_id, by, of)
        return Released(hold_id=hold_id, due=due.charges, won=int(due.won), still_held=len(ids) - len(free))


def tell_expired_holds(tx: Transaction) -> int:
    """Tell, once, of holds whose date has come; what waited behind them has been due since then. Gives how many."""
    expired = hold.expire(tx, limit=TOLD_AT_ONCE)
    for row in expired:
        of = {"customer_id": row.customer_id, "subscription_id": row.subscription_id}
        _tell(tx, "hold.expired", row.id, of, hold_kind=row.kind, until=_iso(row.until))
    return len(expired)


def refuse_held(tx: Transaction, subscription_id: UUID) -> None:
    """Refuse to charge what is held.

    Raises:
        Conflict: A hold stands of the subscription, or of its customer.
    """
    standing = hold.standing_of(tx, subscription_id)
    if standing:
        first = standing[0]
        whose = "its customer is" if first.is_customers else "its subscription is"
        until = "somebody releases it" if first.until is None else f"{first.until}"
        raise Conflict(
            f"{whose} held ({first.kind}: {first.reason}) until {until}: nothing is charged;"
            f" `jeonggi hold release {first.id} --reason ...` ends it"
        )


def _subject(
    tx: Transaction, ports: Ports, customer_ref: str | None, subscription_id: UUID | None, until: date | None
) -> tuple[UUID | None, Sequence[UUID], datetime | None]:
    """Whom it holds, locked: the customer's id if it is one, the subscriptions, and the instant at which it is over."""
    if (customer_ref is None) == (subscription_id is None):
        raise BadInput("give either --customer or --subscription")
    if subscription_id is not None:
        row: Row[Any] = lock_subscription(tx, subscription_id)
        has_ended = row.state == SubscriptionState.ENDED
        if has_ended and not change.owes_what_was_delivered(tx, subscription_id):
            raise Conflict(f"subscription {subscription_id} has ended ({row.ended_reason}): nothing of it is charged")
        ends_at = None
        if until is not None and has_ended:
            ends_at = instant_of(until, BILLING_TIME, row.timezone)
        elif until is not None:
            ends_at = goes_on_at(until, next_billing_at=row.next_billing_at, zone_name=row.timezone)
        return None, [subscription_id], ends_at
    customer_id = hold.find_customer(tx, str(customer_ref))
    if customer_id is None:
        raise NotFound(f"there is no customer {customer_ref!r}")
    zone_name = ports.limits.brakes.zone_name
    ends_at = None if until is None else instant_of(until, BILLING_TIME, zone_name)
    return customer_id, hold.lock_customer(tx, customer_id), ends_at


def _iso(instant: datetime | None) -> str | None:
    return None if instant is None else instant.isoformat()


def _tell(
    tx: Transaction,
    kind: str,
    hold_id: UUID,
    of: dict[str, UUID | None],
    **data: Any,  # noqa: ANN401 - JSON
) -> None:
    customer_id = of["customer_id"]
    told = installation.event(
        tx,
        kind,
        subscription_id=of["subscription_id"],
        hold_id=str(hold_id),
        customer_id=None if customer_id is None else str(customer_id),
        **data,
    )
    installation.write_events(tx, [told])


def _audit(tx: Transaction, action: str, hold_id: UUID, by: By, of: dict[str, UUID | None]) -> None:
    installation.write_audit(
        tx,
        actor=by.actor,
        action=action,
        subject="hold",
        subject_id=hold_id,
        reason=by.reason,
        **{name: None if value is None else str(value) for name, value in of.items()},
    )
