"""Which card is it: whose, which number, which expiry?

Sources: PortOne V1 documentation, card company codes (the financial clearing institute's) and subscribe.customer:
``card_number`` dddd-dddd-dddd-dddd, ``expiry`` YYYY-MM, ``birth`` YYMMDD or ten digits of a business, ``pwd_2digit``.

A whole card number never leaves this module: what is kept, told or written anywhere is masked.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from simulator.call import Call
from simulator.faults import parse_traits
from simulator.wire import BAD_CARD, Answer, Fields, Refused, Unreadable, refusal, success

ISSUERS: Mapping[str, str] = {
    "361": "BC카드",
    "364": "광주카드",
    "365": "삼성카드",
    "366": "신한카드",
    "367": "현대카드",
    "368": "롯데카드",
    "369": "수협카드",
    "370": "씨티카드",
    "371": "NH카드",
    "372": "전북카드",
    "373": "제주카드",
    "374": "하나카드",
    "381": "KB국민카드",
    "041": "우리카드",
    "071": "우체국",
    "002": "KDB산업은행",
    "045": "새마을금고",
    "048": "신협",
    "050": "저축은행",
    "089": "케이뱅크",
    "090": "카카오뱅크",
    "10001": "은련카드",
    "10002": "다이너스",
    "10003": "아멕스",
    "10004": "마스터",
    "10005": "비자",
    "10006": "JCB",
}
# Cards that are issued without being asked for are spread over these.
_USUAL = ("361", "365", "366", "367", "381")

_NUMBER = re.compile(r"\d{14,16}")
_EXPIRY = re.compile(r"(\d{4})-(0[1-9]|1[0-2])")
_BIRTH = re.compile(r"\d{6}|\d{10}")
_PWD = re.compile(r"\d{2}")
_KST = timedelta(hours=9)

EXPIRED_CARD = "카드정보 인증에 실패하였습니다. [120004]유효기간 만료(기간오류)"
BAD_HOLDER = "카드정보 인증에 실패하였습니다. [120019]생년월일(사업자번호) 또는 비밀번호 오류"
UNKNOWN_CARD_COMPANY = "존재하지 않는 카드사 코드입니다."


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What may be kept of a card."""

    card_code: str
    card_name: str
    card_number: str


def read_card(fields: Fields, *, customer_uid: str | None, now: float) -> Card:
    """Check the card in a request as the card company would, and mask it.

    Raises:
        Unreadable: The number or the expiry is missing.
        Refused: The card company says no.
    """
    number, expiry = (fields.text("card_number") or "").replace("-", ""), fields.text("expiry") or ""
    if not number or not expiry:
        raise Unreadable("card_number, expiry 파라메터는 필수입니다.")
    # One digit over and over is no card of anybody's.
    if not _NUMBER.fullmatch(number) or len(set(number)) == 1:
        raise Refused(refusal(BAD_CARD, code=-1))
    date = _EXPIRY.fullmatch(expiry)
    in_seoul = datetime.fromtimestamp(now, UTC) + _KST
    if date is None or (int(date[1]), int(date[2])) < (in_seoul.year, in_seoul.month):
        raise Refused(refusal(EXPIRED_CARD, code=-1))
    birth, pwd = fields.text("birth"), fields.text("pwd_2digit")
    if (birth and not _BIRTH.fullmatch(birth)) or (pwd and not _PWD.fullmatch(pwd)):
        raise Refused(refusal(BAD_HOLDER, code=-1))
    return _card(customer_uid or "", number, mark=int(number[:6]))


def card_on_sight(customer_uid: str) -> Card:
    """Return the card of a customer_uid that nobody issued: always the same one."""
    mark = sum(customer_uid.encode())
    return _card(customer_uid, f"{400000 + mark % 99999:06d}00{mark % 10000:04d}0000", mark=mark)


def _card(customer_uid: str, number: str, *, mark: int) -> Card:
    code = parse_traits(customer_uid).issuer or _USUAL[mark % len(_USUAL)]
    masked = f"{number[:6]}{'*' * (len(number) - 10)}{number[-4:]}"
    return Card(card_code=code, card_name=ISSUERS.get(code, "기타카드"), card_number=masked)


def list_companies(_simulation: object, _call: Call) -> Answer:
    """GET /cards: every card company's code and name."""
    return success([{"code": code, "name": name} for code, name in ISSUERS.items()])


def one_company(_simulation: object, call: Call) -> Answer:
    """GET /cards/{card_standard_code}."""
    code = call.path["card_standard_code"]
    if code not in ISSUERS:
        return refusal(UNKNOWN_CARD_COMPANY, status=404, code=-1)
    return success({"code": code, "name": ISSUERS[code]})
