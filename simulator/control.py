"""How do tests and demonstrations steer the simulator? By routes on a second port, which merchants never see."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import asdict, replace

from aiohttp import web

from simulator.accounts import Account
from simulator.cancel import give_back, read_cancellation
from simulator.faults import Place, UnreadableFault, parse_chance, parse_step
from simulator.ledger import read_rows
from simulator.options import HookMode, HookRules, ScheduleShape, UsedMerchantUid
from simulator.schedule_runs import fire, waiting
from simulator.simulation import Simulation
from simulator.wire import LARGEST, Fields, Refused, Unreadable, read_object

LARGEST_BODY = 64 * 2**20
ROWS_A_WRITE = 500
MOST_CUSTOMERS = 10_000_000


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
            web.get("/cancellations", desk.cancellations),
            web.get("/cancel-requests", desk.cancel_requests),
            web.post("/console/cancel", desk.cancel_in_console),
            web.get("/schedules", desk.schedules),
            web.post("/schedules/fire", desk.fire_schedules),
            web.post("/schedules/shape", desk.set_schedule_shape),
            web.get("/hooks", desk.hooks),
            web.post("/hooks", desk.set_hooks),
            web.post("/sandbox", desk.set_sandbox),
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
    except (BadOrder, UnreadableFault, Unreadable) as wrong:
        return web.json_response({"error": str(wrong)}, status=400)


async def _body(request: web.Request) -> dict[str, object]:
    try:
        return read_object(await request.read())
    except Unreadable as broken:
        raise BadOrder("the body is not a JSON object") from broken


def _whole_number(body: Mapping[str, object], name: str, *, default: int | None = None) -> int:
    value = body.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= LARGEST:
        raise BadOrder(f"{name!r} is a whole number, 0 or more")
    return value


def _truth(body: Mapping[str, object], name: str, *, default: bool | None) -> bool:
    value = body.get(name, default)
    if not isinstance(value, bool):
        raise BadOrder(f"{name!r} is true or false")
    return value


def _of(body: Mapping[str, object]) -> Place:
    """Return which of the calls that take their time an order is about: charges, unless it says ``"of": "cancel"``."""
    try:
        return {"charge": Place.CHARGE, "cancel": Place.CANCEL}[str(body.get("of", "charge"))]
    except KeyError as unknown:
        raise BadOrder("'of' is charge or cancel") from unknown


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
                "latency_ms": simulation.latency_ms[Place.CHARGE],
                "cancel_latency_ms": simulation.latency_ms[Place.CANCEL],
                "holding": simulation.gates[Place.CHARGE].is_closed,
                "holding_cancels": simulation.gates[Place.CANCEL].is_closed,
                "accounts": [account.name for account in simulation.accounts.all()],
                "schedule_shape": simulation.schedule_shape,
                "hiding_sandbox": simulation.is_hiding_sandbox,
            }
        )

    async def counters(self, _request: web.Request) -> web.Response:
        """GET /counters."""
        simulation = self._simulation
        held = {"held": simulation.gates[Place.CHARGE].held_count}
        held["held_cancels"] = simulation.gates[Place.CANCEL].held_count
        return web.json_response({**simulation.counters.to_json(), **held, "hooks": simulation.hooks.to_json()})

    async def payments(self, request: web.Request) -> web.StreamResponse:
        """GET /ledger[?merchant_uid=][&customer_uid=]: all payments, as a stream."""
        return await self._stream(request, "payment")

    async def requests(self, request: web.Request) -> web.StreamResponse:
        """GET /requests[?merchant_uid=][&customer_uid=]: all requests to charge and what became of them."""
        return await self._stream(request, "request")

    async def cancellations(self, request: web.Request) -> web.StreamResponse:
        """GET /cancellations[?imp_uid=][&merchant_uid=][&customer_uid=]: all that was given back, as a stream."""
        return await self._stream(request, "cancellation")

    async def cancel_requests(self, request: web.Request) -> web.StreamResponse:
        """GET /cancel-requests[?...]: all requests to cancel and what became of them, as a stream."""
        return await self._stream(request, "cancel_request")

    async def schedules(self, request: web.Request) -> web.StreamResponse:
        """GET /schedules[?merchant_uid=][&customer_uid=]: all schedules, as a stream."""
        return await self._stream(request, "schedule")

    async def _stream(self, request: web.Request, table: str) -> web.StreamResponse:
        simulation = self._simulation
        simulation.settle()
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
            case {"sequence": list(steps), "customer_uid": str(customer_uid)} if place in (Place.CHARGE, Place.CANCEL):
                plan.order_for_card(place, customer_uid, [parse_step(step) for step in steps])
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
        """POST /latency {"ms": n[, "of": "cancel"]}: how long a charge or a cancellation takes."""
        body = await _body(request)
        ms = self._simulation.latency_ms[_of(body)] = _whole_number(body, "ms")
        return web.json_response({"latency_ms": ms})

    async def hold(self, request: web.Request) -> web.Response:
        """POST /hold {"on": bool[, "of": "cancel"]}: whether charges or cancellations that arrive now wait."""
        body = await _body(request)
        gate = self._simulation.gates[_of(body)]
        gate.is_closed = _truth(body, "on", default=None)
        return web.json_response({"holding": gate.is_closed, "held": gate.held_count})

    async def set_used_merchant_uid(self, request: web.Request) -> web.Response:
        """POST /used-merchant-uid {"mode": "strict" | "careless"}."""
        try:
            mode = UsedMerchantUid(str((await _body(request)).get("mode")))
        except ValueError as unknown:
            raise BadOrder(f"'mode' is one of {', '.join(UsedMerchantUid)}") from unknown
        self._simulation.used_merchant_uid = mode
        return web.json_response({"used_merchant_uid": mode})

    async def issue_customers(self, request: web.Request) -> web.Response:
        """POST /customers {"customer_uids": [...]} or {"prefix": "c", "count": n}[, "account"]: issue keys in bulk."""
        body = await _body(request)
        account = self._account(body)
        match body:
            case {"customer_uids": list(named)}:
                uids = [str(uid) for uid in named]
            case {"prefix": str(prefix)} if _whole_number(body, "count") <= MOST_CUSTOMERS:
                uids = [f"{prefix}{number:06d}" for number in range(_whole_number(body, "count"))]
            case _:
                raise BadOrder(f"expected 'customer_uids', or 'prefix' and a 'count' of {MOST_CUSTOMERS} at most")
        for uid in uids:
            self._simulation.issue_on_sight(account, uid, now=self._simulation.now())
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

    # -- cancellations, schedules, hooks

    async def cancel_in_console(self, request: web.Request) -> web.Response:
        """POST /console/cancel {"imp_uid" | "merchant_uid"[, "amount", "reason", "account"]}: as a person would."""
        body = await _body(request)
        wanted = replace(read_cancellation(Fields(values=body, is_form=False)), is_told=True)
        try:
            answer = give_back(self._simulation, self._account(body).name, wanted)
        except Refused as refused:
            raise BadOrder(str(refused)) from refused
        self._simulation.ledger.commit()
        return web.json_response(answer.response)

    async def fire_schedules(self, request: web.Request) -> web.Response:
        """POST /schedules/fire {} | {"merchant_uid": ...} | {"until": unix seconds}: charge now what waits."""
        body = await _body(request)
        simulation = self._simulation
        value: str | int
        match body:
            case {"merchant_uid": str(merchant_uid)}:
                where, value = "merchant_uid = ?", merchant_uid
            case {"until": _}:
                where, value = "schedule_at <= ?", _whole_number(body, "until")
            case {} if not body:
                where, value = "0 = ?", 0
            case _:
                raise BadOrder("expected nothing, 'merchant_uid' or 'until'")
        rows = waiting(simulation, where, value)
        for row in rows:
            fire(simulation, row)
        simulation.ledger.commit()
        return web.json_response({"fired": len(rows)})

    async def set_schedule_shape(self, request: web.Request) -> web.Response:
        """POST /schedules/shape {"shape": "paged" | "plain"}: how lists of schedules are told."""
        try:
            shape = ScheduleShape(str((await _body(request)).get("shape")))
        except ValueError as unknown:
            raise BadOrder(f"'shape' is one of {', '.join(ScheduleShape)}") from unknown
        self._simulation.schedule_shape = shape
        return web.json_response({"shape": shape})

    async def hooks(self, _request: web.Request) -> web.Response:
        """GET /hooks: the rules, the counts and the last deliveries."""
        desk = self._simulation.hooks
        return web.json_response({"rules": asdict(desk.rules), "counts": desk.to_json(), "sent": list(desk.sent)})

    async def set_hooks(self, request: web.Request) -> web.Response:
        """POST /hooks {"url", "form", "mode", "delay_ms", "redeliveries", "redelivery_ms"}: what is left out stays."""
        body = await _body(request)
        desk = self._simulation.hooks
        url = body.get("url", desk.rules.url)
        if url is not None and not (isinstance(url, str) and url.startswith(("http://", "https://"))):
            raise BadOrder("'url' is an address, or null for none")
        try:
            mode = HookMode(str(body.get("mode", desk.rules.mode)))
        except ValueError as unknown:
            raise BadOrder(f"'mode' is one of {', '.join(HookMode)}") from unknown
        rules = desk.rules
        desk.rules = HookRules(
            url=url,
            mode=mode,
            is_form=_truth(body, "form", default=rules.is_form),
            delay_ms=_whole_number(body, "delay_ms", default=rules.delay_ms),
            redeliveries=_whole_number(body, "redeliveries", default=rules.redeliveries),
            redelivery_ms=_whole_number(body, "redelivery_ms", default=rules.redelivery_ms),
        )
        return web.json_response(asdict(desk.rules))

    async def set_sandbox(self, request: web.Request) -> web.Response:
        """POST /sandbox {"hidden": bool}: whether GET /payments/{imp_uid} hides a test channel's payments."""
        self._simulation.is_hiding_sandbox = _truth(await _body(request), "hidden", default=None)
        return web.json_response({"hidden": self._simulation.is_hiding_sandbox})

    def _account(self, body: Mapping[str, object]) -> Account:
        accounts = self._simulation.accounts
        account = accounts.named(str(body["account"])) if "account" in body else accounts.all()[0]
        if account is None:
            raise BadOrder("'account' is one of GET /health's accounts")
        return account


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
