"""The same cases on the real client (against a gateway at the socket) and on the fake that other tests use."""

from __future__ import annotations

import contextlib
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Protocol

import pytest

from domain.errors import GatewayUnreadable
from domain.outcome import (
    Approved,
    DeclineCode,
    Declined,
    NotExecuted,
    NotExecutedReason,
    Outcome,
    Unknown,
    UnknownReason,
)
from gateway.errors import TokenRefused
from gateway.port import Batch
from tests.contract.gateway.asking import allowed, boottime, client, collect, make_charge
from tests.contract.gateway.reference import ReferenceGateway
from tests.contract.gateway.servers import SocketServer
from tests.fakes.gateway import FakeGateway, Fate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.port import Answer, Charge, Gateway

DECLINED = "[120002] 한도초과"


class Stage(Protocol):
    gateway: Gateway

    def script(self, merchant_uid: str, fate: Fate, text: str) -> None: ...
    def expire_token(self) -> None: ...
    def delete_card(self, customer_uid: str) -> None: ...
    def paid_won(self) -> int: ...


class RealStage:
    def __init__(self, gateway: Gateway, reference: ReferenceGateway) -> None:
        self.gateway = gateway
        self._reference = reference

    def script(self, merchant_uid: str, fate: Fate, text: str) -> None:
        self._reference.fates.setdefault(merchant_uid, []).append((fate, text))

    def expire_token(self) -> None:
        self._reference.token += "x"

    def delete_card(self, customer_uid: str) -> None:
        self._reference.deleted_cards.add(customer_uid)

    def paid_won(self) -> int:
        return sum(each["amount"] for each in self._reference.records if each["status"] == "paid")


class FakeStage:
    def __init__(self) -> None:
        self.fake = FakeGateway()
        self.gateway: Gateway = self.fake

    def script(self, merchant_uid: str, fate: Fate, text: str) -> None:
        self.fake.script(merchant_uid, fate, text=text)

    def expire_token(self) -> None:
        self.fake.expire_token()

    def delete_card(self, customer_uid: str) -> None:
        self.fake.delete_card(customer_uid)

    def paid_won(self) -> int:
        return self.fake.paid_won()


@contextlib.contextmanager
def real_stage() -> Iterator[Stage]:
    reference = ReferenceGateway(page_size=2)
    with SocketServer(reference.talk) as server, client(server.url) as gateway:
        yield RealStage(gateway, reference)


@pytest.fixture(params=["real", "fake"])
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    with real_stage() if request.param == "real" else contextlib.nullcontext(FakeStage()) as made:
        yield made


def charge_all(stage: Stage, *charges: Charge) -> list[Answer]:
    fan_out = allowed(stage.gateway)
    fan_out.send(
        Batch(
            charges=charges,
            token=stage.gateway.access_token(None),
            send_before_boottime=boottime() + 60,
            first_at_boottime=boottime(),
            spacing_seconds=0,
        )
    )
    return collect(fan_out, len(charges))


UNKNOWN_CASES = [
    (Fate.LOSE_ANSWER, UnknownReason.NO_ANSWER, 9900),
    (Fate.LOSE_DECLINE, UnknownReason.NO_ANSWER, 0),
    (Fate.LOSE_REQUEST, UnknownReason.NO_ANSWER, 0),
    (Fate.DUPLICATE, UnknownReason.DUPLICATE, 0),
    (Fate.REFUSE, UnknownReason.REFUSED_REQUEST, 0),
    (Fate.MISMATCH, UnknownReason.MISMATCH, 10000),
    (Fate.READY, UnknownReason.NOT_FINAL, 0),
    (Fate.SERVER_ERROR_AFTER, UnknownReason.SERVER_ERROR, 9900),
    (Fate.SERVER_ERROR_BEFORE, UnknownReason.SERVER_ERROR, 0),
    (Fate.SLOW_DOWN, UnknownReason.SLOW_DOWN, 0),
]


@pytest.mark.parametrize(("fate", "reason", "moved"), UNKNOWN_CASES)
def test_what_is_not_proven_is_unknown_whether_money_moved_or_not(
    stage: Stage, fate: Fate, reason: UnknownReason, moved: int
) -> None:
    charge = make_charge()
    stage.script(charge.merchant_uid, fate, DECLINED)
    outcome = charge_all(stage, charge)[0].outcome
    assert isinstance(outcome, Unknown)
    assert outcome.reason is reason
    assert stage.paid_won() == moved


def test_an_approval_is_one_payment(stage: Stage) -> None:
    answered = charge_all(stage, make_charge())[0]
    assert isinstance(answered.outcome, Approved)
    assert answered.outcome.amount == 9900
    assert answered.http_status == 200
    assert stage.paid_won() == 9900


@pytest.mark.parametrize(
    ("fate", "text", "outcome"),
    [
        (Fate.DECLINE, DECLINED, DeclineCode.LIMIT_EXCEEDED_DAILY),
        (Fate.NO_CUSTOMER, "", DeclineCode.BILLING_KEY_GONE),
    ],
)
def test_a_decline_moves_nothing(stage: Stage, fate: Fate, text: str, outcome: DeclineCode) -> None:
    charge = make_charge()
    stage.script(charge.merchant_uid, fate, text)
    declined = charge_all(stage, charge)[0].outcome
    assert isinstance(declined, Declined)
    assert declined.decline_code is outcome
    assert stage.paid_won() == 0


def test_a_decline_that_doubts_itself_is_unknown(stage: Stage) -> None:
    charge = make_charge()
    stage.script(charge.merchant_uid, Fate.DECLINE, "[120010] 카드사 TIMEOUT")
    outcome = charge_all(stage, charge)[0].outcome
    assert isinstance(outcome, Unknown)
    assert outcome.reason is UnknownReason.AMBIGUOUS_DECLINE


