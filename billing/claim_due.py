"""Step 4 of a charge: due invoices are claimed, and what will be asked is committed before anything is sent.

Commit 1. A claim takes no more than the channel's rate allows within the send window, needs the access token in hand,
and checks everything again under the locks. A doubtful commit is never followed by a send.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import structlog

from billing.catch_up import postpone_second_charges
from billing.forecast import begin_day
from billing.keep_envelope import (
    DayNotBegun,
    EnvelopeExceeded,
    begun_day,
    stop_at_the_envelope,
    take_from_the_envelope,
)
from billing.record_outcome import record_outcomes
from billing.report import Report
from domain.charge_attempt import ATTEMPT_TABLE, AttemptEvent, AttemptState
from domain.identity import merchant_uid
from domain.invoice import Purpose
from domain.outcome import NotExecuted, NotExecutedReason
from domain.states import advance
from domain.window import closed_at
from gateway.port import Batch, Charge
from models.ids import new_id
from models.queries import brake, claim, installation
from models.session import CommitInDoubt, DatabaseTrouble

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from sqlalchemy import Row

    from billing.ports import Ports
    from gateway.port import AccessToken
    from models.session import Transaction

_log = structlog.get_logger("billing")

#: The order's name at the gateway. Source: PortOne V1 API, ``name`` at most 40 characters.
NAME_LENGTH = 40
#: Civil days that one claim may find begun by nobody: more than one only on a clock that runs away.
_DAYS_BEGUN = 3


def claim_due(ports: Ports, token: AccessToken, *, at_most: int) -> Batch | None:
    """Claim a batch; None when nothing is due, or the rate, a halt or the token's end allows nothing now.

    Raises:
        DatabaseTrouble: Nothing was claimed.
    """
    began = ports.boottime()
    if token.dies_at_boottime - began < ports.limits.token_guard_seconds:
        return None
    with ports.database.transaction() as tx:
        grant = installation.reserve_rate(
            tx,
            channel=ports.channel.name,
            wanted=min(at_most, ports.limits.claim_size),
            per_second=ports.limits.rate,
            window_seconds=ports.limits.send_window_seconds,
            probe_for=timedelta(seconds=ports.limits.lease_seconds),
        )
    if grant.count == 0:
        return None
    charges = _claim_within_the_day(ports, token, grant)
    if len(charges) < grant.count:
        _give_back(ports, grant, unused=grant.count - len(charges))
    if not charges:
        return None
    return Batch(
        charges=charges,
        token=token,
        # Read before the claim: a freeze on the way counts against the window.
        send_before_boottime=began + ports.limits.send_window_seconds,
        first_at_boottime=began + grant.wait_seconds,
        spacing_seconds=1 / grant.per_second,
    )


def _give_back(ports: Ports, grant: installation.Grant, *, unused: int) -> None:
    """Every run ends with a claim that finds nothing: what it reserved is the next run's."""
    # What is claimed must be sent in time, whatever becomes of this.
    with suppress(DatabaseTrouble, CommitInDoubt), ports.database.transaction() as tx:
        installation.give_rate_back(tx, grant, channel=ports.channel.name, unused=unused)


def _claim_within_the_day(ports: Ports, token: AccessToken, grant: installation.Grant) -> Sequence[Charge]:
    """Claim what the day's envelope allows; more halts the channel, and nothing of that claim is written."""
    for _ in range(_DAYS_BEGUN):
        try:
            return _claim(ports, token, grant)
        except DayNotBegun:
            begin_day(ports.database, ports.channel.name, ports.limits.brakes.zone_name)
        except EnvelopeExceeded as exceeded:
            stop_at_the_envelope(ports, exceeded)
            return []
    return []  # days pass faster than they can be forecast: the next run meets another one


def _claim(ports: Ports, token: AccessToken, grant: installation.Grant) -> Sequence[Charge]:
    try:
        return _claim_batch(ports, token, grant)
    except (DatabaseTrouble, DayNotBegun, EnvelopeExceeded):
        raise
    except CommitInDoubt:
        return []  # `_claim_batch` has handed back what is surely its own
    except Exception as error:  # noqa: BLE001 - whatever one row did, the others must be charged
        _log.warning("claim.batch_failed", error=type(error).__name__)
        return _claim_one_by_one(ports, token, grant)


def _claim_batch(
    ports: Ports, token: AccessToken, grant: installation.Grant, *, only: UUID | None = None
) -> Sequence[Charge]:
    claimed: list[_Claimed] = []
    try:
        with ports.database.transaction() as tx:
            day = begun_day(tx, ports)
            due = _lock_due(tx, ports, limit=grant.count if only is None else 1, only=only)
            due = postpone_second_charges(tx, due)
            due = [row for row in due if row.attempt_state in (None, AttemptState.NOT_EXECUTED)]
            claimed = [_Claimed(ports, tx, row, token) for row in due]
            claim.write_claim(
                tx,
                new_attempts=[one.attempt for one in claimed if one.is_new],
                resent_attempts=[one.attempt for one in claimed if not one.is_new],
                sends=[one.send for one in claimed],
                invoices=[one.invoice for one in claimed],
            )
            # A resend is the same charge: it was counted when its attempt was new.
            take_from_the_envelope(tx, ports, day, [one.charge.amount for one in claimed if one.is_new])
            if grant.is_probe and claimed:
                brake.note_probe(tx, ports.channel.name, claimed[0].charge.attempt_id)
    except CommitInDoubt:
        _hand_back(ports, [one.charge for one in claimed if one.is_new])
        raise
    return [one.charge for one in claimed]


