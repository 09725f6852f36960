"""A person answers what foreign hands ask: it is known, it is not for what we charge, or it must not run."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from billing.note_schedules import block_cards, note_schedules, note_unknown, state_of
from billing.settle_elsewhere import settle_elsewhere
from billing.token_in_hand import token_in_hand
from domain.errors import Conflict, GatewayTrouble, NotFound
from domain.foreign import WAITING, ForeignState
from models.queries import change, foreign, installation

if TYPE_CHECKING:
    from uuid import UUID

    from billing.change_subscription import By
    from billing.ports import Ports
    from models.session import Database, Transaction


def accept_payment(database: Database, imp_uid: str, *, by: By, pays: UUID | None = None) -> None:
    """A payment that we did not make is known, and fine; a schedule that made it blocks its card no more.

    Args:
        database: Where it is written down.
        imp_uid: The gateway's number of it.
        by: Who says so, and why.
        pays: An invoice of ours that it paid for: that one is owed no more.

    Raises:
        NotFound: No foreign payment has that number, or there is no such invoice.
        Conflict: It pays nothing, for no money moved or it was accepted already; or the invoice is another customer's,
            was paid to us, or an attempt of it is open.
    """
    with database.transaction() as tx:
        channel = foreign.channel_of_payment(tx, imp_uid)
        if channel is None:
            raise NotFound(f"no payment {imp_uid[:40]} is listed; see `jeonggi payment list --foreign`")
        foreign.one_writer(tx, channel)
        owner = None if pays is None else foreign.owner_of_invoice(tx, pays)
        subscription = None if owner is None else change.lock_subscription(tx, owner)
        if pays is not None and subscription is None:
            raise NotFound(f"there is no invoice {pays}")
        payment = foreign.payment_of(tx, imp_uid)
        if payment.billing_key_id is not None:
            foreign.lock_keys(tx, [payment.billing_key_id])
        if subscription is not None:
            if not payment.is_money or payment.accepted_at is not None:
                why = "was accepted already" if payment.is_money else f"is {payment.status}: no money moved"
                raise Conflict(f"{imp_uid} {why}; it pays no invoice")
            if payment.billing_key_id is None or not foreign.is_key_of(
                tx, payment.billing_key_id, subscription.customer_id
            ):
                raise Conflict(
                    f"{imp_uid} was paid by another customer's card: give an invoice of theirs, or leave --pays out"
                )
            settle_elsewhere(tx, subscription, invoice_id=pays, imp_uid=imp_uid)
        foreign.accept_payment(tx, imp_uid=imp_uid, because=f"{by.actor}: {by.reason}")
        if payment.billing_key_id is not None:
            block_cards(tx, [payment.billing_key_id])
        installation.write_audit(
            tx,
            actor=by.actor,
            action="payment.accepted",
            subject="foreign_payment",
            subject_id=payment.id,
            reason=by.reason,
            imp_uid=imp_uid,
            amount=payment.amount,
            pays=None if pays is None else str(pays),
        )


def ignore_schedule(database: Database, channel: str, merchant_uid: str, *, by: By) -> None:
    """A schedule is not for what we charge: it may run, and blocks its card no more.

    Raises:
        NotFound: None of that name is listed.
        Conflict: It is being adopted.
    """
    with database.transaction() as tx:
        foreign.one_writer(tx, channel)
        row = foreign.known_schedules(tx, channel, [merchant_uid]).get(merchant_uid)
        if row is None:
            raise NotFound(f"no schedule {merchant_uid[:40]} is listed; see `jeonggi schedule list`")
        if merchant_uid in foreign.adopted_names(tx, channel, [merchant_uid]):
            raise Conflict("it is being adopted; `jeonggi schedule resume` goes on with it")
        foreign.ignore_schedule(tx, row.id, because=f"{by.actor}: {by.reason}")
        block_cards(tx, [row.billing_key_id])
        _audit(tx, "schedule.ignored", row.id, merchant_uid, by)


def revoke_schedule(ports: Ports, merchant_uid: str, *, by: By) -> ForeignState:
    """Ask the gateway to revoke one schedule, by its name, and read back what became of it.

    That it is asked is committed first. Its card is freed once the schedule itself says that it is revoked, and not
    while it may be running.

    Raises:
        NotFound: The gateway knows none of that name.
        Conflict: It does not wait any more.
        GatewayTrouble: It could not be read; nothing is known, look again.
    """
    token = token_in_hand(ports)
    schedule = ports.gateway.schedule(merchant_uid=merchant_uid, token=token)
    if schedule is None:
        raise NotFound(f"the gateway knows no schedule {merchant_uid[:40]}")
    if state_of(schedule) not in WAITING:
        raise Conflict(f"schedule {merchant_uid} is {schedule.state}: there is nothing to revoke")
    with ports.database.transaction() as tx:
        note_schedules(ports, tx, [schedule])
        row = foreign.known_schedules(tx, ports.channel.name, [merchant_uid]).get(merchant_uid)
        _audit(tx, "schedule.revoke_asked", None if row is None else row.id, merchant_uid, by)
    with suppress(GatewayTrouble):  # it is read back, whatever was answered
        ports.gateway.unschedule(customer_uid=schedule.customer_uid, merchant_uids=[merchant_uid], token=token)
    found = ports.gateway.schedule(merchant_uid=merchant_uid, token=token)
    with ports.database.transaction() as tx:
        if found is not None:
            note_schedules(ports, tx, [found])
        elif row is not None:
            foreign.one_writer(tx, ports.channel.name)
            note_unknown(ports, tx, [row])
    return state_of(found)


def _audit(tx: Transaction, action: str, subject_id: UUID | None, merchant_uid: str, by: By) -> None:
    installation.write_audit(
        tx,
        actor=by.actor,
        action=action,
        subject="schedule",
        subject_id=subject_id,
        reason=by.reason,
        merchant_uid=merchant_uid,
    )
