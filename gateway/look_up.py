"""What does the gateway say about payments when asked? Whole lists only, page by page."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from domain.decline_rules import NO_RULES
from domain.errors import GatewayUnreadable, RuleBroken
from domain.evidence import Record, Source
from gateway.port import Finding
from gateway.questions import PAGE_SIZE, Questions, segment
from gateway.records import identifier, is_won, read_record

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from domain.decline_rules import DeclineRules
    from gateway.config import GatewayConfig
    from gateway.port import AccessToken
    from gateway.transport import GatewayTransport

#: The longest span that the gateway takes.
LONGEST_SPAN: Final = timedelta(days=90)
_NAME: Final = "imp_uid"


class LookUp:
    """Asks one gateway on one transport; every method runs on that transport's loop."""

    def __init__(self, config: GatewayConfig, transport: GatewayTransport, rules: DeclineRules = NO_RULES) -> None:
        self._is_test = config.is_test
        self._rules = rules
        self._questions = Questions(config, transport)

    async def payment(self, *, imp_uid: str, token: AccessToken) -> Record | None:
        """One payment; a live channel does not ask for a test channel's, which the gateway then does not know."""
        path = f"/payments/{segment(imp_uid)}?include_sandbox={'true' if self._is_test else 'false'}"
        found = await self._questions.one(path, token)
        if found is None:
            return None
        record = self._read(found)
        if record.imp_uid != imp_uid:
            raise GatewayUnreadable("a look-up was answered with another payment than the one it asked for")
        return record

    async def find(self, *, merchant_uid: str, token: AccessToken) -> Record | None:
        """The newest record of a ``merchant_uid``: a newer failed one hides a paid one, so it proves no absence."""
        found = await self._questions.one(f"/payments/find/{segment(merchant_uid)}?sorting=-started", token)
        if found is None:
            return None
        record = self._read(found)
        if record.merchant_uid != merchant_uid:
            raise GatewayUnreadable("a look-up was answered with another order than the one it asked for")
        return record

    async def find_all(self, *, merchant_uid: str, token: AccessToken) -> Finding:
        """Every record of a ``merchant_uid``; a 404 in the gateway's own envelope says that there is none."""
        path = f"/payments/findAll/{segment(merchant_uid)}?limit={PAGE_SIZE}&sorting=started"
        items = await self._questions.whole_list(path, token, key=_NAME, may_be_absent=True)
        records = self._records_of(items, (merchant_uid,))[merchant_uid]
        return Finding(source=Source.FIND_ALL, records=records, token_digest=token.digest)

    async def card_payments(self, *, customer_uid: str, merchant_uid: str, token: AccessToken) -> Finding:
        """The records of ``merchant_uid`` among a card's payments; a 404 here is a deleted card, and no evidence."""
        path = f"/subscribe/customers/{segment(customer_uid)}/payments?"
        items = await self._questions.whole_list(path, token, key=_NAME)
        records = self._records_of(items, (merchant_uid,))[merchant_uid]
        return Finding(source=Source.CARD_PAYMENTS, records=records, token_digest=token.digest)

    async def card_history(self, *, customer_uid: str, token: AccessToken) -> Sequence[Record]:
        """Every record in won of a card, each once; a 404 here is a deleted card, and no evidence."""
        path = f"/subscribe/customers/{segment(customer_uid)}/payments?"
        items = await self._questions.whole_list(path, token, key=_NAME)
        records = (self._read(item) for item in items if is_won(item))
        return list({record.imp_uid: record for record in records}.values())

    async def day_list(
        self, *, merchant_uids: Sequence[str], begin: datetime, end: datetime, token: AccessToken
    ) -> Mapping[str, Finding]:
        """One walk over the list of all statuses of [begin, end), for all these ``merchant_uid``s.

        Raises:
            RuleBroken: The span is longer than the gateway takes, or ends before it begins.
        """
        seconds = last_second(end) - first_second(begin)
        if end <= begin or seconds > LONGEST_SPAN.total_seconds():
            raise RuleBroken("a day list spans more than nothing and at most 90 days, in whole seconds")
        items = await self._questions.whole_list(_status_path(begin, end), token, key=_NAME)
        found = self._records_of(items, merchant_uids)
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
        begin = begin.replace(microsecond=0)  # else a whole span is a second longer once it is told in seconds
        while begin < end:
            until = min(end, begin + LONGEST_SPAN)
            async for page in self._questions.pages(_status_path(begin, until), token, key=_NAME):
                for item in page.items:
                    if is_won(item):
                        record = self._read(item)
                        records[record.imp_uid] = record
                seen(len(records))
            begin = until
        return list(records.values())

    def _records_of(
        self, items: Sequence[Mapping[str, object]], merchant_uids: Sequence[str]
    ) -> dict[str, Sequence[Record]]:
        """The records of these ``merchant_uid``s, each payment once; everything else is somebody else's."""
        found: dict[str, dict[str, Record]] = {merchant_uid: {} for merchant_uid in merchant_uids}
        for item in items:
            merchant_uid = identifier(item.get("merchant_uid"))
            if merchant_uid is None and item.get("merchant_uid") not in (None, ""):
                continue  # an id that we would never make: other programs may use any letters
            if merchant_uid is None:
                raise GatewayUnreadable("a payment was listed without its merchant_uid")
            if merchant_uid in found:
                record = self._read(item)
                found[merchant_uid][record.imp_uid] = record
        return {merchant_uid: list(records.values()) for merchant_uid, records in found.items()}

    def _read(self, item: Mapping[str, object]) -> Record:
        record = read_record(item, is_test=self._is_test, rules=self._rules)
        if record is None:
            raise GatewayUnreadable("a payment was listed without an id, a status or a whole amount in won")
        return record


def _status_path(begin: datetime, end: datetime) -> str:
    # Oldest first: what arrives during the walk is added behind it, and shifts nothing that was not read yet.
    return f"/payments/status/all?limit={PAGE_SIZE}&from={first_second(begin)}&to={last_second(end)}&sorting=started"


def first_second(begin: datetime) -> int:
    """The unix second in which a span begins."""
    return int(begin.timestamp() // 1)


def last_second(end: datetime) -> int:
    """The unix second at which a span has surely ended."""
    return -int(-end.timestamp() // 1)
