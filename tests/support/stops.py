"""People who think ahead: subscriptions that are to stop with the end of their period, for tests."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from billing.change_subscription import By
from billing.stop_subscription import stop_subscription
from domain.stop import Stop
from models.queries import invariants
from tests.fakes.gateway import Fate

if TYPE_CHECKING:
    from uuid import UUID

    from billing.foretold_stop import Foretold
    from tests.support.house import House

BY = By(actor="kim", reason="the customer asked")


def at_the_end(house: House, sub: UUID, wanted: Stop = Stop.CANCEL, **terms: Any) -> Foretold:  # noqa: ANN401 - an option
    return stop_subscription(house.ports, sub, wanted, at_period_end=True, by=BY, **terms)


def paid(house: House, **terms: Any) -> UUID:  # noqa: ANN401 - an option
    sub = house.subscription(**terms)
    house.tick()
    house.charge()
    return sub


def declined(house: House, *, times: int = 1) -> UUID:
    sub = house.subscription()
    for attempt_no in range(1, times + 1):
        house.gateway.script(house.uid(sub, 0, attempt_no), Fate.DECLINE)
    house.tick()
    house.charge()
    return sub


def nothing_is_broken(house: House) -> None:
    with house.database.reading() as tx:
        for name, statement in invariants.BROKEN.items():
            assert not invariants.found(tx, statement, leeway=timedelta(0)), name
