"""What the gateway gives back, in memory: cancels are kept in each payment's history under the checksum rule.

gateway.cancels.script("imps_000000000001", CancelFate.LOSE_ANSWER)
gateway.cancels.elsewhere("imps_000000000001", 500)
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from domain.evidence import Cancellation, Record
from gateway.port import CancelAnswer, CancelSaid

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from gateway.port import AccessToken, CancelOrder

# The words of the gateway, as the simulator has them.
BAD_CHECKSUM = "취소 가능금액 검증에 실패하였습니다(checksum 불일치)."
ALREADY_CANCELLED = "이미 전액취소된 주문입니다."
NOT_FOUND = "취소할 결제건이 존재하지 않습니다."


class CancelFate(StrEnum):
    """What becomes of one cancel, on its way there, over there, and on its way back."""

    DONE = "done"
    LOSE_ANSWER = "lose_answer"  # done, but the answer never comes
    LOSE_REQUEST = "lose_request"  # it never comes there, and nobody can tell
    NOT_SENT = "not_sent"  # no byte left
    UNAUTHORIZED = "unauthorized"
    REFUSE = "refuse"  # refused in words
    REFUSE_AND_DO = "refuse_and_do"  # refused in words, and done all the same
    SAY_DONE = "say_done"  # called done, and it is not
    HOLD = "hold"  # no answer comes; ``release`` carries it out, if its token lives then
    FORGET_REASON = "forget_reason"  # done, no answer, and the history does not tell its reason
    ODD_AMOUNT = "odd_amount"  # another sum is given back than was asked for


@dataclass(slots=True)
class CancelBook:
    """Every cancel, asked and done. ``records`` is the gateway's ledger; safe from any thread."""

    records: list[Record]
    now: Callable[[], datetime]
    is_alive: Callable[[AccessToken], bool]
    fates: deque[CancelFate] = field(default_factory=deque)
    default: CancelFate = CancelFate.DONE
    #: Every order that came there whole.
    asked: list[CancelOrder] = field(default_factory=list)
    #: Looks at a payment, or at its order's records, that show it as it was before its newest cancel.
    stale_looks: int = 0
    #: Cancel histories are not told, only the sum.
    is_silent: bool = False
    _scripted: dict[str, deque[CancelFate]] = field(default_factory=dict)
    _before: dict[str, Record] = field(default_factory=dict)
    _held: list[tuple[CancelOrder, AccessToken]] = field(default_factory=list)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    # What a test says.

    def script(self, imp_uid: str, *fates: CancelFate) -> None:
        """The fates of this payment's next cancels, in order; afterwards ``fates``, then ``default`` again."""
        self._scripted.setdefault(imp_uid, deque()).extend(fates)

    def forget_fates(self, imp_uid: str) -> None:
        """Nothing is scripted for this payment any more."""
        self._scripted.pop(imp_uid, None)

    def elsewhere(self, imp_uid: str, amount: int, *, reason: str = "관리자 취소") -> None:
        """Somebody cancels at the gateway's own console."""
        with self._lock:
            self._do(self._find(imp_uid), amount, reason)

    def release(self) -> int:
        """What was held comes to its turn; gives how many were done, of living tokens and right checksums."""
        with self._lock:
            held, self._held = self._held, []
            return sum(
                self.is_alive(token) and self._refusal(order) == "" and self._carry(order) for order, token in held
            )

    def given_back(self, imp_uid: str) -> int:
        """Won of a payment that were given back."""
        return self._find(imp_uid).cancel_amount

    # How it goes over there.

    def cancel(self, order: CancelOrder, token: AccessToken) -> CancelAnswer:
        """One cancel, by its fate."""
        with self._lock:
            fates = self._scripted.get(order.imp_uid) or self.fates
            fate = fates.popleft() if fates else self.default
            if fate is CancelFate.NOT_SENT:
                return CancelAnswer(said=CancelSaid.NOT_SENT, raw_reason="no answer (refused)")
            self.asked.append(order)
            if fate is CancelFate.UNAUTHORIZED or not self.is_alive(token):
                return CancelAnswer(said=CancelSaid.NOT_SENT, raw_reason="the gateway refused the token")
            return self._decide(order, token, fate)

    def _decide(self, order: CancelOrder, token: AccessToken, fate: CancelFate) -> CancelAnswer:
        lost = CancelAnswer(said=CancelSaid.UNKNOWN, raw_reason="no answer (timeout)")
        refusal = self._refusal(order)
        if fate is CancelFate.HOLD:
            self._held.append((order, token))
            return lost
        if fate is CancelFate.LOSE_REQUEST:
            return lost
        if fate is CancelFate.REFUSE:
            return CancelAnswer(said=CancelSaid.REFUSED, raw_reason="취소할 수 없는 결제입니다.")
        if refusal:
            is_lost = fate in {CancelFate.LOSE_ANSWER, CancelFate.FORGET_REASON}
            said = CancelSaid.UNKNOWN if is_lost or refusal == ALREADY_CANCELLED else CancelSaid.REFUSED
            return CancelAnswer(said=said, raw_reason=refusal)
        if fate is CancelFate.SAY_DONE:
            return CancelAnswer(said=CancelSaid.CANCELLED, record=self._find(order.imp_uid))
        if fate is CancelFate.ODD_AMOUNT:
            order = replace(order, amount=order.amount - 1 if order.amount > 1 else 2)
        self._do(self._find(order.imp_uid), order.amount, "" if fate is CancelFate.FORGET_REASON else order.reason)
        if fate in {CancelFate.LOSE_ANSWER, CancelFate.FORGET_REASON, CancelFate.ODD_AMOUNT}:
            return lost
        if fate is CancelFate.REFUSE_AND_DO:
            return CancelAnswer(said=CancelSaid.REFUSED, raw_reason="취소할 수 없는 결제입니다.")
        return CancelAnswer(said=CancelSaid.CANCELLED, record=self._told(self._find(order.imp_uid)))

    def look(self, record: Record) -> Record:
        """A record as a look-up shows it."""
        with self._lock:
            if self.stale_looks and record.imp_uid in self._before:
                self.stale_looks -= 1
                record = self._before[record.imp_uid]
            return self._told(record)

    def _refusal(self, order: CancelOrder) -> str:
        """Why the gateway does not do it; empty: it does. Source: PortOne V1 documentation, cancel: checksum."""
        found = [each for each in self.records if each.imp_uid == order.imp_uid and each.said in {"paid", "cancelled"}]
        if not found:
            return NOT_FOUND
        left = found[0].amount - found[0].cancel_amount
        if left == 0:
            return ALREADY_CANCELLED
        return BAD_CHECKSUM if order.checksum != left else ""

    def _carry(self, order: CancelOrder) -> bool:
        self._do(self._find(order.imp_uid), order.amount, order.reason)
        return True

    def _do(self, record: Record, amount: int, reason: str) -> None:
        if not 0 < amount <= record.amount - record.cancel_amount:
            raise ValueError(f"{amount} won cannot be given back of {record.imp_uid}")
        self._before[record.imp_uid] = record
        self.records[self.records.index(record)] = replace(
            record,
            status="cancelled",
            cancel_amount=record.cancel_amount + amount,
            cancellations=(
                *record.cancellations,
                Cancellation(amount=amount, cancelled_at=self.now(), reason=reason.strip()),
            ),
        )

    def _find(self, imp_uid: str) -> Record:
        return next(each for each in self.records if each.imp_uid == imp_uid)

    def _told(self, record: Record) -> Record:
        return replace(record, cancellations=()) if self.is_silent else record


class WithCancels:
    """The part of the port that is about one payment and what is given back of it."""

    __slots__ = ()
    cancels: CancelBook
    records: list[Record]
    boottime: Callable[[], float]
    payments_asked: list[str]
    payment_trouble: Callable[[], None]

    def _ask(self, token: AccessToken) -> None:
        raise NotImplementedError

    def payment(self, *, imp_uid: str, token: AccessToken) -> Record | None:
        self.payments_asked.append(imp_uid)
        self._ask(token)
        self.payment_trouble()
        found = next((each for each in self.records if each.imp_uid == imp_uid), None)
        return None if found is None else self.cancels.look(self._read(found))

    def _read(self, record: Record) -> Record:
        raise NotImplementedError

    def cancel(self, order: CancelOrder, *, token: AccessToken, send_before_boottime: float) -> CancelAnswer:
        if self.boottime() >= send_before_boottime:
            return CancelAnswer(said=CancelSaid.NOT_SENT, raw_reason="too late to be sent")
        return self.cancels.cancel(order, token)
