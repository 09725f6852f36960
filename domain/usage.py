"""What a merchant's own application is asked, and answers, about a period that is billed by use. The stable surface.

An entry point of the group ``jeonggi.usage`` names a callable, and a plan's key ``usage`` names the entry point::

    from domain.usage import Usage, UsagePeriod


    def resolve(period: UsagePeriod) -> list[Usage]: ...

Names and fields here are only ever added to: ``docs/reference/usage.md``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from domain.errors import BadInput
from domain.file_value import shown
from domain.invoice_line import Item, LineKind
from domain.price import MAXIMUM_AMOUNT

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

#: The group of entry points.
GROUP: Final = "jeonggi.usage"
#: Our choices: what a customer reads on one invoice, and what fits a line of it.
MOST_LINES: Final = 100
LONGEST_DESCRIPTION: Final = 200
_MOST_UNITS: Final = 2**31 - 1
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

#: Real time until a period's usage is asked for again, after so many failures; the last one from then on.
PAUSES: Final = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=15), timedelta(minutes=60))


@dataclass(frozen=True, slots=True, kw_only=True)
class UsagePeriod:
    """Whose use is asked for, and of which period: ``start`` up to but not with ``end``, both aware, UTC.

    ``ordinal``: the period's number, from 0. ``plan`` and ``quantity`` are the subscription's when it is asked.
    """

    subscription_id: UUID
    customer_ref: str
    plan: str
    quantity: int
    ordinal: int
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """A line of what was used. Won, tax included; ``unit_tax_free`` is a part of ``unit_amount``."""

    description: str
    quantity: int
    unit_amount: int
    unit_tax_free: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingUsage:
    """What a period used, that no invoice has yet."""

    ordinal: int
    items: tuple[Item, ...]


def read_usage_name(value: object, where: str) -> str | None:
    """A plan's key ``usage``.

    Raises:
        BadInput: It is no name of an entry point.
    """
    if value is None:
        return None
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise BadInput(
            f"{where}: usage = {shown(value)} cannot be used; give the name of an entry point of {GROUP}: 1 to 64"
            " letters, digits, dots, hyphens or underscores"
        )
    return value


def usage_items(answer: object) -> tuple[Item, ...]:
    """What an answer owes, line by line; what was used not once is left out. Nothing of it is in an error's words.

    Raises:
        BadInput: It is no list of ``Usage``, or a line of it cannot be billed.
    """
    if not isinstance(answer, list | tuple):
        raise BadInput("it gave no list of Usage")
    if len(answer) > MOST_LINES:
        raise BadInput(f"it gave {len(answer)} lines, more than {MOST_LINES}")
    items = tuple(_item(line, number) for number, line in enumerate(answer, start=1))
    if won_of(items) > MAXIMUM_AMOUNT:
        raise BadInput(f"its lines come to more than {MAXIMUM_AMOUNT:,} won")
    return tuple(item for item in items if item.quantity)


def won_of(items: Sequence[Item]) -> int:
    """What lines come to, in won."""
    return sum(item.quantity * item.unit_amount for item in items)


def _item(line: object, number: int) -> Item:
    where = f"line {number} of what it gave"
    if not isinstance(line, Usage):
        raise BadInput(f"{where} is no Usage")
    description: object = line.description
    told = description.strip() if isinstance(description, str) else ""
    if not told or len(told) > LONGEST_DESCRIPTION or not told.isprintable():
        raise BadInput(f"{where} has no description of 1 to {LONGEST_DESCRIPTION} printable characters")
    for name, most in (("quantity", _MOST_UNITS), ("unit_amount", MAXIMUM_AMOUNT), ("unit_tax_free", MAXIMUM_AMOUNT)):
        value = getattr(line, name)
        if type(value) is not int:
            raise BadInput(f"{where} has a {name} that is no whole number")
        if not 0 <= value <= most:
            raise BadInput(f"{where} has a {name} outside 0 to {most:,}")
    if line.unit_tax_free > line.unit_amount:
        raise BadInput(f"{where} has more free of tax than it costs")
    return Item(
        kind=LineKind.USAGE,
        description=told,
        quantity=line.quantity,
        unit_amount=line.unit_amount,
        unit_tax_free=line.unit_tax_free,
    )
