"""What does an operation see of one call?"""

from collections.abc import Mapping
from dataclasses import dataclass

from simulator.accounts import Account
from simulator.wire import Fields

PAGE_SIZE = 20
LARGEST_PAGE_SIZE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call with a good token; ``lists`` are query fields that may come several times; ``now`` is unix time."""

    account: Account
    path: Mapping[str, str]
    query: Mapping[str, str]
    lists: Mapping[str, tuple[str, ...]]
    fields: Fields
    now: float


class BadQuery(ValueError):
    """A query parameter is not what the documentation asks for; answered with HTTP 400."""


def number_in_query(call: Call, name: str, default: int, *, lowest: int = 1, highest: int = 10**12) -> int:
    """Return a whole number of the query.

    Raises:
        BadQuery: It is none, or out of bounds.
    """
    text = call.query.get(name, "")
    if not text:
        return default
    try:
        value = int(text)
    except ValueError as not_a_number:
        raise BadQuery(f"{name} 파라메터는 숫자여야 합니다.") from not_a_number
    if not lowest <= value <= highest:
        raise BadQuery(f"{name} 파라메터가 범위를 벗어났습니다.")
    return value


def paged(rows: list[dict[str, object]], *, total: int, page: int, limit: int) -> dict[str, object]:
    """Return one page of a list; the numbers of the pages around it are 0 where there is none."""
    last = last_page(total, limit)
    return {
        "total": total,
        "previous": page - 1 if page > 1 else 0,
        "next": page + 1 if page < last else 0,
        "list": rows,
    }


def last_page(total: int, limit: int) -> int:
    """Return the number of the last page; an empty list has one."""
    return max(1, -(-total // limit))
