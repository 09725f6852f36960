"""Holds what went over the wire against ``restated``: every way in which a request or an answer differs, in words."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.contract.gateway.restated import ANSWERS, CALLS, OTHERWISE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.contract.gateway.restated import Field

MERCHANT_UID = re.compile(r"[A-Za-z0-9_-]{1,40}")
#: What the schema tells of any of these calls, and 400, which it leaves out of most: charges are answered so, too.
STATUSES = frozenset({200, 207, 400, 401, 404})
#: Won, wherever they stand in a request: whole and not negative.
WON = {"amount", "tax_free", "vat_amount", "checksum", "checking_amount"}


def call_of(method: str, path: str) -> str:
    """Which restated call this is; the first that fits, for they stand in order."""
    parts = path.strip("/").split("/")
    for name in CALLS:
        wanted_method, wanted = name.split(" ")
        template = wanted.strip("/").split("/")
        if template[-1] == "{payment_status}" and len(parts) == len(template) - 1 and "status" not in template:
            template = template[:-1]  # the schema's own default for it is ""
        fits = len(template) == len(parts) and all(
            each == part or each.startswith("{") for each, part in zip(template, parts, strict=True)
        )
        if fits and wanted_method == method:
            return name
    raise AssertionError(f"{method} {path} is no call of the schema")


def differences_of_request(method: str, target: str, body: bytes) -> list[str]:
    """What the gateway might refuse."""
    url = urlsplit(target)
    name = call_of(method, url.path)
    fields = CALLS[name].fields
    found = []
    template, parts = name.split(" ")[1].strip("/").split("/"), url.path.strip("/").split("/")
    path = {part[1:-1]: unquote(told) for part, told in zip(template, parts, strict=False) if part.startswith("{")}
    found += _texts(name, "path", path, [each for each in fields.get("path", ()) if each.name in path])
    query = {key: values[-1] for key, values in parse_qs(url.query, strict_parsing=bool(url.query)).items()}
    found += _texts(name, "query", query, fields.get("query", ()))
    told = json.loads(body) if body else {}
    found += _object(name, told, fields.get("body", ()))
    for schedule in told.get("schedules", ()):
        found += _object(f"{name} schedules", schedule, ANSWERS["ScheduleAnnotation"])
    return found + _money(name, told)


def differences_of_answer(method: str, target: str, status: int, body: bytes) -> list[str]:
    """What the schema does not tell of the gateway's answers."""
    name = call_of(method, urlsplit(target).path)
    if status not in STATUSES:
        return [f"{name}: answered with {status}"]
    envelope = json.loads(body)
    if set(envelope) != {"code", "message", "response"} or type(envelope["code"]) is not int:
        return [f"{name}: no envelope"]
    if envelope["code"] != 0:
        is_told = isinstance(envelope["message"], str) and envelope["message"] and envelope["response"] is None
        return [] if is_told else [f"{name}: a refusal without words, or with a response"]
    answer, response = CALLS[name].answer, envelope["response"]
    if not answer.startswith("["):
        return _answered(name, answer, response)
    if (name, "[]") in OTHERWISE and isinstance(response, dict):
        paging = [each for each in ANSWERS["PagedPaymentAnnotation"] if each.name != "list"]
        items = response.pop("list")
        return _object(name, response, paging) + _items(name, answer[1:-1], items)
    return _items(name, answer[1:-1], response)


def _answered(name: str, answer: str, response: Any) -> list[str]:  # noqa: ANN401 - JSON
    found = _object(name, response, ANSWERS[answer])
    if answer == "PagedPaymentAnnotation":
        found += _items(name, "PaymentAnnotation", response["list"])
    for cancelled in response.get("cancel_history") or ():
        found += _object(f"{name} cancel_history", cancelled, ANSWERS["PaymentCancelAnnotation"])
    return found


def _items(name: str, answer: str, items: Any) -> list[str]:  # noqa: ANN401 - JSON
    if not isinstance(items, list):
        return [f"{name}: no list"]
    return [each for item in items for each in _answered(name, answer, item)]


def _object(name: str, told: Any, fields: Sequence[Field]) -> list[str]:  # noqa: ANN401 - JSON
    if not isinstance(told, dict):
        return [f"{name}: no object"]
    known = {each.name: each for each in fields}
    found = [f"{name}: {key} is not in the schema" for key in told if key not in known]
    found += [
        f"{name}: {each.name} is missing"
        for each in fields
        if each.is_required and told.get(each.name) is None and (name, each.name) not in OTHERWISE
    ]
    for key, value in told.items():
        if key in known and value is not None and (name, key) not in OTHERWISE:
            found += [f"{name}: {key} {wrong}" for wrong in _wrong(known[key], value)]
    return found


def _texts(name: str, where: str, told: Mapping[str, str], fields: Sequence[Field]) -> list[str]:
    """Fields of a path or a query: all of them texts there."""
    plain: dict[str, object] = {}
    kinds = {each.name: each.kind for each in fields}
    for key, value in told.items():
        match kinds.get(key):
            case "integer":
                plain[key] = int(value)
            case "boolean":
                plain[key] = {"true": True, "false": False}.get(value, value)
            case "array":
                plain[key] = [value]
            case _:
                plain[key] = value
    return [f"{where} of {each}" for each in _object(name, plain, fields)]


def _wrong(field: Field, value: object) -> list[str]:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    fits = {
        "string": isinstance(value, str),
        "number": is_number,
        "integer": is_number and value == value // 1,  # type: ignore[operator]  # a number
        "boolean": isinstance(value, bool),
        "array": isinstance(value, list),
        "object": isinstance(value, dict),
    }
    found = [] if fits[field.kind] else [f"is no {field.kind}"]
    if isinstance(value, str):
        if field.most is not None and len(value.encode("utf-16-le")) // 2 > field.most:
            found.append(f"is longer than {field.most}")
        if field.choices and value not in field.choices:
            found.append(f"is none of {', '.join(field.choices)}")
    if field.bounds and is_number and not field.bounds[0] <= value <= field.bounds[1]:  # type: ignore[operator]
        found.append("is out of bounds")
    return found


def _money(name: str, told: Mapping[str, Any]) -> list[str]:
    """What the documentation tells in words: order numbers, won, their parts, instalments; nothing revoked unnamed."""
    found: list[str] = []
    for each in (told, *told.get("schedules", ())):
        if any(isinstance(each.get(key, 0), str) for key in WON):
            continue  # told already
        found += [
            f"{name}: {key} is no whole number of won"
            for key in WON & each.keys()
            if type(each[key]) is not int or each[key] < 0
        ]
        if each.get("tax_free", 0) + each.get("vat_amount", 0) > each.get("amount", 0):
            found.append(f"{name}: the parts exceed the amount")
        quota = each.get("card_quota", 0)
        if quota and (quota < 2 or each["amount"] < 50_000):
            found.append(f"{name}: instalments that are not open")
        uid = each.get("merchant_uid")
        if isinstance(uid, str) and not MERCHANT_UID.fullmatch(uid):
            found.append(f"{name}: a merchant_uid that not every part of the gateway takes")
    if "unschedule" in name and not (isinstance(told.get("merchant_uid"), list) and told["merchant_uid"]):
        found.append(f"{name}: would revoke all of a card's schedules")
    if name == "POST /payments/cancel" and not {"imp_uid", "amount", "checksum"} <= told.keys():
        found.append(f"{name}: not wholly meant")
    return found
