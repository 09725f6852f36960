"""What does one row of a subscription file say: each field checked, or why the row is refused."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any, Final

from domain.errors import BadInput
from domain.instants import zone
from domain.price import MAXIMUM_AMOUNT, MINIMUM_AMOUNT

if TYPE_CHECKING:
    from collections.abc import Mapping

REQUIRED: Final = ("customer_ref", "name", "email", "tel", "customer_uid", "plan", "started_on", "timezone")
OPTIONAL: Final = (
    "paid_through",
    "channel",
    "quantity",
    "trial_until",
    "last_paid_amount",
    "consented_on",
    "consent_ref",
)

#: Source: PortOne V1 API, ``customer_uid`` at most 80 characters.
CUSTOMER_UID_LENGTH: Final = 80
_REF_LENGTH: Final = 100
_NAME_LENGTH: Final = 100
_EMAIL_LENGTH: Final = 254
#: Our choices: nobody was billed by card before, and nobody plans further ahead.
_EARLIEST: Final = date(2000, 1, 1)
YEARS_AHEAD: Final = 10

#: More of the cheapest price could not be charged at once.
_MOST: Final = MAXIMUM_AMOUNT // MINIMUM_AMOUNT

_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,8}")
_EMAIL: Final = re.compile(r"[^\s@]+@[^\s@.]+(\.[^\s@.]+)+")
_TEL: Final = re.compile(r"\+?[0-9][0-9 ()-]{5,19}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionRow:
    """One subscriber's standing agreement, as the file tells it. ``line`` is where its row begins, from 1."""

    line: int
    customer_ref: str
    name: str = field(repr=False)
    email: str = field(repr=False)
    tel: str = field(repr=False)
    customer_uid: str | None = field(repr=False)
    plan: str
    started_on: date
    timezone: str
    paid_through: date | None
    channel: str | None = None  # which one issued its card; None: the file does not say
    quantity: int | None = None  # units of its plan, at least 1; None: the file does not say, so one of a new one
    trial_until: date | None = None  # the first day that is paid; None: no trial, but for the plan's
    last_paid_amount: int | None = None  # won, of the last period that was paid; None: the file does not say
    consented_on: date | None = None  # to what it owes from now on
    consent_ref: str | None = None

    @property
    def contact(self) -> tuple[str, str, str]:
        """What an update may change: name, e-mail, telephone."""
        return self.name, self.email, self.tel


def read_row(fields: Mapping[str, str], *, line: int, default_timezone: str) -> SubscriptionRow:
    """Check every field of a row.

    Raises:
        BadInput: The sentence names the field; it never holds a card's name, an e-mail address or a telephone number.
    """
    values = {name: value.strip() for name, value in fields.items()}
    timezone = values["timezone"] or default_timezone
    zone(timezone)
    return SubscriptionRow(
        line=line,
        customer_ref=_text(values, "customer_ref", _REF_LENGTH),
        name=_text(values, "name", _NAME_LENGTH),
        email=_email(values["email"]),
        tel=_tel(values["tel"]),
        customer_uid=read_customer_uid(values["customer_uid"]) if values["customer_uid"] else None,
        plan=_text(values, "plan", _REF_LENGTH),
        started_on=_date("started_on", values["started_on"]),
        timezone=timezone,
        paid_through=_date("paid_through", values["paid_through"]) if values.get("paid_through") else None,
        channel=values.get("channel") or None,
        quantity=_quantity(values["quantity"]) if values.get("quantity") else None,
        **_terms(values),
    )


