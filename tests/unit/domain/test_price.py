"""What a price may be, and one sentence about what it may not."""

from __future__ import annotations

import pytest

from domain.errors import BadInput
from domain.price import LEAST_FOR_INSTALMENTS, MAXIMUM_AMOUNT, Price, Vat, instalments, read_price, refuse_too_much
from gateway import fields


def test_a_price_of_won_alone_is_taxed_by_the_gateway_and_charged_at_once() -> None:
    assert read_price({"amount": 9900}, "plan 'p'") == Price(amount=9_900, tax_free=0, vat=Vat.GATEWAY, card_quota=0)


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"tax_free": -1}, "plan 'p': tax_free = -1 is no part of the amount; give 0 to 9900 won"),
        ({"tax_free": 9901}, "plan 'p': tax_free = 9901 is no part of the amount; give 0 to 9900 won"),
        ({"tax_free": 1.5}, "plan 'p': tax_free = 1.5 is no part of the amount; give 0 to 9900 won"),
        ({"tax_free": True}, "plan 'p': tax_free = true is no part of the amount; give 0 to 9900 won"),
        ({"vat": "10%"}, "plan 'p': vat = '10%' is unknown; give \"gateway\" or \"included\""),
        ({"vat": 10}, 'plan \'p\': vat = 10 is unknown; give "gateway" or "included"'),
        ({"card_quota": 1}, "plan 'p': card_quota = 1 cannot be used; give 0 (at once) or 2 to 12 months"),
        ({"card_quota": 13}, "plan 'p': card_quota = 13 cannot be used; give 0 (at once) or 2 to 12 months"),
        ({"card_quota": "3"}, "plan 'p': card_quota = '3' cannot be used; give 0 (at once) or 2 to 12 months"),
        ({"setup_fee": -1}, "plan 'p': setup_fee = -1 cannot be charged with it; give 0 to 999990100 won"),
        ({"setup_fee": 1.5}, "plan 'p': setup_fee = 1.5 cannot be charged with it; give 0 to 999990100 won"),
        ({"setup_fee": True}, "plan 'p': setup_fee = true cannot be charged with it; give 0 to 999990100 won"),
        ({"setup_fee": 10**9}, "plan 'p': setup_fee = 1000000000 cannot be charged with it; give 0 to 999990100 won"),
        ({"card_quota": True}, "plan 'p': card_quota = true cannot be used; give 0 (at once) or 2 to 12 months"),
    ],
)
def test_a_key_that_cannot_be_used_is_named(keys: dict[str, object], told: str) -> None:
    with pytest.raises(BadInput) as refused:
        read_price({"amount": 9900} | keys, "plan 'p'")

    assert str(refused.value) == told


def test_instalments_begin_where_the_gateway_opens_them() -> None:
    assert instalments(card_quota=3, amount=LEAST_FOR_INSTALMENTS) == 3
    assert instalments(card_quota=3, amount=LEAST_FOR_INSTALMENTS - 1) == 0
    for months in range(2, 13):
        fields.require_card_quota(months, LEAST_FOR_INSTALMENTS)


def test_a_quantity_stays_within_what_can_be_charged_at_once() -> None:
    refuse_too_much(amount=9_900, quantity=MAXIMUM_AMOUNT // 9_900)

    with pytest.raises(BadInput, match="at most 101,010 can be billed at once"):
        refuse_too_much(amount=9_900, quantity=MAXIMUM_AMOUNT // 9_900 + 1)
