"""SQL of changes that a person asks for: one subscription, its invoices, its card."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from domain.charge_attempt import UNDECIDED
from domain.invoice import CHARGEABLE
from domain.subscription import SubscriptionState
from models.base import listed
from models.ids import new_id
from models.queries import beside, consent, foreign, stop
from models.queries.bulk import insert_rows, update_rows
from models.queries.periods import CALENDAR
from models.subscription import BillingKey, SkippedPeriod, Subscription

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import Row

    from domain.billing_period import Skip
    from models.session import Transaction


def lock_subscription(tx: Transaction, subscription_id: UUID) -> Row[Any] | None:
    """One subscription with its plan's schedule, locked."""
    return tx.connection.execute(
        text(
            "SELECT s.id, s.customer_id, s.billing_key_id, s.state, s.ended_reason, s.ordinal, s.next_billing_at,"
            " s.stops_at, s.stops_as, s.stops_by, s.stops_before, s.resumes_at, s.resumes_by,"
            " s.changes_from, s.changes_at,"
            " EXISTS (SELECT FROM price_change pc WHERE pc.subscription_id = s.id AND pc.state = 'planned'"
            "  AND pc.kind = 'conversion') AS in_trial,"
            " EXISTS (SELECT FROM price_change pc WHERE pc.subscription_id = s.id AND pc.state = 'planned'"
            "  AND pc.kind = 'promotion') AS in_promotion,"
            " EXISTS (SELECT FROM price_change pc WHERE pc.subscription_id = s.id AND pc.state = 'ended')"
            " AS lacked_consent,"
            " s.term_ends_at, s.minimum_periods,"
            f" s.set_aside_reason, s.requested_change, s.requested_key_id, s.requested_by, {CALENDAR}, p.catch_up,"
            " p.usage"
            " FROM subscription s JOIN plan p ON p.id = s.plan_id WHERE s.id = :id FOR UPDATE OF s"
        ),
        {"id": subscription_id},
    ).one_or_none()


def lock_invoice(tx: Transaction, invoice_id: UUID) -> Row[Any] | None:
    """One invoice, locked after its subscription, with the state of its open attempt if it has one."""
    owner = tx.connection.execute(
        text("SELECT subscription_id FROM invoice WHERE id = :id"), {"id": invoice_id}
    ).scalar_one_or_none()
    if owner is None or lock_subscription(tx, owner) is None:
        return None
    tx.connection.execute(text("SELECT FROM invoice WHERE id = :id FOR UPDATE"), {"id": invoice_id})
    return tx.connection.execute(
        text(
            "SELECT i.id, i.subscription_id, i.state, i.amount, i.next_attempt_at, i.next_trigger, i.ladder_at,"
            " i.is_delivered, s.state AS subscription_state, s.requested_change, s.stops_at, s.stops_as,"
            " k.revoked_at, k.foreign_schedule_since,"
            " a.state AS attempt_state, a.attempt_no"
            " FROM invoice i JOIN subscription s ON s.id = i.subscription_id"
            " LEFT JOIN billing_key k ON k.id = s.billing_key_id LEFT JOIN charge_attempt a"
            " ON a.invoice_id = i.id AND a.state IN ('in_flight', 'unknown', 'not_executed') WHERE i.id = :id"
        ),
        {"id": invoice_id},
    ).one_or_none()


def make_due(tx: Transaction, *, invoice_id: UUID, trigger: str, ladder_at: datetime | None) -> None:
    """Let an invoice be claimed now, through every window; what set it aside is taken as seen to."""
    tx.connection.execute(
        text(
            "UPDATE invoice SET next_attempt_at = :now, next_trigger = :trigger, ladder_at = :ladder_at,"
            " at_once = true, set_aside_reason = NULL WHERE id = :id"
        ),
        {"id": invoice_id, "now": tx.now, "trigger": trigger, "ladder_at": ladder_at},
    )


def owes_what_was_delivered(tx: Transaction, subscription_id: UUID) -> bool:
    """Whether a subscription, which may have ended, owes for what was delivered, or will once that is known."""
    return bool(
        tx.connection.execute(
            text(
                "SELECT EXISTS (SELECT FROM invoice i WHERE i.subscription_id = :id AND i.is_delivered"
                f" AND i.state IN ({listed(CHARGEABLE)})) OR EXISTS (SELECT FROM subscription s WHERE s.id = :id"
                " AND s.final_at IS NOT NULL)"
            ),
            {"id": subscription_id},
        ).scalar_one()
    )


