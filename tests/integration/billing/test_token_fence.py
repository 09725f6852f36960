"""The access token is the fence: no charge is sent again before the first one's token was surely dead."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from billing.claim_due import claim_due
from billing.record_outcome import record_outcomes
from billing.report import Report
from billing.token_in_hand import token_in_hand
from domain.outcome import NotExecuted, NotExecutedReason
from tests.fakes.gateway import FakeGateway, Fate
from tests.support.mortal import next_instant

if TYPE_CHECKING:
    from uuid import UUID

    from gateway.port import AccessToken, Answer, Batch, KnownToken
    from tests.fakes.gateway import FakeFanOut
    from tests.support.house import House

pytestmark = pytest.mark.at_both_gateways

SETTLING = timedelta(seconds=2700)
PROCESSING = timedelta(seconds=600)


@dataclass(slots=True)
class SharedKey(FakeGateway):
    """Another program asks for the same token in its last minute, again and again: it lives on, same digest."""

    extended_until: float = 0.0

    def access_token(self, known: KnownToken | None) -> AccessToken:  # type: ignore[explicit-override]  # typing has no @override in 3.11
        token = self._token
        if token is not None and token.dies_at_boottime <= self.boottime() < self.extended_until:
            longer = self.extended_until - token.dies_at_boottime
            self._token = replace(
                token, dies_at_boottime=self.extended_until, expires_at=token.expires_at + int(longer)
            )
        elif token is not None and token.dies_at_boottime <= self.boottime():
            fresh = FakeGateway.access_token(self, known)
            # The gateway's own clock: a token issued later dies later.
            self._token = replace(fresh, expires_at=token.expires_at + 1_800)
        else:
            FakeGateway.access_token(self, known)
        assert self._token is not None
        return self._token


def _frozen(house: House) -> tuple[UUID, Batch, FakeFanOut]:
    """A sender that has committed its claim and froze before it sent."""
    sub = house.subscription()
    house.tick()
    batch = claim_due(house.ports, token_in_hand(house.ports), at_most=1)
    assert batch is not None
    return sub, batch, house.gateway.fan_out()


def _woken(batch: Batch, calls: FakeFanOut) -> Answer:
    calls.send(batch)
    (answer,) = calls.answered(group_seconds=0, group_size=1)
    return answer


def _resolve_until(house: House, condition: str, *, hours: float) -> None:
    """Only the resolver and the tick: the sender that is frozen is the only one there was."""
    end = house.now + timedelta(hours=hours)
    while house.now < end and not house.value(condition):
        house.resolve()
        due = next_instant(house)
        house.to(max(due or house.now, house.now + timedelta(seconds=5)))


RESENDABLE = "SELECT EXISTS (SELECT FROM charge_attempt WHERE state = 'not_executed')"


def test_a_sender_that_wakes_after_its_attempt_was_sent_again_does_not_send(house: House) -> None:
    sub, batch, calls = _frozen(house)
    _resolve_until(house, RESENDABLE, hours=3)
    house.advance(seconds=11)  # the pause before a resend
    house.charge()
    assert house.states("invoice") == {"paid": 1}

    answer = _woken(batch, calls)

    assert answer.outcome == NotExecuted(reason=NotExecutedReason.TOO_LATE)
    late = Report(attempt_id=answer.charge.attempt_id, send_no=1, fence=answer.charge.fence, outcome=answer.outcome)
    assert record_outcomes(house.ports, [late]).counts == {"stale": 1}
    assert house.states("invoice") == {"paid": 1}
    assert house.paid_at_gateway() == {house.uid(sub, 0)[:-3]: 1}


@pytest.mark.parametrize("extended_seconds", [0, 300, 4_000])
def test_a_sender_that_froze_past_the_check_is_refused_for_its_dead_token(house: House, extended_seconds: int) -> None:
    house.gateway = SharedKey(is_strict=house.gateway.is_strict, now=lambda: house.real, boottime=house.boottime)
    house.gateway.extended_until = house.boottime() + 1_800 + extended_seconds
    house.ports = replace(house.ports, gateway=house.gateway)
    sub, batch, calls = _frozen(house)
    _resolve_until(house, RESENDABLE, hours=5)
    house.advance(seconds=11)  # the pause before a resend
    house.charge()
    assert house.states("invoice") == {"paid": 1}

    # It had looked at its watch, and at its permission, before it froze.
    unchecked = replace(batch, send_before_boottime=house.boottime() + 60)
    calls.allow(until_boottime=house.boottime() + 60)
    answer = _woken(unchecked, calls)

    assert answer.outcome == NotExecuted(reason=NotExecutedReason.UNAUTHORIZED)
    assert house.paid_at_gateway() == {house.uid(sub, 0)[:-3]: 1}


@pytest.mark.parametrize("extended_seconds", [0, 300, 4_000])
def test_nothing_is_sent_again_before_another_token_was_seen_and_processing_is_over(
    house: House, extended_seconds: int
) -> None:
    house.gateway = SharedKey(is_strict=house.gateway.is_strict, now=lambda: house.real, boottime=house.boottime)
    house.gateway.extended_until = house.boottime() + 1_800 + extended_seconds
    house.ports = replace(house.ports, gateway=house.gateway)
    _frozen(house)
    committed = house.now

    _resolve_until(house, RESENDABLE, hours=5)

    tokens = house.rows("SELECT digest, first_seen_at FROM seen_token ORDER BY expires_at")
    assert len(tokens) >= 2
    died: datetime = tokens[1].first_seen_at
    assert house.now >= max(committed + SETTLING, died + PROCESSING)
    last = _last_looks(house)
    assert len(last) >= 2
    assert tokens[0].digest not in {row.token_digest for row in last}


def _last_looks(house: House) -> Any:  # noqa: ANN401 - rows
    return house.rows("SELECT source, token_digest FROM evidence WHERE began_at = (SELECT max(began_at) FROM evidence)")


def test_absence_is_never_proven_under_the_sends_own_token(house: House) -> None:
    house.gateway.token_life_seconds = 20 * 3600
    sub = house.subscription()
    house.gateway.script(house.uid(sub, 0), Fate.LOSE_REQUEST)
    house.tick()
    house.charge()

    _resolve_until(house, RESENDABLE, hours=8)

    assert house.states("charge_attempt") == {"unknown": 1}
    assert house.value("SELECT count(*) FROM evidence WHERE said = 'absent'") > 8
    assert house.value("SELECT count(*) FROM charge_attempt WHERE operator_since IS NOT NULL") == 1


def test_a_claim_is_not_made_with_a_token_that_is_about_to_die(house: House) -> None:
    house.subscription()
    house.tick()
    token = token_in_hand(house.ports)
    house.advance(seconds=house.gateway.token_life_seconds - 10)

    assert claim_due(house.ports, token, at_most=1) is None
    assert house.states("charge_attempt") == {}


def test_a_claim_that_took_long_counts_against_its_own_window(house: House) -> None:
    """The watch is read before the claim: whoever froze between the two does not send."""
    _, batch, calls = _frozen(house)
    house.advance(seconds=10)

    assert _woken(batch, calls).outcome == NotExecuted(reason=NotExecutedReason.TOO_LATE)
