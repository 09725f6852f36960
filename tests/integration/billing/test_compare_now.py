"""A person's comparison outlives its token: what was read before the token's end is not read again."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from billing.compare_gateway import compare_now
from domain.errors import TokenNotYet

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable

    from tests.support.house import House


def test_a_comparison_goes_on_where_its_token_came_to_its_end(house: House) -> None:
    class Ending:
        """In its last minute at every third question for a token."""

        def __init__(self) -> None:
            self.asked = 0

        def __getattr__(self, name: str) -> object:
            if name == "access_token":
                self.asked += 1
                if self.asked % 3 == 0:
                    raise TokenNotYet("in its last minute")
            return getattr(house.gateway, name)

    read: list[str] = []

    def patiently(work: Callable[[], Counter[str]]) -> Counter[str]:
        while True:
            try:
                return work()
            except TokenNotYet:
                house.advance(minutes=1)

    ports = replace(house.ports, gateway=Ending())  # type: ignore[arg-type]  # all of the gateway's, one by one
    compare_now(ports, days=7, progress=read.append, patiently=patiently)

    spans = {each for each in read if each.startswith("payments") and not each.endswith("them")}
    assert len(spans) == 7 * 4
    assert len([each for each in read if each in spans]) < 2 * len(spans), "no span is read again but the one it was at"
