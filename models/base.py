"""What every table shares: naming of constraints, column kinds, CHECKs made from enums."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Final
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, DateTime, MetaData, Text, Uuid
from sqlalchemy.orm import DeclarativeBase, mapped_column

if TYPE_CHECKING:
    from collections.abc import Iterable

NAMING: Final = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

Won = Annotated[int, mapped_column(BigInteger)]
Instant = Annotated[datetime, mapped_column(DateTime(timezone=True))]
Id = Annotated[UUID, mapped_column(Uuid, primary_key=True)]
Word = Annotated[str, mapped_column(Text)]


class Base(DeclarativeBase):
    """The root of all tables."""

    metadata = MetaData(naming_convention=NAMING)


def one_of(column: str, values: Iterable[str]) -> CheckConstraint:
    """A CHECK that a text column holds a member of a closed set."""
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=column)


def listed(values: Iterable[str]) -> str:
    """Members of a closed set as SQL, for a predicate."""
    return ", ".join(f"'{value}'" for value in values)
