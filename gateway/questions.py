"""How is the gateway asked a question that moves no money? Once more if the line breaks; whole lists only.

Whatever is not a whole list raises: half a list is no evidence of absence. No error names what was asked for, for
paths carry billing keys' names.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from domain.errors import GatewayUnreachable, GatewayUnreadable
from gateway.errors import TokenRefused
from gateway.fields import DOTS
from gateway.records import ANSWERED, read_envelope
from gateway.transport import Passage

if TYPE_CHECKING:
    import re
    from collections.abc import AsyncIterator, Mapping, Sequence

    from gateway.config import GatewayConfig
    from gateway.port import AccessToken
    from gateway.records import Envelope
    from gateway.transport import GatewayTransport, Reply

#: The largest page that the gateway gives.
PAGE_SIZE: Final = 1000
#: A list longer than this many pages is a loop over there.
_MOST_PAGES: Final = 10_000
_TRIES: Final = 2
_UNAUTHORIZED: Final = 401
NOT_FOUND: Final = 404
#: Some of the several that were named.
_IN_PART: Final = 207
#: How a page after the last one is answered; only a bare array lets anybody ask for it.
_BEYOND_THE_END: Final = frozenset({400, 404})


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page of a list; ``next_page`` 0: none follows. A bare array (``is_bare``) does not say whether one does."""

    total: int | None = None
    next_page: int = 0
    items: Sequence[Mapping[str, object]] = ()
    is_bare: bool = False


class Questions:
    """Asks one gateway on one transport; every method runs on that transport's loop."""

    def __init__(self, config: GatewayConfig, transport: GatewayTransport) -> None:
        self._config = config
        self._transport = transport

    async def one(
        self, path: str, token: AccessToken, *, absence: re.Pattern[str] | None = None
    ) -> Mapping[str, object] | None:
        """One object; None: the gateway's own envelope says so, with a 404 or in ``absence``'s words."""
        envelope = read_answer(await self.ask(path, token), frozenset({NOT_FOUND}), absence=absence)
        if envelope is None:
            return None
        if not isinstance(envelope.response, dict):
            raise GatewayUnreadable("a look-up was answered without what it asked for")
        return envelope.response

    async def plain_list(
        self, path: str, token: AccessToken, *, absence: re.Pattern[str] | None = None
    ) -> Sequence[Mapping[str, object]]:
        """A list that has no pages; one that tells only a part of what was named (207) is taken as it is."""
        envelope = read_answer(
            await self.ask(path, token), frozenset({NOT_FOUND}), absence=absence, answered=ANSWERED | {_IN_PART}
        )
        return [] if envelope is None else items_of(envelope.response)

    async def whole_list(
        self, path: str, token: AccessToken, *, key: str, may_be_absent: bool = False
    ) -> Sequence[Mapping[str, object]]:
        """Every item of every page; ``key`` is the field that names an item."""
        pages = self.pages(path, token, key=key, may_be_absent=may_be_absent)
        return [item async for page in pages for item in page.items]

    async def pages(
        self, path: str, token: AccessToken, *, key: str, may_be_absent: bool = False
    ) -> AsyncIterator[Page]:
        """Page after page until one says that none follows; raises if the list was not whole."""
        number = 1
        seen: set[str] = set()
        absent = frozenset({NOT_FOUND}) if may_be_absent else frozenset[int]()
        for _ in range(_MOST_PAGES):
            reply = await self.ask(f"{path}&page={number}".replace("?&", "?"), token)
            page = read_page(reply, absent)
            absent = _BEYOND_THE_END if page.is_bare else frozenset()
            known = len(seen)
            seen.update(str(item.get(key)) for item in page.items)
            yield page
            if page.is_bare:
                if len(seen) == known:  # an empty page, or the last one again
                    return
                number += 1
                continue
            if page.next_page == 0:
                if page.total is not None and len(seen) < page.total:
                    raise GatewayUnreadable("the gateway counted more than it listed: ask again")
                return
            if page.next_page <= number:
                raise GatewayUnreadable("the gateway's pages go round in a circle")
            number = page.next_page
        raise GatewayUnreadable("the gateway's list does not end")

    async def ask(self, path: str, token: AccessToken) -> Reply:
        """One GET, asked once more if the line breaks."""
        headers = authorization(self._config, token)
        for tries_left in reversed(range(_TRIES)):
            request = self._transport.get(path, headers, read_seconds=self._config.lookup_read_timeout_seconds)
            try:
                return await self._transport.call(request, Passage(), total_seconds=self._config.total_lookup_seconds)
            except TimeoutError:
                raise GatewayUnreachable("a look-up was not answered in time") from None
            except Exception as broken:  # noqa: BLE001 - the transport may raise any class
                if not tries_left:
                    # Not chained: the transport's message may hold the URL, and with it a billing key's name.
                    name = type(broken).__name__
                    raise GatewayUnreachable(f"a look-up broke off ({name})") from None
        raise AssertionError("unreachable: the last try returns or raises")


