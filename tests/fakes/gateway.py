"""A gateway in memory: the port, a ledger, and a fate for every charge. Deterministic; nothing sleeps.

    gateway = FakeGateway()
    gateway.script(merchant_uid, Fate.LOSE_ANSWER)
    ...
    assert gateway.paid_won() == 9900

Charges are carried out when ``answered`` is called, in the order of ``send``: what ``hand_back`` came before is
handed back.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING
from uuid import UUID

from domain.decline import is_ambiguous
from domain.decline_rules import NO_RULES
from domain.errors import GatewayUnreadable, RuleBroken
from domain.evidence import Record, Source
from domain.outcome import (
    Approved,
    DeclineCode,
    Declined,
    NotExecuted,
    NotExecutedReason,
    Outcome,
    Unknown,
    UnknownReason,
)
from gateway.decline_map import decline_code_of
from gateway.errors import TokenRefused
from gateway.port import AccessToken, Answer, Charge, Finding
from gateway.tokens import token_digest
from tests.fakes.cancels import CancelBook, WithCancels
from tests.fakes.schedules import ScheduleBook, WithSchedules

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from domain.decline_rules import DeclineRules
    from gateway.port import Batch, KnownToken, Schedule

UNUSABLE_CUSTOMER = "등록되지 않은 구매자입니다."

#: A record younger than this may be hidden from look-ups; older ones are always shown. No proof of absence could
#: survive a longer lag: it is what ``Patience.longest_processing`` allows after the last token's death.
LAG_AT_MOST = timedelta(seconds=600)


class Fate(StrEnum):
    """What becomes of one charge, on its way there, over there, and on its way back."""

    APPROVE = "approve"
    DECLINE = "decline"  # recorded as failed, with the scripted text
    LOSE_ANSWER = "lose_answer"  # paid, but the answer never comes
    LOSE_DECLINE = "lose_decline"  # failed, but the answer never comes
    LOSE_REQUEST = "lose_request"  # read whole and then dropped: nothing is recorded, no answer comes
    NOT_SENT = "not_sent"  # no byte left
    UNAUTHORIZED = "unauthorized"
    DUPLICATE = "duplicate"  # the gateway says that the merchant_uid was used; nothing is recorded
    REFUSE = "refuse"  # a refusal of another kind
    NO_CUSTOMER = "no_customer"  # the billing key is unknown over there
    MISMATCH = "mismatch"  # paid, but another amount
    READY = "ready"  # recorded, not decided
    SERVER_ERROR_AFTER = "server_error_after"  # paid, and answered with a 500
    SERVER_ERROR_BEFORE = "server_error_before"  # a 500, and nothing recorded
    SLOW_DOWN = "slow_down"  # a 429, and nothing recorded


@dataclass(slots=True)
class _Scripted:
    fate: Fate
    text: str = ""


def _no_trouble() -> None:
    return None


@dataclass(slots=True)
class FakeGateway(WithSchedules, WithCancels):
    """Implements ``gateway.port.Gateway``.

    ``is_strict``: a ``merchant_uid`` that has a record is refused as a duplicate; a careless gateway charges again.
    ``look_up_trouble``, ``payment_trouble`` (for one payment by its number) and ``token_trouble`` may be set to a
    callable that raises. ``book`` holds its own schedules,
    ``cancels`` what it gave back.
    """

    is_strict: bool = True
    token_life_seconds: float = 1800.0
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    boottime: Callable[[], float] = lambda: time.clock_gettime(time.CLOCK_BOOTTIME)
    default: Fate = Fate.APPROVE
    look_up_trouble: Callable[[], None] = _no_trouble
    payment_trouble: Callable[[], None] = _no_trouble
    token_trouble: Callable[[], None] = _no_trouble
    records: list[Record] = field(default_factory=list)
    #: Every charge that reached the gateway whole.
    asked: list[Charge] = field(default_factory=list)
    look_ups: list[Source] = field(default_factory=list)
    #: Every payment that was asked for by its number.
    payments_asked: list[str] = field(default_factory=list)
    rules: DeclineRules = NO_RULES
    first_number: int = 1  # of its payments and tokens: no two accounts share one
    #: Which company issued a card, by ``customer_uid``.
    issuers: dict[str, str] = field(default_factory=dict)
    _fates: dict[str, deque[_Scripted]] = field(default_factory=dict)
    _lag: dict[str, int] = field(default_factory=dict)
    _deleted_cards: set[str] = field(default_factory=set)
    _token: AccessToken | None = None
    _token_count: int = 0
    book: ScheduleBook = field(init=False)
    cancels: CancelBook = field(init=False)

    def __post_init__(self) -> None:
        self.book = ScheduleBook(now=self.now, execute=self._execute)
        self.cancels = CancelBook(records=self.records, now=self.now, is_alive=self._is_alive)

    # What a test says.

    def script(self, merchant_uid: str, *fates: Fate, text: str = "[120002] 한도초과") -> None:
        """The fates of this ``merchant_uid``'s next sends, in order; afterwards ``default`` again."""
        self._fates.setdefault(merchant_uid, deque()).extend(_Scripted(fate, text) for fate in fates)

    def lag(self, merchant_uid: str, *, looks: int) -> None:
        """The next ``looks`` look-ups do not see this ``merchant_uid``'s newest records yet."""
        self._lag[merchant_uid] = looks

    def expire_token(self) -> None:
        """The token is dead from now on; the next one asked for is a different one."""
        self._token = None

    def delete_card(self, customer_uid: str) -> None:
        """The card's list answers 404 from now on, which is no evidence."""
        self._deleted_cards.add(customer_uid)

    def record_payment(self, charge: Charge, *, status: str = "paid", amount: int | None = None) -> Record:
        """Write into the ledger, as if it had happened over there."""
        return self._record(charge, status=status, amount=charge.amount if amount is None else amount)

    def paid_won(self) -> int:
        """All money that moved and was not cancelled."""
        return sum(each.amount - each.cancel_amount for each in self.records if each.status in {"paid", "cancelled"})

    def paid_records(self, merchant_uid: str) -> list[Record]:
        """The payments of one ``merchant_uid``."""
        return [each for each in self.records if each.merchant_uid == merchant_uid and each.status == "paid"]

    # The port.

    def access_token(self, known: KnownToken | None) -> AccessToken:
        del known
        self.token_trouble()
        now = self.boottime()
        if self._token is None or self._token.dies_at_boottime <= now:
            self._token_count += 1
            value = f"fake-token-{self.first_number - 1 + self._token_count}"
            self._token = AccessToken(
                value=value,
                digest=token_digest(value),
                expires_at=1_800_000_000 + self._token_count,
                dies_at_boottime=now + self.token_life_seconds,
            )
        return self._token

    def learn(self, rules: DeclineRules) -> None:
        self.rules = rules

    def fan_out(self) -> FakeFanOut:
        return FakeFanOut(self)

    def find_all(self, *, merchant_uid: str, token: AccessToken) -> Finding:
        self._look(Source.FIND_ALL, token)
        return self._finding(Source.FIND_ALL, merchant_uid, self.records, token)

    def card_payments(self, *, customer_uid: str, merchant_uid: str, token: AccessToken) -> Finding:
        self._look(Source.CARD_PAYMENTS, token)
        if customer_uid in self._deleted_cards:
            raise GatewayUnreadable("a look-up was answered with HTTP 404: no evidence")
        records = [each for each in self.records if each.customer_uid == customer_uid]
        return self._finding(Source.CARD_PAYMENTS, merchant_uid, records, token)

    def day_list(
        self, *, merchant_uids: Sequence[str], begin: datetime, end: datetime, token: AccessToken
    ) -> Mapping[str, Finding]:
        self._look(Source.DAY_LIST, token)
        if not 0 < (end - begin).total_seconds() <= 90 * 86_400:
            raise RuleBroken("a day list spans more than nothing and at most 90 days")
        records = [each for each in self.records if begin <= _told_at(each) < end]
        return {each: self._finding(Source.DAY_LIST, each, records, token) for each in merchant_uids}

    def all_payments(
        self, *, begin: datetime, end: datetime, token: AccessToken, seen: Callable[[int], None]
    ) -> Sequence[Record]:
        self._look(Source.DAY_LIST, token)
        records = [each for each in self.records if begin <= _told_at(each) < end]
        seen(len(records))
        return records

    def close(self) -> None:
        """Nothing is open."""

    # How it goes over there.

    def carry_out(self, charge: Charge, token: AccessToken) -> Answer:
        """One charge, by its fate."""
        scripted = self._fates.get(charge.merchant_uid)
        fated = scripted.popleft() if scripted else _Scripted(self.default)
        if fated.fate is Fate.NOT_SENT:
            return Answer(charge=charge, outcome=NotExecuted(reason=NotExecutedReason.NOT_SENT))
        self.asked.append(charge)
        if fated.fate is Fate.UNAUTHORIZED or not self._is_alive(token):
            left = token.dies_at_boottime - self.boottime()
            return Answer(
                charge=charge,
                outcome=NotExecuted(reason=NotExecutedReason.UNAUTHORIZED),
                http_status=401,
                refused_fresh_token=left > 60,
            )
        is_used = any(each.merchant_uid == charge.merchant_uid for each in self.records)
        if self.is_strict and is_used and fated.fate not in {Fate.LOSE_REQUEST, Fate.SERVER_ERROR_BEFORE}:
            fated = _Scripted(Fate.DUPLICATE)
        return self._decide(charge, fated)

    def _decide(self, charge: Charge, fated: _Scripted) -> Answer:
        fate = fated.fate
        if fate in {Fate.APPROVE, Fate.LOSE_ANSWER, Fate.SERVER_ERROR_AFTER}:
            record = self._record(charge, status="paid", amount=charge.amount)
            if fate is Fate.APPROVE:
                approved = Approved(imp_uid=record.imp_uid, amount=record.amount, paid_at=record.paid_at)
                answer = _answer(charge, approved, 200, {"status": "paid", "imp_uid": record.imp_uid})
                return replace(answer, issuer_code=record.issuer_code)
        elif fate in {Fate.DECLINE, Fate.LOSE_DECLINE}:
            record = self._record(charge, status="failed", amount=charge.amount, text=fated.text)
            if fate is Fate.DECLINE:
                return _answer(charge, _refused(record), 200, {"status": "failed", "imp_uid": record.imp_uid})
        elif fate is Fate.MISMATCH:
            self._record(charge, status="paid", amount=charge.amount + 100)
        elif fate is Fate.READY:
            self._record(charge, status="ready", amount=charge.amount)
        outcome, status = _WITHOUT_RECORD[fate]
        return _answer(charge, outcome, status, None)

    def _record(self, charge: Charge, *, status: str, amount: int, text: str = "") -> Record:
        now = self.now()
        record = Record(
            imp_uid=f"imps_{self.first_number + len(self.records):012d}",
            merchant_uid=charge.merchant_uid,
            status=status,
            amount=amount,
            cancel_amount=amount if status == "cancelled" else 0,
            customer_uid=charge.customer_uid,
            fail_reason=text,
            decline_code=decline_code_of(text, self.rules) if status == "failed" else DeclineCode.UNCLASSIFIED,
            started_at=now,
            paid_at=now if status in {"paid", "cancelled"} else None,
            failed_at=now if status == "failed" else None,
            sandbox=True,
            issuer_code=self.issuers.get(charge.customer_uid, ""),
        )
        self.records.append(record)
        return record

    def _execute(self, schedule: Schedule, status: str) -> Record:
        charge = Charge(
            attempt_id=UUID(int=0),
            send_no=1,
            fence=1,
            merchant_uid=schedule.merchant_uid,
            customer_uid=schedule.customer_uid,
            amount=schedule.amount,
            name=schedule.name,
        )
        return self._record(charge, status=status, amount=schedule.amount)

    def _look(self, source: Source, token: AccessToken) -> None:
        self.look_ups.append(source)
        self._ask(token)

    def _ask(self, token: AccessToken) -> None:  # type: ignore[explicit-override]  # typing has no @override in 3.11
        self.book.run_due()
        self.look_up_trouble()
        if not self._is_alive(token):
            raise TokenRefused("the gateway refused the token of a look-up: ask for a token again")

    def _is_alive(self, token: AccessToken) -> bool:
        return self._token is not None and self._token.digest == token.digest

    def _read(self, record: Record) -> Record:  # type: ignore[explicit-override]  # typing has no @override in 3.11
        is_failed = record.status == "failed"
        return replace(record, decline_code=decline_code_of(record.fail_reason, self.rules)) if is_failed else record

    def _finding(self, source: Source, merchant_uid: str, records: Sequence[Record], token: AccessToken) -> Finding:
        left = self._lag.get(merchant_uid, 0)
        if left:
            self._lag[merchant_uid] = left - 1
        shown_from = self.now() - LAG_AT_MOST if left else None
        mine = [each for each in records if each.merchant_uid == merchant_uid]
        if shown_from is not None:
            mine = [each for each in mine if each.started_at is not None and each.started_at <= shown_from]
        found = [self.cancels.look(self._read(each)) for each in mine]
        return Finding(source=source, records=found, token_digest=token.digest)


