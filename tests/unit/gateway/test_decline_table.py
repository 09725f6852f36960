"""Does every code of KG Inicis' code book mean what was read from it apart from the table, and lead where it should?"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Final

import pytest

from domain.decline import DeclineClass, class_of
from domain.outcome import DeclineCode
from gateway.decline_map import Reader, decline_code_of, read_decline
from gateway.decline_table import TABLE

_FILE: Final = Path(__file__).with_name("decline_expectations.csv")
_ABSENT: Final = "-"


def _expected() -> list[dict[str, str]]:
    lines = _FILE.read_text(encoding="utf-8").splitlines()
    return list(csv.DictReader(line for line in lines if not line.startswith("#")))


EXPECTED: Final = _expected()
LISTED: Final = [row for row in EXPECTED if row["decline_code"] != _ABSENT]

#: A customer's: what is the shop's, ours, or in doubt has other consequences.
_CUSTOMERS: Final = {
    DeclineClass.LIMIT_OR_BALANCE,
    DeclineClass.CARD_DEAD,
    DeclineClass.IDENTITY,
    DeclineClass.CALL_ISSUER,
}
_OURS: Final = {DeclineClass.MERCHANT, DeclineClass.REQUEST_BUG, DeclineClass.AMBIGUOUS}


@pytest.mark.parametrize("row", LISTED, ids=lambda row: row["code"])
def test_a_code_means_what_was_read_from_the_code_book(row: dict[str, str]) -> None:
    code, message = row["code"], row["message"]

    for text in (f"[{code}] {message}", f"{code} {message}", f"결제 실패 (코드: {code})", f"{code.lower()}: x", code):
        read = read_decline(text)
        assert (read.decline_code, read.by) == (DeclineCode(row["decline_code"]), Reader.TABLE), text
        assert class_of(read.decline_code) is DeclineClass(row["decline_class"]), text
    assert read_decline(f"결제{code}실패").by is not Reader.TABLE
    assert TABLE.rows[code].message == message


def test_the_table_has_no_other_codes_and_each_row_names_its_source() -> None:
    assert set(TABLE.rows) == {row["code"] for row in LISTED}
    assert {row.source for row in TABLE.rows.values()} == {"book/issuer", "book/pg"}
    assert TABLE.version.isdigit()
    assert len(EXPECTED) == len({row["code"] for row in EXPECTED}) == 1082


def test_every_class_is_reached_and_every_code_is_reached_by_something() -> None:
    assert {DeclineClass(row["decline_class"]) for row in LISTED} == set(DeclineClass)
    by_words = {DeclineCode.REQUEST_REFUSED, DeclineCode.UNCLASSIFIED}  # of an envelope, and of nothing
    assert {DeclineCode(row["decline_code"]) for row in LISTED} == set(DeclineCode) - by_words


def test_the_words_alone_never_make_the_shop_s_trouble_the_customer_s_card_nor_the_other_way_round() -> None:
    wrong = []
    for row in LISTED:
        expected, read = DeclineClass(row["decline_class"]), class_of(decline_code_of(row["message"]))
        is_laid_on_the_card = read in {DeclineClass.CARD_DEAD, DeclineClass.IDENTITY}
        if (expected in _OURS and is_laid_on_the_card) or (expected in _CUSTOMERS and read in _OURS):
            wrong.append(f"{row['code']} {row['message']}: {read}")

    assert wrong == []
