"""Does a channel's gateway take our keys, and is it the one that was meant? Its token, clock, MID and kind of money.

Moves no money; writes the token's digest only.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from billing.token_in_hand import token_in_hand
from models.queries import foreign_listing, listing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from billing.ports import Ports
    from models.session import Transaction

#: Clocks further apart than this make evidence hard to read: the gateway's list is asked for an hour around a send.
MOST_SKEW_SECONDS: Final = 60
#: The books are compared with the gateway's lists every hour; a day without a whole round is a fault.
_COMPARED_WITHIN: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedChannel:
    """What was found. ``skew_seconds``: how far the gateway's clock is ahead of the database's, within a second or two.

    ``pg``: which MID took the newest payment of ours, as the gateway tells it; None: there is none, or it is not told.
    """

    token_seconds_left: float
    skew_seconds: float
    pg: str | None
    is_sandbox: bool | None
    problems: Sequence[str]


def check_channel(ports: Ports) -> CheckedChannel:
    """Ask a channel's gateway for a token, and for the newest payment that is in our books.

    Raises:
        GatewayTrouble: It did not answer, or refused our keys.
    """
    token = token_in_hand(ports)
    with ports.database.reading() as tx:
        boottime, real = ports.boottime(), tx.real
        imp_uid = listing.newest_payment(tx, channel=ports.channel.name)
        problems = _foreign_hands(tx, ports.channel.name)
    left = token.dies_at_boottime - boottime
    # The token's end is told on the gateway's clock, and its life was measured on ours, less the second of rounding.
    skew = token.expires_at - (left + 1) - real.timestamp()
    record = ports.gateway.payment(imp_uid=imp_uid, token=token) if imp_uid is not None else None
    if abs(skew) > MOST_SKEW_SECONDS:
        problems.append(f"the gateway's clock is {skew:+.0f} s from the database's: set this machine's clock by NTP")
    if imp_uid is not None and record is None:
        problems.append(
            f"the gateway does not know {imp_uid}, which is in our books: are these keys another account's?"
        )
    if record is not None and record.pg and record.pg != ports.channel.pg:
        problems.append(f"the newest payment was taken by {record.pg}, not by {ports.channel.pg}: correct pg")
    if record is not None and record.sandbox and not ports.channel.is_test:
        problems.append("the newest payment is marked sandbox, and this channel is not marked as a test channel")
    return CheckedChannel(
        token_seconds_left=left,
        skew_seconds=skew,
        pg=record.pg or None if record is not None else None,
        is_sandbox=record.sandbox if record is not None else None,
        problems=problems,
    )


def _foreign_hands(tx: Transaction, channel: str) -> list[str]:
    """What others do to this channel's cards that waits for a person, and whether anybody still looks."""
    seen = foreign_listing.hands(tx, channel)
    problems = []
    if seen.payments:
        problems.append(f"{seen.payments:,} payments that we did not make: `jeonggi payment list --foreign`")
    if seen.blocked:
        problems.append(
            f"{seen.blocked:,} cards are not charged, for the gateway may charge them by schedules:"
            " `jeonggi schedule list`"
        )
    looked_at = seen.finished_at or seen.cards_since
    if looked_at is not None and looked_at < tx.real - _COMPARED_WITHIN:
        problems.append(
            f"it was not compared with the gateway's lists since {looked_at:%Y-%m-%d %H:%M} UTC: `compare.failed` in"
            " the logs says why"
        )
    return problems
