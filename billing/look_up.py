"""Asking the gateway about attempts, many at once: what each endpoint says becomes a ``Looked`` with its records."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from billing.report import Looked
from domain.errors import GatewayTrouble
from domain.evidence import Said

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from domain.evidence import Record
    from gateway.port import Finding

#: Look-ups at once. They wait, mostly; the gateway is asked about few attempts and should not notice.
AT_ONCE: Final = 16

Asked = TypeVar("Asked")
Answered = TypeVar("Answered")


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What one look-up said, and the records it told."""

    looked: Looked
    records: Sequence[Record]


def ask_each(
    subjects: Sequence[Asked], ask: Callable[[Asked], Answered], *, goes_on: Callable[[], bool] = lambda: True
) -> list[tuple[Asked, Answered | GatewayTrouble]]:
    """Ask about many subjects, some at once, in order; trouble with one is its answer, not the others'.

    Of what is not asked before ``goes_on`` says no, nothing is known: that is trouble, too.
    """

    def one(subject: Asked) -> Answered | GatewayTrouble:
        if not goes_on():
            return GatewayTrouble("it was not asked: the run's time for questions was over")
        try:
            return ask(subject)
        except GatewayTrouble as trouble:
            return trouble

    if not subjects:
        return []
    with ThreadPoolExecutor(max_workers=min(AT_ONCE, len(subjects))) as pool:
        return list(zip(subjects, pool.map(one, subjects), strict=True))


def seen(finding: Finding, *, began_at: datetime) -> Seen:
    """A finding as evidence; ``began_at`` is real time, not later than the look-up began."""
    saids = {record.said for record in finding.records}
    said = next((word for word in (Said.PAID, Said.CANCELLED, Said.OTHER, Said.FAILED) if word in saids), Said.ABSENT)
    body: dict[str, object] = {
        "records": [
            {"imp_uid": record.imp_uid, "status": record.status, "amount": record.amount, "sandbox": record.sandbox}
            | ({"cancel_amount": record.cancel_amount} if record.cancel_amount else {})
            | ({"fail_reason": record.fail_reason} if record.fail_reason else {})
            for record in finding.records
        ]
    }
    return Seen(
        looked=Looked(
            source=finding.source, said=said, began_at=began_at, token_digest=finding.token_digest, body=body
        ),
        records=finding.records,
    )
