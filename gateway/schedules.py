"""What charges will the gateway make by itself? Its own schedules: listed whole, and revoked only by name.

Source: PortOne V1 documentation, subscribe/payments: a look-up spans at most three months, of which the shortest has 89
days; ``unschedule`` without ``merchant_uid`` revokes all of a card's schedules, so no such request can be built here.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from domain.errors import GatewayUnreadable, RuleBroken
from gateway.errors import GatewayRefused
from gateway.fields import octets
from gateway.look_up import first_second, last_second
from gateway.mask import clean_text, plain_text
from gateway.orders import Order, response_of
from gateway.port import Schedule, ScheduleState
from gateway.questions import PAGE_SIZE, Questions, segment
from gateway.records import identifier, instant, is_won, whole_won

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from gateway.config import GatewayConfig
    from gateway.orders import Sent
    from gateway.port import AccessToken
    from gateway.transport import GatewayTransport

SCHEDULE_PATH: Final = "/subscribe/payments/schedule"
UNSCHEDULE_PATH: Final = "/subscribe/payments/unschedule"
#: The longest span of one schedule look-up.
LONGEST_SCHEDULE_SPAN: Final = timedelta(days=89)
_NAME: Final = "merchant_uid"
_STATES: Final = {state.value: state for state in ScheduleState if state is not ScheduleState.OTHER}
_WORD_LENGTH: Final = 100
_NOTHING: Final = "존재하지 않"


class ScheduleLookUp:
    """Asks about schedules on one transport; every method runs on that transport's loop."""

    def __init__(self, config: GatewayConfig, transport: GatewayTransport) -> None:
        self._questions = Questions(config, transport)

    async def all(
        self, *, begin: datetime, end: datetime, token: AccessToken, seen: Callable[[int], None]
    ) -> Sequence[Schedule]:
        """Every schedule in won whose time is in [begin, end), each once, in spans that the gateway takes."""
        found: dict[str, Schedule] = {}
        for first, last in _spans(begin, end):
            path = f"{SCHEDULE_PATH}?schedule_from={first_second(first)}&schedule_to={last_second(last)}"
            async for page in self._questions.pages(f"{path}&limit={PAGE_SIZE}", token, key=_NAME):
                found.update(_within(page.items, begin, end))
                seen(len(found))
        return list(found.values())

    async def of_card(
        self, *, customer_uid: str, begin: datetime, end: datetime, token: AccessToken
    ) -> Sequence[Schedule]:
        """One card's schedules in won whose time is in [begin, end)."""
        found: dict[str, Schedule] = {}
        for first, last in _spans(begin, end):
            path = f"{SCHEDULE_PATH}/customers/{segment(customer_uid)}"
            query = f"from={first_second(first)}&to={last_second(last)}"
            async for page in self._questions.pages(f"{path}?{query}", token, key=_NAME):
                found.update(_within(page.items, begin, end))
        return list(found.values())

    async def one(self, *, merchant_uid: str, token: AccessToken) -> Schedule | None:
        """One schedule by its name; None: the gateway said, in its own envelope, that there is none."""
        found = await self._questions.one(f"{SCHEDULE_PATH}/{segment(merchant_uid)}", token)
        if found is None:
            return None
        schedule = _read(found)
        if schedule.merchant_uid != merchant_uid:
            raise GatewayUnreadable("a look-up was answered with another schedule than the one it asked for")
        return schedule


def unschedule_body(*, customer_uid: str, merchant_uids: Sequence[str]) -> bytes:
    """The JSON body of one revocation, by name.

    Raises:
        RuleBroken: No card, no name or an empty one: that request would wipe all of the card's schedules.
        BadInput: A name that nothing can be called.
    """
    if isinstance(merchant_uids, str) or not customer_uid or not merchant_uids or not all(merchant_uids):
        raise RuleBroken("schedules are revoked one card's, each by its name: without names all of them would go")
    for name in (customer_uid, *merchant_uids):
        octets("a schedule's name or card", name)
    body = {"customer_uid": customer_uid, "merchant_uid": list(merchant_uids)}
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def unschedule_order(*, customer_uid: str, merchant_uids: Sequence[str]) -> Order:
    """One revocation; raises as ``unschedule_body``, before anything is sent."""
    body = unschedule_body(customer_uid=customer_uid, merchant_uids=merchant_uids)
    return Order(method="POST", path=UNSCHEDULE_PATH, write=lambda: body)


def revoked(sent: Sent) -> Sequence[Schedule]:
    """What the gateway says it revoked; none, if it says that there was nothing by these names.

    Raises:
        TokenRefused, GatewayRefused: Nothing was revoked.
        GatewayUnreachable, GatewayUnreadable: Perhaps revoked; look.
    """
    try:
        return read_schedules(response_of(sent))
    except GatewayRefused as refused:
        if _NOTHING in str(refused):
            return []
        raise


def read_schedules(response: object) -> Sequence[Schedule]:
    """The schedules in won of an answer that is a list.

    Raises:
        GatewayUnreadable: It is no list, or one of them is not to be trusted.
    """
    if not isinstance(response, list) or not all(isinstance(item, dict) for item in response):
        raise GatewayUnreadable("the gateway answered without a list of schedules")
    return [_read(item) for item in response if is_won(item)]


def _spans(begin: datetime, end: datetime) -> Iterable[tuple[datetime, datetime]]:
    if end <= begin:
        raise RuleBroken("a span ends after it begins")
    while begin < end:
        until = min(end, begin + LONGEST_SCHEDULE_SPAN)
        yield begin, until
        begin = until


def _within(items: Sequence[Mapping[str, object]], begin: datetime, end: datetime) -> dict[str, Schedule]:
    schedules = (_read(item) for item in items if is_won(item))
    return {each.merchant_uid: each for each in schedules if begin <= each.schedule_at < end}


def _read(found: Mapping[str, object]) -> Schedule:
    merchant_uid = _name_of(found.get("merchant_uid"))
    customer_uid = _name_of(found.get("customer_uid"))
    schedule_at = instant(found.get("schedule_at"))
    amount = whole_won(found.get("amount"))
    state = found.get("schedule_status")
    if not merchant_uid or not customer_uid or schedule_at is None or amount is None or not isinstance(state, str):
        raise GatewayUnreadable("a schedule was told without its name, its card, its time, its state or an amount")
    name, paid = found.get("name"), found.get("payment_status")
    return Schedule(
        merchant_uid=merchant_uid,
        customer_uid=customer_uid,
        schedule_at=schedule_at,
        amount=amount,
        name=clean_text(name, length=_WORD_LENGTH) if isinstance(name, str) else "",
        state=_STATES.get(state, ScheduleState.OTHER),
        payment_status=plain_text(paid, length=_WORD_LENGTH) if isinstance(paid, str) else "",
        imp_uid=identifier(found.get("imp_uid")),
    )


def _name_of(value: object) -> str:
    """Another program's name for something: any letters, for it must be named so again to be revoked."""
    if isinstance(value, str):
        return plain_text(value, length=4 * _WORD_LENGTH)
    return identifier(value) or ""
