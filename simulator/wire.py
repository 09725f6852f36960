"""How do requests and answers look on the wire?

Source: PortOne V1 documentation, REST API (swagger 2.0): the envelope, PaymentAnnotation, CustomerAnnotation and their
maximum lengths. Bodies are JSON or form-urlencoded everywhere.
"""

import json
import re
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

NOT_FOUND_PAYMENT = "존재하지 않는 결제정보입니다."
NOT_FOUND_TO_CANCEL = "취소할 결제건이 존재하지 않습니다."
ALREADY_CANCELLED = "이미 전액취소된 주문입니다."
UNKNOWN_BUYER = "등록되지 않은 구매자입니다."
ALREADY_PAID = "이미 결제가 이루어진 거래건입니다."
UNDER_WAY = "동일한 merchant_uid로 처리중인 결제건이 있습니다(중복 요청)."
UNAUTHORIZED = "Unauthorized"
WRONG_KEY = "인증에 실패하였습니다. API키와 secret을 확인하세요."
MISSING_KEY = "imp_key, imp_secret 파라메터가 누락되었습니다."
BAD_STATUS = "지원되지 않는 상태값입니다."
NAME_REQUIRED = "이니시스 빌링결제는 상품명이 필수입니다."
BAD_CARD = "카드정보 인증 및 빌키 발급에 실패하였습니다. [F112]유효하지않은 카드번호를 입력하셨습니다. (card_bin 없음)"
NO_PARTIAL_CANCEL = "[11C9] 해당 카드는 부분취소가 불가능한 카드입니다. 직접 환불하여 주시기 바랍니다."
NO_CUSTOMER_TO_SCHEDULE = "등록된 고객정보가 없습니다."
NOTHING_SCHEDULED = "취소할 예약결제 기록이 존재하지 않습니다."
UNKNOWN_CHANNEL = "등록된 PG 설정정보가 없습니다."

# More won than any payment has, and few enough for SQLite.
LARGEST = 10**12

# An order's number is a part of a path in every look-up. The documentation names no alphabet: this one fits there.
MERCHANT_UID = re.compile(r"[!-.0-~]+")

# Maximum lengths of /subscribe/payments/again.
LENGTHS: Mapping[str, int] = {
    "customer_uid": 80,
    "merchant_uid": 40,
    "name": 40,
    "buyer_name": 16,
    "buyer_email": 64,
    "buyer_tel": 16,
    "buyer_addr": 128,
    "buyer_postcode": 8,
    "channel_key": 55,
    "pg": 80,
}
BUYER = ("buyer_name", "buyer_email", "buyer_tel", "buyer_addr", "buyer_postcode")
ECHOED = ("name", *BUYER, "custom_data")
CUSTOMER_FIELDS: Mapping[str, int] = {
    "customer_id": 80,
    "customer_name": 20,
    "customer_tel": 20,
    "customer_email": 200,
    "customer_addr": 200,
    "customer_postcode": 8,
}


class Unreadable(ValueError):
    """A body or one of its fields is not what the documentation asks for; the text is for the caller."""


class Refused(Exception):
    """A request ends here; ``answer`` is what its caller is told."""

    def __init__(self, answer: "Answer") -> None:
        super().__init__(answer.message)
        self.answer = answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer before it is put on the wire."""

    status: int
    code: int
    message: str | None
    response: object

    def to_bytes(self) -> bytes:
        """Return the envelope as JSON."""
        envelope = {"code": self.code, "message": self.message, "response": self.response}
        return json.dumps(envelope, ensure_ascii=False, separators=(",", ":")).encode()


def success(response: object, *, status: int = 200) -> Answer:
    """Answer a request that was carried out, which says nothing about a payment's status."""
    return Answer(status=status, code=0, message=None, response=response)


def refusal(message: str, *, status: int = 200, code: int = 1) -> Answer:
    """Answer a request that was not carried out."""
    return Answer(status=status, code=code, message=message, response=None)