def _terms(values: Mapping[str, str]) -> dict[str, Any]:
    """What a row says of a trial, and of what its customer paid and agreed to."""
    trial_until = _date("trial_until", values["trial_until"]) if values.get("trial_until") else None
    last_paid = _won("last_paid_amount", values["last_paid_amount"]) if values.get("last_paid_amount") else None
    consented_on = _date("consented_on", values["consented_on"]) if values.get("consented_on") else None
    consent_ref = _text(values, "consent_ref", _REF_LENGTH) if values.get("consent_ref") else None
    if (consented_on is None) != (consent_ref is None):
        missing = "consented_on" if consented_on is None else "consent_ref"
        raise BadInput(f"{missing} is empty; consent is a day and where its evidence is kept, both or neither")
    if trial_until is not None and (values.get("paid_through") or last_paid):
        raise BadInput("trial_until goes with neither paid_through nor last_paid_amount; a trial has paid nothing")
    if trial_until is not None and trial_until <= _date("started_on", values["started_on"]):
        raise BadInput(f"trial_until {trial_until} does not come after started_on; it is the first day that is paid")
    return {
        "trial_until": trial_until,
        "last_paid_amount": last_paid,
        "consented_on": consented_on,
        "consent_ref": consent_ref,
    }


def read_customer_uid(value: str) -> str:
    """Check a card's public name.

    Raises:
        BadInput: The gateway would not take it; the sentence does not repeat it.
    """
    if not 1 <= len(value) <= CUSTOMER_UID_LENGTH:
        raise BadInput(f"customer_uid has {len(value)} characters; 1 to {CUSTOMER_UID_LENGTH} are taken")
    if not value.isprintable() or any(character.isspace() for character in value):
        raise BadInput("customer_uid holds a space or a character that cannot be printed")
    if value in {".", ".."} or max(value) > "\uffff":
        raise BadInput("customer_uid is only dots or holds a character that the gateway's addresses cannot carry")
    return value


def refuse_far_dates(row: SubscriptionRow, *, today: date) -> None:
    """Refuse dates that can only be a mistake.

    Raises:
        BadInput: A date is more than ten years ahead of ``today``.
    """
    latest = date(today.year + YEARS_AHEAD, today.month, min(today.day, 28))
    for name in ("started_on", "paid_through", "trial_until"):
        day = getattr(row, name)
        if day is not None and day > latest:
            raise BadInput(f"{name} {day} is more than {YEARS_AHEAD} years ahead; check the year")


def _text(values: Mapping[str, str], name: str, longest: int) -> str:
    value = values[name]
    if not value:
        raise BadInput(f"{name} is empty")
    if len(value) > longest:
        raise BadInput(f"{name} has {len(value)} characters; at most {longest} are taken")
    if not value.isprintable():
        raise BadInput(f"{name} holds a character that cannot be printed; remove it")
    return value


def _email(value: str) -> str:
    if value and (len(value) > _EMAIL_LENGTH or not value.isprintable() or not _EMAIL.fullmatch(value)):
        raise BadInput("email is not an address such as name@shop.example; correct it, or leave it empty")
    return value


def _tel(value: str) -> str:
    if value and not _TEL.fullmatch(value):
        raise BadInput("tel is not a telephone number such as 010-1234-5678; correct it, or leave it empty")
    return value


def _quantity(value: str) -> int:
    if not _NUMBER.fullmatch(value) or int(value) > _MOST:
        raise BadInput(
            f"quantity {value[:20]!r} is not a whole number from 1 to {_MOST}; correct it, or leave it empty"
        )
    return int(value)


def _won(name: str, value: str) -> int:
    if not _NUMBER.fullmatch(value) or int(value) > MAXIMUM_AMOUNT:
        raise BadInput(f"{name} {value[:20]!r} is not a whole number of won; write it as 9900, or leave it empty")
    return int(value)


def _date(name: str, value: str) -> date:
    try:
        day = date.fromisoformat(value) if _DATE.fullmatch(value) else None
    except ValueError:
        day = None
    if day is None:
        raise BadInput(f"{name} {value[:20]!r} is not a date; write it as 2026-01-31")
    if day < _EARLIEST:
        raise BadInput(f"{name} {day} is before {_EARLIEST}; check the year")
    return day
