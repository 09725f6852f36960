"""What was foreseen for a civil day: when it is kept, and a digest by which nobody can change it unseen."""

from __future__ import annotations

import hashlib
from datetime import UTC, time, timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from uuid import UUID

#: From this civil time on the next day's forecast is kept: late enough that little changes after it.
KEPT_FROM: Final = time(22)
#: A day is compared so long after it is over: what was due in its last minute has been opened by then.
COMPARED_AFTER: Final = timedelta(hours=1)

#: What takes a period away that was foreseen, brings one that was not, or makes one owe another amount. Nothing else
#: that happened to a subscription explains such a difference: it would hide a month that was forgotten.
TAKES_AWAY: Final = (
    "subscription.cancel",
    "subscription.cancel_requested",
    "subscription.pause",
    "subscription.pause_requested",
    "subscription.completed",
    "subscription.set_aside",
    "subscription.outage_skipped",
    "subscription.due_time_moved",
    "subscription.trial_goes_on",
    "subscription.billing_day_moved",
    "subscription.plan_changed",
    "usage.failed",
)
BRINGS: Final = (
    "subscription.imported",
    "subscription.adopted",
    "subscription.resumed",
    "subscription.released",
    "subscription.kept",
    "subscription.change_card",
    "subscription.converted",
    "subscription.due_time_moved",
    "subscription.billing_day_moved",
    "subscription.plan_changed",
    "usage.resolved",
)
CHANGES_THE_AMOUNT: Final = (
    "item.added",
    "item.removed",
    "subscription.add_on_added",
    "subscription.add_on_ended",
    "subscription.coupon_applied",
    "subscription.quantity_changed",
    "subscription.price_moved",
    "subscription.price_changed",
    "subscription.price_stays",
    "subscription.billing_day_moved",
    "subscription.plan_changed",
    "subscription.promotion_end_planned",
    "subscription.promotion_ended",
    "subscription.promotion_goes_on",
    "usage.resolved",
)

#: Whose charge, of which period, won, and when it is due (UTC).
Line = tuple["UUID", int, int, "datetime"]


def digest_of(lines: Iterable[Line]) -> str:
    """A digest of lines, whatever their order: SHA-256 in hex."""
    told = sorted(
        f"{subscription}|{ordinal}|{won}|{due_at.astimezone(UTC).isoformat()}"
        for subscription, ordinal, won, due_at in lines
    )
    return hashlib.sha256("\n".join(told).encode()).hexdigest()
