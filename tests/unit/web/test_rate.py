"""How many requests get through? So many of one host, four times as many of all, and never more."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from web.rate import Rate


@given(
    per_second=st.integers(1, 20),
    requests=st.lists(st.tuples(st.sampled_from("abcdef"), st.floats(0, 0.5)), max_size=300),
)
def test_no_second_lets_more_through_than_two_of_its_worth(per_second: int, requests: list[tuple[str, float]]) -> None:
    now = 100.0
    rate = Rate(per_second, lambda: now)
    taken: list[tuple[str, float]] = []
    for host, pause in requests:
        now += pause
        if rate.take(host):
            taken.append((host, now))

    for _, begun in taken:
        within = Counter(host for host, at in taken if begun <= at < begun + 1)
        # What a full bucket holds, and what flows in meanwhile.
        assert max(within.values()) <= 2 * per_second
        assert within.total() <= 2 * 4 * per_second


def test_one_that_sends_too_much_takes_nothing_from_the_others() -> None:
    rate = Rate(2, lambda: 0.0)

    assert sum(rate.take("flood") for _ in range(1_000)) == 2
    assert [rate.take(host) for host in ("a", "a", "a", "b")] == [True, True, False, True]


def test_a_flood_from_everywhere_holds_a_bounded_number_of_hosts() -> None:
    rate = Rate(1_000, lambda: 0.0)

    assert sum(rate.take(f"host {n}") for n in range(30_000)) == 4_000
    assert len(rate._hosts) <= 10_000
