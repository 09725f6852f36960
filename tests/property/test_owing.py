"""Whatever stands beside a price: lines and tax parts add up, nothing is below nothing, and no won is lost or made."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from domain.coupon import Discount, RunningCoupon
from domain.invoice_line import EACH_PERIOD, Item, LineKind, Owed, promotional
from domain.owing import AddOn, Beside, Part, Terms, WaitingItem, owes
from domain.price import MAXIMUM_AMOUNT, MINIMUM_AMOUNT, Price, Vat
from domain.proration import Share
from domain.tax import vat_in

won = st.integers(1, 300) | st.integers(1, 200_000)


@st.composite
def terms(draw: st.DrawFn) -> Terms:
    amount = draw(st.integers(MINIMUM_AMOUNT, 400) | st.integers(MINIMUM_AMOUNT, 100_000))
    price = Price(
        amount=amount,
        tax_free=draw(st.integers(0, amount) | st.just(0)),
        vat=draw(st.sampled_from(Vat)),
        card_quota=draw(st.sampled_from([0, 3])),
        setup_fee=draw(st.just(0) | won),
    )
    return Terms(plan_name="plan", quantity=draw(st.integers(1, 20)), price=price)


@st.composite
def waiting(draw: st.DrawFn) -> WaitingItem:
    amount = draw(won)
    item = Item(
        kind=LineKind.ITEM,
        description="item",
        quantity=draw(st.integers(1, 5)),
        unit_amount=amount,
        unit_tax_free=draw(st.integers(0, amount)),
    )
    return WaitingItem(id=UUID(int=draw(st.integers(0, 9))), item=item)


@st.composite
def add_ons(draw: st.DrawFn) -> AddOn:
    first = draw(st.integers(0, 4))
    until = draw(st.none() | st.integers(first, 8))
    return AddOn(item=replace(draw(waiting()).item, kind=LineKind.ADD_ON), first=first, until=until)


coupons = st.builds(
    RunningCoupon,
    code=st.just("CODE"),
    discount=st.builds(Discount, percent=st.integers(1, 100)) | st.builds(Discount, won=won),
    left=st.none() | st.integers(0, 4),
)
shares = st.none() | st.builds(lambda days, more: Share(days, days + more), st.integers(1, 30), st.integers(1, 365))
credits_ = st.just(0) | st.integers(0, 500) | st.integers(0, 2_000_000)


@st.composite
def besides(draw: st.DrawFn) -> Beside:
    carried = draw(st.integers(0, 99))
    return Beside(
        add_ons=tuple(draw(st.lists(add_ons(), max_size=2))),
        carried=Part(amount=carried, tax_free=draw(st.integers(0, carried))),
        items=tuple(draw(st.lists(waiting(), max_size=3))),
        coupon=draw(st.none() | coupons),
        credit=draw(credits_),
    )


def of_kind(owed: Owed, *kinds: LineKind) -> int:
    return sum(line.amount for line in owed.lines if line.kind in kinds)


@given(terms(), besides(), st.integers(0, 40), shares)
def test_lines_and_tax_parts_add_up_and_nothing_is_below_nothing(
    agreed: Terms, beside: Beside, ordinal: int, share: Share | None
) -> None:
    owed, after = owes(agreed, beside, ordinal=ordinal, share=share)

    assert owed.amount == 0 or MINIMUM_AMOUNT <= owed.amount <= MAXIMUM_AMOUNT
    assert [line.line_no for line in owed.lines] == list(range(1, len(owed.lines) + 1))
    assert sum(line.amount for line in owed.lines) == owed.amount
    assert sum(line.tax_free for line in owed.lines) == owed.tax_free
    assert 0 <= owed.tax_free <= owed.amount
    if agreed.price.vat is Vat.INCLUDED:
        assert owed.vat_amount == vat_in(owed.amount - owed.tax_free)
        assert sum(line.vat_amount or 0 for line in owed.lines) == owed.vat_amount
    for line in owed.lines:
        sign = -1 if line.amount < 0 else 1
        assert line.amount == line.quantity * line.unit_amount
        assert line.amount != 0 or (share is not None and line.kind in EACH_PERIOD)
        assert sign * line.tax_free >= 0
        assert sign * (line.vat_amount or 0) >= 0
        assert abs(line.tax_free) + abs(line.vat_amount or 0) <= abs(line.amount)
        assert (line.amount < 0) <= (line.kind in {LineKind.COUPON, LineKind.CREDIT, LineKind.CARRIED})
    assert 0 <= after.carried.tax_free <= after.carried.amount < MINIMUM_AMOUNT
    assert after.items == ()
    assert owes(agreed, beside, ordinal=ordinal, share=share) == (owed, after)


@given(terms(), besides(), st.integers(0, 2), shares)
def test_what_is_used_is_what_the_lines_say(agreed: Terms, beside: Beside, ordinal: int, share: Share | None) -> None:
    owed, after = owes(agreed, beside, ordinal=ordinal, share=share)

    def of_it(won: int) -> int:
        """What comes with every period costs its share, rounded down once a line; nothing else does."""
        return won if share is None else math.floor(won * Fraction(share.days, share.of_days))

    base = owed.lines[0]
    assert (base.kind, base.amount) == (LineKind.BASE, of_it(agreed.quantity * agreed.price.amount))
    assert base.tax_free == of_it(agreed.quantity * agreed.price.tax_free)
    assert of_kind(owed, LineKind.ITEM) == sum(each.item.quantity * each.item.unit_amount for each in beside.items)
    assert of_kind(owed, LineKind.CREDIT) == after.credit - beside.credit <= 0
    assert of_kind(owed, LineKind.CARRIED) == beside.carried.amount - after.carried.amount
    running = [each for each in beside.add_ons if each.first <= ordinal < (100 if each.until is None else each.until)]
    assert of_kind(owed, LineKind.ADD_ON) == sum(of_it(each.item.quantity * each.item.unit_amount) for each in running)
    assert after.add_ons == beside.add_ons
    assert of_kind(owed, LineKind.SETUP) == (agreed.price.setup_fee if ordinal == 0 else 0)
    off = -of_kind(owed, LineKind.COUPON)
    if beside.coupon is None:
        assert off == 0
    else:
        discount = beside.coupon.discount
        part = base.amount * discount.percent // 100 if discount.percent else min(base.amount, discount.won or 0)
        assert off == part
        assert off > 0 or share is not None
        left = beside.coupon.left
        uses = 1 if off else 0
        assert after.coupon == replace(beside.coupon, left=None if left is None else max(0, left - uses))
        assert [line.amount for line in promotional(owed)] == [-off] * uses
    # Credit is used before anything is left to pay, and never for what there is not.
    assert after.credit == 0 or owed.amount == 0


@given(terms(), st.lists(st.tuples(st.lists(waiting(), max_size=2), credits_), min_size=1, max_size=12), coupons)
def test_over_many_periods_what_is_charged_and_carried_is_what_is_owed(
    agreed: Terms, given_each: list[tuple[list[WaitingItem], int]], coupon: RunningCoupon
) -> None:
    beside = Beside(coupon=coupon)
    charged = owed_whole = used = off = free = free_owed = granted = 0
    for ordinal, (items, credit) in enumerate(given_each):
        granted += credit
        beside = Beside(carried=beside.carried, items=tuple(items), coupon=beside.coupon, credit=beside.credit + credit)
        owed, beside = owes(agreed, beside, ordinal=ordinal)
        charged += owed.amount
        free += owed.tax_free
        owed_whole += of_kind(owed, LineKind.BASE, LineKind.SETUP, LineKind.ITEM)
        used -= of_kind(owed, LineKind.CREDIT)
        off -= of_kind(owed, LineKind.COUPON)
        free_owed += sum(line.tax_free for line in owed.lines if line.kind is not LineKind.CARRIED)

    assert charged + beside.carried.amount == owed_whole - used - off
    assert free + beside.carried.tax_free == free_owed
    assert used + beside.credit == granted
    # It goes on, whatever its periods are: ending it is another's decision.
    assert off == len(given_each) * coupon.discount.off(agreed.quantity * agreed.price.amount)
