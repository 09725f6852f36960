"""What was used of which the bill is due? Asked of the merchant's own code, and written down, before that is opened.

No transaction is open while it is asked, for it may be slow, hang or raise. What is written first stands: two that ask
at once, or one that died, change nothing. Who has no answer is not opened, and asked about again after a pause.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import structlog

from billing.calendars import calendar_of
from billing.change_subscription import lock_subscription
from billing.due_periods import due_periods
from billing.forecast import expect_item
from billing.usage_resolvers import ask_resolver, installed
from domain.billing_period import Billed, Skip
from domain.errors import BadInput, Conflict
from domain.price import MAXIMUM_AMOUNT
from domain.usage import PAUSES, UsagePeriod, won_of
from models.queries import installation, item
from models.queries import usage as queries

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from sqlalchemy import Row

    from billing.change_subscription import By
    from billing.ports import Ports
    from billing.usage_resolvers import Told
    from domain.invoice_line import Item
    from models.session import Database, Transaction

_log = structlog.get_logger("billing")

#: Subscriptions that one commit sets out to ask for.
BATCH: Final = 20
_MOST_PERIODS: Final = 150
#: What asking for a batch may take beside the calls themselves; after that others may ask.
_MARGIN: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageTold:
    """What a period used, in won, by a person's word."""

    subscription_id: UUID
    ordinal: int
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Question:
    """An entry point, and what it is asked."""

    name: str
    period: UsagePeriod


def resolve_usage(ports: Ports, *, leave_at: float) -> int:
    """Ask for a batch of what due subscriptions wait for; gives how many were asked for, whatever came of it.

    Zero: there is no more to ask, or no time for it; or a call overran, and the others are for the next tick, so that
    code that hangs does not take all of everybody's ticks.

    Args:
        ports: Any channel's; its gateway is not called.
        leave_at: Seconds of ``boottime``: no call begins that may go on beyond.
    """
    seconds = ports.limits.usage_timeout_seconds
    if ports.boottime() + seconds > leave_at:
        return 0
    with ports.database.transaction() as tx:
        until = tx.real + BATCH * timedelta(seconds=seconds) + _MARGIN
        questions = []
        for row in queries.lock_askable(tx, limit=BATCH):
            ordinal = first_waited_for(tx, row)
            queries.ask(tx, row.id, ordinal, until=until)
            questions.append(_Question(name=row.usage, period=_period(row, ordinal)))
    if not questions:
        return 0
    found = installed()
    for asked, question in enumerate(questions):
        if ports.boottime() + seconds > leave_at:
            _let_go(ports.database, questions[asked:])
            return asked
        told = ask_resolver(found, question.name, question.period, seconds=seconds)
        _record(ports.database, question, told)
        if told.overran:
            _let_go(ports.database, questions[asked + 1 :])
            return 0
    return len(questions)


def set_usage(
    database: Database,
    subscription_id: UUID,
    ordinal: int,
    items: Sequence[Item],
    *,
    by: By,
    dry_run: bool = False,
) -> UsageTold:
    """Say what a period used, instead of the merchant's code; no items: nothing.

    Raises:
        Conflict: Nothing waits for it, or for another period first.
        NotFound: There is no such subscription.
        BadInput: It is more than can be charged at once.
    """
    with database.transaction() as tx:
        lock_subscription(tx, subscription_id)
        row = queries.waiting_subscription(tx, subscription_id)
        if row is None:
            raise Conflict(
                f"no period of subscription {subscription_id} waits for what was used; `jeonggi usage list` tells whose"
                " do, and `jeonggi item add` puts something on its next invoice"
            )
        waits = first_waited_for(tx, row)
        if ordinal != waits:
            raise Conflict(
                f"subscription {subscription_id} waits for what its period {waits} used, not {ordinal}: give"
                f" --ordinal {waits}"
            )
        told = UsageTold(subscription_id=subscription_id, ordinal=ordinal, amount=won_of(items))
        too_much = _too_much(tx, subscription_id, told.amount)
        if too_much is not None:
            raise BadInput(too_much)
        if not dry_run:
            _write(tx, subscription_id, ordinal, items, by=by.actor)
            installation.write_audit(
                tx,
                actor=by.actor,
                action="usage.set",
                subject="subscription",
                subject_id=subscription_id,
                reason=by.reason,
                ordinal=ordinal,
                amount=told.amount,
            )
    return told


