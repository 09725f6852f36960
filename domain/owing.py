"""What does a period owe? A function of the subscription's terms, what stands for it beside them, and its ordinal.

First what is owed: the plan, its setup fee, add-ons, one-off items, what was used, what was carried. Of a partial
period what comes with every period costs its share: the plan, and add-ons. Then what lowers it: a coupon, off the
base; credit, off all of it; and what is left of it below the least that can be charged is carried on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from domain.invoice_line import Item, LineKind, base_item, reckon
from domain.price import MINIMUM_AMOUNT
from domain.tax import parts_of_rest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from uuid import UUID

    from domain.coupon import RunningCoupon
    from domain.invoice_line import Owed
    from domain.price import Price
    from domain.proration import Share
    from domain.usage import WaitingUsage


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Won, and how many of them are free of tax."""

    amount: int = 0
    tax_free: int = 0

    def less(self, won: int) -> Part:
        """What is left of it when so many won are gone, its parts pro rata: ``domain/tax.py``."""
        rest = self.amount - won
        free, _ = parts_of_rest(tax_free=self.tax_free, vat_amount=None, whole=self.amount, rest=rest)
        return Part(amount=rest, tax_free=free)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a subscription was agreed on. ``plan_name`` is what the customer reads."""

    plan_name: str
    quantity: int
    price: Price


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingItem:
    """A one-off item that no invoice has yet."""

    id: UUID
    item: Item


@dataclass(frozen=True, slots=True, kw_only=True)
class AddOn:
    """Something that is owed with every period from ``first`` on, up to but not with ``until``; None: for ever."""

    item: Item
    first: int
    until: int | None

    def runs(self, ordinal: int) -> bool:
        """Whether a period owes it."""
        return self.first <= ordinal and (self.until is None or ordinal < self.until)


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """What stands for a subscription beside its terms. ``credit`` is its customer's, in won.

    ``usage`` is what periods used: those before the one that is opened are owed with it.
    """

    add_ons: tuple[AddOn, ...] = ()
    carried: Part = Part()
    items: tuple[WaitingItem, ...] = ()
    usage: tuple[WaitingUsage, ...] = ()
    coupon: RunningCoupon | None = None
    credit: int = 0


def owes(
    terms: Terms,
    beside: Beside,
    *,
    ordinal: int,
    share: Share | None = None,
    used_below: int | None = None,
    is_last: bool = False,
) -> tuple[Owed, Beside]:
    """What a period owes, and what stands for the one after it: what this one used is gone.

    Args:
        terms: What was agreed on.
        beside: What stands beside that.
        ordinal: The period's.
        share: Of a partial period, its part of a whole one.
        used_below: It has what periods before this one used; None: those before itself.
        is_last: No invoice follows.

    Raises:
        RuleBroken: It is more than can be charged at once.
    """
    below = ordinal if used_below is None else used_below
    base = base_item(description=terms.plan_name, quantity=terms.quantity, price=terms.price)
    more = [_shared(base, share), *_beside(terms, beside, ordinal, share), *_used(beside, below)]
    if beside.carried.amount:
        more.append(_carried("carried over from before", beside.carried))
    lines, after = _lowered(more, beside, is_last=is_last)
    after = replace(after, usage=tuple(used for used in beside.usage if used.ordinal >= below))
    return reckon(lines, vat=terms.price.vat, card_quota=terms.price.card_quota), after


def owes_for_use(terms: Terms, beside: Beside, *, used_below: int) -> tuple[Owed, Beside] | None:
    """What is owed for use alone, of periods before one, and what stands afterwards; None: nothing was used."""
    used = list(_used(beside, used_below))
    if not used:
        return None
    alone = replace(beside, carried=Part(), coupon=None)
    lines, after = _lowered(used, alone, is_last=True)
    carried = Part(
        amount=beside.carried.amount + after.carried.amount,
        tax_free=beside.carried.tax_free + after.carried.tax_free,
    )
    after = replace(
        beside,
        carried=carried,
        credit=after.credit,
        usage=tuple(used for used in beside.usage if used.ordinal >= used_below),
    )
    return reckon(lines, vat=terms.price.vat, card_quota=terms.price.card_quota), after


def _shared(item: Item, share: Share | None) -> Item:
    """What an item costs of a partial period: one of its share, which no quantity would multiply to."""
    if share is None:
        return item
    return replace(
        item,
        description=f"{item.description} ({share.words})",
        quantity=1,
        unit_amount=share.of(item.quantity * item.unit_amount),
        unit_tax_free=share.of(item.quantity * item.unit_tax_free),
    )


def _beside(terms: Terms, beside: Beside, ordinal: int, share: Share | None) -> Iterator[Item]:
    """What is owed beside the base."""
    if ordinal == 0 and terms.price.setup_fee:
        yield Item(kind=LineKind.SETUP, description="setup fee", quantity=1, unit_amount=terms.price.setup_fee)
    yield from (_shared(add_on.item, share) for add_on in beside.add_ons if add_on.runs(ordinal))
    yield from (waiting.item for waiting in beside.items)


def _used(beside: Beside, below: int) -> Iterator[Item]:
    """What periods before one used."""
    return (item for used in beside.usage if used.ordinal < below for item in used.items)


def _lowered(more: Sequence[Item], beside: Beside, *, is_last: bool) -> tuple[Sequence[Item], Beside]:
    """The lines with those that lower them, and what stands afterwards."""
    lines = list(more)
    whole = Part(
        amount=sum(item.quantity * item.unit_amount for item in more),
        tax_free=sum(item.quantity * item.unit_tax_free for item in more),
    )
    after = replace(beside, carried=Part(), items=())
    if beside.coupon is not None:
        base = more[0]
        of_base = Part(amount=base.quantity * base.unit_amount, tax_free=base.quantity * base.unit_tax_free)
        off = _difference(of_base, of_base.less(beside.coupon.discount.off(of_base.amount)))
        if off.amount:
            told = f"{beside.coupon.code}: {beside.coupon.discount.words}"
            lines.append(_taken_off(LineKind.COUPON, told, off))
            whole = _difference(whole, off)
            after = replace(after, coupon=beside.coupon.after_use())
    used = min(beside.credit, whole.amount)
    if used:
        rest = whole.less(used)
        lines.append(_taken_off(LineKind.CREDIT, "credit", _difference(whole, rest)))
        whole = rest
        after = replace(after, credit=beside.credit - used)
    if 0 < whole.amount < MINIMUM_AMOUNT:
        told = "not charged" if is_last else "carried to the next invoice"
        told = f"{told}: less than {MINIMUM_AMOUNT} won cannot be charged"
        lines.append(_taken_off(LineKind.CARRIED, told, whole))
        after = replace(after, carried=whole)
    return lines, after


def _difference(whole: Part, part: Part) -> Part:
    return Part(amount=whole.amount - part.amount, tax_free=whole.tax_free - part.tax_free)


def _carried(description: str, part: Part) -> Item:
    return Item(
        kind=LineKind.CARRIED,
        description=description,
        quantity=1,
        unit_amount=part.amount,
        unit_tax_free=part.tax_free,
    )


def _taken_off(kind: LineKind, description: str, part: Part) -> Item:
    return Item(kind=kind, description=description, quantity=1, unit_amount=-part.amount, unit_tax_free=-part.tax_free)
