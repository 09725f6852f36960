"""Subscriptions that come in by a file, into a house."""

from __future__ import annotations

from typing import TYPE_CHECKING

from billing.admit_subscriptions import Terms
from billing.change_subscription import By
from billing.import_subscriptions import Import, import_subscriptions
from tests.support.house import NAMESPACE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from domain.subscription_file import Refused
    from tests.support.house import House

_COLUMNS = ("customer_ref", "name", "email", "tel", "customer_uid", "plan", "started_on", "timezone")


def bring_in(house: House, *people: Mapping[str, object]) -> Sequence[Refused]:
    """Import a row for each; what one does not say is Hana's, on plan ``basic``. Gives the refused rows."""
    refused: list[Refused] = []
    for person in people:
        ref = str(person["customer_ref"])
        row = {
            "name": "김하나",
            "email": "",
            "tel": "",
            "customer_uid": f"card-{ref}",
            "plan": "basic",
            "timezone": "Asia/Seoul",
            **person,
        }
        names = [*_COLUMNS, *(name for name in row if name not in _COLUMNS)]
        lines = [",".join(names), ",".join(str(row[name]) for name in names)]
        import_subscriptions(
            house.database,
            Import(
                lines=lambda lines=lines: iter([f"{line}\n".encode() for line in lines]),  # type: ignore[misc]
                default_timezone="Asia/Seoul",
                terms=Terms(namespace=NAMESPACE, max_behind=house.ports.limits.max_behind, update=False),
                refused=refused.append,
            ),
            by=By(actor="mina", reason="a test"),
            file_name="people.csv",
        )
    return refused


def subscription_of(house: House, customer_ref: str) -> UUID:
    """The one subscription of a customer."""
    found: UUID = house.value(
        "SELECT s.id FROM subscription s JOIN customer c ON c.id = s.customer_id WHERE c.customer_ref = :ref",
        ref=customer_ref,
    )
    return found
