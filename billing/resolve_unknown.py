"""Step 8 of a charge: the gateway is asked about attempts of which nobody knows what it did.

In flight past their lease, or unknown. Look-ups are spaced over the settling time and stored; paid is approved, failed
is declined, and absence counts only once it is proven. The answer goes to ``record_outcome``, under this run's fence.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from billing.known_account import absence_counts
from billing.look_up import ask_each, seen
from billing.record_outcome import record_outcomes
from billing.report import Report
from billing.sent_charges import sent_charges
from billing.token_in_hand import token_in_hand
from domain.errors import GatewayTrouble
from domain.evidence import (
    Look,
    Said,
    SentCharge,
    Source,
    absence_is_proven,
    after_absence,
    judge,
    settled_at,
)
from domain.outcome import Outcome, Unknown, UnknownReason
from models.queries import resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import Row

    from billing.look_up import Seen
    from billing.ports import Ports
    from gateway.port import AccessToken

#: Attempts asked about in one go.
BATCH: Final = 200
#: The day list is read from this long before the oldest send on: the gateway's clock is not ours.
MARGIN: Final = timedelta(hours=1)
#: How far back the day list is read: the gateway takes 90 days at once. What is older has its card's payments.
LIST_SPAN: Final = timedelta(days=90) - 2 * MARGIN
_MONEY: Final = (Said.PAID, Said.CANCELLED)


def resolve_unknown(ports: Ports, *, only: UUID | None = None) -> Counter[str]:
    """Ask about a batch of undecided attempts; gives how many went which way.

    What a slow gateway leaves no time for counts as not answered, and is recorded as such: an operator is told in time.
    """
    leave_at = ports.boottime() + ports.limits.run_seconds
    try:
        token = token_in_hand(ports)
    except GatewayTrouble as trouble:
        return Counter({trouble.code: 1})
    with ports.database.transaction() as tx:
        until = tx.real + timedelta(seconds=ports.limits.lease_seconds)
        taken = resolve.take_undecided(tx, channel=ports.channel.name, limit=BATCH, until=until, only=only)
        ids = [row.id for row in taken]
        sent = sent_charges(tx, ids, {row.id: row for row in taken})
        looks = _looks(resolve.looks_of(tx, ids), sent)
        now = tx.real
    if not taken:
        return Counter()
    found = _ask(ports, token, taken, sent, now, goes_on=lambda: ports.boottime() < leave_at)
    if not absence_counts(ports, token, (answer.looked.said for answers in found.values() for answer in answers)):
        found = {row.id: [answer for answer in found[row.id] if answer.looked.said is not Said.ABSENT] for row in taken}
    reports = [
        _report(ports, row, sent=sent[row.id], looks=looks[row.id], found=found[row.id], now=now) for row in taken
    ]
    return record_outcomes(ports, reports).counts


def _ask(
    ports: Ports,
    token: AccessToken,
    taken: Sequence[Row[Any]],
    sent: Mapping[UUID, SentCharge],
    now: datetime,
    *,
    goes_on: Callable[[], bool],
) -> Mapping[UUID, list[Seen]]:
    """FindAll for each; where that says absent and settling is over, the card's payments and the day list too."""
    found: defaultdict[UUID, list[Seen]] = defaultdict(list)

    def find_all(row: Row[Any]) -> Seen:
        return seen(ports.gateway.find_all(merchant_uid=row.merchant_uid, token=token), began_at=now)

    for row, answer in ask_each(taken, find_all, goes_on=goes_on):
        if not isinstance(answer, GatewayTrouble):
            found[row.id].append(answer)
    final = [row for row in taken if _is_final(ports, sent[row.id], now) and _says_absent(found[row.id])]
    cards = [(row, uid) for row in final for uid in sorted(sent[row.id].customer_uids)]

    def card_payments(asked: tuple[Row[Any], str]) -> Seen:
        row, customer_uid = asked
        finding = ports.gateway.card_payments(customer_uid=customer_uid, merchant_uid=row.merchant_uid, token=token)
        return seen(finding, began_at=now)

    for (row, _), answer in ask_each(cards, card_payments, goes_on=goes_on):
        if not isinstance(answer, GatewayTrouble):
            found[row.id].append(answer)
    for row, answer in _ask_day_list(ports, token, final if goes_on() else [], sent, now):
        found[row.id].append(answer)
    return found


def _ask_day_list(
    ports: Ports,
    token: AccessToken,
    rows: Sequence[Row[Any]],
    sent: Mapping[UUID, SentCharge],
    now: datetime,
) -> list[tuple[Row[Any], Seen]]:
    rows = [row for row in rows if now - sent[row.id].committed_at <= LIST_SPAN]
    if not rows:
        return []
    try:
        findings = ports.gateway.day_list(
            merchant_uids=[row.merchant_uid for row in rows],
            begin=min(sent[row.id].committed_at for row in rows) - MARGIN,
            end=now + MARGIN,
            token=token,
        )
    except GatewayTrouble:
        return []  # no answer is no evidence; the next look asks again
    return [(row, seen(findings[row.merchant_uid], began_at=now)) for row in rows if row.merchant_uid in findings]


def _report(
    ports: Ports,
    row: Row[Any],
    *,
    sent: SentCharge,
    looks: Sequence[Look],
    found: Sequence[Seen],
    now: datetime,
) -> Report:
    records = {record.imp_uid: record for answer in found for record in answer.records}
    judged = judge(records=list(records.values()), sent=sent, now=now, patience=ports.limits.patience)
    outcome = judged or _without_record(ports, row, sent, looks, found, now)
    return Report(
        attempt_id=row.id,
        send_no=sent.send_no,
        fence=row.fence,
        outcome=outcome,
        looked=[answer.looked for answer in found],
        payments=[record for record in records.values() if record.said in _MONEY],
    )


def _without_record(
    ports: Ports,
    row: Row[Any],
    sent: SentCharge,
    looks: Sequence[Look],
    found: Sequence[Seen],
    now: datetime,
) -> Outcome:
    newly = [
        Look(
            source=answer.looked.source,
            said=answer.looked.said,
            began_at=answer.looked.began_at or now,
            token_digest=answer.looked.token_digest,
        )
        for answer in found
    ]
    reason, raw_reason = UnknownReason(row.unknown_reason), row.raw_reason or ""
    # Without a look of this run that counts, nothing is proven: whose account it would have been is not known.
    if newly and absence_is_proven(looks=[*looks, *newly], sent=sent, patience=ports.limits.patience):
        return after_absence(reason, raw_reason)
    return Unknown(reason=reason, raw_reason=raw_reason)


def _looks(rows: Sequence[Row[Any]], sent: Mapping[UUID, SentCharge]) -> defaultdict[UUID, list[Look]]:
    """Stored look-ups of each attempt's latest send: evidence counts for its own send only."""
    looks: defaultdict[UUID, list[Look]] = defaultdict(list)
    for row in rows:
        if row.send_no == sent[row.attempt_id].send_no:
            looks[row.attempt_id].append(
                Look(
                    source=Source(row.source),
                    said=Said(row.said),
                    began_at=row.began_at,
                    token_digest=row.token_digest,
                )
            )
    return looks


def _is_final(ports: Ports, sent: SentCharge, now: datetime) -> bool:
    final_from = settled_at(sent, ports.limits.patience)
    return final_from is not None and now >= final_from


def _says_absent(found: Sequence[Seen]) -> bool:
    return bool(found) and all(answer.looked.said is Said.ABSENT for answer in found)
