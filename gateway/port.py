"""What billing asks of a payment gateway: the port, and the values that cross it.

Billing knows this file and nothing else of the gateway; ``runtime.wiring`` puts the real client behind it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from domain.errors import BadInput
from gateway.fields import require_customer_uid, require_tax_parts, require_whole, require_won
from gateway.payment_fields import PaymentFields, check_payment

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from domain.decline_rules import DeclineRules
    from domain.evidence import Record, Source
    from domain.outcome import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessToken:
    """The gateway's token in hand: the only fence that the gateway itself enforces.

    ``digest`` names it in the database; ``expires_at`` is the gateway's own ``expired_at`` (unix seconds, its clock),
    only for ordering tokens; ``dies_at_boottime`` is when it dies on this host's CLOCK_BOOTTIME.
    """

    value: str = field(repr=False)
    digest: str
    expires_at: int
    dies_at_boottime: float


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownToken:
    """What this installation remembers of the newest token (kept in the database, without its value).

    ``seconds_left`` may be negative: it is dead then.
    """

    digest: str
    expires_at: int
    seconds_left: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge(PaymentFields):
    """One request to move money; ``attempt_id``, ``send_no`` and ``fence`` come back with the answer, unread."""

    attempt_id: UUID
    send_no: int
    fence: int
    customer_uid: str = field(repr=False)
    channel_key: str = ""

    def __post_init__(self) -> None:
        check_payment(self)
        require_won("amount", self.amount)
        require_customer_uid(self.customer_uid)
        require_whole("channel_key", self.channel_key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Charges that one claim committed, with the token in hand at that claim.

    No charge is started at or after ``send_before_boottime`` (seconds of CLOCK_BOOTTIME, which counts suspend);
    charge i is not started before ``first_at_boottime + i * spacing_seconds`` (the channel's rate), and none without a
    permission (``FanOut.allow``).
    """

    charges: Sequence[Charge]
    token: AccessToken
    send_before_boottime: float
    first_at_boottime: float
    spacing_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What became of one charge. ``body`` is the masked answer (no card, name, mail, tel), for the evidence."""

    charge: Charge
    outcome: Outcome
    http_status: int | None = None
    body: Mapping[str, object] | None = None
    issuer_code: str = ""  # the card company's, if the answer told it
    #: A 401 although the token was not near its end: a configuration error, the channel must halt.
    refused_fresh_token: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one look-up said about one ``merchant_uid``.

    A failed record carries its ``decline_code``, read from ``fail_reason`` by the gateway's own map.
    ``records`` empty means the endpoint said, in its own envelope, that there is none (whole list read, all pages).
    A look-up that gave no answer raises instead: it is no evidence.
    """

    source: Source
    records: Sequence[Record]
    token_digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelOrder:
    """One request to give money back. Won.

    ``checksum`` is what we believe can still be cancelled, always sent: the gateway refuses where it sees another sum,
    which makes a repeated cancel harmless. ``amount`` is always sent, a full refund's too. ``tax_free`` and
    ``vat_amount`` are this cancel's parts; ``vat_amount`` None: none was sent with the payment.
    ``reason`` comes back in the payment's cancel history, so it carries the refund's own mark.
    """

    imp_uid: str
    amount: int
    checksum: int
    reason: str
    tax_free: int = 0
    vat_amount: int | None = None

    def __post_init__(self) -> None:
        require_whole("imp_uid", self.imp_uid)
        require_whole("reason", self.reason)
        if not self.imp_uid or not self.reason.strip():
            raise BadInput("a cancel names its payment (imp_uid) and its reason")
        require_won("amount", self.amount)  # over there 0 would be all of it
        require_won("checksum", self.checksum)
        if self.amount > self.checksum:
            raise BadInput("amount: no more can be cancelled than is left (checksum)")
        require_tax_parts(self.amount, self.tax_free, self.vat_amount)


class CancelSaid(StrEnum):
    """What became of one cancel."""

    CANCELLED = "cancelled"  # done: the answer's record shows it
    REFUSED = "refused"  # the gateway's own words: not cancelled
    NOT_SENT = "not_sent"  # proven: no byte left, or 401
    UNKNOWN = "unknown"  # ask the payment


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelAnswer:
    """The answer to one cancel; ``record`` is the payment as it stands afterwards, if it was told."""

    said: CancelSaid
    raw_reason: str = ""
    record: Record | None = None


