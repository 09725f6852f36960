"""The gateway is asked about refunds of which nobody knows what became.

In flight past their lease, or unknown. The payment is looked at, spaced over the settling time, with stored evidence:
what shows the refund's mark is done, and nothing counts as not done before it is proven.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from billing.look_up import ask_each
from billing.record_refund import RefundLooked, RefundReport, record_refund, sent_of
from domain.errors import GatewayTrouble
from domain.evidence import settled_at
from domain.refund import (
    RefundEvent,
    RefundLook,
    RefundSource,
    RefundUnknown,
    SentRefund,
    Trace,
    never_happened,
    refusal_stands,
    trace_of,
)
from models.queries import refund as queries
from models.session import CommitInDoubt, DatabaseTrouble

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import Row

    from billing.ports import Ports
    from domain.evidence import Record
    from gateway.port import AccessToken

#: Refunds asked about in one go.
BATCH: Final = 50
#: What the gateway itself called done is not sent again because it does not show it: that is an operator's.
_MAY_BE_ABSENT: Final = (RefundUnknown.NO_ANSWER, RefundUnknown.LEASE_EXPIRED)


def resolve_refunds(ports: Ports, token: AccessToken) -> Counter[str]:
    """Ask about a batch of the channel's undecided refunds; gives how many went which way.

    What a slow gateway leaves no time for counts as not answered.
    """
    leave_at = ports.boottime() + ports.limits.asking_seconds
    with ports.database.transaction() as tx:
        until = tx.real + timedelta(seconds=ports.limits.lease_seconds)
        taken = queries.take_refunds(tx, channel=ports.channel.name, limit=BATCH, until=until)
        looks = _looks(queries.looks_of(tx, [row.id for row in taken]), {row.id: row.send_no for row in taken})
        now = tx.real
    did: Counter[str] = Counter()
    asked = ask_each(taken, lambda row: _look(ports, token, row, now), goes_on=lambda: ports.boottime() < leave_at)
    for row, seen in asked:
        # No answer is no evidence: the next look is planned as after one that showed nothing.
        pictures = () if isinstance(seen, GatewayTrouble) else seen
        did[_record(ports, _report(ports, row, looks[row.id], pictures, now))] += 1
    return did


def _record(ports: Ports, report: RefundReport) -> str:
    """Record one; what fails even alone waits for an operator, and is looked at again later."""
    try:
        return record_refund(ports, report)
    except (DatabaseTrouble, CommitInDoubt):
        raise
    except Exception as error:  # noqa: BLE001 - the row is to blame, whatever it did; the others' turn comes
        with ports.database.transaction() as tx:
            reason = f"recording what was seen failed: {type(error).__name__}"
            queries.set_aside(tx, refund_id=report.refund_id, reason=reason)
        return "set_aside"


def _look(ports: Ports, token: AccessToken, row: Row[Any], now: datetime) -> list[tuple[RefundLooked, Record | None]]:
    """The payment itself; once settling is over, its order's records too."""
    sent = _sent(row)
    record = ports.gateway.payment(imp_uid=row.imp_uid, token=token)
    seen = [(picture(record, sent, source=RefundSource.PAYMENT, token=token, began_at=now), record)]
    final_from = settled_at(sent, ports.limits.patience)
    if final_from is not None and now >= final_from:
        with suppress(GatewayTrouble):  # what the payment itself showed is kept
            finding = ports.gateway.find_all(merchant_uid=row.merchant_uid, token=token)
            same = next((each for each in finding.records if each.imp_uid == row.imp_uid), None)
            seen.append((picture(same, sent, source=RefundSource.FIND_ALL, token=token, began_at=now), same))
    return seen


def picture(
    record: Record | None,
    sent: SentRefund,
    *,
    source: RefundSource,
    token: AccessToken,
    began_at: datetime | None = None,
) -> RefundLooked:
    """What a record shows of a refund, as evidence: sums and marks, no names."""
    body: dict[str, object] = {}
    if record is not None:
        body = {
            "status": record.status,
            "amount": record.amount,
            "cancel_amount": record.cancel_amount,
            "cancellations": [each.amount for each in record.cancellations],
        }
    return RefundLooked(
        source=source, trace=trace_of(record, sent), token_digest=token.digest, body=body, began_at=began_at
    )


def _sent(row: Row[Any]) -> SentRefund:
    return sent_of(row, imp_uid=row.imp_uid, paid=row.paid, booked=row.cancelled_amount)


def _report(
    ports: Ports,
    row: Row[Any],
    looks: Sequence[RefundLook],
    seen: Sequence[tuple[RefundLooked, Record | None]],
    now: datetime,
) -> RefundReport:
    """What the looks prove: theirs and the stored ones of the same send."""
    newly = [
        RefundLook(source=each.source, trace=each.trace, began_at=now, token_digest=each.token_digest)
        for each, _ in seen
    ]
    records = [record for _, record in seen if record is not None]
    reason = RefundUnknown(row.unknown_reason)
    told: str = row.raw_reason or ""
    happened, absent = RefundEvent.UNKNOWN, False
    patience = ports.limits.patience
    if any(look.trace is Trace.ODD for look in newly):
        reason, told = RefundUnknown.ODD, "the payment shows our mark with another amount, or is another payment"
    elif reason is RefundUnknown.REFUSED and refusal_stands([*looks, *newly], patience):
        happened = RefundEvent.REFUSED
    elif reason in _MAY_BE_ABSENT and never_happened(looks=[*looks, *newly], sent=_sent(row), patience=patience):
        happened, absent, told = RefundEvent.NOT_EXECUTED, True, "proven_absent"
    return RefundReport(
        refund_id=row.id,
        send_no=row.send_no,
        fence=row.fence,
        happened=happened,
        unknown_reason=reason,
        raw_reason=told,
        is_proven_absent=absent,
        record=max(records, key=lambda record: record.cancel_amount, default=None),
        looked=[each for each, _ in seen],
    )


def _looks(rows: Sequence[Row[Any]], send_nos: dict[UUID, int]) -> defaultdict[UUID, list[RefundLook]]:
    """Stored looks after each refund's latest send: evidence counts for its own send only."""
    looks: defaultdict[UUID, list[RefundLook]] = defaultdict(list)
    for row in rows:
        if row.send_no == send_nos[row.refund_id]:
            looks[row.refund_id].append(
                RefundLook(
                    source=RefundSource(row.source),
                    trace=Trace(row.trace),
                    began_at=row.began_at,
                    token_digest=row.token_digest,
                )
            )
    return looks
