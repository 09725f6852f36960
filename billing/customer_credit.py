"""Give a customer credit, or take back what is not used: it lowers their next invoices, whichever come first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from domain.credit import CreditKind
from domain.errors import Conflict, NotFound
from domain.one_off import read_won
from domain.price import MAXIMUM_AMOUNT
from models.queries import beside, credit, hold, installation

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any
    from uuid import UUID

    from sqlalchemy import Row

    from billing.change_subscription import By
    from models.session import Database, Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditMoved:
    """A customer's credit after a change, and by how much it changed: won."""

    customer_ref: str
    amount: int
    balance: int


def grant_credit(database: Database, customer_ref: str, won: int, *, by: By, dry_run: bool = False) -> CreditMoved:
    """Give a customer credit; what is open already is not lowered by it.

    Raises:
        NotFound: There is no such customer.
        BadInput: It is no amount.
        Conflict: They would have more than anything may cost.
    """
    return _move(database, customer_ref, read_won(won), CreditKind.GRANTED, by=by, dry_run=dry_run)


def withdraw_credit(database: Database, customer_ref: str, won: int, *, by: By, dry_run: bool = False) -> CreditMoved:
    """Take back credit that is not used.

    Raises:
        NotFound: There is no such customer.
        BadInput: It is no amount.
        Conflict: They have less.
    """
    return _move(database, customer_ref, -read_won(won), CreditKind.WITHDRAWN, by=by, dry_run=dry_run)


def list_credit(tx: Transaction, customer_ref: str, *, limit: int) -> tuple[int, Sequence[Row[Any]]]:
    """A customer's credit, and the entries that made it, the newest first.

    Raises:
        NotFound: There is no such customer.
    """
    customer_id = _customer(tx, customer_ref)
    return credit.balance_of(tx, customer_id), credit.entries_of(tx, customer_id, limit=limit)


def _move(
    database: Database, customer_ref: str, amount: int, kind: CreditKind, *, by: By, dry_run: bool
) -> CreditMoved:
    with database.transaction() as tx:
        customer_id = _customer(tx, customer_ref)
        before = credit.balance_of(tx, customer_id) if dry_run else beside.lock_account(tx, customer_id)
        balance = before + amount
        if balance < 0:
            raise Conflict(f"customer {customer_ref!r} has {before:,} won of credit; at most that can be taken back")
        if balance > MAXIMUM_AMOUNT:
            raise Conflict(
                f"customer {customer_ref!r} has {before:,} won of credit; more than {MAXIMUM_AMOUNT:,} nobody can have"
            )
        if not dry_run:
            beside.write_credit(tx, customer_id=customer_id, kind=kind, amount=amount, actor=by.actor, reason=by.reason)
            if kind is CreditKind.GRANTED:
                _tell(tx, "credit.granted", customer_id, amount, balance, by)
            else:
                _tell(tx, "credit.withdrawn", customer_id, -amount, balance, by)
    return CreditMoved(customer_ref=customer_ref, amount=amount, balance=balance)


def _customer(tx: Transaction, customer_ref: str) -> UUID:
    found = hold.find_customer(tx, customer_ref)
    if found is None:
        raise NotFound(f"there is no customer {customer_ref!r}; `jeonggi subscription list` tells who there is")
    return found


def _tell(tx: Transaction, kind: str, customer_id: UUID, amount: int, balance: int, by: By) -> None:
    told = installation.event(tx, kind, customer_id=str(customer_id), amount=amount, balance=balance)
    installation.write_events(tx, [told])
    installation.write_audit(
        tx,
        actor=by.actor,
        action=kind,
        subject="customer",
        subject_id=customer_id,
        reason=by.reason,
        amount=amount,
        balance=balance,
    )
