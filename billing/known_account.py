"""Is the account behind a channel's keys the one that we charged? Asked before anything absent counts as evidence.

Another account has nothing of ours, and truthfully says so: believed, that would charge again what the first one holds.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import structlog

from billing.halt_channel import halt_within
from domain.errors import AccountInDoubt, GatewayTrouble
from domain.evidence import Said
from domain.halt import HaltCause
from models.queries import resolve
from models.session import CommitInDoubt, DatabaseTrouble

if TYPE_CHECKING:
    from collections.abc import Iterable

    from billing.ports import Ports
    from gateway.port import AccessToken

_log = structlog.get_logger("billing")


def absence_counts(ports: Ports, token: AccessToken, said: Iterable[Said]) -> bool:
    """Whether a run may count as absent what its look-ups, made with this token, call so; once a run.

    If any does, the gateway is asked for a payment that this account surely has. An account that does not know it
    proves nothing, and halts the channel; no answer proves nothing either, and the next run asks again. A channel
    whose first payment is still too young has nothing to ask for: there absence counts.
    """
    if Said.ABSENT not in said:
        return True
    channel = ports.channel.name
    with ports.database.reading() as tx:
        # Look-ups lag: a younger payment may be missing in the right account, too.
        imp_uid = resolve.newest_payment_before(tx, tx.real - ports.limits.patience.settling, channel=channel)
    if imp_uid is None:
        return True
    try:
        is_known = ports.gateway.payment(imp_uid=imp_uid, token=token) is not None
    except GatewayTrouble as trouble:
        _log.warning("absence.not_counted", channel=channel, imp_uid=imp_uid, code=trouble.code)
        return False
    if not is_known:
        _halt(ports, imp_uid)
    return is_known


def require_known_account(ports: Ports, token: AccessToken) -> None:
    """Go on only where absence counts: for what is read whole or not at all.

    Raises:
        AccountInDoubt: It does not count in this run.
    """
    if not absence_counts(ports, token, (Said.ABSENT,)):
        name = ports.channel.name
        raise AccountInDoubt(
            f"the account behind channel {name} has not shown a payment of ours, so what it does not know counts for"
            f" nothing; `jeonggi channel check {name}` says more"
        )


def _halt(ports: Ports, imp_uid: str) -> None:
    channel = ports.channel.name
    reason = (
        f"engine: the account behind channel {channel} does not know our payment {imp_uid}; correct its credentials,"
        f" restart the workers, then `jeonggi channel resume {channel}`. A new account gets a channel of its own"
    )
    _log.error("channel.halted", channel=channel, reason=reason)
    # A database that is away must not cost the payments that the run has found: the next run meets the same, and halts.
    with suppress(DatabaseTrouble, CommitInDoubt), ports.database.transaction() as tx:
        halt_within(tx, channel, reason=reason, cause=HaltCause.ACCOUNT)
