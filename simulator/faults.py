"""Which charge goes wrong, and how?

Faults are ordered in three ways; the first that has one for a charge wins:

1. **Control port**, a sequence for one card: ``POST /faults {"customer_uid": ..., "sequence": [fault, ...]}``.
   One element is used up by every charge; after the last one all is well again.
2. **Magic customer_uid**: one or more directives at its end, used up from left to right::

       uid       = name directive+
       directive = ".sim." fault ["." argument]                  for every charge
                 | ".sim." fault "_first." count ["." argument]   for the next `count` charges

   ``c0042.sim.decline.limit`` always declines; ``c7.sim.decline_first.2.balance`` declines twice and then pays;
   ``c8.sim.drop_answer_first.1.sim.decline_first.1.stolen`` loses one answer, then declines once, then pays.
   A directive that cannot be read is answered with HTTP 400, so that a typing mistake does not pass for a success.
3. **Chance**: ``POST /faults {"seed": 7, "probabilities": {"drop_answer": 0.05}}``. What a charge draws depends on the
   seed, its merchant_uid and how often that was asked before: the same run again has the same faults in any order.

Cancellations have their faults in the same three ways: ``"on": "cancel"`` in an order, ``.sim.cancel.hang_first.1`` in
a card's uid. And a card may have *traits*, which are no faults and have no turns: ``.sim.issuer.366`` (who issued it)
and ``.sim.no_partial_cancel``.

A charge has its turn at a fault once its token and its fields were found good, and once no other call with its
merchant_uid is under way; a cancellation once its token was. In JSON a fault is its name, or ``{name: argument}``.
``drop`` is short for ``drop_answer``. All durations are milliseconds. The faults are the members of ``FaultKind``.
"""

import random
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

MAGIC = ".sim."
_CANCELS = "cancel."
_ISSUER = "issuer."
_WHOLE_CANCEL_ONLY = "no_partial_cancel"

# Texts as the card companies and KG Inicis word them (PortOne V1 documentation, KG Inicis error codes, credit card).
DECLINES: Mapping[str, str] = {
    "balance": "[120054] 잔액부족",
    "blocked": "[120001] 거래제한(정지)카드",
    "closed": "[1200B2] 해지카드",
    "day_limit": "[120039] 1일 사용횟수 초과",
    "duplicate": "[120036] 중복거래",
    "expired": "[120004] 유효기간 만료(기간오류)",
    "limit": "[120016] 월 사용한도 초과",
    "maintenance": "[1200B9] 해당 카드사 시스템 점검중",
    "merchant": "[550431] 빌링 사용구분 확인 오류",
    "no_key": "[550997] 조회되는 빌키 없음",
    "other": "[129999] 기타",
    "overdue": "[120032] 연체카드",
    "stolen": "[120026] 도난, 분실카드",
    "system": "[1200E4] 참가기관 시스템장애",
    "timeout": "[120010] 카드사 거래 TIMEOUT",
}


class FaultKind(StrEnum):
    """Everything that can go wrong; what each one's argument is stands behind it."""

    # Nothing is charged.
    UNAUTHORIZED = "unauthorized"  # 401 although the token is good
    TOO_MANY = "too_many"  # 429
    REFUSE = "refuse"  # HTTP 200, code -1; argument: the message
    UNKNOWN_CUSTOMER = "unknown_customer"  # HTTP 200, code 1; as a magic uid the card never exists
    ERROR500_UNCHARGED = "error500_uncharged"
    DROP_UNCHARGED = "drop_uncharged"  # the connection is reset
    HANG_UNCHARGED = "hang_uncharged"  # no answer until the caller leaves
    # Another record than an ordinary payment is written.
    DECLINE = "decline"  # status failed; argument: a name in DECLINES or a whole text
    DEAD_CARD = "dead_card"  # status failed: the card was closed
    OTHER_AMOUNT = "other_amount"  # argument: won added to the amount asked for, 100 unless given
    LOOKUP_LAG = "lookup_lag"  # paid, but look-ups find nothing; argument: for how long
    LATE_APPROVAL = "late_approval"  # failed, turns paid; argument: after how long
    READY_PAID = "ready_paid"  # ready, turns paid; argument: after how long
    READY_FAILED = "ready_failed"  # ready, turns failed; argument: after how long
    SANDBOX = "sandbox"  # paid, but marked as a test channel's
    # The payment is charged; its answer does not arrive as it should.
    DROP_ANSWER = "drop_answer"  # the connection is reset
    HANG = "hang"  # no answer until the caller leaves
    LATE_ANSWER = "late_answer"  # argument: how late
    ERROR500 = "error500"
    GARBLED = "garbled"  # HTTP 200 with a body that is not JSON
    HALF_BODY = "half_body"  # the connection ends in the middle of the body