def write_request(tx: Transaction, *, subscription_id: UUID, change: str, key_id: UUID | None, actor: str) -> None:
    """Write down a change that waits for the outcome of a charge."""
    update_rows(
        tx,
        Subscription,
        [
            {
                "id": subscription_id,
                "requested_change": change,
                "requested_key_id": key_id,
                "requested_by": actor,
            }
        ],
    )


def drop_request(tx: Transaction, subscription_id: UUID) -> str | None:
    """A change that waited is not made; gives the public name of the card that it was to."""
    parameters = {"id": subscription_id}
    wanted: str | None = tx.connection.execute(
        text(
            "SELECT k.customer_uid FROM subscription s JOIN billing_key k ON k.id = s.requested_key_id WHERE s.id = :id"
        ),
        parameters,
    ).scalar_one_or_none()
    tx.connection.execute(
        text(
            "UPDATE subscription SET requested_change = NULL, requested_key_id = NULL, requested_by = NULL"
            " WHERE id = :id"
        ),
        parameters,
    )
    return wanted


def write_changed(
    tx: Transaction,
    *,
    subscription_id: UUID,
    state: str,
    billing_key_id: UUID | None,
    ended_reason: str | None,
    final: tuple[int, datetime] | None = None,
) -> None:
    """Write down a change that was made; what was requested is no more, nor what was ahead and is made, or moot.

    ``final``: it ends, and its final invoice is to be opened, for what was delivered of this period up to then.
    """
    is_made = "(:state = 'ended' OR (:state = 'paused' AND stops_as = 'pause'))"
    tx.connection.execute(
        text(
            "UPDATE subscription SET state = :state, billing_key_id = :key, ended_reason = :ended,"
            f" stops_at = CASE WHEN {is_made} THEN NULL ELSE stops_at END,"
            f" stops_as = CASE WHEN {is_made} THEN NULL ELSE stops_as END,"
            f" stops_by = CASE WHEN {is_made} THEN NULL ELSE stops_by END,"
            f" stops_before = CASE WHEN {is_made} THEN NULL ELSE stops_before END,"
            " resumes_at = CASE WHEN :state = 'ended' THEN NULL ELSE resumes_at END,"
            " resumes_by = CASE WHEN :state = 'ended' THEN NULL ELSE resumes_by END,"
            " next_billing_at = CASE WHEN :state = 'ended' THEN NULL ELSE next_billing_at END,"
            " changes_from = CASE WHEN :state = 'ended' THEN NULL ELSE changes_from END,"
            " changes_at = CASE WHEN :state = 'ended' THEN NULL ELSE changes_at END,"
            " paused_at = CASE WHEN :state = 'paused' THEN :now ELSE paused_at END,"
            " final_ordinal = coalesce(CAST(:final_ordinal AS integer), final_ordinal),"
            " final_at = coalesce(CAST(:final_at AS timestamptz), final_at),"
            " requested_change = NULL, requested_key_id = NULL, requested_by = NULL WHERE id = :id"
        ),
        {
            "id": subscription_id,
            "state": state,
            "key": billing_key_id,
            "ended": ended_reason,
            "now": tx.now,
            "final_ordinal": None if final is None else final[0],
            "final_at": None if final is None else final[1],
        },
    )
    if state == SubscriptionState.ENDED:
        consent.withdraw_planned(tx, [subscription_id])


def write_resumed(
    tx: Transaction,
    *,
    subscription_id: UUID,
    state: str,
    ordinal: int,
    next_billing_at: datetime,
    catch_up_below: int,
    anchor: Mapping[str, Any] | None = None,
) -> None:
    """Write down a resume: where billing goes on, and that what was held is due again; ``anchor``: from another one."""
    update_rows(
        tx,
        Subscription,
        [
            {
                "id": subscription_id,
                "state": state,
                "ordinal": ordinal,
                "next_billing_at": next_billing_at,
                "catch_up_below": catch_up_below,
                "paused_at": None,
                "resumes_at": None,
                "resumes_by": None,
                **(anchor or {}),
            }
        ],
    )
    tx.connection.execute(
        text(
            "UPDATE invoice SET next_attempt_at = ladder_at WHERE subscription_id = :id AND next_attempt_at IS NULL"
            " AND state IN ('open', 'past_due')"
            # What is before an operator is not resumed with it.
            " AND NOT EXISTS (SELECT FROM charge_attempt a WHERE a.invoice_id = invoice.id"
            " AND a.operator_since IS NOT NULL)"
        ),
        {"id": subscription_id},
    )


