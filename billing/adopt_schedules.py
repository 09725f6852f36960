"""A merchant moves off the gateway's schedules: our subscription is made, blocked by them, in one commit.

The rows are those of a subscription file; a card's schedules say when its first period of ours begins. Nothing is asked
of the gateway here but what waits there; revoking is ``billing.finish_adoption``'s.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from billing.admit_subscriptions import Terms, admit
from billing.calendars import calendar_for
from billing.import_subscriptions import write_admitted
from billing.look_up import ask_each
from billing.note_schedules import SCHEDULES_AHEAD, SCHEDULES_BEHIND, note_schedules, state_of
from billing.said_before import Said
from billing.starting_point import StartingPoints
from billing.token_in_hand import token_in_hand
from domain.billing_period import Billed
from domain.errors import BadInput, GatewayTrouble
from domain.foreign import WAITING, AdoptionState, Became, Waiting, adopted_periods
from domain.identity import subscription_id
from domain.instants import ONE_DAY, civil_date
from domain.subscription_file import Refused
from models.queries import adoption, foreign, importing, installation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from uuid import UUID

    from sqlalchemy import Row

    from billing.change_subscription import By
    from billing.ports import Ports
    from domain.subscription_row import SubscriptionRow
    from gateway.port import AccessToken, Schedule
    from models.session import Transaction

#: The gateway tells at most three months of schedules at once.
_SPAN: Final = timedelta(days=89)


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One row with what waits for its card, as it would be adopted. Won; ``first_at`` aware UTC."""

    row: SubscriptionRow
    subscription_id: UUID
    price: int
    waiting: Sequence[Waiting]
    ordinals: Sequence[int]
    schedules: Sequence[Schedule]

    @property
    def first_at(self) -> datetime:
        """When the first of its schedules is to run."""
        return self.waiting[0].at


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A row whose adoption has begun already; ``is_done``: and ended."""

    row: SubscriptionRow
    subscription_id: UUID
    is_done: bool


def waiting_of_card(ports: Ports, customer_uid: str, *, token: AccessToken, now: datetime) -> Sequence[Schedule]:
    """What may still charge a card, soonest first.

    Raises:
        GatewayTrouble: It could not be read whole.
    """
    found: dict[str, Schedule] = {}
    begin, end = now - SCHEDULES_BEHIND, now + SCHEDULES_AHEAD
    while begin < end:
        until = min(begin + _SPAN, end)
        for schedule in ports.gateway.card_schedules(customer_uid=customer_uid, begin=begin, end=until, token=token):
            found[schedule.merchant_uid] = schedule
        begin = until
    waiting = [schedule for schedule in found.values() if state_of(schedule) in WAITING]
    return sorted(waiting, key=lambda schedule: (schedule.schedule_at, schedule.merchant_uid))


def offer_rows(
    ports: Ports,
    rows: Sequence[SubscriptionRow],
    *,
    accept_amount: bool,
    done: Callable[[int], None] = lambda _: None,
) -> Sequence[Offer | Standing | Refused]:
    """Say of each row what adopting it would do, or why it cannot be; writes nothing.

    ``done`` is told one more row after the other, from several threads.

    Raises:
        GatewayTrouble: A card's schedules could not be read.
    """
    ids = {row.line: _id_of(ports, row) for row in rows}
    token_in_hand(ports)  # or nothing is begun
    with ports.database.reading() as tx:
        plans = importing.plans_by_code(tx, (row.plan for row in rows))
        begun = adoption.states_of(tx, ids.values())
        now = tx.real
    cards = Counter(row.customer_uid for row in rows)

    def waiting_of(row: SubscriptionRow) -> Sequence[Schedule]:
        found = waiting_of_card(ports, row.customer_uid or "", token=token_in_hand(ports), now=now)
        done(1)
        return found

    asked = [row for row in rows if row.customer_uid and ids[row.line] not in begun]
    found = {row.line: answer for row, answer in ask_each(asked, waiting_of)}
    offers: list[Offer | Standing | Refused] = []
    for row in rows:
        answer = found.get(row.line, ())
        if isinstance(answer, GatewayTrouble):
            raise answer
        state = begun.get(ids[row.line])
        if state is not None:
            is_done = state == AdoptionState.DONE
            offers.append(Standing(row=row, subscription_id=ids[row.line], is_done=is_done))
            continue
        try:
            if cards[row.customer_uid] > 1:
                raise BadInput("another row names the same card; its schedules cannot be told apart")  # noqa: TRY301
            offers.append(_offer(row, ids[row.line], plans, answer, accept_amount=accept_amount))
        except BadInput as error:
            offers.append(Refused(line=row.line, reason=str(error)))
    return offers


def _offer(
    row: SubscriptionRow, sub_id: UUID, plans: Mapping[str, Row[Any]], found: Sequence[Schedule], *, accept_amount: bool
) -> Offer:
    plan = plans.get(row.plan)
    if plan is None or plan.plan_price_id is None:
        raise BadInput(f"plan {row.plan!r} is unknown; import it first, or correct the row")
    if plan.billed == Billed.IN_ARREARS:
        raise BadInput(
            f"plan {row.plan!r} is billed in arrears, and a schedule charges a period as it begins; revoke it there,"
            " and bring the row in by `jeonggi subscription import`"
        )
    if row.customer_uid is None:
        raise BadInput("customer_uid is empty; give the card that the gateway charges")
    if row.trial_until is not None:
        raise BadInput("trial_until is told, and the gateway has a schedule that charges it; empty it, or revoke that")
    waiting = [Waiting(merchant_uid=each.merchant_uid, at=each.schedule_at, amount=each.amount) for each in found]
    calendar = calendar_for(
        plan,
        subscription_id=sub_id,
        begins_on=row.started_on,
        zone_name=row.timezone,
        periods=plan.periods,
    )
    price = plan.amount * (row.quantity or 1)
    ordinals = adopted_periods(
        calendar, waiting, price=price, accept_amount=accept_amount, paid_through=row.paid_through
    )
    if not all(map(calendar.has, ordinals)):
        raise BadInput(
            f"the gateway has a schedule after the last of {plan.periods} periods, at {calendar.ends_at}; revoke it"
            " there, or correct the row"
        )
    return Offer(row=row, subscription_id=sub_id, price=price, waiting=waiting, ordinals=ordinals, schedules=found)


def adopt(ports: Ports, offer: Offer, *, by: By, update: bool = False) -> None:
    """Make the subscription, blocked by its schedules, and what is to be asked of the gateway, in one commit.

    Raises:
        BadInput: The row cannot be taken, or stands already. Nothing was written.
    """
    row = offer.row
    first_day = civil_date(offer.first_at, row.timezone)
    name = ports.channel.name
    terms = Terms(
        namespace=ports.namespace,
        max_behind=ports.limits.max_behind,
        update=update,
        channels=(name,),
        channel=name,
    )
    with ports.database.transaction() as tx:
        foreign.one_writer(tx, ports.channel.name)
        admitted = admit(
            tx,
            [replace(row, paid_through=first_day - ONE_DAY)],
            terms=terms,
            said=Said(),
            points=StartingPoints(max_behind=terms.max_behind),
        )
        for refused in admitted.refused:
            raise BadInput(refused.reason)
        if not admitted.subscriptions:
            raise BadInput(
                "its subscription stands already and charges by itself; revoke its schedules by"
                " `jeonggi schedule revoke`"
            )
        if admitted.subscriptions[0]["ordinal"] + 1 != offer.ordinals[0]:
            raise BadInput(f"its first schedule, of {first_day}, is overdue by more than a period; revoke it first")
        write_admitted(tx, admitted)
        _begin(ports, tx, offer, by)


def _begin(ports: Ports, tx: Transaction, offer: Offer, by: By) -> None:
    uid = offer.row.customer_uid or ""
    card = foreign.cards_by_uid(tx, ports.channel.name, [uid]).get(uid)
    if card is None:
        raise BadInput(f"its card is not one of channel {ports.channel.name}; adopt it there")
    foreign.lock_keys(tx, [card.id])
    adoption.write_begun(
        tx,
        subscription_id=offer.subscription_id,
        channel=ports.channel.name,
        billing_key_id=card.id,
        actor=by.actor,
        schedules=[
            {
                "subscription_id": offer.subscription_id,
                "ordinal": ordinal,
                "channel": ports.channel.name,
                "merchant_uid": each.merchant_uid,
                "schedule_at": each.at,
                "amount": each.amount,
                "became": Became.OPEN,
            }
            for ordinal, each in zip(offer.ordinals, offer.waiting, strict=True)
        ],
    )
    note_schedules(ports, tx, offer.schedules, told=False)
    installation.write_audit(
        tx,
        actor=by.actor,
        action="schedule.adopted",
        subject="subscription",
        subject_id=offer.subscription_id,
        reason=by.reason,
        merchant_uids=[each.merchant_uid for each in offer.waiting],
    )


def _id_of(ports: Ports, row: SubscriptionRow) -> UUID:
    return subscription_id(
        namespace=ports.namespace, customer_ref=row.customer_ref, plan_code=row.plan, started_on=row.started_on
    )
