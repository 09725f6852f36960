"""Houses for tests of the use cases."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.house import House

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(params=["strict", "careless"])
def house(request: pytest.FixtureRequest, database_url: str) -> Iterator[House]:
    """A house at a gateway that refuses a used merchant_uid, and at one that charges it again."""
    built = House(database_url, is_strict=request.param == "strict")
    yield built
    built.close()
