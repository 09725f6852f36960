"""How are hundreds of charges kept in flight, paced, stopped in time, and collected?

Everything between ``send`` and ``answered`` happens on the line's loop; the two meet at one lock. A charge is answered
exactly once, whatever breaks, and what its answer may claim is decided by the transport's own mark alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import threading
from collections import deque
from typing import TYPE_CHECKING, Final, NoReturn

from domain.decline_rules import NO_RULES
from domain.errors import RuleBroken
from domain.outcome import NotExecuted, NotExecutedReason, Outcome, Unknown, UnknownReason
from gateway.port import Answer
from gateway.questions import authorization
from gateway.records import issuer_of
from gateway.tokens import boottime
from gateway.transport import Passage, StoppedBeforeSending
from gateway.wire import AGAIN_PATH, again_body, classify_again

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import httpx

    from domain.decline_rules import DeclineRules
    from gateway.config import GatewayConfig
    from gateway.line import Line
    from gateway.port import Batch, Charge

#: The loop's timers round to a millisecond: this much later is never early.
_TIMER_STEP_SECONDS: Final = 0.001
_UNAUTHORIZED: Final = NotExecuted(reason=NotExecutedReason.UNAUTHORIZED)
_TOO_LATE: Final = NotExecuted(reason=NotExecutedReason.TOO_LATE)
_HANDED_BACK: Final = NotExecuted(reason=NotExecutedReason.HANDED_BACK)
_NOT_SENT: Final = NotExecuted(reason=NotExecutedReason.NOT_SENT)
_NO_ANSWER: Final = Unknown(reason=UnknownReason.NO_ANSWER)


class IamportFanOut:
    """The port's ``FanOut`` on one process's line. ``send``, ``answered`` and ``hand_back`` from any thread."""

    def __init__(
        self,
        config: GatewayConfig,
        line: Line,
        refuse_token: Callable[[str], None],
        rules: DeclineRules = NO_RULES,
    ) -> None:
        self._config = config
        self._rules = rules
        self._line = line
        self._refuse_token = refuse_token
        self._process_id = os.getpid()
        self._ready = threading.Condition()
        self._done: deque[Answer] = deque()
        self._open = 0
        self._wanted = 1
        self._is_halted = False
        self._allowed_until = 0.0
        self._least_spacing = 0.0
        self._permitted = asyncio.Event()
        self._pacers: set[asyncio.Task[Outcome]] = set()
        self._calls: set[asyncio.Task[Answer]] = set()

    @property
    def in_flight(self) -> int:
        """Charges given to ``send`` whose answer ``answered`` has not returned yet."""
        return self._open

    def allow(self, *, until_boottime: float, spacing_seconds: float = 0.0) -> None:
        """Charges may start until then, and no closer than this; without a living permission they wait for one."""
        self._allowed_until = until_boottime
        self._least_spacing = spacing_seconds
        with contextlib.suppress(RuntimeError):  # a closed line starts nothing any more
            self._line.thread.soon(self._permitted.set)

    def send(self, batch: Batch) -> None:
        """Start a batch; returns at once.

        Raises:
            RuleBroken: This fan-out belongs to another process: it was made before a fork.
        """
        if os.getpid() != self._process_id:
            raise RuleBroken("a fan-out does not survive a fork: make it in the process that sends")
        with self._ready:
            self._open += len(batch.charges)
        try:
            self._line.thread.soon(lambda: self._start(batch))
        except RuntimeError:  # the line was closed: the loop takes nothing any more
            self._give_back(batch.charges, _HANDED_BACK)

    def answered(self, *, group_seconds: float, group_size: int) -> Sequence[Answer]:
        """Wait until ``group_size`` answers are there, or ``group_seconds`` passed, or no more can come."""
        deadline = boottime() + group_seconds
        with self._ready:
            self._wanted = group_size
            while not self._is_group_whole() and (left := deadline - boottime()) > 0:
                self._ready.wait(left)
            group = [self._done.popleft() for _ in range(min(group_size, len(self._done)))]
            self._open -= len(group)
        return group

    def hand_back(self) -> None:
        """Start nothing more: what was not started is answered NotExecuted(HANDED_BACK)."""
        self._is_halted = True
        with contextlib.suppress(RuntimeError):  # a closed line has handed everything back already
            self._line.thread.soon(self._cancel_pacers)

    def _is_group_whole(self) -> bool:
        done = len(self._done)
        return done >= self._wanted or (done > 0 and done == self._open)

    def _deliver(self, answer: Answer) -> None:
        with self._ready:
            self._done.append(answer)
            if self._is_group_whole():
                self._ready.notify_all()

    def _give_back(self, charges: Iterable[Charge], outcome: Outcome) -> None:
        for charge in charges:
            self._deliver(Answer(charge=charge, outcome=outcome))

    # From here on everything runs on the loop.

    def _cancel_pacers(self) -> None:
        for pacer in self._pacers:
            pacer.cancel()

    def _start(self, batch: Batch) -> None:
        if self._line.is_closed:
            self._give_back(batch.charges, _HANDED_BACK)
            return
        waiting = deque(batch.charges)
        pacer = asyncio.create_task(self._pace(batch, waiting))
        self._pacers.add(pacer)
        # Not at the end of the coroutine: one that is cancelled before its first step never comes there.
        pacer.add_done_callback(functools.partial(self._after_pacing, waiting))

    async def _pace(self, batch: Batch, waiting: deque[Charge]) -> Outcome:
        """Start the batch's charges, each at its time; returns what became of those left in ``waiting``."""
        url = self._line.charges.fixed_url(AGAIN_PATH)
        headers = {**authorization(self._config, batch.token), "Content-Type": "application/json"}
        gate = self._gate(batch)
        due_at = batch.first_at_boottime
        while waiting and not self._is_halted:
            if not await self._take_room(due_at, batch.send_before_boottime):
                return _TOO_LATE
            due_at += max(batch.spacing_seconds, self._least_spacing)
            charge, passage = waiting.popleft(), Passage(gate=gate)
            call = asyncio.create_task(self._ask(charge, batch, passage, url, headers))
            self._calls.add(call)
            call.add_done_callback(functools.partial(self._after_call, charge, passage))
        return _HANDED_BACK

    def _after_pacing(self, waiting: deque[Charge], pacer: asyncio.Task[Outcome]) -> None:
        self._pacers.discard(pacer)
        if pacer.cancelled():
            outcome: Outcome = _HANDED_BACK
        elif pacer.exception() is not None:
            outcome = _NOT_SENT  # nothing was started for what is left, whatever broke
        else:
            outcome = pacer.result()
        self._give_back(waiting, outcome)

    def _after_call(self, charge: Charge, passage: Passage, call: asyncio.Task[Answer]) -> None:
        """One charge ends in exactly one answer; any class of exception, and our own cancellation, ends here."""
        self._calls.discard(call)
        self._line.room.release()
        broken = None if call.cancelled() else call.exception()
        if call.cancelled() or broken is not None:
            self._deliver(Answer(charge=charge, outcome=_after_break(passage, broken)))
        else:
            self._deliver(call.result())

    async def _take_room(self, due_at: float, send_before: float) -> bool:
        """Wait until a charge is due and a connection is free for it; False if that is too late."""
        room = self._line.room
        if due_at >= send_before:
            return False
        early = due_at - boottime()
        if early > 0:
            await asyncio.sleep(early + _TIMER_STEP_SECONDS)
        if room.locked():
            try:
                async with asyncio.timeout(max(0.0, send_before - boottime())):
                    await room.acquire()
            except TimeoutError:
                return False
        else:
            await room.acquire()
        if await self._is_permitted(send_before):
            return True
        room.release()
        return False

    async def _is_permitted(self, send_before: float) -> bool:
        """Wait for a permission to start a charge; False if none comes in time."""
        try:
            while (now := boottime()) >= self._allowed_until and now < send_before:
                self._permitted.clear()
                async with asyncio.timeout(send_before - now):
                    await self._permitted.wait()
        except TimeoutError:
            return False
        return boottime() < send_before

    def _gate(self, batch: Batch) -> Callable[[], None]:
        """Asked once a connection is there, right before the first byte: connecting may have taken a freeze."""

        def gate() -> None:
            now = boottime()
            if now >= batch.send_before_boottime:
                _stop(_TOO_LATE)
            if self._is_halted or now >= self._allowed_until:
                _stop(_HANDED_BACK)

        return gate

    async def _ask(
        self, charge: Charge, batch: Batch, passage: Passage, url: httpx.URL, headers: dict[str, str]
    ) -> Answer:
        """One charge, once."""
        transport = self._line.charges
        request = transport.post(url, headers, again_body(charge), read_seconds=self._config.read_timeout_seconds)
        reply = await transport.call(request, passage, total_seconds=self._config.total_timeout_seconds)
        outcome, body = classify_again(
            charge, reply.status, reply.body, is_test=self._config.is_test, rules=self._rules
        )
        is_refused = outcome == _UNAUTHORIZED
        if is_refused:
            self._refuse_token(batch.token.digest)
        is_fresh = batch.token.dies_at_boottime - boottime() > self._config.token_last_seconds
        return Answer(
            charge=charge,
            outcome=outcome,
            http_status=reply.status,
            body=body,
            issuer_code="" if body is None else issuer_of(body.get("response")),
            refused_fresh_token=is_refused and is_fresh,
        )


def _stop(outcome: NotExecuted) -> NoReturn:
    raise StoppedBeforeSending(outcome)


def _after_break(passage: Passage, broken: BaseException | None) -> Outcome:
    """What a broken call proves: nothing was executed if our mark shows that no byte left, else nothing."""
    if not passage.is_proven_unsent:
        return _NO_ANSWER
    if isinstance(broken, StoppedBeforeSending) and broken.args and isinstance(broken.args[0], NotExecuted):
        return broken.args[0]
    return _NOT_SENT
