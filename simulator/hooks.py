"""What does the gateway tell the merchant's server by itself, and how does that go wrong?

Source: PortOne V1 documentation, webhook: a POST with ``imp_uid``, ``merchant_uid``, ``status`` and, for a
cancellation, ``cancellation_id``; JSON or a form; after an approval, after a schedule was tried (paid or failed), after
a cancellation that asked for it. A failed charge sends none. The first delivery has 10 s to connect and 30 s to be
answered, a further one 15 s in all. Not signed: anybody may send the like.
"""

import asyncio
import json
import sqlite3
import time
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, replace

import aiohttp

from simulator.gates import pause
from simulator.ledger import Ledger, NewPayment, Via
from simulator.options import HookMode, HookRules

FIRST_TIMEOUT = aiohttp.ClientTimeout(total=40, connect=10, sock_read=30)
NEXT_TIMEOUT = aiohttp.ClientTimeout(total=15)
MOST_AT_ONCE = 50
MOST_REMEMBERED = 10_000
# Reordered hooks leave, last first, once there are so many or the first has waited so long.
HANDFUL = 5
HANDFUL_SECONDS = 0.5

_LIES: Mapping[str, str] = {"paid": "cancelled", "failed": "paid", "cancelled": "paid"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """One notice for one address."""

    url: str
    imp_uid: str
    merchant_uid: str
    status: str
    cancellation_id: str | None = None
    is_forged: bool = False

    @property
    def body(self) -> dict[str, str]:
        """What is sent."""
        told = {"imp_uid": self.imp_uid, "merchant_uid": self.merchant_uid, "status": self.status}
        return told if self.cancellation_id is None else {**told, "cancellation_id": self.cancellation_id}


def _urls_of(payment: sqlite3.Row) -> tuple[str, ...]:
    """Return the ``notice_url`` of a payment's own request."""
    return tuple(json.loads(payment["details"]).get("notice_urls", ()))


class HookDesk:
    """Sends hooks in the background: no answer of the gateway waits for them, and none is kept over a restart."""

    def __init__(self, rules: HookRules, ledger: Ledger, closing: asyncio.Event) -> None:
        self._first_rules = rules
        self.rules = rules
        self.counts: Counter[str] = Counter()
        #: The last deliveries, oldest first.
        self.sent: deque[dict[str, object]] = deque(maxlen=MOST_REMEMBERED)
        self._ledger = ledger
        self._closing = closing
        self._tasks: set[asyncio.Task[None]] = set()
        self._handful: list[Hook] = []
        self._session: aiohttp.ClientSession | None = None

    # -- what there is to tell

    def tell_of_charge(self, imp_uid: str, payment: NewPayment, *, urls: tuple[str, ...]) -> None:
        """Tell of a charge that was just made, if the real one would."""
        is_scheduled = payment.via in (Via.SCHEDULE, Via.SCHEDULE_AGAIN)
        is_told = payment.status == "paid" or (payment.status == "failed" and is_scheduled)
        if is_told and payment.via is not Via.CHECKING:
            self.tell(imp_uid, payment.merchant_uid, payment.status, urls=urls)
        elif self.rules.mode is HookMode.FORGED:
            self._forge(imp_uid, payment.merchant_uid, payment.status, urls=urls)

    def tell_of_turned(self, imp_uids: list[str]) -> None:
        """Tell of payments that turned paid by themselves, and take them off the list."""
        for imp_uid in imp_uids:
            row = self._ledger.payment(imp_uid)
            if row is not None and row["status"] == "paid":
                self.tell(imp_uid, row["merchant_uid"], "paid", urls=_urls_of(row))
        imp_uids.clear()

    def tell_of_cancellation(self, payment: sqlite3.Row, cancellation_id: str) -> None:
        """Tell of a cancellation, whole or partial, where the payment itself was told."""
        uids = payment["imp_uid"], payment["merchant_uid"]
        self.tell(*uids, "cancelled", cancellation_id=cancellation_id, urls=_urls_of(payment))

    def tell(
        self,
        imp_uid: str,
        merchant_uid: str,
        status: str,
        *,
        cancellation_id: str | None = None,
        urls: tuple[str, ...] = (),
    ) -> None:
        """Send one notice as the rules have it; ``urls`` go before the one of the rules."""
        rules = self.rules
        for url in urls or ((rules.url,) if rules.url else ()):
            hook = Hook(
                url=url,
                imp_uid=imp_uid,
                merchant_uid=merchant_uid,
                status=status,
                cancellation_id=cancellation_id,
            )
            self.counts["told"] += 1
            match rules.mode:
                case HookMode.OFF:
                    self.counts["suppressed"] += 1
                case HookMode.ON:
                    self._start(hook)
                case HookMode.LATE:
                    self._start(hook, after_seconds=rules.delay_ms / 1000)
                case HookMode.DOUBLED:
                    self._start(hook)
                    self._start(hook)
                case HookMode.REORDERED:
                    self._keep_back(hook)
                case HookMode.FORGED:
                    self._start(hook)
        if rules.mode is HookMode.FORGED:
            self._forge(imp_uid, merchant_uid, status, urls=urls)

    def _forge(self, imp_uid: str, merchant_uid: str, status: str, *, urls: tuple[str, ...]) -> None:
        """Lie about a payment, and tell of one that never was under the same order."""
        for url in urls or ((self.rules.url,) if self.rules.url else ()):
            lie = Hook(
                url=url,
                imp_uid=imp_uid,
                merchant_uid=merchant_uid,
                status=_LIES.get(status, "paid"),
                is_forged=True,
            )
            self.counts["forged"] += 2
            self._start(lie)
            self._start(replace(lie, imp_uid="imps_000000000000", status="paid"))

    # -- how it is sent

    def _start(self, hook: Hook, *, after_seconds: float = 0) -> None:
        task = asyncio.get_running_loop().create_task(self._deliver([hook], after_seconds=after_seconds))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _keep_back(self, hook: Hook) -> None:
        self._handful.append(hook)
        if len(self._handful) == 1:
            task = asyncio.get_running_loop().create_task(self._let_handful_go())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _let_handful_go(self) -> None:
        """Send what was kept back, last first."""
        ends = time.monotonic() + HANDFUL_SECONDS
        while len(self._handful) < HANDFUL and time.monotonic() < ends and not self._closing.is_set():
            await pause(self._closing, 0.02)
        hooks, self._handful = self._handful[::-1], []
        await self._deliver(hooks)

    async def _deliver(self, hooks: list[Hook], *, after_seconds: float = 0) -> None:
        # What is told is committed first: a hook may come before the answer, never before the payment.
        await self._ledger.durable()
        await pause(self._closing, after_seconds)
        for hook in hooks:
            await self._send(hook)

    async def _send(self, hook: Hook) -> None:
        rules = self.rules
        for number in range(1 + rules.redeliveries):
            if number:
                await pause(self._closing, rules.redelivery_ms / 1000)
            if self._closing.is_set():
                return
            if await self._post(hook, is_form=rules.is_form, number=number):
                return

    async def _post(self, hook: Hook, *, is_form: bool, number: int) -> bool:
        """Return whether the other side has it: a refusal in order is an answer, a 5xx and silence are none."""
        if self._session is None:
            self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=MOST_AT_ONCE))
        self.counts["sent"] += 1
        status, trouble = 0, ""
        try:
            form, sent = (hook.body, None) if is_form else (None, hook.body)
            timeout = NEXT_TIMEOUT if number else FIRST_TIMEOUT
            async with self._session.post(hook.url, data=form, json=sent, timeout=timeout) as answer:
                await answer.read()
                status = answer.status
        except (aiohttp.ClientError, TimeoutError, ValueError) as failed:
            trouble = type(failed).__name__
        is_delivered = 200 <= status < 300  # noqa: PLR2004 - HTTP's
        self.counts["delivered" if is_delivered else "failed"] += 1
        self.sent.append(
            {
                **hook.body,
                "url": hook.url,
                "forged": hook.is_forged,
                "number": number + 1,
                "at": time.time(),
                "http_status": status or None,
                "trouble": trouble or None,
            }
        )
        return 0 < status < 500  # noqa: PLR2004 - HTTP's

    # -- rules, counts, end

    def to_json(self) -> dict[str, object]:
        """Return all counts; ``waiting`` is what was told and is not sent yet, or not answered."""
        return {**self.counts, "waiting": len(self._tasks)}

    def reset(self) -> None:
        """Drop what waits, forget the counts, go back to the first rules."""
        for task in self._tasks:
            task.cancel()
        self._handful.clear()
        self.counts.clear()
        self.sent.clear()
        self.rules = self._first_rules

    async def close(self) -> None:
        """Drop what waits."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()
