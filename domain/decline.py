"""What does each decline code mean: its class, what may happen next, and what the customer is told.

Words are said about the payment, never about the person; what is ours is called ours. Texts for both languages are
whole sentences, ready to be shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from domain.outcome import DeclineCode

if TYPE_CHECKING:
    from collections.abc import Mapping


class DeclineClass(StrEnum):
    """Reasons that have the same consequence."""

    LIMIT_OR_BALANCE = "limit_or_balance"  # not this much, not now
    CARD_DEAD = "card_dead"  # this card never pays again
    IDENTITY = "identity"  # what was registered does not prove the holder
    ISSUER_BLOCK = "issuer_block"  # the issuer does not let it pay, for now or here
    CALL_ISSUER = "call_issuer"  # the issuer wants to hear from the holder
    SYSTEM = "system"  # machines of the issuer, the network or the payment gateway
    AMBIGUOUS = "ambiguous"  # the text doubts itself: nobody knows yet
    MERCHANT = "merchant"  # the shop's contract or settings: everybody's charge would be refused
    REQUEST_BUG = "request_bug"  # the request itself: every repetition would be refused
    UNCLASSIFIED = "unclassified"  # nothing to go by


class NextStep(StrEnum):
    """What may happen after a decline; nothing else does."""

    LADDER = "ladder"  # attempted again by itself, step by step
    NEW_CARD = "new_card"  # nothing by itself; a new card is asked for
    OPERATOR = "operator"  # nothing by itself; an incident, and no strike for the customer
    RESOLVER = "resolver"  # unknown: asked about until it still stands after settling, then the ladder
    HALT = "halt"  # as operator; counted for the channel, which halts after a set number in a row


NEXT_STEP: Final[Mapping[DeclineClass, NextStep]] = {
    DeclineClass.LIMIT_OR_BALANCE: NextStep.LADDER,
    DeclineClass.CARD_DEAD: NextStep.NEW_CARD,
    DeclineClass.IDENTITY: NextStep.NEW_CARD,
    DeclineClass.ISSUER_BLOCK: NextStep.LADDER,
    DeclineClass.CALL_ISSUER: NextStep.LADDER,
    DeclineClass.SYSTEM: NextStep.LADDER,
    DeclineClass.AMBIGUOUS: NextStep.RESOLVER,
    DeclineClass.MERCHANT: NextStep.HALT,
    DeclineClass.REQUEST_BUG: NextStep.OPERATOR,
    DeclineClass.UNCLASSIFIED: NextStep.LADDER,
}

#: The customer can do nothing about these: told only to somebody who asks, and as ours.
OURS: Final = frozenset({DeclineClass.SYSTEM, DeclineClass.AMBIGUOUS, DeclineClass.MERCHANT, DeclineClass.REQUEST_BUG})


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """One decline code: its class, what it means to us, and the customer's words in Korean and English."""

    decline_class: DeclineClass
    told: str
    korean: str
    english: str

    @property
    def next_step(self) -> NextStep:
        """What may happen next."""
        return NEXT_STEP[self.decline_class]

    @property
    def is_ours(self) -> bool:
        """Nothing is sent to the customer because of it; whoever asks is told that it is ours."""
        return self.decline_class in OURS


def class_of(code: DeclineCode) -> DeclineClass:
    """The class of a decline code."""
    return MEANINGS[code].decline_class


def is_ambiguous(code: DeclineCode) -> bool:
    """Whether a refusal with this code leaves open that money moved."""
    return class_of(code) is DeclineClass.AMBIGUOUS


def codes_of(*classes: DeclineClass) -> tuple[DeclineCode, ...]:
    """Every code of these classes."""
    return tuple(code for code, meaning in MEANINGS.items() if meaning.decline_class in classes)


_C: Final = DeclineCode
_K: Final = DeclineClass

