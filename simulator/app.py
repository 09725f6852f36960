"""Which paths does the gateway's stand-in serve to merchants?

Every call is received whole before anything is looked at; then comes its token, then its fields.
"""

from collections.abc import Awaitable, Callable

from aiohttp import web

from simulator import lookups, operations
from simulator.charge import answer_uncharged, charge_again
from simulator.delivery import RUN_HEADER, deliver
from simulator.faults import UNCHARGED, Place
from simulator.lookups import BadQuery, Call
from simulator.simulation import Simulation
from simulator.wire import Answer, Unreadable, bearer, parse_body, refusal, unauthorized

Operation = Callable[[Simulation, Call], Answer]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

CHARGE_PATH = "/subscribe/payments/again"
ROUTES: tuple[tuple[str, str, Operation, Place | None], ...] = (
    ("POST", "/users/getToken", operations.get_token, Place.TOKEN),
    ("POST", "/payments/cancel", operations.cancel, Place.CANCEL),
    ("GET", "/payments", lookups.several_payments, Place.LOOKUP),
    ("GET", "/payments/find/{merchant_uid}", lookups.find, Place.LOOKUP),
    ("GET", "/payments/find/{merchant_uid}/{payment_status}", lookups.find, Place.LOOKUP),
    ("GET", "/payments/findAll/{merchant_uid}", lookups.find_all, Place.LOOKUP),
    ("GET", "/payments/findAll/{merchant_uid}/{payment_status}", lookups.find_all, Place.LOOKUP),
    ("GET", "/payments/status/{payment_status}", lookups.by_status, Place.LOOKUP),
    ("GET", "/payments/{imp_uid}", lookups.one_payment, Place.LOOKUP),
    ("GET", "/subscribe/customers", operations.get_customers, Place.LOOKUP),
    ("GET", "/subscribe/customers/{customer_uid}/payments", lookups.of_customer, Place.LOOKUP),
    ("GET", "/subscribe/customers/{customer_uid}", operations.get_customer, Place.LOOKUP),
    ("POST", "/subscribe/customers/{customer_uid}", operations.issue_customer, None),
    ("DELETE", "/subscribe/customers/{customer_uid}", operations.delete_customer, None),
)


def public_app(simulation: Simulation) -> web.Application:
    """Build the application of the public port."""
    app = web.Application()
    app.router.add_post(CHARGE_PATH, _charging(simulation))
    for method, path, operation, place in ROUTES:
        app.router.add_route(method, path, _serving(simulation, f"{method} {path}", operation, place))

    async def sign(_request: web.Request, response: web.StreamResponse) -> None:
        response.headers[RUN_HEADER] = simulation.run_id

    app.on_response_prepare.append(sign)
    return app


def _charging(simulation: Simulation) -> Handler:
    endpoint = f"POST {CHARGE_PATH}"

    async def serve(request: web.Request) -> web.StreamResponse:
        simulation.counters.arrive(endpoint)
        try:
            body = await _receive(request)
            if body is None:
                return web.Response()
            token = bearer(request.headers.get("Authorization"))
            reply = await charge_again(simulation, body=body, content_type=request.content_type, token=token)
            await simulation.ledger.durable()
            return await deliver(simulation, request, reply.answer, reply.fault)
        finally:
            simulation.counters.leave(endpoint)

    return serve


def _serving(simulation: Simulation, endpoint: str, operation: Operation, place: Place | None) -> Handler:
    async def serve(request: web.Request) -> web.StreamResponse:
        simulation.counters.arrive(endpoint)
        try:
            body = await _receive(request)
            if body is None:
                return web.Response()
            now = simulation.now()
            token = bearer(request.headers.get("Authorization"))
            if place is not Place.TOKEN and not simulation.tokens.is_good(token, now=now):
                return await deliver(simulation, request, unauthorized())
            nth = simulation.counters.calls[endpoint]
            fault = simulation.faults.for_call(place, endpoint=endpoint, nth=nth) if place is not None else None
            if fault is not None:
                simulation.counters.fire(fault)
            if fault is not None and fault.kind in UNCHARGED:
                return await deliver(simulation, request, answer_uncharged(fault), fault)
            simulation.ledger.settle(now)
            answer = _operate(simulation, operation, request, body, now)
            await simulation.ledger.durable()
            return await deliver(simulation, request, answer, fault)
        finally:
            simulation.counters.leave(endpoint)

    return serve


async def _receive(request: web.Request) -> bytes | None:
    """Return the whole body; None if the caller left before: then nothing was asked for."""
    try:
        return await request.read()
    except ConnectionError:
        return None


def _operate(simulation: Simulation, operation: Operation, request: web.Request, body: bytes, now: float) -> Answer:
    query = request.query
    try:
        call = Call(
            path=request.match_info,
            query=query,
            lists={name: tuple(query.getall(name)) for name in query if name.endswith("[]")},
            fields=parse_body(body, request.content_type),
            now=now,
        )
        return operation(simulation, call)
    except (BadQuery, Unreadable) as wrong:
        return refusal(str(wrong), status=400)
