"""Where do transactions begin and end? Here, and nowhere else."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from domain.errors import BillingError, Misconfigured

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

#: Limits of every connection. A lock is waited for shortly, a statement runs shortly, nobody idles in a transaction.
_SERVER_SETTINGS: Final = {
    "statement_timeout": "30s",
    "lock_timeout": "10s",
    "idle_in_transaction_session_timeout": "15s",
    "timezone": "UTC",
}


class CommitInDoubt(BillingError):
    """COMMIT raised: the transaction may have happened. Look with a new connection, lock the row, then decide."""

    code = "commit_in_doubt"


class DatabaseTrouble(BillingError):
    """The database could not be reached or refused to work for now; nothing was committed."""

    code = "database_trouble"


class RowsRefused(BillingError):
    """A constraint refused what was to be written; nothing was committed."""

    code = "rows_refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One reading of the one clock: ``now`` is billing time, ``real`` is real time; ``rate`` maps between them.

    On an installation that bills for real both are the same.
    """

    now: datetime
    real: datetime
    rate: int


class Transaction:
    """An open transaction: its connection, and the moment it began."""

    def __init__(self, connection: Connection, moment: Moment) -> None:
        self.connection: Final = connection
        self.moment: Final = moment

    @property
    def now(self) -> datetime:
        """Billing time at the beginning."""
        return self.moment.now

    @property
    def real(self) -> datetime:
        """Real time at the beginning."""
        return self.moment.real


class Database:
    """The one PostgreSQL, with a pool of its own; made once a process, after any fork."""

    def __init__(self, url: str, *, pool_size: int = 5, application_name: str = "jeonggi") -> None:
        settings = " ".join(f"-c {name}={value}" for name, value in _SERVER_SETTINGS.items())
        self._engine = create_engine(
            psycopg_url(url),
            pool_size=pool_size,
            max_overflow=pool_size,
            pool_timeout=10,
            pool_pre_ping=True,
            pool_recycle=1800,
            connect_args={
                "connect_timeout": 5,
                "options": settings,
                "application_name": application_name,
                "keepalives_idle": 10,
                "keepalives_interval": 3,
                "keepalives_count": 3,
            },
        )

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Everything inside is committed at the end, or nothing is.

        Raises:
            CommitInDoubt: The commit itself raised.
            RowsRefused: A constraint refused a row.
            DatabaseTrouble: The database could not be reached, or gave up waiting.
        """
        with _translated(), self._engine.connect() as connection:
            begun = connection.begin()
            try:
                yield Transaction(connection, _read_clock(connection))
            except BaseException:
                _abandon(connection)
                raise
            try:
                begun.commit()
            except DBAPIError as error:
                connection.invalidate()
                raise CommitInDoubt("the database did not confirm a commit; what it did is looked up") from error

    @contextmanager
    def reading(self) -> Iterator[Transaction]:
        """A view at one instant (repeatable read, read only); nothing can be written."""
        with _translated(), self._engine.connect() as connection:
            connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
            try:
                yield Transaction(connection, _read_clock(connection))
            finally:
                _abandon(connection)

    def check(self) -> None:
        """Prove that the database answers.

        Raises:
            Misconfigured: It does not; the message says what to look at, without the password.
        """
        try:
            with self._engine.connect() as connection:
                connection.execute(text("SELECT 1"))
        except OperationalError as error:
            raise Misconfigured(f"the database does not answer: {_first_line(error)}") from error

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()


@contextmanager
def _translated() -> Iterator[None]:
    """Let nobody above know whose driver this is; a driver's text may hold row values and stays in the cause."""
    try:
        yield
    except (IntegrityError, DataError) as error:
        name = getattr(getattr(error.orig, "diag", None), "constraint_name", None)
        raise RowsRefused(f"the database refused a row: {name or type(error.orig).__name__}") from error
    except (DBAPIError, PoolTimeout) as error:
        raise DatabaseTrouble(f"the database did not do its work: {type(error).__name__}") from error


def _read_clock(connection: Connection) -> Moment:
    row = connection.execute(text("SELECT billing_at, real_at, rate FROM billing_now()")).one()
    return Moment(now=row.billing_at, real=row.real_at, rate=row.rate)


def _abandon(connection: Connection) -> None:
    """Roll back; a connection that cannot even do that is thrown away."""
    try:
        connection.rollback()
    except DBAPIError:
        connection.invalidate()


def psycopg_url(url: str) -> str:
    """The URL with the driver named: ``postgresql://`` alone is taken, as every other tool writes it."""
    for prefix in ("postgresql://", "postgres://"):
        if url.startswith(prefix):
            return "postgresql+psycopg://" + url.removeprefix(prefix)
    return url


def _first_line(error: OperationalError) -> str:
    return str(error.orig).strip().splitlines()[0] if error.orig is not None else "no answer"