@dataclass(slots=True)
class FakeFanOut:
    """Implements ``gateway.port.FanOut``."""

    gateway: FakeGateway
    _waiting: deque[tuple[Charge, Batch]] = field(default_factory=deque)
    _is_halted: bool = False
    _allowed_until: float = 0.0

    @property
    def in_flight(self) -> int:
        return len(self._waiting)

    def allow(self, *, until_boottime: float, spacing_seconds: float = 0.0) -> None:
        del spacing_seconds
        self._allowed_until = until_boottime

    def send(self, batch: Batch) -> None:
        self._waiting.extend((charge, batch) for charge in batch.charges)

    def answered(self, *, group_seconds: float, group_size: int) -> Sequence[Answer]:
        del group_seconds
        return [self._next() for _ in range(min(group_size, len(self._waiting)))]

    def hand_back(self) -> None:
        self._is_halted = True

    def _next(self) -> Answer:
        charge, batch = self._waiting.popleft()
        if self._is_halted:
            return Answer(charge=charge, outcome=NotExecuted(reason=NotExecutedReason.HANDED_BACK))
        if self.gateway.boottime() >= batch.send_before_boottime:
            return Answer(charge=charge, outcome=NotExecuted(reason=NotExecutedReason.TOO_LATE))
        if self.gateway.boottime() >= self._allowed_until:  # it cannot wait for another permission
            return Answer(charge=charge, outcome=NotExecuted(reason=NotExecutedReason.HANDED_BACK))
        return self.gateway.carry_out(charge, batch.token)


