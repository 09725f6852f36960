"""A merchant's subscriptions come in: streamed, in chunks, again and again with the same end.

The file is read twice by the same code: first only to say what would be made and what would be due, then to write.
What refuses a whole file therefore does so before anything is written. One commit a chunk; a chunk that fails is done
again row by row, and the row that fails is refused. No period is opened here.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final

from billing.admit_subscriptions import ROWS_BECAME, Admitted, Tally, Terms, admit
from billing.forecast import expect_more
from billing.said_before import Said
from billing.starting_point import StartingPoints
from domain.errors import BillingError
from domain.subscription_file import Refused, SubscriptionFile
from models.queries import importing, installation
from models.session import CommitInDoubt, DatabaseTrouble

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from billing.change_subscription import By
    from domain.subscription_row import SubscriptionRow
    from models.session import Database, Transaction

_Take = Callable[["Sequence[SubscriptionRow]", Said], Admitted]

#: Rows in one commit.
CHUNK: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """What is to be imported, under which terms, and who is told on the way.

    ``lines`` gives the file's lines from its beginning, each time it is called; ``refused`` is told every refused row.
    """

    lines: Callable[[], Iterable[bytes]]
    default_timezone: str
    terms: Terms
    refused: Callable[[Refused], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What an import would make, or made; and the columns of the file that are not read."""

    tally: Tally
    ignored_columns: tuple[str, ...]


def survey_subscriptions(database: Database, wanted: Import) -> Survey:
    """Say what an import would make; writes nothing.

    Raises:
        BadInput: The file cannot be used at all.
    """
    points = StartingPoints(max_behind=wanted.terms.max_behind)

    def survey(chunk: Sequence[SubscriptionRow], said: Said) -> Admitted:
        with database.reading() as tx:
            return admit(tx, chunk, terms=wanted.terms, said=said, points=points)

    return _walk(wanted, survey, Tally())


def import_subscriptions(database: Database, wanted: Import, *, by: By, file_name: str) -> Survey:
    """Import a file that was surveyed; one audit entry tells what came of it, also if it is interrupted.

    Raises:
        BadInput: The file cannot be used (any more); chunks before that line are written.
        DatabaseTrouble: The same; importing the file again goes on where it stopped.
    """
    points = StartingPoints(max_behind=wanted.terms.max_behind)

    def write(chunk: Sequence[SubscriptionRow], said: Said) -> Admitted:
        with database.transaction() as tx:
            admitted = admit(tx, chunk, terms=wanted.terms, said=said, points=points)
            write_admitted(tx, admitted)
            return admitted

    tally = Tally()
    try:
        survey = _walk(wanted, write, tally)
    except BaseException:
        with suppress(BillingError):
            _audit(database, tally, by, file_name, is_whole=False)
        raise
    _audit(database, tally, by, file_name, is_whole=True)
    return survey


def _walk(wanted: Import, take: _Take, tally: Tally) -> Survey:
    file = SubscriptionFile(wanted.lines(), default_timezone=wanted.default_timezone)
    said = Said()
    rows = iter(file)
    while batch := list(islice(rows, CHUNK)):
        refused = [row for row in batch if isinstance(row, Refused)]
        tally.rows["refused"] += len(refused)
        chunk = [row for row in batch if not isinstance(row, Refused)]
        if chunk:
            admitted = _taken(take, chunk, said)
            tally.add(admitted.tally)
            refused.extend(admitted.refused)
        for row in sorted(refused, key=lambda row: row.line):
            wanted.refused(row)
    return Survey(tally=tally, ignored_columns=file.ignored_columns)


def _taken(take: _Take, chunk: Sequence[SubscriptionRow], said: Said) -> Admitted:
    try:
        admitted = take(chunk, said)
    except Exception:  # noqa: BLE001 - whatever one row did, the others must be imported
        said.forget()
        return _taken_one_by_one(take, chunk, said)
    said.keep()
    return admitted


def _taken_one_by_one(take: _Take, chunk: Sequence[SubscriptionRow], said: Said) -> Admitted:
    """The same chunk, a commit each; what a commit in doubt has made stands already when it is looked at again."""
    together = Admitted()
    for row in chunk:
        try:
            try:
                one = take([row], said)
            except CommitInDoubt:
                said.forget()
                one = take([row], said)
            said.keep()
        except DatabaseTrouble:
            raise  # no row is to blame
        except Exception as error:  # noqa: BLE001 - the row is to blame, whatever it did
            said.forget()
            # Another error's text may hold the row's values.
            reason = str(error) if isinstance(error, BillingError) else f"it failed: {type(error).__name__}"
            one = Admitted(refused=[Refused(line=row.line, reason=reason)])
            one.tally.rows["refused"] += 1
        together.tally.add(one.tally)
        together.refused.extend(one.refused)
    return together


def write_admitted(tx: Transaction, admitted: Admitted) -> None:
    """Write what was admitted, and expect its charges."""
    importing.write_subscriptions(
        tx,
        customers=admitted.customers,
        contacts=list(admitted.contacts.values()),
        keys=admitted.keys,
        subscriptions=admitted.subscriptions,
        skips=admitted.skips,
        price_changes=admitted.price_changes,
        consents=admitted.consents,
    )
    installation.write_events(tx, admitted.events)
    expect_more(tx, [row["id"] for row in admitted.subscriptions])


def _audit(database: Database, tally: Tally, by: By, file_name: str, *, is_whole: bool) -> None:
    with database.transaction() as tx:
        installation.write_audit(
            tx,
            actor=by.actor,
            action="subscription.imported",
            subject="file",
            subject_id=None,
            reason=by.reason,
            file=file_name,
            rows={name: tally.rows[name] for name in ROWS_BECAME},
            due_count=tally.due_count,
            due_won=tally.due_won,
            is_whole=is_whole,
        )