def authorization(config: GatewayConfig, token: AccessToken) -> dict[str, str]:
    """The headers of a call that carries a token."""
    value = f"Bearer {token.value}" if config.bearer else token.value
    return {"Authorization": value, "Accept": "application/json", "Accept-Encoding": "identity"}


def segment(name: str) -> str:
    """A name as one segment of a path.

    Raises:
        GatewayUnreadable: Nothing can be asked by this name: in a path it means another path.
    """
    if not name or name in DOTS:
        raise GatewayUnreadable("a name that is empty or made of dots cannot be asked for")
    return quote(name, safe="")


def read_answer(
    reply: Reply,
    absent: frozenset[int] = frozenset(),
    *,
    absence: re.Pattern[str] | None = None,
    answered: frozenset[int] = ANSWERED,
) -> Envelope | None:
    """The envelope of an answer that was worked on; None: it says, by a status or in words, that there is none.

    Raises:
        TokenRefused: 401.
        GatewayUnreadable: Anything else.
    """
    if reply.status == _UNAUTHORIZED:
        raise TokenRefused("the gateway refused the token of a look-up: ask for a token again")
    envelope = read_envelope(reply.body)
    if envelope is None:
        raise GatewayUnreadable(f"a look-up was answered with HTTP {reply.status}, outside the gateway's envelope")
    is_absent = reply.status in absent or (reply.status in ANSWERED and absence and absence.search(envelope.message))
    if is_absent and envelope.code != 0 and envelope.message:
        return None
    if reply.status not in answered or envelope.code != 0:
        raise GatewayUnreadable(f"a look-up was answered with HTTP {reply.status}, code {envelope.code}: no evidence")
    return envelope


def read_page(reply: Reply, absent: frozenset[int]) -> Page:
    """One page; an empty one, if a status of ``absent`` says that there is none. As ``read_answer``."""
    envelope = read_answer(reply, absent)
    if envelope is None:
        return Page()
    response = envelope.response
    if isinstance(response, list):
        return Page(items=items_of(response), is_bare=True)
    if not isinstance(response, dict):
        raise GatewayUnreadable("a look-up was answered without a list")
    total, following = response.get("total"), response.get("next")
    items = items_of(response.get("list"))
    if not _is_count(following) or (following is None and not isinstance(total, int)):
        raise GatewayUnreadable("a look-up was answered without the number of its next page")
    return Page(total=total if _is_count(total) else None, next_page=int(following or 0), items=items)


def items_of(found: object) -> Sequence[Mapping[str, object]]:
    """A list of objects, all of them.

    Raises:
        GatewayUnreadable: It is something else.
    """
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise GatewayUnreadable("a look-up was answered without a list of what it asked for")
    return found


def _is_count(value: object) -> bool:
    return value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 0)
