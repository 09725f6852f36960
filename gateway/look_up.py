"""What does the gateway say about payments when asked? Whole lists only, page by page.

Whatever is not a whole list raises: half a list is no evidence of absence. No error names what was asked for, for
paths carry billing keys' names.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from domain.errors import GatewayUnreachable, GatewayUnreadable, RuleBroken
from domain.evidence import Record, Source
from gateway.errors import TokenRefused
from gateway.port import Finding
from gateway.records import identifier, is_won, read_envelope, read_record
from gateway.transport import Passage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence
    from datetime import datetime

    from gateway.config import GatewayConfig
    from gateway.port import AccessToken
    from gateway.transport import GatewayTransport, Reply

#: The longest span and the largest page that the gateway takes.
LONGEST_SPAN: Final = timedelta(days=90)
PAGE_SIZE: Final = 1000
#: A list longer than this many pages is a loop over there.
_MOST_PAGES: Final = 10_000
_TRIES: Final = 2
_OK: Final = 200
_UNAUTHORIZED: Final = 401
_NOT_FOUND: Final = 404


@dataclass(frozen=True, slots=True, kw_only=True)
class _Page:
    total: int | None
    next_page: int
    items: Sequence[Mapping[str, object]]


class LookUp:
    """Asks one gateway on one transport; every method runs on that transport's loop."""

    def __init__(self, config: GatewayConfig, transport: GatewayTransport) -> None:
        self._config = config
        self._transport = transport

    async def find_all(self, *, merchant_uid: str, token: AccessToken) -> Finding:
        """Every record of a ``merchant_uid``; a 404 in the gateway's own envelope says that there is none."""
        path = f"/payments/findAll/{quote(merchant_uid, safe='')}?limit={PAGE_SIZE}&sorting=started"
        items = await self._whole_list(path, token, may_be_absent=True)
        records = _records_of(items, (merchant_uid,))[merchant_uid]
        return Finding(source=Source.FIND_ALL, records=records, token_digest=token.digest)

    async def card_payments(self, *, customer_uid: str, merchant_uid: str, token: AccessToken) -> Finding:
        """The records of ``merchant_uid`` among a card's payments; a 404 here is a deleted card, and no evidence."""
        path = f"/subscribe/customers/{quote(customer_uid, safe='')}/payments?"
        items = await self._whole_list(path, token, may_be_absent=False)
        records = _records_of(items, (merchant_uid,))[merchant_uid]
        return Finding(source=Source.CARD_PAYMENTS, records=records, token_digest=token.digest)

    async def day_list(
        self, *, merchant_uids: Sequence[str], begin: datetime, end: datetime, token: AccessToken
    ) -> Mapping[str, Finding]:
        """One walk over the list of all statuses of [begin, end), for all these ``merchant_uid``s.

        Raises:
            RuleBroken: The span is longer than the gateway takes, or ends before it begins.
        """
        if not timedelta() < end - begin <= LONGEST_SPAN:
            raise RuleBroken("a day list spans more than nothing and at most 90 days")
        items = await self._whole_list(_status_path(begin, end), token, may_be_absent=False)
        found = _records_of(items, merchant_uids)
        return {
            merchant_uid: Finding(source=Source.DAY_LIST, records=records, token_digest=token.digest)
            for merchant_uid, records in found.items()
        }

    async def all_payments(
        self, *, begin: datetime, end: datetime, token: AccessToken, seen: Callable[[int], None]
    ) -> Sequence[Record]:
        """Every record in won of [begin, end), each once, in spans that the gateway takes."""
        if end <= begin:
            raise RuleBroken("a span ends after it begins")
        records: dict[str, Record] = {}
        while begin < end:
            until = min(end, begin + LONGEST_SPAN)
            async for page in self._pages(_status_path(begin, until), token, may_be_absent=False):
                for item in page.items:
                    if is_won(item):
                        record = _read(item)
                        records[record.imp_uid] = record
                seen(len(records))
            begin = until
        return list(records.values())

    async def _whole_list(
        self, path: str, token: AccessToken, *, may_be_absent: bool
    ) -> Sequence[Mapping[str, object]]:
        return [item async for page in self._pages(path, token, may_be_absent=may_be_absent) for item in page.items]

    async def _pages(self, path: str, token: AccessToken, *, may_be_absent: bool) -> AsyncIterator[_Page]:
        """Page after page until one says that none follows; raises if the list was not whole."""
        number = 1
        seen: set[str] = set()
        for _ in range(_MOST_PAGES):
            reply = await self._ask(f"{path}&page={number}".replace("?&", "?"), token)
            page = _read_page(reply, may_be_absent=may_be_absent and number == 1)
            seen.update(str(item.get("imp_uid")) for item in page.items)
            yield page
            if page.next_page == 0:
                if page.total is not None and len(seen) < page.total:
                    raise GatewayUnreadable("the gateway counted more payments than it listed: ask again")
                return
            if page.next_page <= number:
                raise GatewayUnreadable("the gateway's pages go round in a circle")
            number = page.next_page
        raise GatewayUnreadable("the gateway's list does not end")

    async def _ask(self, path: str, token: AccessToken) -> Reply:
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


