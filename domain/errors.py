"""What can go wrong that is not a business result.

Expected results (a decline, an unknown) are values. These classes are for conflicts, for the outside world
failing on calls that are not charges, and for our own mistakes. Each carries a stable ``code``.
"""

from __future__ import annotations

from typing import ClassVar


class BillingError(Exception):
    """Something stopped the work; the message is one sentence with its mend."""

    code: ClassVar[str] = "billing_error"


class RuleBroken(BillingError):
    """A rule of our own was broken: a defect, never an operator's fault."""

    code: ClassVar[str] = "rule_broken"


class IllegalTransition(RuleBroken):
    """A state was asked to take an event that its table does not list."""

    code: ClassVar[str] = "illegal_transition"


class NaiveInstant(RuleBroken):
    """An instant came without an offset."""

    code: ClassVar[str] = "naive_instant"


class Conflict(BillingError):
    """Somebody was first, or the thing is not in a state that allows this. Nothing was changed."""

    code: ClassVar[str] = "conflict"


class NotFound(BillingError):
    """There is no such thing."""

    code: ClassVar[str] = "not_found"


class BadInput(BillingError):
    """What was given cannot be used; the message names the field and the mend."""

    code: ClassVar[str] = "bad_input"


class Misconfigured(BillingError):
    """A setting or the environment is wrong; raised at start, with the mend."""

    code: ClassVar[str] = "misconfigured"


class GatewayTrouble(BillingError):
    """A call to the gateway that moves no money failed; it may be asked again."""

    code: ClassVar[str] = "gateway_trouble"


class GatewayUnreachable(GatewayTrouble):
    """The gateway could not be reached or did not answer in time."""

    code: ClassVar[str] = "gateway_unreachable"


class GatewayUnreadable(GatewayTrouble):
    """The gateway answered something that is not its envelope."""

    code: ClassVar[str] = "gateway_unreadable"


class GatewayRefusedCredentials(GatewayTrouble):
    """The gateway refused the API key and secret, or a token that it had just issued."""

    code: ClassVar[str] = "gateway_refused_credentials"


class AccountInDoubt(GatewayTrouble):
    """Whether the account behind the keys is ours is not known, so nothing that it does not know counts."""

    code: ClassVar[str] = "account_in_doubt"


class TokenNotYet(GatewayTrouble):
    """No token may be asked for now: the known one is in its last minute, and asking would extend it."""

    code: ClassVar[str] = "token_not_yet"
