"""An operator's hand: an invoice is due now. It writes a due time and an audit entry, and goes round no guard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from billing.forecast import expect_more
from billing.hold_charges import refuse_held
from domain.charge_attempt import UNDECIDED
from domain.errors import Conflict, NotFound
from domain.invoice import CHARGEABLE, Trigger
from domain.subscription import BILLABLE
from models.queries import change, installation

if TYPE_CHECKING:
    from uuid import UUID

    from billing.change_subscription import By
    from billing.ports import Ports


@dataclass(frozen=True, slots=True, kw_only=True)
class DueNow:
    """What will be charged by the next run: won."""

    invoice_id: UUID
    amount: int


def charge_now(ports: Ports, invoice_id: UUID, *, by: By, dry_run: bool = False) -> DueNow:
    """Make an invoice due. The claim, its locks and its checks are the same as for any other.

    Raises:
        NotFound: There is no such invoice.
        Conflict: It is settled, its subscription is not billed now, or an attempt is still undecided.
    """
    with ports.database.transaction() as tx:
        invoice = change.lock_invoice(tx, invoice_id)
        if invoice is None:
            raise NotFound(f"there is no invoice {invoice_id}")
        if invoice.state not in CHARGEABLE:
            raise Conflict(f"invoice {invoice_id} is {invoice.state}: there is nothing to charge")
        if invoice.attempt_state in UNDECIDED:
            raise Conflict(
                f"attempt {invoice.attempt_no} of invoice {invoice_id} is {invoice.attempt_state}: the gateway is asked"
                " first, nothing was changed; see `jeonggi attempt list --unknown`"
            )
        is_billed = invoice.is_delivered or invoice.subscription_state in BILLABLE
        if not is_billed or invoice.requested_change is not None:
            waits = f", and a {invoice.requested_change} waits" if invoice.requested_change else ""
            raise Conflict(f"its subscription is {invoice.subscription_state}{waits}: nothing is charged")
        if not invoice.is_delivered and invoice.stops_at is not None and invoice.stops_at <= tx.now:
            raise Conflict(f"its subscription stopped ({invoice.stops_as}) at {invoice.stops_at}: nothing is charged")
        refuse_held(tx, invoice.subscription_id)
        if invoice.revoked_at is not None:
            raise Conflict(
                "its card was revoked: nothing is charged; `jeonggi subscription change-card` gives it another"
            )
        if invoice.foreign_schedule_since is not None:
            raise Conflict(
                "a schedule at the gateway that we did not make may charge its card, too: nothing is charged;"
                " `jeonggi schedule list` tells which, `jeonggi schedule revoke` or `ignore` answers"
            )
        if not dry_run:
            planned = invoice.next_attempt_at if invoice.next_trigger == Trigger.DUNNING else None
            # The period's own first attempt stays that, only sooner: a decline must still set foot on the ladder.
            is_first = invoice.next_trigger == Trigger.SCHEDULE
            trigger = Trigger.SCHEDULE if is_first else Trigger.ADMIN
            change.make_due(tx, invoice_id=invoice_id, trigger=trigger, ladder_at=planned or invoice.ladder_at)
            expect_more(tx, [invoice.subscription_id])
            installation.write_audit(
                tx,
                actor=by.actor,
                action="invoice.charge_now",
                subject="invoice",
                subject_id=invoice_id,
                reason=by.reason,
                amount=invoice.amount,
            )
        return DueNow(invoice_id=invoice_id, amount=invoice.amount)
