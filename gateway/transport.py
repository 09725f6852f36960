"""How does one HTTP request leave, and did any byte of it leave? The only module that knows httpx and aiohttp.

``httpx.Request`` objects go straight to the aiohttp-backed transport. That transport calls every broken connection
``ConnectTimeout``, also after the server has read the whole request, so an exception's class proves nothing here: the
proof is a mark of our own (``Passage``), set by aiohttp's trace before the first byte is written.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
import zlib
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Final

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gateway.config import GatewayConfig

for _name in ("httpx", "httpcore", "aiohttp.client"):
    logging.getLogger(_name).setLevel(logging.WARNING)  # at INFO they print whole URLs
#: At DEBUG it prints tracebacks of broken writes; a formatter that adds locals would print what was being written.
logging.getLogger("asyncio").setLevel(logging.INFO)

_GZIP: Final = 16 + zlib.MAX_WBITS


class StoppedBeforeSending(Exception):
    """The gate shut this call out at the last moment; nothing was written. Its argument may say why."""


class AnswerUnusable(Exception):
    """The answer's body is too large or is encoded in a way that was not asked for."""


@dataclass(slots=True)
class Passage:
    """How far one call came; written by the transport only.

    ``gate`` is asked right before the first byte is written; if it raises, nothing is written.
    """

    gate: Callable[[], None] | None = None
    handed_over: bool = False
    traced: bool = False
    sent: bool = False
    trusted: bool = True

    @property
    def is_proven_unsent(self) -> bool:
        """No byte of the request left this process.

        A call that the transport took but whose trace never began proves nothing: then the marks are not tied to it.
        """
        return not self.handed_over or (self.traced and not self.sent and self.trusted)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A whole answer. ``body`` is decoded from its transfer and content encodings; it may repeat what was sent."""

    status: int
    body: bytes = field(repr=False)


_current: ContextVar[Passage] = ContextVar("gateway_passage")


class _TraceMark(SimpleNamespace):
    """Made by aiohttp once per request, in the task that asked: ties the trace to that call's passage."""

    def __init__(self, trace_request_ctx: object = None) -> None:
        passage = _current.get()  # a LookupError here stops the call before it connects
        passage.traced = True
        super().__init__(trace_request_ctx=trace_request_ctx, passage=passage)


async def _before_first_byte(_session: object, context: SimpleNamespace, _params: object) -> None:
    passage: Passage = context.passage
    if passage.gate is not None and not passage.sent:
        passage.gate()
    passage.sent = True


class GatewayTransport:
    """Connections to one gateway; made and used on one running loop.

    No redirects, no cookies, no proxies or credentials from the environment, HTTP/1.1 only, bounded answers.
    """

    def __init__(self, config: GatewayConfig, *, connections: int) -> None:
        self._config = config
        self._trusted = True
        self._base = config.base_url.rstrip("/")
        self._urls: dict[str, httpx.URL] = {}
        context = (
            ssl.create_default_context(cafile=config.ca_file)
            if config.ca_file is not None
            else httpx.create_ssl_context(trust_env=False)
        )
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        trace = aiohttp.TraceConfig(trace_config_ctx_factory=_TraceMark)
        trace.on_request_headers_sent.append(_before_first_byte)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=connections, keepalive_timeout=config.keepalive_seconds, ssl=context),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            trace_configs=[trace],
            timeout=aiohttp.ClientTimeout(total=None),
        )
        self._transport = AiohttpTransport(verify=context, trust_env=False, client=self._session)

    def fixed_url(self, path: str) -> httpx.URL:
        """The URL of a path that is asked again and again; parsed once."""
        url = self._urls.get(path)
        if url is None:
            url = self._urls[path] = httpx.URL(self._base + path)
        return url

    async def call(
        self,
        request: httpx.Request,
        passage: Passage,
        *,
        total_seconds: float,
    ) -> Reply:
        """Hand one request to the transport, once, and read the whole answer.

        Args:
            request: Made by ``post`` or ``get``.
            passage: Fresh; tells afterwards how far the call came.
            total_seconds: Our own deadline over everything: the transport's limits are per operation, and a server
                that drips one byte a second would never meet them.

        Raises:
            Exception: Any class at all; only ``passage`` says what it means.
        """
        mark = _current.set(passage)
        try:
            async with asyncio.timeout(total_seconds):
                passage.handed_over = True
                response = await self._transport.handle_async_request(request)
                if not passage.sent:  # an answer to what never left: the marks are not to be believed from now on
                    self._trusted = False
                try:
                    body = await self._read(response)
                finally:
                    await _let_go(response)
        finally:
            passage.trusted = self._trusted
            _current.reset(mark)
        return Reply(status=response.status_code, body=body)

    async def _read(self, response: httpx.Response) -> bytes:
        limit = self._config.max_body_bytes
        size = 0
        chunks: list[bytes] = []
        stream = response.stream
        if not isinstance(stream, httpx.AsyncByteStream):
            raise AnswerUnusable("the transport gave no stream")
        async for chunk in stream:
            size += len(chunk)
            if size > limit:
                raise AnswerUnusable("the answer is too large")
            chunks.append(chunk)
        body = b"".join(chunks)
        encoding = response.headers.get("content-encoding", "identity").strip().lower()
        if encoding in {"", "identity"}:
            return body
        if encoding != "gzip":
            raise AnswerUnusable("the answer has an encoding that was not asked for")
        return _unzip(body, limit)

    def post(self, url: httpx.URL, headers: Mapping[str, str], content: bytes, *, read_seconds: float) -> httpx.Request:
        """A POST of JSON."""
        return httpx.Request(
            "POST", url, headers=headers, content=content, extensions={"timeout": self._limits(read_seconds)}
        )

    def order(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        write: Callable[[], bytes],
        *,
        read_seconds: float,
    ) -> httpx.Request:
        """A request of JSON whose body ``write`` makes; an empty one is left out."""
        url = httpx.URL(self._base + path)
        limits = {"timeout": self._limits(read_seconds)}
        return httpx.Request(method, url, headers=headers, content=write() or None, extensions=limits)

    def get(self, path_and_query: str, headers: Mapping[str, str], *, read_seconds: float) -> httpx.Request:
        """A GET; whatever stands in ``path_and_query`` is already quoted."""
        url = httpx.URL(self._base + path_and_query)
        return httpx.Request("GET", url, headers=headers, extensions={"timeout": self._limits(read_seconds)})

    def _limits(self, read_seconds: float) -> dict[str, float]:
        # aiohttp counts making the connection into the wait for the pool; sock_connect bounds the connection itself.
        connect = self._config.connect_timeout_seconds
        return {"pool": self._config.pool_timeout_seconds + connect, "connect": connect, "read": read_seconds}

    async def close(self) -> None:
        """Close every connection."""
        await self._transport.aclose()


async def _let_go(response: httpx.Response) -> None:
    """Give the connection back, or close it if the answer was not read to its end."""
    stream = response.stream
    if isinstance(stream, httpx.AsyncByteStream):
        with contextlib.suppress(httpx.HTTPError, aiohttp.ClientError, OSError):
            await stream.aclose()


def _unzip(body: bytes, limit: int) -> bytes:
    unzip = zlib.decompressobj(_GZIP)
    plain = unzip.decompress(body, limit + 1)
    if len(plain) > limit or not unzip.eof:
        raise AnswerUnusable("the answer is too large, or cut short")
    return plain
