"""A foreign schedule says that it was revoked, or is not known any more, and its time has come: did it charge?

It may have been revoked in the very second in which it ran. So its card is freed only after a look-up of its order
number, begun once no charge can be under way any more, shows no money. Money becomes a payment that a person answers.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from billing.compare_payments import note_foreign
from billing.known_account import absence_counts
from billing.look_up import ask_each
from billing.note_schedules import block_cards
from billing.own_rate import take_one_call
from billing.token_in_hand import token_in_hand
from domain.errors import GatewayTrouble
from domain.evidence import Said
from domain.foreign import MONEY
from domain.identity import is_ours
from models.queries import foreign, foreign_doubt

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Row

    from billing.ports import Ports
    from domain.evidence import Record
    from gateway.port import AccessToken

#: Order numbers of one page; between two pages a run may end.
_PAGE: Final = 200


def look_for_money(ports: Ports, *, goes_on: Callable[[], bool] = lambda: True) -> Counter[str]:
    """Look up, once each, the order numbers of this channel's schedules that may have charged and do not say so.

    One that cannot be read keeps its card blocked until the next round, as does one of which nothing is known where
    absence does not count.
    """
    found: Counter[str] = Counter()
    after = ""
    while goes_on():
        token = token_in_hand(ports)
        with ports.database.reading() as tx:
            until = tx.real - ports.limits.patience.longest_processing
            rows = foreign_doubt.in_doubt(tx, ports.channel.name, until=until, after=after, limit=_PAGE)

        def ask(row: Row[Any], token: AccessToken = token) -> Sequence[Record]:
            take_one_call(ports)
            return ports.gateway.find_all(merchant_uid=row.merchant_uid, token=token).records

        looked = [
            (row, told) for row, told in ask_each(rows, ask, goes_on=goes_on) if not isinstance(told, GatewayTrouble)
        ]
        if not absence_counts(ports, token, (Said.ABSENT for _, records in looked if not records)):
            looked = [(row, records) for row, records in looked if records]
        found["schedules_looked_up"] += len(looked)
        found["foreign"] += _write(ports, looked)
        if len(rows) < _PAGE or not looked:  # not one of a page: the gateway is away
            break
        after = rows[-1].merchant_uid
    return found


def _write(ports: Ports, looked: Sequence[tuple[Row[Any], Sequence[Record]]]) -> int:
    """Write down the money, free the cards of those without any; gives how many payments are new."""
    if not looked:
        return 0
    # Whatever the record says of its card: the schedule's it is.
    money = [
        replace(record, customer_uid=row.customer_uid)
        for row, records in looked
        for record in records
        if record.said in MONEY and not is_ours(record.merchant_uid, namespace=ports.namespace)
    ]
    count = 0
    if money:
        with ports.database.reading() as tx:
            cards = foreign.cards_by_uid(tx, ports.channel.name, (row.customer_uid for row, _ in looked))
        count = note_foreign(ports, money, cards, {})
    with ports.database.transaction() as tx:
        foreign.one_writer(tx, ports.channel.name)
        known = foreign_doubt.accepted(tx, (record.imp_uid for _, records in looked for record in records))
        unpaid = [row for row, records in looked if all(_is_no_money(record, known) for record in records)]
        foreign_doubt.free(tx, unpaid)
        block_cards(tx, (row.billing_key_id for row, _ in looked))
    return count


def _is_no_money(record: Record, accepted: set[str]) -> bool:
    """Whether it needs no answer: declined, given back whole, or answered. What is not decided may become money."""
    has_gone_back = record.said in MONEY and record.cancel_amount >= record.amount
    return record.said is Said.FAILED or has_gone_back or record.imp_uid in accepted
