"""How does a row get its id: a UUID of version 7, so that ids grow with time and indexes stay narrow at their end."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final
from uuid import UUID

if TYPE_CHECKING:
    from datetime import datetime

_VERSION: Final = 0x7 << 76
_VARIANT: Final = 0x2 << 62
_RANDOM_A: Final = ((1 << 12) - 1) << 64
_RANDOM_B: Final = (1 << 62) - 1


def first_id(real: datetime) -> UUID:
    """The least id that a row made at a real instant, to the millisecond, or later may have."""
    return UUID(int=(int(real.timestamp() * 1000) << 80) | _VERSION | _VARIANT)


def new_id(real: datetime) -> UUID:
    """A new id for a row made at a real instant. Source: RFC 9562, section 5.7."""
    milliseconds = int(real.timestamp() * 1000)
    random = int.from_bytes(os.urandom(10), "big")
    return UUID(int=(milliseconds << 80) | _VERSION | (random & _RANDOM_A) | _VARIANT | (random & _RANDOM_B))
