"""Which paths does the gateway's stand-in serve to merchants?

Every call is received whole before anything is looked at; then comes its token, then its fields.
"""

from collections.abc import Awaitable, Callable
from dataclasses import asdict

from aiohttp import web

from simulator import cards, customers, lookups, prepared, schedules
from simulator.accounts import Account
from simulator.call import BadQuery, Call
from simulator.cancel import cancel
from simulator.charge import answer_uncharged, charge_again, charge_once
from simulator.delivery import RUN_HEADER, deliver
from simulator.faults import UNCHARGED, Place
from simulator.incoming import Incoming, Reply, read_incoming
from simulator.schedule_runs import charge_failed_again
from simulator.simulation import Simulation
from simulator.wire import (
    MISSING_KEY,
    WRONG_KEY,
    Answer,
    Fields,
    Unreadable,
    bearer,
    parse_body,
    refusal,
    success,
    unauthorized,
)

Action = Callable[[Simulation, Incoming], Awaitable[Reply]]
Operation = Callable[[Simulation, Call], Answer]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

TOKEN_PATH = "/users/getToken"  # noqa: S105 - a path
SCHEDULE = "/subscribe/payments/schedule"
CUSTOMERS = "/subscribe/customers"

#: Calls that move money: they may be held, may take their time, and look at their token themselves.
ACTIONS: tuple[tuple[str, Action], ...] = (
    ("/subscribe/payments/again", charge_again),
    ("/subscribe/payments/onetime", charge_once),
    ("/payments/cancel", cancel),
    ("/subscribe/payments/schedule/{merchant_uid}/retry", charge_failed_again),
)
ROUTES: tuple[tuple[str, str, Operation, Place | None], ...] = (
    ("POST", "/payments/prepare", prepared.prepare, None),
    ("PUT", "/payments/prepare", prepared.change, None),
    ("GET", "/payments/prepare/{merchant_uid}", prepared.get_prepared, Place.LOOKUP),
    ("GET", "/payments", lookups.several_payments, Place.LOOKUP),
    ("GET", "/payments/find/{merchant_uid}", lookups.find, Place.LOOKUP),
    ("GET", "/payments/find/{merchant_uid}/{payment_status}", lookups.find, Place.LOOKUP),
    ("GET", "/payments/findAll/{merchant_uid}", lookups.find_all, Place.LOOKUP),
    ("GET", "/payments/findAll/{merchant_uid}/{payment_status}", lookups.find_all, Place.LOOKUP),
    ("GET", "/payments/status/{payment_status}", lookups.by_status, Place.LOOKUP),
    ("GET", "/payments/{imp_uid}", lookups.one_payment, Place.LOOKUP),
    ("GET", CUSTOMERS, customers.get_customers, Place.LOOKUP),
    ("GET", f"{CUSTOMERS}/{{customer_uid}}/payments", lookups.of_customer, Place.LOOKUP),
    ("GET", f"{CUSTOMERS}/{{customer_uid}}/schedules", schedules.of_customer, Place.LOOKUP),
    ("GET", f"{CUSTOMERS}/{{customer_uid}}", customers.get_customer, Place.LOOKUP),
    ("POST", f"{CUSTOMERS}/{{customer_uid}}", customers.issue_customer, Place.CARD),
    ("DELETE", f"{CUSTOMERS}/{{customer_uid}}", customers.delete_customer, Place.CARD),
    ("POST", SCHEDULE, schedules.schedule, Place.SCHEDULE),
    ("POST", "/subscribe/payments/unschedule", schedules.unschedule, Place.SCHEDULE),
    ("GET", SCHEDULE, schedules.list_schedules, Place.LOOKUP),
    ("GET", f"{SCHEDULE}/customers/{{customer_uid}}", schedules.of_customer, Place.LOOKUP),
    ("GET", f"{SCHEDULE}/{{merchant_uid}}", schedules.one_schedule, Place.LOOKUP),
    ("PUT", f"{SCHEDULE}/{{merchant_uid}}", schedules.move, Place.SCHEDULE),
    ("POST", f"{SCHEDULE}/{{merchant_uid}}/reschedule", schedules.schedule_again, Place.SCHEDULE),
    ("GET", "/cards", cards.list_companies, Place.LOOKUP),
    ("GET", "/cards/{card_standard_code}", cards.one_company, Place.LOOKUP),
)


