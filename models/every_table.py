"""Every table, registered: ``Base.metadata`` knows those alone whose modules were imported."""

from __future__ import annotations

from models import (  # noqa: F401 - they register their tables
    beside,
    brake,
    consent,
    decline,
    forecast,
    foreign,
    hint,
    hold,
    installation,
    invoice,
    invoice_line,
    proration,
    refund,
    subscription,
    usage,
)
from models.base import Base

__all__ = ["Base"]