def take_back(tx: Transaction, subscription_id: UUID) -> None:
    """Let a subscription be opened again that was set aside."""
    tx.connection.execute(
        text("UPDATE subscription SET set_aside_reason = NULL WHERE id = :id"), {"id": subscription_id}
    )


def write_skips(tx: Transaction, *, subscription_id: UUID, skips: Sequence[Skip]) -> None:
    """Write down periods that get no invoice, and why."""
    insert_rows(
        tx,
        SkippedPeriod,
        [
            {
                "subscription_id": subscription_id,
                "first_ordinal": skip.first,
                "last_ordinal": skip.last,
                "reason": skip.reason,
            }
            for skip in skips
        ],
    )


def hold_invoices(tx: Transaction, subscription_id: UUID) -> None:
    """Attempt nothing of a subscription for now but what was delivered; when it would have been is kept."""
    tx.connection.execute(
        text(
            "UPDATE invoice SET ladder_at = coalesce(next_attempt_at, ladder_at), next_attempt_at = NULL"
            " WHERE subscription_id = :id AND next_attempt_at IS NOT NULL AND NOT is_delivered"
        ),
        {"id": subscription_id},
    )


def void_invoices(tx: Transaction, subscription_id: UUID) -> None:
    """Nothing more is owed but for what was delivered; what the rest used is given back, and no attempt of it is sent.

    A pause may have kept what was delivered from being attempted: that is over.
    """
    parameters = {"id": subscription_id, "now": tx.now}
    void = tx.connection.execute(
        text(
            "UPDATE invoice SET state = 'void', next_attempt_at = NULL"
            " WHERE subscription_id = :id AND state IN ('open', 'past_due') AND NOT is_delivered RETURNING id"
        ),
        parameters,
    )
    beside.give_back(tx, void.scalars().all())
    tx.connection.execute(
        text(
            "UPDATE charge_attempt a SET state = 'abandoned', ended_at = :now, operator_since = NULL,"
            " operator_reason = NULL FROM invoice i"
            " WHERE i.id = a.invoice_id AND i.subscription_id = :id AND a.state = 'not_executed' AND NOT i.is_delivered"
        ),
        parameters,
    )


def wake_invoices(tx: Transaction, subscription_id: UUID) -> None:
    """A new card: what is past due is due now, or with the resume, as a step of the ladder that uses none up."""
    tx.connection.execute(
        text(
            f"UPDATE invoice i SET next_attempt_at = CASE WHEN {stop.IS_BILLED} THEN :now END,"
            f" ladder_at = CASE WHEN {stop.IS_BILLED} THEN i.ladder_at ELSE :now END,"
            " next_trigger = 'admin' FROM subscription s WHERE s.id = i.subscription_id"
            " AND i.subscription_id = :id AND i.state = 'past_due' AND NOT EXISTS ("
            f"SELECT FROM charge_attempt a WHERE a.invoice_id = i.id AND a.state IN ({listed(UNDECIDED)}))"
        ),
        {"id": subscription_id, "now": tx.now},
    )


def find_billing_key(tx: Transaction, customer_uid: str, *, channel: str) -> Row[Any] | None:
    """A channel's card by its public name, locked."""
    return tx.connection.execute(
        text(
            "SELECT id, customer_id, revoked_at FROM billing_key WHERE customer_uid = :uid AND channel = :channel"
            " FOR UPDATE"
        ),
        {"uid": customer_uid, "channel": channel},
    ).one_or_none()


def add_billing_key(tx: Transaction, *, customer_id: UUID, customer_uid: str, channel: str) -> None:
    """A new card of a customer, unless somebody has just added it."""
    row = {"id": new_id(tx.real), "customer_id": customer_id, "customer_uid": customer_uid, "channel": channel}
    if insert_rows(tx, BillingKey, [{**row, "created_at": tx.real}], or_ignore=True):
        foreign.compare_soon(tx)