def public_app(simulation: Simulation) -> web.Application:
    """Build the application of the public port."""
    app = web.Application()
    app.router.add_post(TOKEN_PATH, _telling_token(simulation))
    for path, action in ACTIONS:
        app.router.add_post(path, _acting(simulation, f"POST {path}", action))
    for method, path, operation, place in ROUTES:
        app.router.add_route(method, path, _asking(simulation, f"{method} {path}", operation, place))

    async def sign(_request: web.Request, response: web.StreamResponse) -> None:
        response.headers[RUN_HEADER] = simulation.run_id

    app.on_response_prepare.append(sign)
    return app


def _acting(simulation: Simulation, endpoint: str, action: Action) -> Handler:
    async def serve(request: web.Request) -> web.StreamResponse:
        simulation.counters.arrive(endpoint)
        try:
            body = await _receive(request)
            if body is None:
                return web.Response()
            incoming = read_incoming(
                body=body,
                content_type=request.content_type,
                token=bearer(request.headers.get("Authorization")),
                path=request.match_info,
            )
            reply = await action(simulation, incoming)
            await simulation.ledger.durable()
            return await deliver(simulation, request, reply.answer, reply.fault)
        finally:
            simulation.counters.leave(endpoint)

    return serve


def _telling_token(simulation: Simulation) -> Handler:
    """POST /users/getToken: the one call that needs no token."""
    endpoint = f"POST {TOKEN_PATH}"

    def tell(request: web.Request, body: bytes) -> Answer:
        try:
            fields = parse_body(body, request.content_type)
            key, secret = fields.text("imp_key"), fields.text("imp_secret")
        except Unreadable as wrong:
            return refusal(str(wrong), status=400)
        if key is None or secret is None:
            return refusal(MISSING_KEY, status=400, code=-1)
        if simulation.accounts.login(key, secret) is None:
            return refusal(WRONG_KEY, status=401, code=-1)
        return success(asdict(simulation.tokens.issue(imp_key=key, now=simulation.now())))

    return _serving(simulation, endpoint, Place.TOKEN, tell)


def _asking(simulation: Simulation, endpoint: str, operation: Operation, place: Place | None) -> Handler:
    def ask(request: web.Request, body: bytes) -> Answer:
        now = simulation.now()
        account = simulation.account_of(bearer(request.headers.get("Authorization")), now=now)
        if account is None:
            return unauthorized()
        simulation.settle()
        try:
            fields = parse_body(body, request.content_type)
            return operation(simulation, _call(request, account, fields, now=now))
        except (BadQuery, Unreadable) as wrong:
            return refusal(str(wrong), status=400)

    return _serving(simulation, endpoint, place, ask)


def _serving(
    simulation: Simulation, endpoint: str, place: Place | None, ask: Callable[[web.Request, bytes], Answer]
) -> Handler:
    async def serve(request: web.Request) -> web.StreamResponse:
        simulation.counters.arrive(endpoint)
        try:
            body = await _receive(request)
            if body is None:
                return web.Response()
            token = bearer(request.headers.get("Authorization"))
            if place is not Place.TOKEN and not simulation.tokens.is_good(token, now=simulation.now()):
                return await deliver(simulation, request, unauthorized())
            nth = simulation.counters.calls[endpoint]
            fault = simulation.faults.for_call(place, endpoint=endpoint, nth=nth) if place is not None else None
            if fault is not None:
                simulation.counters.fire(fault)
            if fault is not None and fault.kind in UNCHARGED:
                return await deliver(simulation, request, answer_uncharged(fault), fault)
            answer = ask(request, body)
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


def _call(request: web.Request, account: Account, fields: Fields, *, now: float) -> Call:
    query = request.query
    return Call(
        account=account,
        path=request.match_info,
        query=query,
        lists={name: tuple(query.getall(name)) for name in query if name.endswith("[]")},
        fields=fields,
        now=now,
    )