def _lock_due(tx: Transaction, ports: Ports, *, limit: int, only: UUID | None = None) -> Sequence[Row[Any]]:
    """What is due and not held back by a window, under its locks."""
    channel = ports.channel.name
    return claim.lock_claimable(
        tx,
        channel=channel,
        limit=limit,
        fresh=tx.real - timedelta(seconds=ports.limits.clearance_seconds),
        closed=closed_at(brake.windows_of(tx, channel), tx.now),
        only=only,
    )


class _Claimed:
    """One claimed invoice: the rows that commit 1 writes for it, and the charge that follows."""

    def __init__(self, ports: Ports, tx: Transaction, row: Row[Any], token: AccessToken) -> None:
        limits = ports.limits
        self.is_new = row.attempt_id is None
        attempt_id = new_id(tx.real) if self.is_new else row.attempt_id
        attempt_no = row.attempt_count + self.is_new
        send_no = 1 if self.is_new else row.send_no + 1
        fence = 1 if self.is_new else row.fence + 1
        uid = row.merchant_uid or merchant_uid(
            namespace=ports.namespace,
            subscription_id=row.subscription_id,
            purpose=Purpose(row.purpose),
            ordinal=row.ordinal,
            attempt_no=attempt_no,
        )
        lease_until = tx.real + timedelta(seconds=limits.lease_seconds)
        moving = {"id": attempt_id, "send_no": send_no, "fence": fence, "next_look_up_at": lease_until}
        if self.is_new:
            self.attempt: dict[str, Any] = {
                **moving,
                "invoice_id": row.id,
                "attempt_no": attempt_no,
                "merchant_uid": uid,
                "amount": row.amount,
                "trigger": row.next_trigger,
                "state": AttemptState.IN_FLIGHT,
                "absent_count": 0,
                "first_sent_at": tx.real,
                "started_at": tx.now,
            }
        else:
            self.attempt = {
                **moving,
                "state": advance(ATTEMPT_TABLE, AttemptState(row.attempt_state), AttemptEvent.RESENT),
                "started_at": tx.now,
                "unknown_reason": None,
                "raw_reason": None,
                "operator_since": None,
                "operator_reason": None,
                "ended_at": None,
            }
        self.send = {
            "attempt_id": attempt_id,
            "send_no": send_no,
            "billing_key_id": row.billing_key_id,
            "amount": row.amount,
            "token_digest": token.digest,
            "fence": fence,
            "committed_at": tx.real,
            "send_before": tx.real + timedelta(seconds=limits.send_window_seconds),
            "lease_until": lease_until,
        }
        self.invoice = {"id": row.id, "attempt_count": attempt_no, "next_attempt_at": None}
        self.charge = Charge(
            attempt_id=attempt_id,
            send_no=send_no,
            fence=fence,
            merchant_uid=uid,
            customer_uid=row.customer_uid,
            amount=row.amount,
            tax_free=row.tax_free,
            vat_amount=row.vat_amount,
            card_quota=row.card_quota,
            name=row.plan_name[:NAME_LENGTH],
            buyer_name=row.buyer_name,
            buyer_email=row.buyer_email,
            buyer_tel=row.buyer_tel,
        )


def _hand_back(ports: Ports, charges: Sequence[Charge]) -> None:
    """New attempts of a doubtful claim: if they are there, they are proven not executed, for we sent nothing.

    The recording looks with a new connection, under locks. Should the server still be at the doubtful commit, a new
    attempt is not seen, and is asked about once its lease is over.

    Never a resend: where ours was rolled back, another worker's has its number and fence, and may be out. It is left to
    its lease and the resolver. A new attempt has an id of its own: what is found under it is ours.
    """
    record_outcomes(
        ports,
        [
            Report(
                attempt_id=charge.attempt_id,
                send_no=charge.send_no,
                fence=charge.fence,
                outcome=NotExecuted(reason=NotExecutedReason.HANDED_BACK),
                is_answer=True,
            )
            for charge in charges
        ],
    )


def _claim_one_by_one(ports: Ports, token: AccessToken, grant: installation.Grant) -> Sequence[Charge]:
    """The same batch, a commit each; what fails even alone is set aside with its reason."""
    with ports.database.transaction() as tx:
        due = _lock_due(tx, ports, limit=grant.count)
    charges: list[Charge] = []
    for row in due:
        try:
            charges.extend(_claim_batch(ports, token, grant, only=row.id))
        except DatabaseTrouble:
            return charges  # what is claimed must still be sent in time
        except (DayNotBegun, EnvelopeExceeded):
            if not charges:
                raise
            return charges  # the next claim meets it again
        except CommitInDoubt:
            continue
        except Exception as error:  # noqa: BLE001 - the row is to blame, whatever it did
            _set_aside(ports, row, f"claiming it failed: {type(error).__name__}: {error}")
    return charges


def _set_aside(ports: Ports, row: Row[Any], reason: str) -> None:
    with ports.database.transaction() as tx:
        claim.set_invoice_aside(tx, invoice_id=row.id, reason=reason)
        installation.write_events(
            tx,
            [
                installation.event(
                    tx,
                    "invoice.set_aside",
                    subscription_id=row.subscription_id,
                    invoice_id=row.id,
                    is_incident=True,
                    reason=reason,
                )
            ],
        )