class ScheduleState(StrEnum):
    """Where one of the gateway's own schedules stands."""

    SCHEDULED = "scheduled"
    EXECUTED = "executed"
    REVOKED = "revoked"
    OTHER = "other"  # a word that we do not know


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """One charge that the gateway itself will make, or made. Won; instants aware UTC."""

    merchant_uid: str
    customer_uid: str = field(repr=False)
    schedule_at: datetime
    amount: int
    name: str
    state: ScheduleState
    payment_status: str = ""  # paid | failed | cancelled, once executed
    imp_uid: str | None = None


class FanOut(Protocol):
    """Hundreds of charges in flight at once, started by ``send`` and collected by ``answered``."""

    @property
    def in_flight(self) -> int:
        """Charges given to ``send`` whose answer ``answered`` has not returned yet."""

    def allow(self, *, until_boottime: float, spacing_seconds: float = 0.0) -> None:
        """Charges may start until then, and no closer than this; the newest permission holds alone.

        Without a living one nothing starts: it waits for one until its batch's ``send_before_boottime``.
        """

    def send(self, batch: Batch) -> None:
        """Start a batch; returns at once."""

    def answered(self, *, group_seconds: float, group_size: int) -> Sequence[Answer]:
        """Wait until ``group_size`` answers are there, or ``group_seconds`` passed since the call."""

    def hand_back(self) -> None:
        """Start nothing more: what was not started is answered NotExecuted(HANDED_BACK)."""


class Gateway(Protocol):
    """The gateway, whole, as far as billing needs it. Methods are synchronous and safe from any thread."""

    def access_token(self, known: KnownToken | None) -> AccessToken:
        """The token in hand, or a new one; never asked for in a known token's last minute.

        ``known`` is what the installation remembers; it keeps a fresh process from asking in the last minute.

        Raises:
            TokenNotYet: The newest known token is in its last minute.
            GatewayRefusedCredentials: Key and secret were refused.
            GatewayUnreachable, GatewayUnreadable: No usable answer.
        """

    def learn(self, rules: DeclineRules) -> None:
        """Read refusals with what operators taught, from the next set of charges, and the next look-up, on."""

    def fan_out(self) -> FanOut:
        """A new set of charges in flight, on this process's connections."""

    def find_all(self, *, merchant_uid: str, token: AccessToken) -> Finding:
        """Every record of a ``merchant_uid``, whatever its status (findAll without a status)."""

    def card_payments(self, *, customer_uid: str, merchant_uid: str, token: AccessToken) -> Finding:
        """The records of ``merchant_uid`` among a card's payments."""

    def day_list(
        self, *, merchant_uids: Sequence[str], begin: datetime, end: datetime, token: AccessToken
    ) -> Mapping[str, Finding]:
        """One walk over the status list of [begin, end) (at most 90 days), for many ``merchant_uid``s at once."""

    def all_payments(
        self, *, begin: datetime, end: datetime, token: AccessToken, seen: Callable[[int], None]
    ) -> Sequence[Record]:
        """Every record in [begin, end); ``seen`` is told the running count, for progress."""

    def payment(self, *, imp_uid: str, token: AccessToken) -> Record | None:
        """One payment with its cancel history; None: the gateway said, in its own envelope, that there is none."""

    def cancel(self, order: CancelOrder, *, token: AccessToken, send_before_boottime: float) -> CancelAnswer:
        """Ask once to give money back; nothing is sent at or after ``send_before_boottime``. Never raises trouble."""

    def schedules(
        self, *, begin: datetime, end: datetime, token: AccessToken, seen: Callable[[int], None]
    ) -> Sequence[Schedule]:
        """Every schedule of the account, whatever its state, whose time is in [begin, end)."""

    def card_schedules(
        self, *, customer_uid: str, begin: datetime, end: datetime, token: AccessToken
    ) -> Sequence[Schedule]:
        """One card's schedules, whatever their state, whose time is in [begin, end)."""

    def schedule(self, *, merchant_uid: str, token: AccessToken) -> Schedule | None:
        """One schedule by its name; None: the gateway said, in its own envelope, that there is none."""

    def unschedule(self, *, customer_uid: str, merchant_uids: Sequence[str], token: AccessToken) -> Sequence[Schedule]:
        """Revoke schedules by name, at least one; gives what the gateway says it revoked.

        Raises:
            RuleBroken: No name was given: that request would wipe all of the card's schedules.
            GatewayUnreachable, GatewayUnreadable: Perhaps revoked; look at the schedule.
        """

    def close(self) -> None:
        """Close this process's connections."""
