"""What does the gateway's free text about a refusal mean, in our own decline codes?

In order: what an operator taught; KG Inicis codes, but only in brackets or at the very start and only those of the
table; Korean keywords, of which whatever doubts the refusal comes first and the shop's troubles come before the
customer's limit; else unclassified. Pure: the operator's rules are an argument.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from domain.decline import is_ambiguous
from domain.decline_rules import NO_RULES
from domain.decline_text import codes_in, normalized, plain
from domain.outcome import DeclineCode
from gateway.decline_table import TABLE

if TYPE_CHECKING:
    from collections.abc import Callable

    from domain.decline_rules import DeclineRule, DeclineRules


class Reader(StrEnum):
    """What gave a text its meaning."""

    RULE = "rule"  # an operator's
    TABLE = "table"
    KEYWORD = "keyword"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One text, read. ``told`` is the code or word that decided; ``held_back`` a rule that doubt kept from it."""

    decline_code: DeclineCode
    by: Reader
    told: str = ""
    rule: DeclineRule | None = None
    held_back: DeclineRule | None = None


_C: Final = DeclineCode
#: Not of the shop, whose contract may be closed, and whose numbers may be wrong, too.
_NO_SHOP: Final = r"(?!\s*(?:된\s*)?(?:가맹점|상점|업체|서브몰))"

#: In order of the classes, and within a class the more telling first: the first that is found in the text wins.
KEYWORDS: Final[tuple[tuple[DeclineCode, str], ...]] = (
    # Ambiguous: whatever else it says, it may be paid.
    (_C.ISSUER_TIMEOUT, r"time\s*-?\s*out|타임\s*아웃|시간\s*초과"),
    (_C.DUPLICATE_TRANSACTION, r"중복|기\s?처리|이미(?!지)|(?<![가-힣])기\s?(?:승인|완료|매입)"),
    (_C.APPROVAL_IN_DOUBT, r"정상(?:적으로)?\s?(?:처리|승인)(?:\s?(?:되었|됐|됨|완료)|건)|승인된\s"),
    (_C.PG_ANSWER_LOST, r"응답\s?(?:전문|코드)|무응답|late\s?-?\s?reply"),
    (_C.PG_BROKE_OFF, r"exception|db\s?(?:입력|수정|삭제)"),
    # The card is dead.
    (_C.CARD_LOST_OR_STOLEN, r"분실|도난"),
    (_C.CARD_CANCELLED, rf"해지{_NO_SHOP}|탈회"),
    (_C.CARD_EXPIRED, r"유효\s?기간"),
    (_C.CARD_REPLACED, r"신규\s?발급"),
    (_C.CARD_NOT_REGISTERED, r"미등록\s?카드"),
    (_C.CARD_NUMBER_WRONG, r"카드\s?번호"),
    (_C.CARD_BARRED, rf"(?<![여거])부정(?!보){_NO_SHOP}|사고(?!객){_NO_SHOP}"),
    (_C.BILLING_KEY_GONE, r"(?:빌키|빌링키)\s*(?:가\s*)?없|등록되지\s*않은\s*(?:구매자|사용자)"),
    # Who holds it was not proven.
    (_C.PASSWORD_WRONG, r"비밀\s?번호"),
    (_C.IDENTITY_MISMATCH, rf"주민|(?<!가맹점)(?<!가맹점\s)(?<!하위몰)(?<!하위몰\s)(?<!sub\s)사업자\s?번호{_NO_SHOP}"),
    (_C.AUTHENTICATION_REQUIRED, r"본인\s?인증"),
    (_C.CVC_WRONG, r"cvc|cvv"),
    # The shop's, before the customer's.
    (_C.MERCHANT_LIMIT, r"(?:가맹점|상점|서브몰)[^.\n]{0,12}한도"),
    (_C.MERCHANT_NOT_REGISTERED, r"미등록\s?(?:된\s*)?(?:가맹점|상점|서브몰|pg\s?업체)"),
    (_C.MERCHANT_NOT_CONTRACTED, r"가맹점|상점|서브몰|pg\s?업체"),
    (_C.MERCHANT_MISCONFIGURED, r"(?-i:(?<![0-9A-Za-z])MID(?![0-9A-Za-z]))"),
    # The issuer's block.
    (_C.PAYMENTS_OVERDUE, r"연체"),
    (_C.CARD_SUSPENDED, r"정지"),
    (_C.CARD_RESTRICTED, r"거래\s?제한"),
    # Limit or balance.
    (_C.INSUFFICIENT_BALANCE, r"잔액|부족"),
    (_C.LIMIT_EXCEEDED_DAILY, r"(?:1일|일일)[^.\n]{0,12}(?:한도|금액)"),
    (_C.LIMIT_EXCEEDED_MONTHLY, r"월[^.\n]{0,6}한도"),
    (_C.USAGE_COUNT_EXCEEDED, r"횟수|회수\s?초과"),
    (_C.LIMIT_EXCEEDED, r"한도|초과"),
    # Machines.
    (_C.ISSUER_MAINTENANCE, r"점검"),
    (_C.ISSUER_UNREACHABLE, r"통신"),
    (_C.ISSUER_FAILURE, r"장애|시스템|재시도"),
    (_C.CALL_ISSUER, r"전화\s?요망|문의"),
    # What we asked. Last, for a word such as these is easily said in passing.
    (_C.AMOUNT_WRONG, r"금액\s?오류"),
    (_C.INSTALLMENT_REFUSED, r"할부"),
    (_C.REQUEST_MALFORMED, r"통화\s?코드|포맷|파라미터"),
)
_SEARCHES: Final[tuple[tuple[DeclineCode, Callable[[str], re.Match[str] | None]], ...]] = tuple(
    (code, re.compile(pattern, re.IGNORECASE).search) for code, pattern in KEYWORDS
)


