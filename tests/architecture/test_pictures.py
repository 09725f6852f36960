from __future__ import annotations

from dataclasses import replace

from domain.invoice import INVOICE_TABLE, InvoiceEvent, InvoiceState
from tests.support import source_tree
from tests.support.state_pictures import MACHINES, page, picture


def test_the_pictures_of_states_are_what_the_tables_say() -> None:
    shown = source_tree.page("docs/concepts/states.md")

    assert shown == page(), "Print it anew: python -m tests.support.state_pictures > docs/concepts/states.md"


def test_another_table_is_another_picture() -> None:
    invoice = next(machine for machine in MACHINES if machine.name == "Invoice")
    changed = {**INVOICE_TABLE, (InvoiceState.VOID, InvoiceEvent.PAID): InvoiceState.PAID}

    assert picture(replace(invoice, table=changed)) != picture(invoice)
