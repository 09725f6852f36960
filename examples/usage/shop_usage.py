"""What a period used: messages that the shop's own database has counted. The first hundred are in the plan's price."""  # noqa: INP001 - the module of its own package

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from domain.usage import Usage

if TYPE_CHECKING:
    from domain.usage import UsagePeriod

#: Table ``message``: ``customer_ref``, and ``sent_at`` as an ISO instant in UTC.
DATABASE = Path("/var/lib/shop/messages.sqlite3")
#: Shorter than JEONGGI_USAGE_TIMEOUT_SECONDS: what hangs here ends by itself.
SECONDS = 5
INCLUDED = 100
WON = 11


def messages(period: UsagePeriod) -> list[Usage]:
    """Tell how many messages were sent beyond those that the plan includes; reads only, so it may be asked again."""
    with closing(sqlite3.connect(f"file:{DATABASE}?mode=ro", uri=True, timeout=SECONDS)) as shop:
        (sent,) = shop.execute(
            "SELECT count(*) FROM message WHERE customer_ref = ? AND sent_at >= ? AND sent_at < ?",
            (period.customer_ref, period.start.isoformat(), period.end.isoformat()),
        ).fetchone()
    extra = max(0, sent - INCLUDED * period.quantity)
    return [Usage(description=f"메시지 {sent:,}건 중 {extra:,}건", quantity=extra, unit_amount=WON)]
