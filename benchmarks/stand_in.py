"""The cheapest gateway that still tells the truth: approves every charge after a set latency, and counts.

    python -m benchmarks.stand_in LATENCY_MS

Prints its port. Answers ``/users/getToken`` and ``/subscribe/payments/again`` in the real envelope, a few microseconds
of CPU a call, and counts calls and ``merchant_uid``s that came more than once (``GET /counters``). It checks nothing,
keeps nothing and declines nothing: ``simulator`` does that, and costs more than what is measured.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import deque
from typing import Final, cast

import uvloop

_TOKEN_LIFE_SECONDS: Final = 1_800
#: A payment record of the size and shape of the real one; what differs between charges is put in.
_PAID: Final = json.dumps(
    {
        "code": 0,
        "message": None,
        "response": {
            "amount": "AMOUNT",
            "apply_num": "31415926",
            "bank_code": None,
            "bank_name": None,
            "buyer_addr": None,
            "buyer_email": "a@shop.example",
            "buyer_name": "김하나",
            "buyer_postcode": None,
            "buyer_tel": "010-0000-0000",
            "cancel_amount": 0,
            "cancel_history": [],
            "cancel_reason": None,
            "cancel_receipt_urls": [],
            "cancelled_at": 0,
            "card_code": "361",
            "card_name": "BC카드",
            "card_number": "9420********0000",
            "card_quota": 0,
            "card_type": None,
            "cash_receipt_issued": False,
            "channel": "api",
            "currency": "KRW",
            "custom_data": None,
            "customer_uid": "CUSTOMER",
            "customer_uid_usage": "payment",
            "emb_pg_provider": None,
            "escrow": False,
            "fail_reason": None,
            "failed_at": 0,
            "imp_uid": "NUMBER",
            "merchant_uid": "MERCHANT",
            "name": "월간",
            "paid_at": 1_700_000_000,
            "pay_method": "card",
            "pg_id": "INIBillTst",
            "pg_provider": "html5_inicis",
            "pg_tid": "StdpayCARDINIBillTst20260131100000000000",
            "receipt_url": "https://receipt.example/StdpayCARDINIBillTst20260131100000000000",
            "sandbox": True,
            "started_at": 1_700_000_000,
            "status": "paid",
            "user_agent": None,
            "vbank_code": None,
            "vbank_date": 0,
            "vbank_holder": None,
            "vbank_issued_at": 0,
            "vbank_name": None,
            "vbank_num": None,
        },
    },
    ensure_ascii=False,
    separators=(",", ":"),
).replace("%", "%%")
_TEMPLATE: Final = (
    _PAID.replace('"AMOUNT"', "%d")
    .replace("CUSTOMER", "%s", 1)
    .replace('"imp_uid":"NUMBER"', '"imp_uid":"imp_%012d"')
    .replace("MERCHANT", "%s", 1)
    .encode()
)


class StandIn:
    """What all connections share: the counts, and the answers that wait for their time, oldest first."""

    def __init__(self, loop: asyncio.AbstractEventLoop, latency_seconds: float) -> None:
        self._loop = loop
        self._latency = latency_seconds
        self._seen: set[str] = set()
        self._waiting: deque[tuple[float, asyncio.Transport, bytes]] = deque()
        self._is_timed = False
        self.charges = 0

    def charge(self, transport: asyncio.Transport, body: bytes) -> None:
        """Count it, and answer it after the latency."""
        asked = json.loads(body)
        self.charges += 1
        self._seen.add(asked["merchant_uid"])
        told = _TEMPLATE % (
            asked["amount"],
            asked["customer_uid"].encode(),
            self.charges,
            asked["merchant_uid"].encode(),
        )
        if self._latency == 0:
            transport.write(_framed(told))
            return
        # Every answer waits equally long, so they fall due in the order of coming and one timer is enough.
        self._waiting.append((self._loop.time() + self._latency, transport, _framed(told)))
        if not self._is_timed:
            self._set_timer()

    def counters(self) -> bytes:
        """How many charges came, and how many of them under a ``merchant_uid`` that had come before."""
        return _framed(json.dumps({"charges": self.charges, "repeated": self.charges - len(self._seen)}).encode())

    def token(self) -> bytes:
        """A token as the real gateway gives it."""
        now = int(time.time())
        response = {"access_token": "a" * 40, "now": now, "expired_at": now + _TOKEN_LIFE_SECONDS}
        return _framed(json.dumps({"code": 0, "message": None, "response": response}).encode())

    def _set_timer(self) -> None:
        self._is_timed = True
        self._loop.call_at(self._waiting[0][0], self._answer_due)

    def _answer_due(self) -> None:
        self._is_timed = False
        now = self._loop.time()
        while self._waiting and self._waiting[0][0] <= now:
            _, transport, answer = self._waiting.popleft()
            if not transport.is_closing():
                transport.write(answer)
        if self._waiting:
            self._set_timer()


class _Connection(asyncio.Protocol):
    """HTTP/1.1 with keep-alive, as far as the clients measured here speak it: every body has its length."""

    def __init__(self, stand_in: StandIn) -> None:
        self._stand_in = stand_in
        self._read = b""
        self._transport: asyncio.Transport

    def connection_made(  # type: ignore[explicit-override]  # typing has no @override in 3.11
        self, transport: asyncio.BaseTransport
    ) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass of it

    def data_received(self, data: bytes) -> None:  # type: ignore[explicit-override]
        self._read = self._read + data if self._read else data
        while self._read:
            end_of_head = self._read.find(b"\r\n\r\n")
            if end_of_head < 0:
                return
            head = self._read[:end_of_head].lower()
            start, length = end_of_head + 4, 0
            at = head.find(b"content-length:")
            if at >= 0:
                length = int(head[at + 15 :].split(b"\r\n", 1)[0])
            if len(self._read) < start + length:
                return
            body, self._read = self._read[start : start + length], self._read[start + length :]
            self._answer(head, body)

    def _answer(self, head: bytes, body: bytes) -> None:
        if head.startswith(b"post /subscribe/payments/again"):
            self._stand_in.charge(self._transport, body)
        elif head.startswith(b"post /users/gettoken"):
            self._transport.write(self._stand_in.token())
        else:
            self._transport.write(self._stand_in.counters())


def _framed(body: bytes) -> bytes:
    return (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: %d\r\n\r\n" % len(body)
    ) + body


async def _serve(latency_seconds: float) -> None:
    loop = asyncio.get_running_loop()
    stand_in = StandIn(loop, latency_seconds)
    server = await loop.create_server(lambda: _Connection(stand_in), "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(float(sys.argv[1]) / 1_000))
