"""Why may a channel be halted? A halt ends only by a person's hand."""

from __future__ import annotations

from enum import StrEnum


class HaltCause(StrEnum):
    """Who or what halted a channel."""

    PERSON = "person"
    TOKEN = "token"  # noqa: S105 - the gateway refuses a token that it has just given
    MERCHANT = "merchant"  # so many charges in a row were declined for the merchant's account
    ENVELOPE = "envelope"  # more than the forecast allows on one day
    ACCOUNT = "account"  # the account behind its keys does not know a payment of ours