UNCHARGED = frozenset(
    {
        FaultKind.UNAUTHORIZED,
        FaultKind.TOO_MANY,
        FaultKind.REFUSE,
        FaultKind.UNKNOWN_CUSTOMER,
        FaultKind.ERROR500_UNCHARGED,
        FaultKind.DROP_UNCHARGED,
        FaultKind.HANG_UNCHARGED,
    }
)
AT_DELIVERY = frozenset(
    {
        FaultKind.DROP_ANSWER,
        FaultKind.HANG,
        FaultKind.LATE_ANSWER,
        FaultKind.ERROR500,
        FaultKind.GARBLED,
        FaultKind.HALF_BODY,
    }
)
_WITH_NUMBER: Mapping[FaultKind, int] = {
    FaultKind.OTHER_AMOUNT: 100,
    FaultKind.LOOKUP_LAG: 3000,
    FaultKind.LATE_APPROVAL: 3000,
    FaultKind.READY_PAID: 3000,
    FaultKind.READY_FAILED: 3000,
    FaultKind.LATE_ANSWER: 3000,
}
_WITH_TEXT: Mapping[FaultKind, str] = {
    FaultKind.DECLINE: DECLINES["balance"],
    FaultKind.READY_FAILED: DECLINES["balance"],
    FaultKind.LATE_APPROVAL: "(PG사 결제 장애) Internal error",
    FaultKind.DEAD_CARD: DECLINES["closed"],
    FaultKind.REFUSE: "일시적으로 결제를 진행할 수 없습니다.",
}
_ALIASES: Mapping[str, FaultKind] = {"drop": FaultKind.DROP_ANSWER}
# More milliseconds or won than any test waits for or charges.
_LARGEST = 10**12
_TEXT_ARGUMENT = frozenset({FaultKind.DECLINE, FaultKind.REFUSE})


class UnreadableFault(ValueError):
    """A fault was ordered in words that are not in the grammar."""


class Place(StrEnum):
    """Which calls a fault is ordered for."""

    CHARGE = "charge"
    CANCEL = "cancel"
    SCHEDULE = "schedule"
    CARD = "card"
    LOOKUP = "lookup"
    TOKEN = "token"  # noqa: S105 - the name of a place, not a secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that goes wrong; ``number`` is milliseconds, or won for ``other_amount``."""

    kind: FaultKind
    text: str = ""
    number: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Directive:
    """A fault for the next ``count`` charges or cancellations; None is for ever."""

    fault: Fault
    count: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """What is peculiar to a card: its issuer's code, and whether its payments can only be cancelled whole."""

    issuer: str | None = None
    is_whole_cancel_only: bool = False


