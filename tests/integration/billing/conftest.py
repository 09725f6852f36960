"""Houses for tests of the use cases."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.house import House
from tests.support.profiles import is_long

if TYPE_CHECKING:
    from collections.abc import Iterator


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """What may send twice is tried at both kinds of gateway, all else at the one that hides nothing.

    In a longer run everything is tried at both.
    """
    if "used_merchant_uid" in metafunc.fixturenames:
        is_at_both = is_long() or metafunc.definition.get_closest_marker("at_both_gateways") is not None
        metafunc.parametrize("used_merchant_uid", ["strict", "careless"] if is_at_both else ["careless"])


@pytest.fixture
def house(database_url: str, used_merchant_uid: str) -> Iterator[House]:
    """A house at a gateway that refuses a used merchant_uid, or at one that charges it again."""
    built = House(database_url, is_strict=used_merchant_uid == "strict")
    yield built
    built.close()
