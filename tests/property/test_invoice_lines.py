"""Whatever is sold, in whatever quantity and with whatever tax: lines, parts and sums are the same won."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import RuleBroken
from domain.invoice_line import Item, LineKind, base_item, reckon
from domain.price import LEAST_FOR_INSTALMENTS, MAXIMUM_AMOUNT, MINIMUM_AMOUNT, Price, Vat
from domain.tax import parts_of_rest, vat_in

quotas = st.sampled_from([0, *range(2, 13)])


@st.composite
def prices(draw: st.DrawFn) -> Price:
    amount = draw(st.integers(MINIMUM_AMOUNT, MAXIMUM_AMOUNT) | st.integers(MINIMUM_AMOUNT, 60_000))
    return Price(
        amount=amount,
        tax_free=draw(st.integers(0, amount) | st.just(amount) | st.just(0)),
        vat=draw(st.sampled_from(Vat)),
        card_quota=draw(quotas),
    )


@st.composite
def items(draw: st.DrawFn) -> Item:
    unit_amount = draw(st.integers(0, 100_000))
    return Item(
        kind=LineKind.BASE,
        description="plan",
        quantity=draw(st.integers(1, 50)),
        unit_amount=unit_amount,
        unit_tax_free=draw(st.integers(0, unit_amount)),
    )


@given(prices(), st.data())
def test_a_plans_invoice_is_so_many_units_and_its_tax_parts_add_up(price: Price, data: st.DataObject) -> None:
    quantity = data.draw(st.integers(1, MAXIMUM_AMOUNT // price.amount))

    owed = reckon([base_item(description="p", quantity=quantity, price=price)], vat=price.vat, card_quota=0)

    (line,) = owed.lines
    assert owed.amount == line.amount == quantity * price.amount
    assert owed.tax_free == line.tax_free == quantity * price.tax_free
    assert owed.vat_amount == line.vat_amount
    if price.vat is Vat.GATEWAY:
        assert owed.vat_amount is None
    else:
        assert owed.vat_amount is not None
        net = owed.amount - owed.tax_free - owed.vat_amount
        assert net >= 0
        assert owed.tax_free + owed.vat_amount + net == owed.amount
        assert 2 * abs(11 * owed.vat_amount - (owed.amount - owed.tax_free)) < 11


@given(st.lists(items(), min_size=1, max_size=12), st.sampled_from(Vat), quotas)
def test_any_lines_add_up_to_their_invoice_and_none_is_a_won_away_from_its_own_tax(
    given_items: list[Item], vat: Vat, quota: int
) -> None:
    if sum(each.quantity * each.unit_amount for each in given_items) < MINIMUM_AMOUNT:
        return
    owed = reckon(given_items, vat=vat, card_quota=quota)

    assert [line.line_no for line in owed.lines] == list(range(1, len(given_items) + 1))
    assert sum(line.amount for line in owed.lines) == owed.amount
    assert sum(line.tax_free for line in owed.lines) == owed.tax_free
    vats = [line.vat_amount for line in owed.lines]
    assert (sum(v for v in vats if v is not None) if None not in vats else None) == owed.vat_amount
    for line, item in zip(owed.lines, given_items, strict=True):
        assert line.amount == item.quantity * item.unit_amount
        assert 0 <= line.tax_free + (line.vat_amount or 0) <= line.amount
        if line.vat_amount is not None:
            assert abs(11 * line.vat_amount - (line.amount - line.tax_free)) < 11
    assert owed.card_quota == (quota if owed.amount >= LEAST_FOR_INSTALMENTS else 0)


@given(st.integers(0, 11 * MAXIMUM_AMOUNT))
def test_vat_is_the_nearest_won_of_an_eleventh_and_there_is_never_a_tie(taxable: int) -> None:
    assert 2 * abs(11 * vat_in(taxable) - taxable) < 11
    assert vat_in(taxable) <= taxable


@given(st.integers(1, 10**9), st.data())
def test_the_parts_of_a_rest_are_within_it_and_whole_if_nothing_is_gone(whole: int, data: st.DataObject) -> None:
    tax_free = data.draw(st.integers(0, whole))
    vat = data.draw(st.none() | st.integers(0, whole - tax_free))
    rest = data.draw(st.integers(0, whole))

    free_left, vat_left = parts_of_rest(tax_free=tax_free, vat_amount=vat, whole=whole, rest=rest)

    assert 0 <= free_left <= tax_free
    assert (vat_left is None) == (vat is None)
    assert 0 <= (vat_left or 0) <= (vat or 0)
    assert free_left + (vat_left or 0) <= rest
    assert parts_of_rest(tax_free=tax_free, vat_amount=vat, whole=whole, rest=whole) == (tax_free, vat)


@pytest.mark.parametrize(
    "bad",
    [
        [],
        [Item(kind=LineKind.BASE, description="p", quantity=0, unit_amount=9_900)],
        [Item(kind=LineKind.BASE, description="p", quantity=1, unit_amount=9_900, unit_tax_free=9_901)],
        [Item(kind=LineKind.BASE, description="p", quantity=1, unit_amount=9_900, unit_tax_free=-1)],
        [Item(kind=LineKind.BASE, description="p", quantity=1, unit_amount=MINIMUM_AMOUNT - 1)],
        [Item(kind=LineKind.BASE, description="p", quantity=2, unit_amount=MAXIMUM_AMOUNT // 2 + 1)],
    ],
)
def test_what_cannot_be_charged_is_no_invoice(bad: list[Item]) -> None:
    with pytest.raises(RuleBroken):
        reckon(bad, vat=Vat.INCLUDED, card_quota=0)