def parse_fault(name: str, argument: object = None) -> Fault:
    """Read one fault.

    Raises:
        UnreadableFault: There is no such fault, or its argument is not of its kind.
    """
    try:
        kind = _ALIASES[name] if name in _ALIASES else FaultKind(name)
    except ValueError as unknown:
        raise UnreadableFault(f"there is no fault {name!r}") from unknown
    text, number = _WITH_TEXT.get(kind, ""), _WITH_NUMBER.get(kind, 0)
    if argument is None:
        return Fault(kind=kind, text=text, number=number)
    if kind in _TEXT_ARGUMENT:
        return Fault(kind=kind, text=DECLINES.get(str(argument), str(argument)), number=number)
    if kind not in _WITH_NUMBER:
        raise UnreadableFault(f"the fault {name!r} takes no argument")
    try:
        number = int(str(argument))
    except ValueError as not_a_number:
        raise UnreadableFault(f"the argument of {name!r} is not a whole number") from not_a_number
    if abs(number) > _LARGEST or (number < 0 and kind is not FaultKind.OTHER_AMOUNT):
        raise UnreadableFault(f"the argument of {name!r} is out of bounds")
    return Fault(kind=kind, text=text, number=number)


def parse_step(step: object) -> Fault | None:
    """Read one element of a sequence: a name, ``{name: argument}``, or "ok" for None."""
    match step:
        case "ok":
            return None
        case str():
            return parse_fault(step)
        case dict() if len(step) == 1:
            ((name, argument),) = step.items()
            return parse_fault(str(name), argument)
        case _:
            raise UnreadableFault('a step is "ok", a name, or one {name: argument}')


def parse_magic(customer_uid: str, *, place: Place = Place.CHARGE) -> tuple[Directive, ...]:
    """Read the directives at the end of a customer_uid for one sort of call; none for an ordinary one.

    Raises:
        UnreadableFault: A directive, of whatever sort, is not in the grammar.
    """
    directives: dict[Place, list[Directive]] = {Place.CHARGE: [], Place.CANCEL: []}
    for words in customer_uid.split(MAGIC)[1:]:
        if words.startswith(_CANCELS):
            directive = _parse_directive(words.removeprefix(_CANCELS))
            _require_possible(Place.CANCEL, [directive.fault])
            directives[Place.CANCEL].append(directive)
        elif not _is_trait(words):
            directives[Place.CHARGE].append(_parse_directive(words))
    return tuple(directives[place])


def parse_traits(customer_uid: str) -> Traits:
    """Read what a customer_uid says about its card."""
    words = customer_uid.split(MAGIC)[1:]
    issuers = [word.removeprefix(_ISSUER) for word in words if word.startswith(_ISSUER)]
    return Traits(issuer=issuers[-1] if issuers else None, is_whole_cancel_only=_WHOLE_CANCEL_ONLY in words)


def _is_trait(words: str) -> bool:
    return words == _WHOLE_CANCEL_ONLY or (words.startswith(_ISSUER) and _is_digits(words.removeprefix(_ISSUER)))