def first_waited_for(tx: Transaction, row: Row[Any]) -> int:
    """Which period of a subscription that waits is to be answered first.

    In advance the last one that was opened, whatever was skipped since, and the one before each that is due; in arrears
    each that is due; of a subscription that has ended its last one, too. As the last of them that by which the opening
    goes (``queries.IS_KNOWN``), so that all that is due is opened, and foreseen, at once.
    """
    is_in_arrears = row.billed == Billed.IN_ARREARS
    wanted = [] if row.opened is None or is_in_arrears else [row.opened]
    if row.final_ordinal is not None:
        last = int(row.final_ordinal)
    else:
        last = int(row.ordinal) + 1 if is_in_arrears else max(int(row.ordinal), 0)
        due = islice(due_periods(row, now=tx.now, until=tx.now, before=row.changes_from), _MOST_PERIODS)
        ordinals = [each.period.ordinal for each in due if not isinstance(each, Skip)]
        wanted += [each if is_in_arrears else each - 1 for each in ordinals if is_in_arrears or each]
    known = queries.answered(tx, row.id, wanted)
    return next((each for each in wanted if each not in known and each != last), last)


def _period(row: Row[Any], ordinal: int) -> UsagePeriod:
    """A period as it was opened, if it was; it ends where the next one begins, or its subscription did."""
    calendar = calendar_of(row)
    end = calendar.start(ordinal + 1)
    return UsagePeriod(
        subscription_id=row.id,
        customer_ref=row.customer_ref,
        plan=row.plan,
        quantity=row.quantity,
        ordinal=ordinal,
        start=row.opened_start if ordinal == row.opened else calendar.start(ordinal),
        end=end if row.final_at is None else min(end, row.final_at),
    )


def _let_go(database: Database, questions: Sequence[_Question]) -> None:
    with database.transaction() as tx:
        for question in questions:
            queries.let_go(tx, question.period.subscription_id, question.period.ordinal)


def _record(database: Database, question: _Question, told: Told) -> None:
    subscription_id, ordinal = question.period.subscription_id, question.period.ordinal
    with database.transaction() as tx:
        lock_subscription(tx, subscription_id)
        failures = queries.failures_of(tx, subscription_id, ordinal)
        if failures is None:
            return  # somebody was first, and that stands
        failed = told.failed or _too_much(tx, subscription_id, won_of(told.items))
        if failed is None:
            _write(tx, subscription_id, ordinal, told.items, by=queries.RESOLVER)
            return
        next_at = tx.real + PAUSES[min(failures, len(PAUSES) - 1)]
        queries.write_failed(tx, subscription_id, ordinal, failures=failures + 1, reason=failed, next_at=next_at)
        if failures == 0:
            event = installation.event(
                tx,
                "usage.failed",
                subscription_id=subscription_id,
                is_incident=True,
                ordinal=ordinal,
                usage=question.name,
                reason=failed,
            )
            installation.write_events(tx, [event])
    _log.warning("usage.failed", subscription_id=str(subscription_id), ordinal=ordinal, reason=failed)


def _too_much(tx: Transaction, subscription_id: UUID, won: int) -> str | None:
    already = item.owed_next(tx, subscription_id)
    if already + won <= MAXIMUM_AMOUNT:
        return None
    return f"{won:,} won of usage and {already:,} won beside it are more than the {MAXIMUM_AMOUNT:,} of an invoice"


def _write(tx: Transaction, subscription_id: UUID, ordinal: int, items: Sequence[Item], *, by: str) -> None:
    """Write what a period of a locked subscription used; a day that is forecast already expects it."""
    lines = [
        {
            "description": each.description,
            "quantity": each.quantity,
            "unit_amount": each.unit_amount,
            "unit_tax_free": each.unit_tax_free,
        }
        for each in items
    ]
    won = won_of(items)
    queries.write_resolved(tx, subscription_id, ordinal, lines=lines, amount=won, by=by)
    if won:
        expect_item(tx, subscription_id, won=won)
    event = installation.event(
        tx, "usage.resolved", subscription_id=subscription_id, ordinal=ordinal, amount=won, lines=len(lines), by=by
    )
    installation.write_events(tx, [event])
