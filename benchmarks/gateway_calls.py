"""What does one charge cost this process in CPU, through the fan-out that ships?

    python -m benchmarks.gateway_calls [calls] [in flight]

The gateway is a bare HTTP server in a process of its own on loopback, without TLS; only our side is counted.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import resource
import sys
import time
from typing import TYPE_CHECKING
from uuid import UUID

import uvloop

from domain.outcome import Approved
from gateway.config import GatewayConfig
from gateway.iamport import IamportGateway
from gateway.port import AccessToken, Batch, Charge

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from gateway.port import FanOut


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers every whole request with a paid record."""
    while not reader.at_eof():
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:  # the client is done
            break
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        asked = json.loads(await reader.readexactly(length))
        paid = {**asked, "imp_uid": "imps_1", "status": "paid", "paid_at": 1_700_000_000}
        body = json.dumps({"code": 0, "message": None, "response": paid}).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body))
        writer.write(body)
    writer.close()


async def _serve_forever(pipe: Connection) -> None:
    server = await asyncio.start_server(_answer, "127.0.0.1", 0, backlog=2048)
    pipe.send(server.sockets[0].getsockname()[1])
    await server.serve_forever()


def _serve(pipe: Connection) -> None:
    uvloop.run(_serve_forever(pipe))


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _charges(count: int) -> list[Charge]:
    return [
        Charge(
            attempt_id=UUID(int=number),
            send_no=1,
            fence=1,
            merchant_uid=f"b{number:039d}",
            customer_uid="customer-1",
            amount=9900,
            name="정기 결제",
            buyer_name="홍길동",
        )
        for number in range(count)
    ]


def _run(fan_out: FanOut, charges: list[Charge]) -> str:
    now = time.clock_gettime(time.CLOCK_BOOTTIME)
    token = AccessToken(value="token", digest="digest", expires_at=0, dies_at_boottime=now + 1800)
    cpu, began = _cpu_seconds(), time.perf_counter()
    fan_out.send(
        Batch(
            charges=charges,
            token=token,
            send_before_boottime=now + 1000,
            first_at_boottime=now,
            spacing_seconds=0,
        )
    )
    approved = 0
    while fan_out.in_flight:
        group = fan_out.answered(group_seconds=0.05, group_size=200)
        approved += sum(isinstance(answer.outcome, Approved) for answer in group)
    cpu, took = _cpu_seconds() - cpu, time.perf_counter() - began
    count = len(charges)
    rate = count / took
    return f"{count} calls, {approved} approved: {cpu / count * 1e6:.0f} us of CPU a call, {rate:.0f} calls a second"


def main() -> None:
    """Run it twice; the first round opens the connections."""
    calls = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    concurrency = int(sys.argv[2]) if len(sys.argv) > 2 else 200  # noqa: PLR2004 - an argument's place
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=_serve, args=(theirs,), daemon=True)
    server.start()
    gateway = IamportGateway(
        GatewayConfig(base_url=f"http://127.0.0.1:{ours.recv()}", imp_key="", imp_secret="", concurrency=concurrency)
    )
    fan_out = gateway.fan_out()
    for count in (2 * concurrency, calls):
        print(f"{concurrency} in flight, " + _run(fan_out, _charges(count)))
    gateway.close()
    server.terminate()


if __name__ == "__main__":
    main()
