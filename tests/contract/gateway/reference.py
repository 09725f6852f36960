"""A little I'mport at the socket, with its own ledger and the fates of ``tests.fakes.gateway``.

It knows the wire from the API's description alone, and shares no parser with the client.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.contract.gateway.servers import answer
from tests.fakes.gateway import UNUSABLE_CUSTOMER, Fate

if TYPE_CHECKING:
    from tests.contract.gateway.servers import Asked, Conversation

NONE_FOUND = {"code": -1, "message": "존재하지 않는 결제정보입니다.", "response": None}
UNAUTHORIZED = {"code": -1, "message": "Unauthorized", "response": None}


@dataclass(slots=True)
class ReferenceGateway:
    page_size: int = 1000
    token_life: int = 1800
    is_strict: bool = True
    tokens_given: int = 0
    token: str = "token-1"
    records: list[dict[str, Any]] = field(default_factory=list)
    fates: dict[str, list[tuple[Fate, str]]] = field(default_factory=dict)
    deleted_cards: set[str] = field(default_factory=set)

    async def talk(self, talk: Conversation) -> None:
        """The behaviour for a ``SocketServer``."""
        while True:
            asked = await talk.whole_request()
            reply = self.reply(asked)
            if reply is None:
                talk.reset()
                return
            await talk.say(reply)

    def reply(self, asked: Asked) -> bytes | None:
        url = urlsplit(asked.path)
        if url.path == "/users/getToken":
            return self._give_token(asked)
        if asked.headers.get("authorization") != f"Bearer {self.token}":
            return answer(401, UNAUTHORIZED)
        if url.path == "/subscribe/payments/again":
            return self._again(asked.json())
        query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        parts = [unquote(part) for part in url.path.strip("/").split("/")]
        return self._look_up(parts, query)

    def _give_token(self, asked: Asked) -> bytes:
        if asked.json() != {"imp_key": "the-key", "imp_secret": "the-secret"}:
            return answer(401, {"code": -1, "message": "인증에 실패하였습니다.", "response": None})
        self.tokens_given += 1
        now = int(time.time())
        response = {"access_token": self.token, "now": now, "expired_at": now + self.token_life}
        return answer(200, {"code": 0, "message": None, "response": response})

    def _again(self, body: dict[str, Any]) -> bytes | None:
        waiting = self.fates.get(body["merchant_uid"], [])
        fate, text = waiting.pop(0) if waiting else (Fate.APPROVE, "")
        if fate is Fate.UNAUTHORIZED:
            return answer(401, UNAUTHORIZED)
        used = any(each["merchant_uid"] == body["merchant_uid"] for each in self.records)
        if self.is_strict and used and fate not in {Fate.LOSE_REQUEST, Fate.SERVER_ERROR_BEFORE}:
            fate = Fate.DUPLICATE
        refusals = {
            Fate.DUPLICATE: (200, "이미 등록된 merchant_uid입니다."),
            Fate.REFUSE: (400, "잘못된 요청입니다."),
            Fate.NO_CUSTOMER: (200, UNUSABLE_CUSTOMER),
            Fate.SERVER_ERROR_BEFORE: (500, "error"),
            Fate.SLOW_DOWN: (429, "slow down"),
        }
        if fate in refusals:
            status, message = refusals[fate]
            return answer(status, {"code": -1, "message": message, "response": None})
        if fate is Fate.LOSE_REQUEST:
            return None
        status_word = {Fate.DECLINE: "failed", Fate.LOSE_DECLINE: "failed", Fate.READY: "ready"}.get(fate, "paid")
        record = self._write(body, status_word, text, extra=100 if fate is Fate.MISMATCH else 0)
        if fate in {Fate.LOSE_ANSWER, Fate.LOSE_DECLINE}:
            return None
        if fate is Fate.SERVER_ERROR_AFTER:
            return answer(500, b"<html>")
        return answer(200, {"code": 0, "message": None, "response": record})

    def _write(self, body: dict[str, Any], status: str, text: str, *, extra: int) -> dict[str, Any]:
        now = int(time.time())
        record = {
            "imp_uid": f"imps_{len(self.records) + 1:012d}",
            "merchant_uid": body["merchant_uid"],
            "customer_uid": body["customer_uid"],
            "amount": body["amount"] + extra,
            "cancel_amount": 0,
            "currency": "KRW",
            "status": status,
            "fail_reason": text or None,
            "started_at": now,
            "paid_at": now if status == "paid" else 0,
            "failed_at": now if status == "failed" else 0,
            "sandbox": True,
        }
        self.records.append(record)
        return record

    def _look_up(self, parts: list[str], query: dict[str, str]) -> bytes:
        match parts:
            case ["payments", "findAll", merchant_uid]:
                found = [each for each in self.records if each["merchant_uid"] == merchant_uid]
                return self._page(found, query) if found else answer(404, NONE_FOUND)
            case ["subscribe", "customers", customer_uid, "payments"]:
                if customer_uid in self.deleted_cards:
                    return answer(404, {"code": -1, "message": "등록된 정보를 찾을 수 없습니다.", "response": None})
                return self._page([each for each in self.records if each["customer_uid"] == customer_uid], query)
            case ["payments", "status", "all"]:
                begin, end = int(query["from"]), int(query["to"])
                found = [
                    each
                    for each in self.records
                    if begin <= (each["paid_at"] or each["failed_at"] or each["started_at"]) <= end
                ]
                return self._page(found, query)
            case _:
                return answer(404, b"<html>not found</html>")

    def _page(self, found: list[dict[str, Any]], query: dict[str, str]) -> bytes:
        size = min(int(query.get("limit", "20")), self.page_size)
        page = int(query.get("page", "1"))
        pages = max(1, -(-len(found) // size))
        if page > pages:
            return answer(400, {"code": -1, "message": "no such page", "response": None})
        following = page + 1 if page < pages else 0
        items = found[(page - 1) * size : page * size]
        response = {"total": len(found), "previous": page - 1, "next": following, "list": items}
        return answer(200, json.dumps({"code": 0, "message": None, "response": response}).encode())