_ANOTHER: Final = (
    "다른 카드를 등록해 주시면 바로 결제를 진행해 드리겠습니다.",
    "Please register another card and we will complete the payment right away.",
)
_AGAIN: Final = ("며칠 안에 다시 결제를 시도하겠습니다.", "We will try the payment again within a few days.")
_OURS: Final = (
    "저희 쪽 사정으로 결제를 마치지 못했습니다. 고객님께서 하실 일은 없습니다. 불편을 드려 죄송합니다.",
    "We could not complete the payment for a reason on our side. We are sorry; there is nothing you need to do.",
)
_MACHINES: Final = (
    "카드사 또는 결제 시스템 사정으로 결제를 마치지 못했습니다. 고객님께서 하실 일은 없으며, 다시 진행하겠습니다.",
    "A technical problem at the card company or the payment service; we will try again, you need not do anything.",
)
_LOOKING: Final = (
    "결제 결과를 카드사에 확인하고 있습니다. 고객님께서 하실 일은 없으며, 확인되는 대로 반영하겠습니다.",
    "We are confirming the result of the payment with the card company. There is nothing you need to do.",
)


def _limit(told: str, korean: str, english: str) -> Meaning:
    return Meaning(
        decline_class=_K.LIMIT_OR_BALANCE,
        told=told,
        korean=f"{korean} {_AGAIN[0]} 다른 카드로 바꾸셔도 됩니다.",
        english=f"{english} {_AGAIN[1]} You may also use another card.",
    )


def _dead(told: str, korean: str, english: str) -> Meaning:
    return Meaning(
        decline_class=_K.CARD_DEAD, told=told, korean=f"{korean} {_ANOTHER[0]}", english=f"{english} {_ANOTHER[1]}"
    )


def _identity(told: str, korean: str, english: str) -> Meaning:
    return Meaning(
        decline_class=_K.IDENTITY,
        told=told,
        korean=f"{korean} 카드를 다시 등록하시거나 다른 카드를 등록해 주시기 바랍니다.",
        english=f"{english} Please register the card again, or another one.",
    )


def _issuer(decline_class: DeclineClass, told: str, korean: str, english: str) -> Meaning:
    return Meaning(
        decline_class=decline_class,
        told=told,
        korean=f"{korean} 카드사에 문의하시거나 다른 카드를 등록해 주시기 바랍니다.",
        english=f"{english} Please ask your card company, or register another card.",
    )


def _ours(decline_class: DeclineClass, told: str, words: tuple[str, str] = _OURS) -> Meaning:
    return Meaning(decline_class=decline_class, told=told, korean=words[0], english=words[1])


