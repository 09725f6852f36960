"""What changes a customer's credit? Won that lower their next invoices, whichever subscription's comes first."""

from __future__ import annotations

from enum import StrEnum


class CreditKind(StrEnum):
    """Why credit grew or shrank."""

    GRANTED = "granted"  # a person gave it
    WITHDRAWN = "withdrawn"  # a person took it back
    USED = "used"  # an invoice was lowered by it
    RETURNED = "returned"  # that invoice became void
