"""POST /hooks/iamport: a hook is let in or not, written down, and answered at once. It is followed elsewhere."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import structlog
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from starlette.requests import ClientDisconnect

from billing.receive_hint import receive_hint
from domain.channel import DEFAULT_CHANNEL, is_channel_name
from domain.errors import BadInput
from domain.hint import read_hint
from models.session import CommitInDoubt, DatabaseTrouble, RowsRefused
from web.bodies import BodyOfAnotherKind, BodyTooLarge, BodyTooSlow, check_kind, fields_of, read_whole
from web.sources import Sources, one_host

if TYPE_CHECKING:
    from domain.hint import Hint
    from models.session import Database
    from web.rate import Rate

#: The gateway waits longer than this; a hook that cannot be stored meanwhile is told so, and may be sent again.
STORE_SECONDS: Final = 3

_log = structlog.get_logger("web")


class HookDoor:
    """Lets hooks in: from where they may come, as many as may, of the form that they have."""

    def __init__(self, database: Database, *, sources: Sources, rate: Rate) -> None:
        self._database = database
        self._sources = sources
        self._rate = rate

    def router(self) -> APIRouter:
        """The routes of the hooks."""
        router = APIRouter()

        @router.post("/hooks/iamport")
        async def hook(request: Request) -> Response:
            """A hook of the only gateway account."""
            return await self.receive(request, DEFAULT_CHANNEL)

        @router.post("/hooks/iamport/{channel}")
        async def hook_of_channel(request: Request, channel: str) -> Response:
            """A hook of one of several gateway accounts."""
            if not is_channel_name(channel):
                return told(404, "there is no such channel")
            return await self.receive(request, channel)

        return router

    async def receive(self, request: Request, channel: str) -> Response:
        """Answer one hook."""
        sender = self._sources.sender(
            request.client.host if request.client else None, request.headers.getlist("x-forwarded-for")
        )
        if not self._sources.is_allowed(sender):
            return told(403, "hooks are not taken from this address")
        if not self._rate.take(one_host(sender)):
            return told(429, "too many hooks at once")
        try:
            check_kind(
                content_type=request.headers.get("content-type", ""),
                content_encoding=request.headers.get("content-encoding", ""),
            )
            hint = read_hint(fields_of(await read_whole(request.stream())), channel=channel)
        except BodyOfAnotherKind as error:
            return told(415, str(error))
        except BodyTooLarge as error:
            return told(413, str(error))
        except BodyTooSlow as error:
            return told(408, str(error))
        except ClientDisconnect:
            return told(400, "the body did not come whole")
        except BadInput as error:
            return told(400, str(error))
        return await self._store(hint)

    async def _store(self, hint: Hint) -> Response:
        try:
            # A thread of its own: the database is spoken to synchronously.
            async with asyncio.timeout(STORE_SECONDS):
                await asyncio.to_thread(receive_hint, self._database, hint)
        except (DatabaseTrouble, CommitInDoubt, RowsRefused, TimeoutError) as error:
            # Nothing is lost but speed: what the hook would have hastened is looked up and compared anyway.
            _log.warning("hook.not_stored", error=type(error).__name__)
            return told(503, "it could not be stored; nothing is lost but time")
        return JSONResponse({"stored": True})


def told(status: int, sentence: str) -> Response:
    """A refusal, in one sentence."""
    return JSONResponse({"error": sentence}, status_code=status)
