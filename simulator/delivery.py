"""How does an answer reach the caller, or fail to?"""

import math
import socket
import struct
import time

from aiohttp import web

from simulator.faults import Fault, FaultKind
from simulator.simulation import Simulation
from simulator.wire import Answer

RUN_HEADER = "X-Simulator-Run"
JSON_TYPE = "application/json; charset=utf-8"
_LISTEN_SECONDS = 0.02
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


async def deliver(
    simulation: Simulation, request: web.Request, answer: Answer, fault: Fault | None = None
) -> web.StreamResponse:
    """Put an answer on the wire, as well or as badly as the fault says."""
    match fault.kind if fault else None:
        case FaultKind.DROP_ANSWER | FaultKind.DROP_UNCHARGED:
            _reset(request)
        case FaultKind.HANG | FaultKind.HANG_UNCHARGED:
            await _wait_while_listened_to(simulation, request, seconds=math.inf)
            _reset(request)
        case FaultKind.LATE_ANSWER if fault is not None:
            await _wait_while_listened_to(simulation, request, seconds=fault.number / 1000)
        case FaultKind.ERROR500 | FaultKind.ERROR500_UNCHARGED:
            simulation.counters.answers["500"] += 1
            return web.Response(status=500, text="<h1>500 Internal Server Error</h1>", content_type="text/html")
        case FaultKind.GARBLED:
            simulation.counters.answers["garbled"] += 1
            return _response(200, b'{"code":0,"message":null,"response":{"imp_uid":"imps_\xff\xfe')
        case FaultKind.HALF_BODY:
            _send_half(simulation, request, answer.to_bytes())
        case _:
            pass
    simulation.counters.answers["none" if _is_gone(request) else str(answer.status)] += 1
    response = _response(answer.status, answer.to_bytes())
    if answer.status == web.HTTPTooManyRequests.status_code:
        response.headers["Retry-After"] = "1"
    return response


def _response(status: int, body: bytes) -> web.Response:
    return web.Response(status=status, body=body, headers={"Content-Type": JSON_TYPE})


def _is_gone(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()


async def _wait_while_listened_to(simulation: Simulation, request: web.Request, *, seconds: float) -> None:
    """Wait; a caller who hangs up ends it, so that no call stays in flight for nobody."""
    ends = time.monotonic() + seconds
    while not _is_gone(request) and not simulation.closing.is_set() and (left := ends - time.monotonic()) > 0:
        await simulation.pause(min(_LISTEN_SECONDS, left))


def _reset(request: web.Request) -> None:
    """Close the connection with a TCP reset; whatever is written to it afterwards goes nowhere."""
    transport = request.transport
    if transport is None or transport.is_closing():
        return
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    transport.abort()


def _send_half(simulation: Simulation, request: web.Request, body: bytes) -> None:
    transport = request.transport
    if transport is None or transport.is_closing():
        return
    head = (
        f"HTTP/1.1 200 OK\r\nContent-Type: {JSON_TYPE}\r\nContent-Length: {len(body)}\r\n"
        f"{RUN_HEADER}: {simulation.run_id}\r\n\r\n"
    )
    transport.write(head.encode() + body[: len(body) // 2])
    transport.close()