def _is_digits(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _parse_directive(words: str) -> Directive:
    name, *rest = words.split(".")
    if not name.endswith("_first"):
        argument = ".".join(rest) if rest else None
        if argument is not None and name == FaultKind.DECLINE and argument not in DECLINES:
            raise UnreadableFault(f"there is no decline named {argument!r}")
        return Directive(fault=parse_fault(name, argument), count=None)
    if not rest or not _is_digits(rest[0]):
        raise UnreadableFault(f"{name!r} is followed by a count")
    plain = _parse_directive(".".join([name.removesuffix("_first"), *rest[1:]]))
    return Directive(fault=plain.fault, count=int(rest[0]))


def choose(directives: tuple[Directive, ...], *, turns_before: int) -> Fault | None:
    """Return the fault of the charge that comes after ``turns_before`` others of the same card."""
    left = turns_before
    for directive in directives:
        if directive.count is None or left < directive.count:
            return directive.fault
        left -= directive.count
    return None


def is_never_issued(customer_uid: str) -> bool:
    """Whether a magic uid names a card that the gateway does not know, whoever asks."""
    return f"{MAGIC}{FaultKind.UNKNOWN_CUSTOMER}" in customer_uid


@dataclass(frozen=True, slots=True, kw_only=True)
class Chance:
    """Faults by seeded chance: each with its probability."""

    seed: int
    faults: tuple[tuple[Fault, float], ...]

    def draw(self, *, key: str, asked_before: int) -> Fault | None:
        """Return what the call named ``key`` draws the ``asked_before`` + 1st time."""
        point = random.Random(f"{self.seed}:{key}:{asked_before}").random()  # noqa: S311 - chance, not a secret
        for fault, probability in self.faults:
            if point < probability:
                return fault
            point -= probability
        return None


def parse_chance(seed: int, probabilities: Mapping[str, object]) -> Chance:
    """Read ``{name: probability}`` or ``{name: {"probability": p, "argument": a}}``.

    Raises:
        UnreadableFault: A name, an argument or a probability cannot be read, or they add up to more than 1.
    """
    faults: list[tuple[Fault, float]] = []
    for name, value in probabilities.items():
        wanted = value if isinstance(value, dict) else {"probability": value}
        probability = wanted.get("probability")
        if not isinstance(probability, int | float) or not 0 <= probability <= 1:
            raise UnreadableFault(f"the probability of {name!r} is not between 0 and 1")
        faults.append((parse_fault(name, wanted.get("argument")), float(probability)))
    if sum(probability for _, probability in faults) > 1.000_001:  # noqa: PLR2004 - 1, with room for rounding
        raise UnreadableFault("the probabilities add up to more than 1")
    return Chance(seed=seed, faults=tuple(faults))


def _require_possible(place: Place, faults: list[Fault]) -> None:
    """Only a charge writes a payment that could be another than asked for."""
    wrong = [fault.kind for fault in faults if fault.kind not in UNCHARGED | AT_DELIVERY]
    if place is not Place.CHARGE and wrong:
        raise UnreadableFault(f"{', '.join(wrong)} can only happen to a charge")


class FaultPlan:
    """What was ordered so far, and the turn of the next call."""

    def __init__(self) -> None:
        self._by_card: dict[tuple[Place, str], deque[Fault | None]] = {}
        self._by_place: dict[Place, deque[Fault | None]] = {}
        self._chance: dict[Place, Chance] = {}

    def order_for_card(self, place: Place, customer_uid: str, steps: list[Fault | None]) -> None:
        """Let the next calls about one card go as the steps say, in the place of what was ordered before."""
        _require_possible(place, [step for step in steps if step is not None])
        self._by_card[place, customer_uid] = deque(steps)

    def order_for_place(self, place: Place, steps: list[Fault | None]) -> None:
        """Let the next calls of one sort go as the steps say, whatever card they are about."""
        _require_possible(place, [step for step in steps if step is not None])
        self._by_place[place] = deque(steps)

    def order_by_chance(self, place: Place, chance: Chance) -> None:
        """Let all calls of one sort go wrong with some probability."""
        _require_possible(place, [fault for fault, _ in chance.faults])
        self._chance[place] = chance

    def clear(self) -> None:
        """Forget all orders; magic customer_uids stay magic."""
        self._by_card.clear()
        self._by_place.clear()
        self._chance.clear()

    def for_card(
        self,
        place: Place,
        *,
        customer_uid: str,
        merchant_uid: str,
        turns_of_card: Callable[[], int],
        turns_of_order: Callable[[], int],
    ) -> Fault | None:
        """Return what happens to this charge or cancellation; the counts are asked for only where they matter."""
        for queue in (self._by_card.get((place, customer_uid)), self._by_place.get(place)):
            if queue:
                return queue.popleft()
        directives = parse_magic(customer_uid, place=place) if MAGIC in customer_uid else ()
        if directives:
            return choose(directives, turns_before=turns_of_card())
        chance = self._chance.get(place)
        return None if chance is None else chance.draw(key=merchant_uid, asked_before=turns_of_order())

    def for_call(self, place: Place, *, endpoint: str, nth: int) -> Fault | None:
        """Return what happens to a call that is about no card; ``nth`` counts the calls of its endpoint."""
        queue = self._by_place.get(place)
        if queue:
            return queue.popleft()
        chance = self._chance.get(place)
        return None if chance is None else chance.draw(key=endpoint, asked_before=nth)
