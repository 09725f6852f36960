"""Many subscriptions move off the gateway's schedules at once, each by itself: trouble with one is not the others'.

What was begun and not ended is gone on with by whoever comes next: the same file once more, ``schedule resume``, or the
hourly comparison. Each of them may be killed anywhere.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from billing.adopt_schedules import Offer, Standing, adopt
from billing.finish_adoption import Stands, finish_adoption
from billing.look_up import ask_each
from domain.errors import BillingError, GatewayTrouble
from models.queries import adoption
from models.session import CommitInDoubt, DatabaseTrouble

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from uuid import UUID

    from billing.change_subscription import By
    from billing.ports import Ports

#: Adoptions of one page; between two pages a run may end.
PAGE: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """What became of one subscription. ``line`` None: it was begun before, and is gone on with.

    ``stands`` None: it was refused, nothing was written, and ``because`` says why.
    """

    subscription_id: UUID
    line: int | None = None
    stands: Stands | None = None
    because: str = ""

    @property
    def is_done(self) -> bool:
        """Whether we charge it from now on, and nobody else."""
        return self.stands is not None and self.stands.is_done


def adopt_rows(
    ports: Ports,
    rows: Sequence[Offer | Standing],
    *,
    by: By,
    update: bool = False,
    moved: Callable[[Moved], None],
) -> None:
    """Take these rows over, some at once; ``moved`` is told each as its page ends.

    Raises:
        DatabaseTrouble, CommitInDoubt: The same rows once more go on where this stopped.
    """

    def one(row: Offer | Standing) -> Moved:
        line = row.row.line
        if isinstance(row, Offer):
            try:
                adopt(ports, row, by=by, update=update)
            except (DatabaseTrouble, CommitInDoubt):
                raise
            except BillingError as error:
                return Moved(subscription_id=row.subscription_id, line=line, because=str(error))
        stands = _finished(ports, row.subscription_id)
        return Moved(subscription_id=row.subscription_id, line=line, stands=stands, because=stands.because)

    for begin in range(0, len(rows), PAGE):
        answers = ask_each(rows[begin : begin + PAGE], one)
        _tell([answer for _, answer in answers], moved)


def resume_adoptions(
    ports: Ports, *, moved: Callable[[Moved], None], goes_on: Callable[[], bool] = lambda: True
) -> Counter[str]:
    """Go on with every adoption of this channel that is not ended; gives ``adopted`` and ``unfinished``.

    Raises:
        DatabaseTrouble, CommitInDoubt: Doing it once more goes on where this stopped.
    """
    counts: Counter[str] = Counter()

    def one(subscription_id: UUID) -> Moved:
        stands = _finished(ports, subscription_id)
        return Moved(subscription_id=subscription_id, stands=stands, because=stands.because)

    def told(each: Moved) -> None:
        counts["adopted" if each.is_done else "unfinished"] += 1
        moved(each)

    after: UUID | None = None
    while goes_on():
        with ports.database.reading() as tx:
            page = adoption.unfinished(tx, ports.channel.name, after=after, limit=PAGE)
        if not page:
            break
        _tell([answer for _, answer in ask_each(page, one)], told)
        after = page[-1]
    return counts


def _finished(ports: Ports, subscription_id: UUID) -> Stands:
    try:
        return finish_adoption(ports, subscription_id)
    except (DatabaseTrouble, CommitInDoubt):
        raise
    except BillingError as error:
        return Stands(subscription_id=subscription_id, is_done=False, because=str(error))


def _tell(answers: Sequence[Moved | GatewayTrouble], moved: Callable[[Moved], None]) -> None:
    for answer in answers:
        if isinstance(answer, GatewayTrouble):
            raise AssertionError("unreachable: trouble with one is that one's answer")  # noqa: TRY004 - not the input
        moved(answer)
