"""A plan's next price: a version from a day on, for those who come from then on. Nobody who stands is moved by it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Any, Final

from billing.lines import price_of
from domain.errors import BadInput, Conflict, NotFound
from domain.instants import civil_date, instant_of
from domain.price import PRICE_KEYS, Price, read_price
from models.ids import new_id
from models.queries import importing, installation
from models.queries import price as queries

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from sqlalchemy import Row

    from billing.change_subscription import By
    from models.session import Database, Transaction

#: Our choice, a bound on typing errors.
_YEARS_AHEAD: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A plan's price from an instant on. ``version`` counts from 1; ``subscriptions``: how many pay it."""

    version: int
    price: Price
    effective_from: datetime
    is_in_force: bool
    subscriptions: int = 0


def list_prices(tx: Transaction, code: str) -> Sequence[Version]:
    """A plan's versions, oldest first.

    Raises:
        NotFound: There is no such plan.
    """
    rows = versions_of(tx, code)
    counts = queries.pinned_counts(tx, [row.id for row in rows])
    return [_version(row, subscriptions=counts.get(row.id, 0)) for row in rows]


def add_price(
    database: Database,
    code: str,
    asked: dict[str, object],
    *,
    on: date,
    zone_name: str,
    by: By,
    dry_run: bool = False,
) -> Version:
    """Give a plan another price from a day on, in one commit with one audit entry.

    Args:
        database: Where it is kept.
        code: The plan's.
        asked: Keys of a price. ``vat``, ``card_quota`` and ``setup_fee`` that are not asked for stay as before.
        on: The civil day from whose first instant it is in force.
        zone_name: The day's.
        by: Who asks, and why.
        dry_run: Only say what would be written.

    Raises:
        NotFound: There is no such plan.
        BadInput: A key or the day cannot be used; the sentence says what can.
    """
    where = f"plan {code!r}"
    with database.transaction() as tx:
        importing.lock_plans(tx)
        standing = versions_of(tx, code)
        newest = standing[-1]
        if newest.tax_free and "tax_free" not in asked:
            raise BadInput(f"{where}: {newest.tax_free:,} won of its price are tax-free; say --tax-free of the new one")
        before = {key: getattr(newest, key) for key in ("vat", "card_quota", "setup_fee")}
        price = read_price(before | asked, where)
        effective_from = _day_from(tx, newest, on, zone_name, where)
        if not dry_run:
            queries.add_version(
                tx,
                {
                    "id": new_id(tx.real),
                    "plan_id": newest.plan_id,
                    **{key: getattr(price, key) for key in PRICE_KEYS},
                    "effective_from": effective_from,
                },
            )
            _audit(tx, "plan.price_added", newest.plan_id, by, price, effective_from)
    return Version(
        version=newest.version + 1,
        price=price,
        effective_from=effective_from,
        is_in_force=effective_from <= tx.now,
    )


def remove_price(database: Database, code: str, version: int, *, by: By, dry_run: bool = False) -> Version:
    """Take back the newest version of a plan's price before its day.

    Raises:
        NotFound: There is no such plan or version.
        Conflict: It is in force, not the newest, or somebody pays it.
    """
    with database.transaction() as tx:
        importing.lock_plans(tx)
        standing = versions_of(tx, code)
        row = named_version(standing, code, version)
        told = f"version {version} of plan {code!r}"
        if row.version != standing[-1].version:
            raise Conflict(f"{told} is not its newest; take back version {standing[-1].version} first")
        if row.effective_from <= tx.now:
            raise Conflict(f"{told} is in force since {row.effective_from:%Y-%m-%d %H:%M} UTC; add another one instead")
        if queries.is_pinned(tx, row.id):
            raise Conflict(f"{told} has subscriptions; move them to another one first")
        if not dry_run:
            queries.remove_version(tx, row.id)
            _audit(tx, "plan.price_removed", row.plan_id, by, price_of(row), row.effective_from)
    return _version(row, subscriptions=0)


def versions_of(tx: Transaction, code: str) -> Sequence[Row[Any]]:
    """The rows of a plan's versions, oldest first.

    Raises:
        NotFound: There is no such plan.
    """
    rows = queries.versions(tx, code)
    if not rows:
        raise NotFound(f"there is no plan {code!r}; `jeonggi plan list` tells which there are")
    return rows


def named_version(rows: Sequence[Row[Any]], code: str, version: int) -> Row[Any]:
    """One of a plan's versions.

    Raises:
        NotFound: There is none of that number.
    """
    for row in rows:
        if row.version == version:
            return row
    raise NotFound(f"plan {code!r} has no version {version}; `jeonggi plan price list {code}` tells which it has")


def _day_from(tx: Transaction, newest: Row[Any], on: date, zone_name: str, where: str) -> datetime:
    today = civil_date(tx.now, zone_name)
    if on < today:
        raise BadInput(f"{where}: {on} is past; a price is from today, {today}, or a later day on")
    if on.year > today.year + _YEARS_AHEAD:
        raise BadInput(f"{where}: {on} is more than {_YEARS_AHEAD} years ahead; check the year")
    effective_from = instant_of(on, time.min, zone_name)
    if effective_from <= newest.effective_from:
        last = civil_date(newest.effective_from, zone_name)
        raise BadInput(f"{where}: version {newest.version} is from {last} on; a new one must be from a later day on")
    return effective_from


def _version(row: Row[Any], *, subscriptions: int) -> Version:
    return Version(
        version=row.version,
        price=price_of(row),
        effective_from=row.effective_from,
        is_in_force=row.is_in_force,
        subscriptions=subscriptions,
    )


def _audit(tx: Transaction, action: str, plan_id: UUID, by: By, price: Price, effective_from: datetime) -> None:
    installation.write_audit(
        tx,
        actor=by.actor,
        action=action,
        subject="plan",
        subject_id=plan_id,
        reason=by.reason,
        amount=price.amount,
        tax_free=price.tax_free,
        vat=price.vat,
        card_quota=price.card_quota,
        setup_fee=price.setup_fee,
        effective_from=effective_from.isoformat(),
    )