def test_a_refused_token_is_proof_and_a_fresh_one_a_configuration_error(stage: Stage) -> None:
    charge = make_charge()
    stage.script(charge.merchant_uid, Fate.UNAUTHORIZED, "")
    answered = charge_all(stage, charge)[0]
    assert answered.outcome == NotExecuted(reason=NotExecutedReason.UNAUTHORIZED)
    assert answered.refused_fresh_token


def test_the_second_charge_of_a_paid_merchant_uid_is_a_duplicate(stage: Stage) -> None:
    charge_all(stage, make_charge())
    outcome = charge_all(stage, make_charge())[0].outcome
    assert isinstance(outcome, Unknown)
    assert outcome.reason is UnknownReason.DUPLICATE
    assert stage.paid_won() == 9900


def test_a_dead_token_charges_nothing_and_asking_again_mends_it(stage: Stage) -> None:
    gateway = stage.gateway
    old = gateway.access_token(None)
    stage.expire_token()
    fan_out = allowed(gateway)
    fan_out.send(
        Batch(
            charges=[make_charge()],
            token=old,
            send_before_boottime=boottime() + 60,
            first_at_boottime=boottime(),
            spacing_seconds=0,
        )
    )
    assert collect(fan_out, 1)[0].outcome == NotExecuted(reason=NotExecutedReason.UNAUTHORIZED)
    with pytest.raises(TokenRefused):
        gateway.find_all(merchant_uid="m", token=old)
    new = gateway.access_token(None)
    assert new.digest != old.digest
    assert gateway.find_all(merchant_uid="m", token=new).records == []
    assert stage.paid_won() == 0


def test_every_endpoint_tells_what_happened_and_to_whom(stage: Stage) -> None:
    gateway = stage.gateway
    charges = [make_charge(number, customer_uid=f"customer {number % 2}/한") for number in range(7)]
    stage.script(charges[1].merchant_uid, Fate.DECLINE, DECLINED)
    charge_all(stage, *charges)
    token = gateway.access_token(None)
    now = datetime.fromtimestamp(time.time(), tz=UTC)
    begin, end = now - timedelta(days=1), now + timedelta(days=1)
    for charge in charges:
        status = "failed" if charge is charges[1] else "paid"
        found = (
            gateway.find_all(merchant_uid=charge.merchant_uid, token=token),
            gateway.card_payments(customer_uid=charge.customer_uid, merchant_uid=charge.merchant_uid, token=token),
            gateway.day_list(merchant_uids=[charge.merchant_uid], begin=begin, end=end, token=token)[
                charge.merchant_uid
            ],
        )
        for finding in found:
            (record,) = finding.records
            assert (record.merchant_uid, record.status, record.amount) == (charge.merchant_uid, status, 9900)
            assert record.customer_uid == charge.customer_uid
            assert finding.token_digest == token.digest
            if status == "failed":
                assert record.decline_code is DeclineCode.LIMIT_EXCEEDED_DAILY
    counts: list[int] = []
    assert len(gateway.all_payments(begin=begin, end=end, token=token, seen=counts.append)) == 7
    assert counts[-1] == 7


def test_absence_is_told_by_each_endpoint_in_its_own_way(stage: Stage) -> None:
    gateway = stage.gateway
    charge_all(stage, make_charge(1))
    token = gateway.access_token(None)
    now = datetime.fromtimestamp(time.time(), tz=UTC)
    absent = make_charge(2)
    begin, end = now - timedelta(days=1), now + timedelta(days=1)
    uid = absent.merchant_uid
    assert gateway.find_all(merchant_uid=uid, token=token).records == []
    assert gateway.card_payments(customer_uid="customer-one", merchant_uid=uid, token=token).records == []
    assert gateway.day_list(merchant_uids=[uid], begin=begin, end=end, token=token)[uid].records == []
    stage.delete_card("customer-one")
    with pytest.raises(GatewayUnreadable):
        gateway.card_payments(customer_uid="customer-one", merchant_uid=uid, token=token)


def test_what_was_not_started_is_handed_back(stage: Stage) -> None:
    fan_out = allowed(stage.gateway)
    fan_out.hand_back()
    fan_out.send(
        Batch(
            charges=[make_charge(1), make_charge(2)],
            token=stage.gateway.access_token(None),
            send_before_boottime=boottime() + 60,
            first_at_boottime=boottime(),
            spacing_seconds=0,
        )
    )
    outcomes: list[Outcome] = [each.outcome for each in collect(fan_out, 2)]
    assert outcomes == [NotExecuted(reason=NotExecutedReason.HANDED_BACK)] * 2
    assert stage.paid_won() == 0


def test_the_token_in_hand_is_given_again(stage: Stage) -> None:
    assert stage.gateway.access_token(None) == stage.gateway.access_token(None)


def test_the_fake_can_lag_lose_a_send_and_be_careless() -> None:
    stage = FakeStage()
    fake = stage.fake
    charge = make_charge()
    fake.script(charge.merchant_uid, Fate.NOT_SENT)
    assert charge_all(stage, charge)[0].outcome == NotExecuted(reason=NotExecutedReason.NOT_SENT)
    assert fake.asked == []
    charge_all(stage, charge)
    fake.lag(charge.merchant_uid, looks=1)
    token = fake.access_token(None)
    looks = [len(fake.find_all(merchant_uid=charge.merchant_uid, token=token).records) for _ in range(2)]
    assert looks == [0, 1]
    fake.is_strict = False
    charge_all(stage, charge)
    assert len(fake.paid_records(charge.merchant_uid)) == 2
    assert fake.paid_won() == 19800
