"""How do tests and demonstrations steer the simulator? By routes on a second port, which merchants never see."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

from aiohttp import web

from simulator.faults import Place, UnreadableFault, parse_chance, parse_step
from simulator.ledger import read_rows
from simulator.options import UsedMerchantUid
from simulator.simulation import Simulation

LARGEST_BODY = 64 * 2**20
ROWS_A_WRITE = 500


class BadOrder(ValueError):
    """The body of a control call cannot be read; answered with HTTP 400 and its text."""


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def control_app(simulation: Simulation) -> web.Application:
    """Build the application of the control port."""
    app = web.Application(client_max_size=LARGEST_BODY, middlewares=[_explain])
    desk = ControlDesk(simulation)
    app.add_routes(
        [
            web.get("/health", desk.health),
            web.get("/counters", desk.counters),
            web.get("/ledger", desk.payments),
            web.get("/requests", desk.requests),
            web.post("/faults", desk.order_faults),
            web.delete("/faults", desk.clear_faults),
            web.post("/latency", desk.set_latency),
            web.post("/hold", desk.hold),
            web.post("/used-merchant-uid", desk.set_used_merchant_uid),
            web.post("/customers", desk.issue_customers),
            web.post("/tokens/expire", desk.expire_tokens),
            web.post("/reset", desk.reset),
        ]
    )
    return app


@web.middleware
async def _explain(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except (BadOrder, UnreadableFault) as wrong:
        return web.json_response({"error": str(wrong)}, status=400)


async def _body(request: web.Request) -> dict[str, object]:
    try:
        body = json.loads(await request.read() or b"{}")
    except ValueError as broken:
        raise BadOrder("the body is not JSON") from broken
    if not isinstance(body, dict):
        raise BadOrder("the body is not a JSON object")
    return body


def _whole_number(body: Mapping[str, object], name: str, *, default: int | None = None) -> int:
    value = body.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise BadOrder(f"{name!r} is a whole number, 0 or more")
    return value


class ControlDesk:
    """The handlers of the control port."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation

    async def health(self, _request: web.Request) -> web.Response:
        """GET /health: which run this is, and the rules in force."""
        simulation = self._simulation
        return web.json_response(
            {
                "status": "ok",
                "run": simulation.run_id,
                "started_at": simulation.started_at,
                "ledger": str(simulation.ledger.path),
                "used_merchant_uid": simulation.used_merchant_uid,
                "latency_ms": simulation.latency_ms,
                "holding": simulation.is_holding,
            }
        )

    async def counters(self, _request: web.Request) -> web.Response:
        """GET /counters."""
        return web.json_response({**self._simulation.counters.to_json(), "held": self._simulation.held_count})

    async def payments(self, request: web.Request) -> web.StreamResponse:
        """GET /ledger[?merchant_uid=][&customer_uid=]: all payments, as a stream."""
        return await self._stream(request, "payment")

    async def requests(self, request: web.Request) -> web.StreamResponse:
        """GET /requests[?merchant_uid=][&customer_uid=]: all /again requests and what became of them, as a stream."""
        return await self._stream(request, "request")

    async def _stream(self, request: web.Request, table: str) -> web.StreamResponse:
        simulation = self._simulation
        simulation.ledger.settle(simulation.now())
        response = web.StreamResponse(headers={"Content-Type": "application/json; charset=utf-8"})
        await response.prepare(request)
        async for part in _json_list(simulation, table, request.query):
            await response.write(part)
        await response.write_eof()
        return response

    async def order_faults(self, request: web.Request) -> web.Response:
        """POST /faults: a sequence for a card, a sequence for a sort of call, or faults by chance."""
        body = await _body(request)
        plan = self._simulation.faults
        try:
            place = Place(str(body.get("on", "charge")))
        except ValueError as unknown:
            raise BadOrder(f"'on' is one of {', '.join(Place)}") from unknown
        match body:
            case {"sequence": list(steps), "customer_uid": str(customer_uid)} if place is Place.CHARGE:
                plan.order_for_card(customer_uid, [parse_step(step) for step in steps])
            case {"sequence": list(steps)}:
                plan.order_for_place(place, [parse_step(step) for step in steps])
            case {"seed": int(seed), "probabilities": dict(probabilities)}:
                plan.order_by_chance(place, parse_chance(seed, probabilities))
            case _:
                raise BadOrder("expected 'sequence' (and 'customer_uid'), or 'seed' and 'probabilities'")
        return web.json_response({"ordered": True})

    async def clear_faults(self, _request: web.Request) -> web.Response:
        """DELETE /faults."""
        self._simulation.faults.clear()
        return web.json_response({"ordered": False})

    async def set_latency(self, request: web.Request) -> web.Response:
        """POST /latency {"ms": n}: how long a charge takes."""
        self._simulation.latency_ms = _whole_number(await _body(request), "ms")
        return web.json_response({"latency_ms": self._simulation.latency_ms})

    async def hold(self, request: web.Request) -> web.Response:
        """POST /hold {"on": bool}: whether charges that arrive now wait, their token not yet looked at."""
        is_on = (await _body(request)).get("on")
        if not isinstance(is_on, bool):
            raise BadOrder("'on' is true or false")
        self._simulation.hold(is_on=is_on)
        return web.json_response({"holding": is_on, "held": self._simulation.held_count})

    async def set_used_merchant_uid(self, request: web.Request) -> web.Response:
        """POST /used-merchant-uid {"mode": "strict" | "careless"}."""
        try:
            mode = UsedMerchantUid(str((await _body(request)).get("mode")))
        except ValueError as unknown:
            raise BadOrder(f"'mode' is one of {', '.join(UsedMerchantUid)}") from unknown
        self._simulation.used_merchant_uid = mode
        return web.json_response({"used_merchant_uid": mode})

    async def issue_customers(self, request: web.Request) -> web.Response:
        """POST /customers {"customer_uids": [...]} or {"prefix": "c", "count": n}: issue billing keys in bulk."""
        body = await _body(request)
        match body:
            case {"customer_uids": list(named)}:
                uids = [str(uid) for uid in named]
            case {"prefix": str(prefix)}:
                uids = [f"{prefix}{number:06d}" for number in range(_whole_number(body, "count"))]
            case _:
                raise BadOrder("expected 'customer_uids', or 'prefix' and 'count'")
        for uid in uids:
            self._simulation.ledger.issue_customer(uid, now=self._simulation.now(), details={})
        self._simulation.ledger.commit()
        return web.json_response({"issued": len(uids)})

    async def expire_tokens(self, _request: web.Request) -> web.Response:
        """POST /tokens/expire: every token told so far is dead."""
        count = self._simulation.tokens.expire_all()
        self._simulation.ledger.commit()
        return web.json_response({"expired": count})

    async def reset(self, _request: web.Request) -> web.Response:
        """POST /reset: forget payments, cards, requests, faults and counts; tokens stay good."""
        self._simulation.reset()
        return web.json_response({"reset": True})


async def _json_list(simulation: Simulation, table: str, where: Mapping[str, str]) -> AsyncIterator[bytes]:
    parts: list[str] = []
    opening = "["
    for row in read_rows(simulation.ledger.path, table=table, where=where):
        parts.append(opening + json.dumps(row, ensure_ascii=False))
        opening = ",\n"
        if len(parts) == ROWS_A_WRITE:
            yield "".join(parts).encode()
            parts.clear()
    if opening == "[":
        parts.append("[")
    yield "".join([*parts, "]\n"]).encode()