MEANINGS: Final[Mapping[DeclineCode, Meaning]] = {
    _C.INSUFFICIENT_BALANCE: _limit(
        "The account behind the card, or what may still be approved, is less than the amount.",
        "카드에 연결된 계좌의 잔액 또는 이용 가능 금액이 결제 금액보다 적어 결제되지 않았습니다.",
        "The payment did not go through because the available balance is lower than the amount.",
    ),
    _C.LIMIT_EXCEEDED: _limit(
        "One of the card's limits is used up.",
        "카드 이용 한도를 넘어 결제되지 않았습니다.",
        "The payment did not go through because a limit of the card was reached.",
    ),
    _C.LIMIT_EXCEEDED_ONCE: _limit(
        "The amount is more than the card may pay at once.",
        "카드의 1회 이용 한도를 넘어 결제되지 않았습니다. 카드사에서 1회 한도를 조정하실 수 있습니다.",
        "The amount is above the card's limit for a single payment, which your card company can change.",
    ),
    _C.LIMIT_EXCEEDED_DAILY: _limit(
        "The card's limit for the day is used up.",
        "카드의 1일 이용 한도를 넘어 결제되지 않았습니다.",
        "The payment did not go through because the card's daily limit was reached.",
    ),
    _C.LIMIT_EXCEEDED_MONTHLY: _limit(
        "The card's limit for the month is used up.",
        "카드의 월 이용 한도를 넘어 결제되지 않았습니다.",
        "The payment did not go through because the card's monthly limit was reached.",
    ),
    _C.USAGE_COUNT_EXCEEDED: _limit(
        "The card was used as often as it may be.",
        "카드의 이용 가능 횟수를 넘어 결제되지 않았습니다.",
        "The payment did not go through because the card has been used as often as it may be for now.",
    ),
    _C.SHARED_LIMIT_EXCEEDED: _limit(
        "A limit that the card shares with a company's or a family's other cards is used up.",
        "함께 쓰시는 카드(법인 또는 가족 카드)의 통합 한도를 넘어 결제되지 않았습니다.",
        "The payment did not go through because a limit shared with other cards of your company or family was reached.",
    ),
    _C.CARD_EXPIRED: _dead(
        "The card has expired, or its date of expiry is wrong.",
        "등록하신 카드의 유효기간을 확인할 수 없거나 기간이 지나 결제되지 않았습니다.",
        "The registered card has expired, or its expiry date does not match.",
    ),
    _C.CARD_NUMBER_WRONG: _dead(
        "The card's number or data are wrong.",
        "등록하신 카드 정보가 카드사의 정보와 달라 결제되지 않았습니다.",
        "The registered card details do not match those of the card company.",
    ),
    _C.CARD_NOT_REGISTERED: _dead(
        "The issuer does not know the card.",
        "카드사에서 등록하신 카드를 확인할 수 없어 결제되지 않았습니다.",
        "The card company could not find the registered card.",
    ),
    _C.CARD_LOST_OR_STOLEN: _dead(
        "The card is reported lost or stolen.",
        "분실 또는 도난으로 신고된 카드여서 결제되지 않았습니다.",
        "The registered card has been reported lost or stolen.",
    ),
    _C.CARD_CANCELLED: _dead(
        "The card or the membership has ended.",
        "해지되었거나 더 이상 이용되지 않는 카드여서 결제되지 않았습니다.",
        "The registered card has been closed.",
    ),
    _C.CARD_REPLACED: _dead(
        "The issuer has issued a newer card.",
        "새로 발급된 카드가 있어 기존 카드로는 결제되지 않았습니다.",
        "Your card company has issued a new card in place of the registered one.",
    ),
    _C.CARD_NOT_ACTIVATED: _dead(
        "The card was not received or its issue is not complete.",
        "아직 사용 등록이 끝나지 않은 카드여서 결제되지 않았습니다. 사용 등록을 하신 뒤 다시 등록하셔도 됩니다.",
        "The registered card has not been activated yet; once it is, you may register it again.",
    ),
    _C.CARD_BARRED: _dead(
        "The issuer has barred the card or its holder for good.",
        "카드사에서 이 카드로의 결제를 승인하지 않았습니다.",
        "The card company did not approve a payment with this card.",
    ),
    _C.CARD_NOT_USABLE: _dead(
        "This kind of card cannot pay this way.",
        "이 결제에는 사용할 수 없는 종류의 카드입니다.",
        "This kind of card cannot be used for this payment.",
    ),
    _C.BILLING_KEY_GONE: _dead(
        "The payment gateway has no billing key for the card.",
        "카드 등록 정보를 찾을 수 없어 결제되지 않았습니다.",
        "The registration of your card could not be found.",
    ),
    _C.IDENTITY_MISMATCH: _identity(
        "Birth date, business number or kind of holder do not fit the card.",
        "등록하신 본인 확인 정보가 카드사의 정보와 달라 결제되지 않았습니다.",
        "The identity details given for the card do not match those of the card company.",
    ),
    _C.PASSWORD_WRONG: _identity(
        "The card's password does not fit.",
        "카드 비밀번호가 확인되지 않아 결제되지 않았습니다.",
        "The card's password could not be confirmed.",
    ),
    _C.PASSWORD_LOCKED: _identity(
        "The card's password was wrong too often.",
        "비밀번호 입력 횟수가 초과되어 결제되지 않았습니다. 카드사에서 비밀번호를 다시 설정하실 수 있습니다.",
        "The card's password is locked; your card company can reset it.",
    ),
    _C.CVC_WRONG: _identity(
        "The card's check number does not fit.",
        "카드 뒷면의 확인 번호가 확인되지 않아 결제되지 않았습니다.",
        "The security number of the card could not be confirmed.",
    ),
    _C.AUTHENTICATION_REQUIRED: _identity(
        "The issuer wants the holder to prove who they are.",
        "카드사에서 본인 확인을 요청하여 결제되지 않았습니다.",
        "The card company asks for a check of identity.",
    ),
    _C.CARD_SUSPENDED: _issuer(
        _K.ISSUER_BLOCK,
        "The issuer has suspended the card.",
        "카드사에서 카드 이용이 일시 정지된 상태여서 결제되지 않았습니다.",
        "The card is currently suspended by the card company.",
    ),
    _C.PAYMENTS_OVERDUE: _issuer(
        _K.ISSUER_BLOCK,
        "Payments to an issuer are overdue.",
        "카드사에서 현재 이 카드로의 결제를 승인하지 않았습니다.",
        "The card company does not approve payments with this card at present.",
    ),
    _C.CARD_RESTRICTED: _issuer(
        _K.ISSUER_BLOCK,
        "The issuer does not let the card pay here, or not yet.",
        "카드사의 이용 제한으로 이 카드로는 결제되지 않았습니다.",
        "The card company restricts the use of this card for this payment.",
    ),
    _C.CALL_ISSUER: _issuer(
        _K.CALL_ISSUER,
        "The issuer wants to be called by the card's holder.",
        "카드사에서 고객님의 확인이 필요하다고 안내하여 결제되지 않았습니다.",
        "The card company asks to speak with you before it approves the payment.",
    ),
    _C.ISSUER_UNREACHABLE: _ours(_K.SYSTEM, "A line to the issuer is down.", _MACHINES),
    _C.ISSUER_FAILURE: _ours(_K.SYSTEM, "The issuer's systems fail.", _MACHINES),
    _C.ISSUER_MAINTENANCE: _ours(_K.SYSTEM, "The issuer is in maintenance, or closed at this hour.", _MACHINES),
    _C.PG_COMMUNICATION: _ours(_K.SYSTEM, "The payment gateway was not reached, inside; nothing was asked.", _MACHINES),
    _C.PG_FAILURE: _ours(_K.SYSTEM, "The payment gateway failed before it asked the issuer.", _MACHINES),
    _C.ISSUER_TIMEOUT: _ours(_K.AMBIGUOUS, "The issuer did not answer in time.", _LOOKING),
    _C.DUPLICATE_TRANSACTION: _ours(
        _K.AMBIGUOUS, "Taken for a repetition: what it would repeat may be paid.", _LOOKING
    ),
    _C.PG_ANSWER_LOST: _ours(_K.AMBIGUOUS, "The issuer's answer was lost or could not be read.", _LOOKING),
    _C.PG_BROKE_OFF: _ours(
        _K.AMBIGUOUS, "The payment gateway broke off at work; how far it was is not told.", _LOOKING
    ),
    _C.APPROVAL_IN_DOUBT: _ours(_K.AMBIGUOUS, "A refusal whose text speaks of an approval.", _LOOKING),
    _C.MERCHANT_NOT_REGISTERED: _ours(_K.MERCHANT, "The issuer or the payment gateway does not know the shop."),
    _C.MERCHANT_SUSPENDED: _ours(_K.MERCHANT, "The shop was suspended."),
    _C.MERCHANT_NOT_CONTRACTED: _ours(_K.MERCHANT, "The shop's contract does not allow this kind of charge."),
    _C.MERCHANT_LIMIT: _ours(_K.MERCHANT, "The shop's own limit is used up."),
    _C.MERCHANT_MISCONFIGURED: _ours(_K.MERCHANT, "The shop's settings at the payment gateway are wrong."),
    _C.AMOUNT_TOO_SMALL: _ours(_K.REQUEST_BUG, "The amount is less than a card may be charged with."),
    _C.AMOUNT_WRONG: _ours(_K.REQUEST_BUG, "The amount, or its tax parts, cannot be."),
    _C.INSTALLMENT_REFUSED: _ours(_K.REQUEST_BUG, "Installments were asked for that card or shop do not take."),
    _C.REQUEST_MALFORMED: _ours(_K.REQUEST_BUG, "A field of the request is missing or wrong."),
    _C.REQUEST_REFUSED: _ours(_K.REQUEST_BUG, "The gateway refused the request itself, and never made a payment."),
    _C.UNSPECIFIED: _issuer(
        _K.UNCLASSIFIED,
        "The text is known, and says nothing.",
        f"카드사에서 결제를 승인하지 않았습니다. {_AGAIN[0]}",
        f"The card company did not approve the payment. {_AGAIN[1]}",
    ),
    _C.UNCLASSIFIED: _issuer(
        _K.UNCLASSIFIED,
        "The text is not in the tables: `jeonggi decline unknown` lists it.",
        f"카드사에서 결제를 승인하지 않았습니다. {_AGAIN[0]}",
        f"The card company did not approve the payment. {_AGAIN[1]}",
    ),
}