def unauthorized() -> Answer:
    """Answer a call whose token is missing, unknown or expired."""
    return refusal(UNAUTHORIZED, status=401, code=-1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """A request body's fields; values of a form are all text, values of JSON have types that count."""

    values: Mapping[str, object]
    is_form: bool

    def text(self, name: str, *, longest: int | None = None) -> str | None:
        """Return a text field; empty is absent.

        Raises:
            Unreadable: It is not text, or longer than it may be.
        """
        value = self.values.get(name)
        if value is None or value == "":
            return None
        if not isinstance(value, str):
            raise Unreadable(f"{name} 파라메터는 문자열이어야 합니다.")
        if longest is not None and len(value) > longest:
            raise Unreadable(f"{name} 파라메터는 최대 {longest}자입니다.")
        return value

    def number(self, name: str) -> int | None:
        """Return a whole number.

        Raises:
            Unreadable: It is not a number (in JSON a text of digits is none), or has a fraction: won have none.
        """
        value = self.values.get(name)
        if value is None or value == "":
            return None
        if self.is_form and isinstance(value, str):
            try:
                value = float(value)
            except ValueError as not_a_number:
                raise Unreadable(f"{name} 파라메터는 숫자여야 합니다.") from not_a_number
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise Unreadable(f"{name} 파라메터는 숫자여야 합니다.")
        if not -LARGEST <= value <= LARGEST or value != value // 1:
            raise Unreadable(f"{name} 파라메터가 범위를 벗어났습니다.")
        return int(value)

    def flag(self, name: str) -> bool:
        """Return a truth value; absent is false.

        Raises:
            Unreadable: It is none.
        """
        value = self.values.get(name)
        if self.is_form and isinstance(value, str):
            value = {"": False, "true": True, "1": True, "false": False, "0": False}.get(value.lower())
            if value is None:
                raise Unreadable(f"{name} 파라메터는 true 또는 false여야 합니다.")
        if value is not None and not isinstance(value, bool):
            raise Unreadable(f"{name} 파라메터는 true 또는 false여야 합니다.")
        return bool(value)

    def texts(self, name: str) -> tuple[str, ...]:
        """Return a list of texts; one text alone is a list of one.

        Raises:
            Unreadable: Something else is in it.
        """
        value = self.values.get(name)
        if value is None or value == "":
            return ()
        several = value if isinstance(value, list) else [value]
        texts = tuple(each for each in several if isinstance(each, str) and each)
        if len(texts) != len(several):
            raise Unreadable(f"{name} 파라메터는 문자열이어야 합니다.")
        return texts

    def entries(self, name: str) -> tuple["Fields", ...]:
        """Return a list of objects, each with fields of its own.

        Raises:
            Unreadable: It is not a list of objects.
        """
        value = self.values.get(name)
        several = value if isinstance(value, list) else []
        if value is not None and (not isinstance(value, list) or not all(isinstance(each, dict) for each in value)):
            raise Unreadable(f"{name} 파라메터는 배열이어야 합니다.")
        return tuple(Fields(values=each, is_form=self.is_form) for each in several)


# A form's lists: ``merchant_uid[]=a&merchant_uid[]=b`` and ``schedules[0][merchant_uid]=a``.
_ENTRY = re.compile(r"(\w+)\[(\d+)\]\[(\w+)\]")


def _read_form(text: str) -> dict[str, object]:
    values: dict[str, object] = {}
    entries: dict[str, dict[int, dict[str, str]]] = {}
    for name, parts in parse_qs(text, keep_blank_values=True).items():
        entry = _ENTRY.fullmatch(name)
        if entry is not None:
            entries.setdefault(entry[1], {}).setdefault(int(entry[2]), {})[entry[3]] = parts[-1]
        elif name.endswith("[]"):
            values[name.removesuffix("[]")] = parts
        else:
            values[name] = parts[-1]
    return values | {name: [each for _, each in sorted(those.items())] for name, those in entries.items()}


def read_object(body: bytes) -> dict[str, object]:
    """Read a JSON object; nothing at all is an empty one.

    Raises:
        Unreadable: It is none, nests too deep, or has text that no encoding can carry (a half of a surrogate pair).
    """
    try:
        values = json.loads(body or b"{}")
        json.dumps(values, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as broken:
        raise Unreadable("요청 본문을 해석할 수 없습니다.") from broken
    if not isinstance(values, dict):
        raise Unreadable("JSON 형식이 올바르지 않습니다.")
    return values


def parse_body(body: bytes, content_type: str) -> Fields:
    """Read a body as JSON if it is called or looks like that, otherwise as a form.

    Raises:
        Unreadable: It is neither.
    """
    if "json" in content_type or body.lstrip().startswith(b"{"):
        return Fields(values=read_object(body), is_form=False)
    try:
        return Fields(values=_read_form(body.decode()), is_form=True)
    except ValueError as broken:
        raise Unreadable("요청 본문을 해석할 수 없습니다.") from broken


def bearer(header: str | None) -> str:
    """Return the access token of an Authorization header, with or without the word Bearer in front; "" if none."""
    text = (header or "").encode(errors="replace").decode()  # bytes that are no text arrive as halves of pairs
    return text.strip().removeprefix("Bearer ").strip()


_USAGE: Mapping[str, str] = {"schedule": "payment.scheduled", "schedule_again": "payment.scheduled", "storing": "issue"}


def annotate_payment(row: sqlite3.Row | Mapping[str, Any], cancellations: list[sqlite3.Row]) -> dict[str, object]:
    """Return a PaymentAnnotation; instants are whole unix seconds, 0 where there is none."""
    details = json.loads(row["details"])
    was_paid = row["status"] in ("paid", "cancelled")
    receipt_url = f"https://receipt.example/{row['pg_tid']}" if was_paid and row["amount"] else None
    return {
        "amount": row["amount"],
        "apply_num": row["apply_num"] if was_paid else None,
        "bank_code": None,
        "bank_name": None,
        "buyer_addr": details.get("buyer_addr"),
        "buyer_email": details.get("buyer_email"),
        "buyer_name": details.get("buyer_name"),
        "buyer_postcode": details.get("buyer_postcode"),
        "buyer_tel": details.get("buyer_tel"),
        "cancel_amount": row["cancel_amount"],
        "cancel_history": [
            {
                "pg_tid": row["pg_tid"],
                "amount": cancellation["amount"],
                "cancelled_at": int(cancellation["cancelled_at"]),
                "reason": cancellation["reason"],
                "cancellation_id": cancellation["cancellation_id"],
                "receipt_url": receipt_url,
            }
            for cancellation in cancellations
        ],
        "cancel_reason": cancellations[-1]["reason"] if cancellations else None,
        "cancel_receipt_urls": [receipt_url for _ in cancellations],
        "cancelled_at": int(row["cancelled_at"]),
        "card_code": details.get("card_code"),
        "card_issuer_code": details.get("card_code"),
        "card_issuer_name": details.get("card_name"),
        "card_name": details.get("card_name"),
        "card_number": details.get("card_number"),
        "card_publisher_code": details.get("card_code"),
        "card_publisher_name": details.get("card_name"),
        "card_quota": details.get("card_quota", 0),
        "card_type": None,
        "cash_receipt_issued": False,
        "channel": "api",
        "currency": "KRW",
        "custom_data": details.get("custom_data"),
        "customer_uid": row["customer_uid"] or None,
        "customer_uid_usage": _USAGE.get(row["via"], "payment") if row["customer_uid"] else None,
        "deposit_history": [],
        "emb_pg_provider": None,
        "escrow": False,
        "fail_reason": row["fail_reason"] if row["status"] == "failed" else None,
        "failed_at": int(row["failed_at"]),
        "imp_uid": row["imp_uid"],
        "merchant_uid": row["merchant_uid"],
        "name": details.get("name"),
        "paid_at": int(row["paid_at"]),
        "pay_method": "card",
        "pg_id": row["pg_id"],
        "pg_provider": row["pg_provider"],
        "pg_tid": row["pg_tid"] if was_paid else None,
        "promotion": None,
        "receipt_url": receipt_url,
        "sandbox": bool(row["sandbox"]),
        "started_at": int(row["started_at"]),
        "status": row["status"],
        "user_agent": None,
        "vbank_code": None,
        "vbank_date": 0,
        "vbank_holder": None,
        "vbank_issued_at": 0,
        "vbank_name": None,
        "vbank_num": None,
    }


def annotate_customer(row: sqlite3.Row) -> dict[str, object]:
    """Return a CustomerAnnotation; instants are whole unix seconds."""
    details = json.loads(row["details"])
    return {
        "customer_uid": row["customer_uid"],
        "pg_provider": row["pg_provider"],
        "pg_id": row["pg_id"],
        "sandbox": bool(row["sandbox"]),
        "card_name": row["card_name"],
        "card_code": row["card_code"],
        "card_issuer_code": row["card_code"],
        "card_issuer_name": row["card_name"],
        "card_publisher_code": row["card_code"],
        "card_publisher_name": row["card_name"],
        "card_number": row["card_number"],
        "card_type": None,
        **{name: details.get(name) for name in CUSTOMER_FIELDS},
        "inserted": int(row["inserted_at"]),
        "updated": int(row["updated_at"]),
    }


def annotate_schedule(row: sqlite3.Row, payment: sqlite3.Row | None) -> dict[str, object]:
    """Return a ScheduleResultAnnotation; ``payment`` is what it made, None before; 0 for what has not happened."""
    details = json.loads(row["details"])
    paid_as = payment["status"] if payment is not None else None
    return {
        "customer_uid": row["customer_uid"],
        "merchant_uid": row["merchant_uid"],
        "imp_uid": row["imp_uid"],
        "pg_provider": row["pg_provider"],
        "pg_id": row["pg_id"],
        "customer_id": details.get("customer_id"),
        "schedule_at": int(row["schedule_at"]),
        "executed_at": int(row["executed_at"]),
        "revoked_at": int(row["revoked_at"]),
        "amount": row["amount"],
        "currency": "KRW",
        **{name: details.get(name) for name in ECHOED},
        "schedule_status": row["status"],
        "payment_status": paid_as if paid_as in ("paid", "failed", "cancelled") else None,
        "fail_reason": payment["fail_reason"] if payment is not None and paid_as == "failed" else None,
        "promotion_id": None,
    }
