"""SQL of what was foreseen for a day, and of what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import text

from domain.forecast_day import BRINGS, CHANGES_THE_AMOUNT, TAKES_AWAY
from models.base import listed
from models.forecast import ForecastDay, ForecastDifference, ForecastLine
from models.queries.bulk import insert_rows, update_rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date, datetime

    from sqlalchemy import Row, RowMapping

    from models.session import Transaction

#: What happened to a subscription since the forecast was kept and explains such a difference, the newest.
_CAUSE: Final = (
    "(SELECT e.kind FROM outbox_event e WHERE e.subscription_id = d.subscription_id AND e.occurred_at >= f.kept_at"
    f"  AND e.kind IN (SELECT unnest(CASE WHEN d.opened IS NULL THEN ARRAY[{listed(TAKES_AWAY)}]"
    f"   WHEN d.foreseen IS NULL THEN ARRAY[{listed(BRINGS)}] ELSE ARRAY[{listed(CHANGES_THE_AMOUNT)}] END))"
    "  ORDER BY e.id DESC LIMIT 1)"
)
#: An amount may also differ by the customer's credit, which other subscriptions of theirs may use up, too.
_CREDIT: Final = (
    "(SELECT 'credit.' || c.kind FROM credit_entry c JOIN subscription s ON s.customer_id = c.customer_id"
    "  WHERE s.id = d.subscription_id AND c.recorded_at >= f.kept_at"
    "  AND d.foreseen IS NOT NULL AND d.opened IS NOT NULL"
    "  ORDER BY c.id DESC LIMIT 1)"
)
#: Lines and the invoices opened on that day, side by side; what catches up has a day of its own.
_DIFFERENCES: Final = text(
    "WITH f AS (SELECT * FROM forecast_day WHERE day = :day), d AS ("
    " SELECT coalesce(l.subscription_id, i.subscription_id) AS subscription_id,"
    "  coalesce(l.ordinal, i.ordinal) AS ordinal, l.amount AS foreseen, i.amount AS opened"
    " FROM (SELECT * FROM forecast_line WHERE day = :day) l"
    "  FULL JOIN (SELECT o.subscription_id, o.ordinal, o.amount FROM invoice o, f WHERE o.purpose = 'period'"
    "   AND (o.amount > 0 AND o.opened_at >= f.begins_at AND o.opened_at < f.ends_at AND NOT o.is_catch_up"
    "    OR EXISTS (SELECT FROM forecast_line x WHERE x.day = :day AND x.subscription_id = o.subscription_id"
    "     AND x.ordinal = o.ordinal))) i"
    "  ON i.subscription_id = l.subscription_id AND i.ordinal = l.ordinal"
    f") SELECT d.*, coalesce({_CAUSE}, {_CREDIT}) AS cause FROM d, f WHERE d.foreseen IS DISTINCT FROM d.opened"
)


def one_writer(tx: Transaction) -> bool:
    """Whether nobody else keeps or compares forecasts until this transaction ends."""
    return bool(tx.connection.execute(text("SELECT pg_try_advisory_xact_lock(hashtext('forecast_day'))")).scalar_one())


def is_kept(tx: Transaction, day: date) -> bool:
    """Whether a day's forecast is kept."""
    found = text("SELECT EXISTS (SELECT FROM forecast_day WHERE day = :day)")
    return bool(tx.connection.execute(found, {"day": day}).scalar_one())


def write_day(tx: Transaction, row: Mapping[str, Any]) -> None:
    """Keep a day's forecast."""
    insert_rows(tx, ForecastDay, [row])


def write_lines(tx: Transaction, rows: Sequence[Mapping[str, Any]]) -> None:
    """Keep its lines, which come after it."""
    insert_rows(tx, ForecastLine, rows)


def first_to_compare(tx: Transaction, *, over_before: datetime) -> Row[Any] | None:
    """The oldest day that is over since then and was not compared."""
    return tx.connection.execute(
        text(
            "SELECT day, begins_at, ends_at, kept_at, charges, won, digest FROM forecast_day"
            " WHERE compared_at IS NULL AND ends_at <= :before ORDER BY day LIMIT 1"
        ),
        {"before": over_before},
    ).one_or_none()


def lines_of(tx: Transaction, day: date) -> Sequence[Row[Any]]:
    """What is kept of a day that was not compared yet."""
    return tx.connection.execute(
        text("SELECT subscription_id, ordinal, amount, due_at FROM forecast_line WHERE day = :day"), {"day": day}
    ).all()


def differences_of(tx: Transaction, day: date) -> Sequence[RowMapping]:
    """What of a day came otherwise than foreseen, each with what explains it; None: nothing that is recorded does."""
    return tx.connection.execute(_DIFFERENCES, {"day": day}).mappings().all()


def write_compared(tx: Transaction, day: date, *, differences: Sequence[Mapping[str, Any]], unexplained: int) -> None:
    """Write down how a day differed; its lines have done their work."""
    insert_rows(tx, ForecastDifference, differences)
    row = {"day": day, "compared_at": tx.now, "differences": len(differences), "unexplained": unexplained}
    update_rows(tx, ForecastDay, [row], key=("day",))
    tx.connection.execute(text("DELETE FROM forecast_line WHERE day = :day"), {"day": day})


def list_days(tx: Transaction, *, limit: int) -> Sequence[Row[Any]]:
    """Days whose forecast was kept, the newest first."""
    return tx.connection.execute(
        text(
            "SELECT day, kept_at, charges, won, digest, compared_at, differences, unexplained FROM forecast_day"
            " ORDER BY day DESC LIMIT :limit"
        ),
        {"limit": limit},
    ).all()


def kept_differences(tx: Transaction, day: date, *, limit: int) -> Sequence[Row[Any]]:
    """How a day differed, what nobody knows a cause of first."""
    return tx.connection.execute(
        text(
            "SELECT d.subscription_id, c.customer_ref, d.ordinal, d.foreseen, d.opened, d.cause"
            " FROM forecast_difference d JOIN subscription s ON s.id = d.subscription_id"
            " JOIN customer c ON c.id = s.customer_id WHERE d.day = :day"
            " ORDER BY d.cause IS NOT NULL, d.subscription_id, d.ordinal LIMIT :limit"
        ),
        {"day": day, "limit": limit},
    ).all()
