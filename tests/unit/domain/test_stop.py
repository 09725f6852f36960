"""What a person may say of a date, and which stops there are."""

from __future__ import annotations

from datetime import date

import pytest

from domain.errors import BadInput
from domain.stop import Stop, read_until
from domain.subscription import Change


def test_a_stop_is_a_change_that_a_person_may_ask_for_now() -> None:
    assert {Change(stop) for stop in Stop} == {Change.CANCEL, Change.PAUSE}


def test_a_date_is_read_and_none_is_no_date() -> None:
    assert read_until("--until", " 2028-02-29 ") == date(2028, 2, 29)
    assert read_until("--until", "none") is None


@pytest.mark.parametrize("given", ["", "None", "2027-02-29", "2026-2-1", "20260201", "2026-02-01T00:00", "٢٠٢٦-02-01"])
def test_what_is_no_date_is_refused_with_one_that_would_be(given: str) -> None:
    with pytest.raises(BadInput, match=r"--until .* is no date; give one such as 2026-03-01, or none"):
        read_until("--until", given)
