"""A charge run, steps 4 to 7: claim, send, record, again and again until nothing is due or its time is over.

Hundreds of calls are in flight while outcomes are recorded in groups and the next batch is claimed. Nothing of the
database is open while a call is in flight.
"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog

from billing.change_subscription import By
from billing.claim_due import claim_due
from billing.clear_reattempt import clear_reattempts
from billing.halt_channel import halt
from billing.permission import Permission
from billing.record_outcome import record_outcomes
from billing.report import Looked, Report
from billing.token_in_hand import token_in_hand
from domain.errors import GatewayRefusedCredentials, GatewayTrouble
from domain.evidence import Said, Source
from domain.halt import HaltCause
from domain.outcome import Approved, Declined
from models.session import CommitInDoubt, DatabaseTrouble

if TYPE_CHECKING:
    from billing.ports import Ports
    from gateway.port import AccessToken, Answer, Batch, FanOut


_log = structlog.get_logger("billing")


@dataclass(slots=True)
class ChargeRun:
    """What a run did: ids stay in the database, counts come back."""

    claimed: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    stopped_because: str = ""  # why it claimed nothing more; empty: nothing was due


def charge_due(ports: Ports) -> ChargeRun:
    """Charge what is due. Safe to run any number of times at once.

    Raises:
        DatabaseTrouble: The database is away. What was sent meanwhile is asked about once its lease is over.
    """
    run = ChargeRun()
    claim_until = ports.boottime() + ports.limits.run_seconds  # whatever comes before the first claim counts
    try:
        token = token_in_hand(ports)
        run.outcomes += clear_reattempts(ports, token)
        _charge(ports, token, run, claim_until=claim_until)
    except GatewayTrouble as trouble:
        run.stopped_because = trouble.code
        if isinstance(trouble, GatewayRefusedCredentials):
            _log.error("channel.refused", channel=ports.channel.name)  # until somebody mends it
    return run


def _charge(ports: Ports, token: AccessToken, run: ChargeRun, *, claim_until: float) -> None:
    calls = ports.gateway.fan_out()
    try:
        with Permission(ports, calls) as permission:
            _claim_send_record(ports, token, calls, run, permission, claim_until=claim_until)
    finally:
        calls.hand_back()  # however this ends, nothing more of it is started
    run.stopped_because = run.stopped_because or permission.withdrawn_because


def _claim_send_record(
    ports: Ports, token: AccessToken, calls: FanOut, run: ChargeRun, permission: Permission, *, claim_until: float
) -> None:
    is_claiming = True
    unrecorded: list[Report] = []
    while is_claiming or calls.in_flight or unrecorded:
        is_claiming = is_claiming and not permission.withdrawn_because
        room = ports.limits.concurrency - calls.in_flight
        if is_claiming and _is_worth_a_claim(ports, calls, room):
            batch = _claim(ports, token, calls, run, at_most=room) if ports.boottime() < claim_until else None
            if batch is None:
                is_claiming = False
            else:
                run.claimed += len(batch.charges)
                calls.send(batch)
        if calls.in_flight:
            answers = calls.answered(group_seconds=ports.limits.group_seconds, group_size=ports.limits.group_size)
            unrecorded.extend(_report(answer, token) for answer in answers)
            if any(answer.refused_fresh_token for answer in answers):
                is_claiming = False
                calls.hand_back()
                _halt(ports, run)
        unrecorded = _record(ports, unrecorded, run, is_last=not calls.in_flight)


def _claim(ports: Ports, token: AccessToken, calls: FanOut, run: ChargeRun, *, at_most: int) -> Batch | None:
    """A batch to send. Trouble with it is not raised past charges in flight: their answers are waited for first."""
    try:
        return claim_due(ports, token, at_most=at_most)
    except (DatabaseTrouble, CommitInDoubt) as trouble:
        if not calls.in_flight:
            raise
        run.stopped_because = trouble.code
        return None


def _is_worth_a_claim(ports: Ports, calls: FanOut, room: int) -> bool:
    """Claim when a good part of a batch has room, or nothing is in flight: not a statement for every free place."""
    return not calls.in_flight or room >= min(ports.limits.claim_size, ports.limits.concurrency) // 4


def _record(ports: Ports, reports: list[Report], run: ChargeRun, *, is_last: bool) -> list[Report]:
    """Record; while calls are in flight a database that is away is asked again with the next group.

    Whatever is lost at the end is asked about by the resolver once its lease is over.
    """
    if not reports:
        return []
    try:
        run.outcomes += record_outcomes(ports, reports).counts
    except (DatabaseTrouble, CommitInDoubt):
        if is_last:
            raise
        return reports
    return []


def _report(answer: Answer, token: AccessToken) -> Report:
    looked: tuple[Looked, ...] = ()
    if answer.body is not None and not isinstance(answer.outcome, Approved):
        said = Said.FAILED if isinstance(answer.outcome, Declined) else Said.OTHER
        looked = (Looked(source=Source.AGAIN, said=said, token_digest=token.digest, body=answer.body),)
    return Report(
        attempt_id=answer.charge.attempt_id,
        send_no=answer.charge.send_no,
        fence=answer.charge.fence,
        outcome=answer.outcome,
        looked=looked,
        is_answer=True,
        issuer_code=answer.issuer_code,
    )


def _halt(ports: Ports, run: ChargeRun) -> None:
    """The gateway refuses a token that it has just given: a wrong configuration, which no repetition mends."""
    run.stopped_because = "channel_halted"
    # A database that is away must not cost the answers in hand: the next run meets the same refusal, and halts.
    reason = "the gateway answered 401 to a token that was not near its end: check the API key's rights"
    _log.error("channel.halted", channel=ports.channel.name, reason=reason)
    with suppress(DatabaseTrouble, CommitInDoubt):
        halt(ports.database, ports.channel.name, by=By(actor="engine", reason=reason), cause=HaltCause.TOKEN)