def _status_path(begin: datetime, end: datetime) -> str:
    # Oldest first: what arrives during the walk is added behind it, and shifts nothing that was not read yet.
    first = int(begin.timestamp() // 1)
    last = -int(-end.timestamp() // 1)
    return f"/payments/status/all?limit={PAGE_SIZE}&from={first}&to={last}&sorting=started"


def _read_page(reply: Reply, *, may_be_absent: bool) -> _Page:
    if reply.status == _UNAUTHORIZED:
        raise TokenRefused("the gateway refused the token of a look-up: ask for a token again")
    envelope = read_envelope(reply.body)
    if envelope is None:
        raise GatewayUnreadable(f"a look-up was answered with HTTP {reply.status}, outside the gateway's envelope")
    if reply.status == _NOT_FOUND and envelope.code != 0 and envelope.message and may_be_absent:
        return _Page(total=None, next_page=0, items=())
    if reply.status != _OK or envelope.code != 0:
        raise GatewayUnreadable(f"a look-up was answered with HTTP {reply.status}, code {envelope.code}: no evidence")
    response = envelope.response
    if not isinstance(response, dict):
        raise GatewayUnreadable("a look-up was answered without a list")
    items, total, following = response.get("list"), response.get("total"), response.get("next")
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise GatewayUnreadable("a look-up was answered without a list of payments")
    if not _is_count(following) or (following is None and not isinstance(total, int)):
        raise GatewayUnreadable("a look-up was answered without the number of its next page")
    return _Page(total=total if _is_count(total) else None, next_page=int(following or 0), items=items)


def _is_count(value: object) -> bool:
    return value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 0)


def _records_of(items: Sequence[Mapping[str, object]], merchant_uids: Sequence[str]) -> dict[str, Sequence[Record]]:
    """The records of these ``merchant_uid``s, each payment once; everything else is somebody else's."""
    found: dict[str, dict[str, Record]] = {merchant_uid: {} for merchant_uid in merchant_uids}
    for item in items:
        merchant_uid = identifier(item.get("merchant_uid"))
        if merchant_uid is None and item.get("merchant_uid") not in (None, ""):
            continue  # an id that we would never make: other programs may use any letters
        if merchant_uid is None:
            raise GatewayUnreadable("a payment was listed without its merchant_uid")
        if merchant_uid in found:
            record = _read(item)
            found[merchant_uid][record.imp_uid] = record
    return {merchant_uid: list(records.values()) for merchant_uid, records in found.items()}


def _read(item: Mapping[str, object]) -> Record:
    record = read_record(item)
    if record is None:
        raise GatewayUnreadable("a payment was listed without an id, a status or a whole amount in won")
    return record
