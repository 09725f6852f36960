"""What does the gateway's free text about a refusal mean, in our own decline codes?

First KG Inicis codes, but only in brackets or at the very start and only those of the table; then Korean keywords, in
an order in which whatever doubts the refusal comes first and the shop's troubles come before the customer's; else
unclassified. From the KG Inicis code book: 1200xx are issuers' answers (12xx in their older, shorter form), 500xxx
and 550xxx the payment gateway's own.
"""

from __future__ import annotations

import re
from typing import Final

from domain.outcome import DeclineCode

_ISSUER: Final = "1200"
_ISSUER_SHORT: Final = "12"

#: The last two characters of issuers' answers; each stands for 1200xx and for 12xx.
ISSUER_SUFFIXES: Final[dict[DeclineCode, str]] = {
    DeclineCode.CARD_DEAD: (
        "03 04 14 23 26 27 48 56 B2 B3 F2 F3 FA FI FJ FR FS FT FU FV FX G8 G9 GV H6 H9 IM IR IS K6 L3"
    ),
    DeclineCode.IDENTITY: "19 21 47 51 52 58 FB HV",
    DeclineCode.ISSUER_BLOCK: "01 32 FF FW GQ K7 K8",
    DeclineCode.LIMIT_OR_BALANCE: ("02 15 16 37 39 49 54 AA F1 FL FM FN FY G6 GG GI GO GT GX HC K9"),
    DeclineCode.SYSTEM: "35 40 41 42 43 44 45 46 A8 B9 BN E4 E5 E6 E7 E8 F5 F6 FK",
    DeclineCode.AMBIGUOUS: "10 36 55 H4 H7 H8 HT I1 I2 I3",
    DeclineCode.CALL_ISSUER: (
        "70 71 72 73 74 75 76 77 78 79 80 81 82 83 84 85 86 87 88 89 90 91 92 93 94 95 96 97 98 99 "
        "FD FO HP"  # codespell:ignore fo
    ),
    DeclineCode.MERCHANT: "07 08 09 29 30 60 F9 GC GK GL GM GZ",
    DeclineCode.REQUEST_BUG: "05 06 13",
    DeclineCode.UNCLASSIFIED: "34 38",
}

#: Codes that are written out.
OTHER_CODES: Final[dict[DeclineCode, str]] = {
    DeclineCode.CARD_DEAD: "1165 1141 550601 550638 550668 550788 550929 550997",
    DeclineCode.IDENTITY: "550616 550617 550629 550635",
    DeclineCode.ISSUER_BLOCK: "11C7 550416 550742",
    DeclineCode.SYSTEM: "550050 550052 550053 550105 550106 550108 550110 500941",
    DeclineCode.AMBIGUOUS: (
        "550051 550054 550055 550253 550254 550255 550619 550630 550631 550704 550773 550778 550780 500619"
    ),
    DeclineCode.MERCHANT: (
        "550400 550403 550411 550414 550431 550432 550433 550434 550602 550618 "
        "550644 550645 550646 550647 550648 550649 550650 550651 550786"
    ),
    DeclineCode.REQUEST_BUG: "550607 550608 550609 550610 550611 550654 550690 550701 550703",
    DeclineCode.UNCLASSIFIED: "129999",
}

#: In order: the first row that has a word in the text wins.
KEYWORDS: Final[tuple[tuple[DeclineCode, tuple[str, ...]], ...]] = (
    (
        DeclineCode.AMBIGUOUS,
        ("timeout", "time out", "타임아웃", "시간초과", "시간 초과", "중복", "기처리", "이미"),
    ),
    (
        DeclineCode.CARD_DEAD,
        (
            "분실", "도난", "해지", "유효기간", "탈회", "카드번호", "미등록카드", "신규발급", "부정", "사고",
            "빌키 없음", "등록되지 않은 구매자", "등록되지 않은 사용자",
        ),
    ),
    (DeclineCode.IDENTITY, ("비밀번호", "주민", "사업자번호", "본인인증", "cvc")),
    (DeclineCode.MERCHANT, ("가맹점", "상점", "서브몰", "pg업체")),
    (DeclineCode.ISSUER_BLOCK, ("정지", "연체", "거래제한")),
    (DeclineCode.LIMIT_OR_BALANCE, ("한도", "잔액", "부족", "초과")),
    (DeclineCode.SYSTEM, ("장애", "점검", "통신", "시스템", "재시도")),
    (DeclineCode.CALL_ISSUER, ("전화요망", "문의")),
)  # fmt: skip

#: The shop's id at the payment gateway; as a word of its own only, for it stands inside others.
_MID: Final = re.compile(r"(?<![0-9A-Za-z])MID(?![0-9A-Za-z])")
_IN_BRACKETS: Final = re.compile(
    r"[\[(<{]\s*(?:코드\s*:?\s*|code\s*:?\s*)?([0-9A-Z]{4}|[0-9A-Z]{6})\s*[\])>}:]", re.IGNORECASE
)
#: A number at the start is a code only if it ends like one: `1,200` and `1203 원` are money.
_AT_START: Final = re.compile(r"\s*([0-9A-Z]{4}|[0-9A-Z]{6})(?=$|\s*[:,\])|/-](?!\d)|\s+(?!원|won|krw))", re.IGNORECASE)


def _build_codes() -> dict[str, DeclineCode]:
    codes: dict[str, DeclineCode] = {}
    for code, suffixes in ISSUER_SUFFIXES.items():
        for suffix in suffixes.split():
            codes[_ISSUER + suffix] = code
            codes[_ISSUER_SHORT + suffix] = code
    for code, written in OTHER_CODES.items():
        codes.update(dict.fromkeys(written.split(), code))
    return codes


CODES: Final = _build_codes()


def decline_code_of(text: str) -> DeclineCode:
    """Our code for a refusal in the gateway's words; never raises."""
    by_code = _by_inicis_code(text)
    return _by_keyword(text) if by_code is None else by_code


def _by_inicis_code(text: str) -> DeclineCode | None:
    candidates = _IN_BRACKETS.findall(text)
    start = _AT_START.match(text)
    if start is not None:
        candidates.insert(0, start.group(1))
    known = [CODES[candidate.upper()] for candidate in candidates if candidate.upper() in CODES]
    if DeclineCode.AMBIGUOUS in known:
        return DeclineCode.AMBIGUOUS
    return known[0] if known else None


def _by_keyword(text: str) -> DeclineCode:
    lower = text.lower()
    for code, words in KEYWORDS:
        if any(word in lower for word in words):
            return code
        if code is DeclineCode.MERCHANT and _MID.search(text):
            return code
    return DeclineCode.UNCLASSIFIED
