"""What may a hook of the gateway tell us? Where to look sooner: it is unsigned, so nothing that it says counts.

Source of the fields: PortOne V1 documentation, "Webhook": ``imp_uid``, ``merchant_uid``, ``status``, and
``cancellation_id`` on cancellations. Nothing else is documented, and nothing else is kept.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from domain.errors import BadInput
from domain.identity import MERCHANT_UID

if TYPE_CHECKING:
    from collections.abc import Mapping


class HintStatus(StrEnum):
    """What a hook claims that a payment has become."""

    READY = "ready"
    PAID = "paid"
    CANCELLED = "cancelled"
    FAILED = "failed"
    OTHER = "other"  # none, or a word that we do not know


class HintOutcome(StrEnum):
    """What came of following a hint."""

    FOREIGN = "foreign"  # no attempt and no payment of ours: not looked up
    NOTHING_NEW = "nothing_new"  # everything that the gateway shows was known already
    NEWS = "news"  # the look found a payment that was not known yet
    HASTENED = "hastened"  # the attempt is unknown and has a record: the resolver asks about it now
    CANCELLATION = "cancellation"  # the payment's cancellations were read and handed on
    ODD = "odd"  # money that is not what was asked for: an incident
    NOT_FOUND = "not_found"  # looked for a few times; the gateway shows nothing of the kind
    GAVE_UP = "gave_up"  # no usable answer to any look; the sweeps go on


_IMP_UID: Final = re.compile(r"imp[a-z]{0,4}_[A-Za-z0-9_]{1,32}")
_CANCELLATION_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hint:
    """One hook, as far as it is kept. ``channel``: by which address it came, also only a hint."""

    channel: str
    imp_uid: str
    merchant_uid: str | None  # of our form, or not kept: another program's order number may hold anything
    status: HintStatus
    cancellation_id: str | None = None

    @property
    def digest(self) -> str:
        """Names what is told: equal for a doubled hook."""
        told = (self.channel, self.imp_uid, self.merchant_uid or "", self.status, self.cancellation_id or "")
        return hashlib.sha256("\x1f".join(told).encode("ascii")).hexdigest()[:32]


def read_hint(fields: Mapping[str, object], *, channel: str) -> Hint:
    """The documented fields of a hook's body, checked; whatever else is there is not looked at.

    Raises:
        BadInput: It names no payment.
    """
    imp_uid = _word(fields.get("imp_uid"))
    if imp_uid is None or not _IMP_UID.fullmatch(imp_uid):
        raise BadInput("the body names no payment: give imp_uid, as in imps_123456789012")
    merchant_uid = _word(fields.get("merchant_uid"))
    cancellation_id = _word(fields.get("cancellation_id"))
    return Hint(
        channel=channel,
        imp_uid=imp_uid,
        merchant_uid=merchant_uid if merchant_uid is not None and MERCHANT_UID.fullmatch(merchant_uid) else None,
        status=_status(fields.get("status")),
        cancellation_id=cancellation_id
        if cancellation_id is not None and _CANCELLATION_ID.fullmatch(cancellation_id)
        else None,
    )


def _status(told: object) -> HintStatus:
    known = {status.value: status for status in HintStatus}
    return known.get(told, HintStatus.OTHER) if isinstance(told, str) else HintStatus.OTHER


def _word(told: object) -> str | None:
    return told if isinstance(told, str) else None