_NO_ANSWER = (Unknown(reason=UnknownReason.NO_ANSWER), None)
_SERVER_ERROR = (Unknown(reason=UnknownReason.SERVER_ERROR), 500)
_WITHOUT_RECORD: dict[Fate, tuple[Outcome, int | None]] = {
    Fate.LOSE_ANSWER: _NO_ANSWER,
    Fate.LOSE_DECLINE: _NO_ANSWER,
    Fate.LOSE_REQUEST: _NO_ANSWER,
    Fate.SERVER_ERROR_AFTER: _SERVER_ERROR,
    Fate.SERVER_ERROR_BEFORE: _SERVER_ERROR,
    Fate.SLOW_DOWN: (Unknown(reason=UnknownReason.SLOW_DOWN), 429),
    Fate.DUPLICATE: (Unknown(reason=UnknownReason.DUPLICATE, raw_reason="이미 등록된 merchant_uid입니다."), 200),
    Fate.REFUSE: (Unknown(reason=UnknownReason.REFUSED_REQUEST, raw_reason="잘못된 요청입니다."), 400),
    Fate.NO_CUSTOMER: (Declined(decline_code=DeclineCode.BILLING_KEY_GONE, raw_reason=UNUSABLE_CUSTOMER), 200),
    Fate.MISMATCH: (Unknown(reason=UnknownReason.MISMATCH, raw_reason="differs: amount"), 200),
    Fate.READY: (Unknown(reason=UnknownReason.NOT_FINAL, raw_reason="ready"), 200),
}


def _refused(record: Record) -> Outcome:
    if is_ambiguous(record.decline_code):
        return Unknown(reason=UnknownReason.AMBIGUOUS_DECLINE, raw_reason=record.fail_reason)
    return Declined(decline_code=record.decline_code, raw_reason=record.fail_reason, imp_uid=record.imp_uid)


def _answer(charge: Charge, outcome: Outcome, status: int | None, response: Mapping[str, object] | None) -> Answer:
    body = None if response is None else {"code": 0, "message": None, "response": dict(response)}
    return Answer(charge=charge, outcome=outcome, http_status=status, body=body)


def _told_at(record: Record) -> datetime:
    told = record.paid_at or record.failed_at or record.started_at
    return told if told is not None else datetime.min.replace(tzinfo=UTC)
