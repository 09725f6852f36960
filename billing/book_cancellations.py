"""Cancels that the gateway shows and our books do not have: made at its console, or by a lost refund of ours.

They are found by whoever reads payment records: the hourly comparison, and hooks that make somebody look.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from billing.record_refund import Books
from models.queries import refund as queries

if TYPE_CHECKING:
    from collections.abc import Sequence

    from billing.ports import Ports
    from domain.evidence import Record


def book_cancellations(ports: Ports, records: Sequence[Record]) -> Counter[str]:
    """Book what payment records show to be cancelled; gives ``elsewhere`` and ``ours``, how many were booked.

    A payment's ``cancelled_amount`` only grows, up to what its record tells; each cancel is booked once, by its place
    in the payment's history. Records of payments that are not ours, or that show nothing new, change nothing. A cancel
    made elsewhere ends the payment's open refunds: a person looks before money is given back once more.

    Raises:
        DatabaseTrouble, CommitInDoubt: Some may be booked; asking again books the others.
    """
    cancelled = {record.imp_uid: record for record in records if record.cancel_amount > 0}
    booked: Counter[str] = Counter()
    if not cancelled:
        return booked
    with ports.database.reading() as tx:
        known = queries.payments_by_imp_uid(tx, list(cancelled))
    for payment in known:
        record = cancelled[payment.imp_uid]
        if record.cancel_amount > payment.cancelled_amount:
            with ports.database.transaction() as tx:
                books = Books(tx, ports, payment.id)
                books.take(record)
                books.write()
            booked["elsewhere"] += books.elsewhere
            booked["ours"] += books.found
    return +booked