def decline_code_of(text: str, rules: DeclineRules = NO_RULES, *, as_stored: str = "") -> DeclineCode:
    """Our code for a refusal in the gateway's words; never raises."""
    return read_decline(text, rules, as_stored=as_stored).decline_code


def read_decline(text: str, rules: DeclineRules = NO_RULES, *, as_stored: str = "") -> Reading:
    """Our code for a refusal in the gateway's words, and what decided it; never raises.

    ``as_stored``: the text without anybody's name, as an operator saw it when teaching; empty: the text itself.
    """
    told = plain(text)
    codes = codes_in(told)
    built_in = _by_table(codes) or _by_keyword(told)
    if not rules.by_text and not rules.by_code:
        return built_in
    by_text = rules.by_text.get(normalized(as_stored or text))
    taught = _of_rule(by_text) if by_text is not None else _by_taught_codes(codes, rules)
    if taught is None or taught.rule is None:
        return built_in
    is_bold = taught.rule.although_ambiguous and (by_text is not None or not _others_doubt(codes, taught.told, rules))
    if is_ambiguous(built_in.decline_code) and not is_ambiguous(taught.decline_code) and not is_bold:
        return Reading(decline_code=built_in.decline_code, by=built_in.by, told=built_in.told, held_back=taught.rule)
    return taught


def _of_rule(rule: DeclineRule) -> Reading:
    return Reading(decline_code=rule.decline_code, by=Reader.RULE, told=rule.match, rule=rule)


def _by_taught_codes(codes: tuple[str, ...], rules: DeclineRules) -> Reading | None:
    """As the table reads codes, with the operator's in it: doubt wins, else the first that is known."""
    known = [rules.by_code.get(code) for code in codes if code in rules.by_code or code in TABLE.rows]
    taught = [rule for rule in known if rule is not None]
    doubting = [rule for rule in taught if is_ambiguous(rule.decline_code)]
    if doubting:
        return _of_rule(doubting[0])
    return _of_rule(taught[0]) if taught and known[0] is not None else None


def _others_doubt(codes: tuple[str, ...], but: str, rules: DeclineRules) -> bool:
    """Whether another code of the text is in doubt: the operator spoke of one code only."""
    return any(
        code != but and code not in rules.by_code and code in TABLE.rows and is_ambiguous(TABLE.rows[code].decline_code)
        for code in codes
    )


def _by_table(codes: tuple[str, ...]) -> Reading | None:
    known = [TABLE.rows[code] for code in codes if code in TABLE.rows]
    if not known:
        return None
    row = next((row for row in known if is_ambiguous(row.decline_code)), known[0])
    return Reading(decline_code=row.decline_code, by=Reader.TABLE, told=row.code)


def _by_keyword(text: str) -> Reading:
    for code, search in _SEARCHES:
        found = search(text)
        if found is not None:
            return Reading(decline_code=code, by=Reader.KEYWORD, told=found.group())
    return Reading(decline_code=DeclineCode.UNCLASSIFIED, by=Reader.NOTHING)
