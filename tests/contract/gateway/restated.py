"""Which fields have the gateway's requests and answers, of which type, how long? Restated here, shared with nobody.

Source: the PortOne V1 schema (swagger 2.0, host api.iamport.kr): names, types, what is required (``!``), the longest
value in characters, bounds and choices. ``test_the_schema_file.py`` compares this page with the file itself.
What the schema tells and nobody does, or does otherwise, stands in ``OTHERWISE`` with its reason.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

TYPES: Final = frozenset({"string", "number", "integer", "boolean", "array", "object"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field. ``most`` characters of a string; ``bounds`` of a number, both included."""

    name: str
    kind: str
    is_required: bool = False
    most: int | None = None
    bounds: tuple[int, int] | None = None
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call: its fields by where they stand, and what its answer is; ``[X]`` is a list of X."""

    answer: str
    fields: dict[str, tuple[Field, ...]]


#: (call, field) -> why it is not held against a request or an answer.
OTHERWISE: Final = {
    ("POST /subscribe/customers/{customer_uid}", "channel_key"): (
        "required by the schema only; the KG Inicis guide's own call sends none, and older clients send pg"
    ),
    ("POST /subscribe/payments/unschedule", "merchant_uid"): (
        "a string in the schema; its description and every official client send a list of them"
    ),
    ("GET /subscribe/payments/schedule", "[]"): "a plain list in the schema; the official Java client reads pages",
    ("GET /subscribe/payments/schedule/customers/{customer_uid}", "[]"): "as above",
}

_CALLS: Final = {
    "POST /users/getToken": (
        "AuthAnnotation",
        """
        body: imp_key! string, imp_secret! string
        """,
    ),
    "POST /subscribe/payments/again": (
        "PaymentAnnotation",
        """
        body: customer_uid! string 80, merchant_uid! string 40, currency string, amount! number, tax_free number,
            vat_amount number, vat number, name! string 40, buyer_name string 16, buyer_email string 64,
            buyer_tel string 16, buyer_addr string 128, buyer_postcode string 8, card_quota integer,
            interest_free_by_merchant boolean, use_card_point boolean, custom_data string, notice_url string,
            browser_ip string, product_type string real|digital, product_count integer,
            cash_receipt_type string person|company|anonymous, bypass string, extra object,
            promotion_id string, channel_key string 55
        """,
    ),
    "POST /subscribe/payments/onetime": (
        "PaymentAnnotation",
        """
        body: merchant_uid! string 40, currency string, amount! number, tax_free number, vat_amount number,
            vat number, card_number! string, expiry! string, birth string, pwd_2digit string, cvc string,
            customer_uid string 80, pg string 80, channelGroupId string 55, name string 40,
            buyer_name string 16, buyer_email string 64, buyer_tel string 16, buyer_addr string 128,
            buyer_postcode string 8, card_quota integer, interest_free_by_merchant boolean,
            use_card_point boolean, custom_data string, notice_url string, browser_ip string,
            secure_3d_charge_id string, secure_3d_token string, product_type string real|digital,
            promotion_id string, bypass string
        """,
    ),
    "POST /subscribe/payments/schedule": (
        "[ScheduleResultAnnotation]",
        """
        body: customer_uid! string 80, customer_id string, checking_amount integer, card_number string,
            expiry string, birth string, pwd_2digit string, cvc string, channel_key string 55,
            schedules! array
        """,
    ),
    "POST /subscribe/payments/unschedule": (
        "[ScheduleResultAnnotation]",
        """
        body: customer_uid string, merchant_uid string
        """,
    ),
    "GET /subscribe/payments/schedule": (
        "[ScheduleResultAnnotation]",
        """
        query: schedule_from! integer, schedule_to! integer, schedule_status string scheduled|executed|revoked,
            page integer, limit integer 1..1000, sorting string
        """,
    ),
    "GET /subscribe/payments/schedule/customers/{customer_uid}": (
        "[ScheduleResultAnnotation]",
        """
        path: customer_uid! string
        query: page integer, from! integer, to! integer, schedule-status string scheduled|executed|revoked
        """,
    ),
    "GET /subscribe/payments/schedule/{merchant_uid}": (
        "ScheduleResultAnnotation",
        """
        path: merchant_uid! string
        """,
    ),
    "GET /subscribe/customers": (
        "[CustomerAnnotation]",
        """
        query: customer_uid[]! array
        """,
    ),
    "GET /subscribe/customers/{customer_uid}": (
        "CustomerAnnotation",
        """
        path: customer_uid! string
        """,
    ),
    "POST /subscribe/customers/{customer_uid}": (
        "CustomerAnnotation",
        """
        path: customer_uid! string 80
        body: channel_key! string 55, pg string 80, customer_id string, card_number! string, expiry! string,
            birth string, pwd_2digit string, cvc string, customer_name string 20, customer_tel string 20,
            customer_email string 200, customer_addr string 200, customer_postcode string 8,
            channel_group_id string 55
        """,
    ),
    "DELETE /subscribe/customers/{customer_uid}": (
        "CustomerAnnotation",
        """
        path: customer_uid! string
        query: reason string, extra[requester] string
        """,
    ),
    "GET /subscribe/customers/{customer_uid}/payments": (
        "PagedPaymentAnnotation",
        """
        path: customer_uid! string
        query: page integer
        """,
    ),
    "GET /payments/find/{merchant_uid}/{payment_status}": (
        "PaymentAnnotation",
        """
        path: merchant_uid! string, payment_status string
        query: sorting string -started|started|-paid|paid|-updated|updated
        """,
    ),
    "GET /payments/findAll/{merchant_uid}/{payment_status}": (
        "PagedPaymentAnnotation",
        """
        path: merchant_uid! string, payment_status string
        query: page integer, limit integer 1..1000, sorting string -started|started|-paid|paid|-updated|updated
        """,
    ),
    "GET /payments/status/{payment_status}": (
        "PagedPaymentAnnotation",
        """
        path: payment_status! string all|ready|paid|cancelled|failed
        query: page integer, limit integer 1..1000, from integer, to integer,
            sorting string -started|started|-paid|paid|-updated|updated
        """,
    ),
    "POST /payments/cancel": (
        "PaymentAnnotation",
        """
        body: imp_uid string, merchant_uid string, amount number, tax_free number, vat_amount number,
            checksum number, reason string, refund_holder string, refund_bank string, refund_account string,
            refund_tel string, retain_promotion boolean, enable_webhook boolean, extra array
        """,
    ),
    "POST /payments/prepare": (
        "PaymentPrepareAnnotation",
        """
        body: merchant_uid! string 40, amount! number, currency string
        """,
    ),
    "PUT /payments/prepare": (
        "PaymentPrepareAnnotation",
        """
        body: merchant_uid! string 40, amount! number, currency string
        """,
    ),
    "GET /payments/prepare/{merchant_uid}": (
        "PaymentPrepareAnnotation",
        """
        path: merchant_uid! string
        """,
    ),
    "GET /payments/{imp_uid}": (
        "PaymentAnnotation",
        """
        path: imp_uid! string
        query: include_sandbox boolean
        """,
    ),
    "GET /cards": ("[StandardCodeAnnotation]", ""),
    "GET /cards/{card_standard_code}": (
        "StandardCodeAnnotation",
        """
        path: card_standard_code! string
        """,
    ),
}

_ANSWERS: Final = {
    "AuthAnnotation": """
        access_token! string, expired_at! integer, now! integer
        """,
    "PaymentAnnotation": """
        imp_uid! string 32, merchant_uid! string 40, pay_method string 20, channel string,
        pg_provider string 16, emb_pg_provider string 16, pg_tid string 64, pg_id string 80,
        sandbox! boolean, escrow boolean, apply_num string 20, bank_code string, bank_name string,
        card_code string, card_name string, card_issuer_code string, card_issuer_name string,
        card_publisher_code string, card_publisher_name string, card_quota integer, card_number string,
        card_type integer, vbank_code string, vbank_name string, vbank_num string 32, vbank_holder string,
        vbank_date integer, vbank_issued_at integer, name string 40, amount! number, cancel_amount! number,
        currency! string, buyer_name string 16, buyer_email string 64, buyer_tel string 16,
        buyer_addr string 128, buyer_postcode string 8, custom_data string, user_agent string,
        status! string, started_at integer, paid_at integer, failed_at integer, cancelled_at integer,
        fail_reason string, cancel_reason string, receipt_url string, cancel_history array,
        deposit_history array, cancel_receipt_urls array, cash_receipt_issued boolean, customer_uid string,
        customer_uid_usage string, promotion object
        """,
    "PaymentCancelAnnotation": """
        pg_tid! string, amount! number, cancelled_at! integer, reason! string, cancellation_id! string,
        receipt_url string
        """,
    "PagedPaymentAnnotation": """
        total! integer, previous! integer, next! integer, list array
        """,
    "CustomerAnnotation": """
        customer_uid! string 80, pg_provider! string 16, pg_id! string 80, sandbox! boolean,
        customer_id string, card_name! string, card_code string, card_issuer_code string,
        card_issuer_name string, card_publisher_code string, card_publisher_name string,
        card_number string, card_type integer, customer_name string 20, customer_tel string 20,
        customer_email string 200, customer_addr string 200, customer_postcode string 8, inserted! integer,
        updated! integer
        """,
    "ScheduleAnnotation": """
        merchant_uid! string, schedule_at! integer, currency! string, amount! number, tax_free number,
        vat_amount number, name! string 40, buyer_name string 16, buyer_email string 64,
        buyer_tel string 16, buyer_addr string 128, buyer_postcode string 8, custom_data string,
        notice_url string, product_type string, cash_receipt_type string, card_quota number,
        interest_free_by_merchant boolean, use_card_point boolean, product_count integer,
        browser_ip string, extra object, bypass string, promotion_id string
        """,
    "ScheduleResultAnnotation": """
        customer_uid string, merchant_uid string 40, imp_uid string 32, pg_provider string 16,
        pg_id string 64, customer_id string, schedule_at integer, executed_at integer, revoked_at integer,
        amount number, currency string, name string 40, buyer_name string 16, buyer_email string 64,
        buyer_tel string 16, buyer_addr string 128, buyer_postcode string 8, custom_data string,
        schedule_status string, payment_status string, fail_reason string, promotion_id string
        """,
    "PaymentPrepareAnnotation": """
        merchant_uid string, amount number, currency string
        """,
    "StandardCodeAnnotation": """
        code! string, name! string
        """,
}


def read_fields(text: str) -> tuple[Field, ...]:
    """Fields as written above: ``name! type longest|choices|least..most``."""
    return tuple(_field(words.split()) for words in " ".join(text.split()).strip(", ").split(",") if words.strip())


def _field(words: list[str]) -> Field:
    name, kind, *limits = words
    assert kind in TYPES, words
    most, bounds, choices = None, None, tuple[str, ...]()
    for limit in limits:
        if limit.isdigit():
            most = int(limit)
        elif found := re.fullmatch(r"(\d+)\.\.(\d+)", limit):
            bounds = (int(found[1]), int(found[2]))
        else:
            choices = tuple(limit.split("|"))
    return Field(
        name=name.removesuffix("!"),
        kind=kind,
        is_required=name.endswith("!"),
        most=most,
        bounds=bounds,
        choices=choices,
    )


def _call(answer: str, text: str) -> Call:
    parts = re.split(r"\b(path|query|body): ", text)[1:]
    return Call(
        answer=answer, fields={part: read_fields(told) for part, told in zip(parts[::2], parts[1::2], strict=True)}
    )


CALLS: Final = {name: _call(answer, text) for name, (answer, text) in _CALLS.items()}
ANSWERS: Final = {name: read_fields(text) for name, text in _ANSWERS.items()}
