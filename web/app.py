"""The application behind `jeonggi web`: the gateway's hooks, and whether it is alive. No pages, no documents."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import structlog
from fastapi import FastAPI
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from web.hooks import HookDoor, told
from web.rate import Rate
from web.sources import Sources

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp, Receive, Scope, Send

    from models.session import Database
    from runtime.settings import Settings

#: What is still taken of a body that is refused.
LARGEST_REST: Final = 1024 * 1024
REST_SECONDS: Final = 1

_log = structlog.get_logger("web")


def web_app(settings: Settings, database: Database, *, clock: Callable[[], float]) -> ASGIApp:
    """Everything that is served; ``clock`` gives seconds that never go back."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    door = HookDoor(
        database,
        sources=Sources(allowed=settings.hook_networks, proxies=settings.proxy_networks),
        rate=Rate(settings.hook_rate, clock),
    )
    app.include_router(door.router())

    @app.get("/healthz")
    async def healthz() -> Response:
        """Whether this process serves; of the database it says nothing."""
        return JSONResponse({"ok": True})

    @app.exception_handler(HTTPException)
    async def refuse(_request: Request, refusal: HTTPException) -> Response:
        return told(refusal.status_code, str(refusal.detail))

    return _LastDoor(app)


class _LastDoor:
    """Nobody outside is shown what broke; the log tells its kind.

    What was sent is taken before it is refused, within limits: a connection that is closed on unread bytes is reset,
    and the sender would see that instead of the refusal.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = _Body(receive)
        has_begun = False

        async def sending(message: Any) -> None:  # noqa: ANN401 - ASGI's own
            nonlocal has_begun
            if not has_begun:
                has_begun = True
                await body.take_rest()
            await send(message)

        try:
            await self._app(scope, body.receive, sending)
        except Exception as error:  # noqa: BLE001 - the last door
            _log.error("web.failed", error=type(error).__name__)  # no traceback: it may hold a body
            if scope["type"] == "http" and not has_begun:
                await told(500, "something unexpected happened")(scope, body.receive, sending)


class _Body:
    """What comes of one request's body, counted."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._size = 0
        self._has_ended = False

    async def receive(self) -> Any:  # noqa: ANN401 - ASGI's own
        """The next part, or that there is none."""
        message = await self._receive()
        self._size += len(message.get("body", b""))
        self._has_ended = not message.get("more_body", False)
        return message

    async def take_rest(self) -> None:
        """Take what is still coming, and throw it away: so much, and for so long."""
        try:
            async with asyncio.timeout(REST_SECONDS):
                while not self._has_ended and self._size < LARGEST_REST:
                    await self.receive()
        except TimeoutError:
            self._has_ended = True
