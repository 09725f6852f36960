"""A database whose next commits go wrong: refused, in doubt, or the last thing that a process lived to see."""

from __future__ import annotations

from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

from models.session import CommitInDoubt, Database, DatabaseTrouble

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from models.session import Transaction


def empty_again(url: str) -> None:
    """A migrated database as it was, without the time and the rows that a house put in; faster than a new one."""
    with psycopg.connect(url) as connection:
        names = connection.execute(
            "SELECT string_agg(quote_ident(tablename), ', ') FROM pg_tables WHERE schemaname = 'public'"
            " AND tablename NOT IN ('alembic_version', 'billing_clock', 'channel_state', 'test_time')"
        ).fetchone()
        assert names is not None
        connection.execute("SET session_replication_role = replica")  # append-only tables too
        connection.execute(sql.SQL("TRUNCATE {}").format(sql.SQL(names[0])))
        connection.execute(
            "UPDATE channel_state SET halted_at = NULL, halt_reason = NULL, rate_used_until = to_timestamp(0),"
            " breaker_state = 'closed', breaker_trouble_count = 0, breaker_merchant_count = 0, breaker_openings = 0,"
            " breaker_until = NULL, breaker_probe_id = NULL, slow_steps = 0, slowed_at = NULL"
        )
        connection.execute("DROP TABLE IF EXISTS test_time")


class Killed(BaseException):
    """The process is gone: nothing that catches ``Exception`` sees it."""


class CommitFate(StrEnum):
    """What becomes of one commit."""

    TROUBLE = "trouble"  # the database went away before it; rolled back
    DOUBT_THERE = "doubt_there"  # it raised, and had happened
    DOUBT_GONE = "doubt_gone"  # it raised, and had not
    KILLED_BEFORE = "killed_before"
    KILLED_AFTER = "killed_after"


class _Undone(Exception):
    pass


class FatedDatabase(Database):
    """``let(3, fate)``: the third transaction from now meets its fate, all others go well.

    ``meanwhile``: what others do before its caller learns of it.
    """

    def __init__(self, url: str) -> None:
        super().__init__(url, pool_size=5)
        self._left = 0
        self._fate: CommitFate | None = None
        self._meanwhile: Callable[[], None] | None = None

    def let(self, nth: int, fate: CommitFate, *, meanwhile: Callable[[], None] | None = None) -> None:
        """The nth transaction from now, from 1."""
        self._left, self._fate, self._meanwhile = nth, fate, meanwhile

    def let_all_go_well(self) -> None:
        """Forget what was said."""
        self._fate = None

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:  # type: ignore[explicit-override]  # typing has no @override in 3.11
        fate = self._next()
        undone = fate in {CommitFate.TROUBLE, CommitFate.DOUBT_GONE, CommitFate.KILLED_BEFORE}
        try:
            with super().transaction() as tx:
                yield tx
                if undone:
                    raise _Undone  # noqa: TRY301 - inside the transaction, so that it is rolled back
        except _Undone:
            pass
        if fate is not None and self._meanwhile is not None:
            self._meanwhile()
        match fate:
            case CommitFate.TROUBLE:
                raise DatabaseTrouble("the database went away, for a test")
            case CommitFate.DOUBT_THERE | CommitFate.DOUBT_GONE:
                raise CommitInDoubt("a commit was not confirmed, for a test")
            case CommitFate.KILLED_BEFORE | CommitFate.KILLED_AFTER:
                raise Killed(fate)
            case None:
                return

    def _next(self) -> CommitFate | None:
        if self._fate is None:
            return None
        self._left -= 1
        if self._left > 0:
            return None
        fate, self._fate = self._fate, None
        return fate
