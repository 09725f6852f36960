"""A marked card through every failure: nothing of it is in what anybody wrote, said, raised or can print."""

from __future__ import annotations

import contextlib
import copy
import io
import json
import logging
import pickle
import socket
import traceback
import urllib.request
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pytest

from domain.errors import BadInput, GatewayTrouble
from gateway.card_details import CardDetails
from gateway.customers import IssueKey
from gateway.onetime import OnetimeCharge
from simulator.faults import AT_DELIVERY, UNCHARGED, FaultKind
from tests.contract.gateway.asking import boottime, client, make_token
from tests.contract.gateway.servers import Conversation, SocketServer, answer
from tests.support.loud_logs import loud_logs
from tests.support.marked_card import Trawl, marked_card, odd_sentences, sentences, spoilt_cards
from tests.support.simulator import IMP_KEY, IMP_SECRET

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from gateway.iamport import IamportGateway
    from gateway.port import AccessToken
    from tests.support.simulator import RunningSimulator

_LOUD = ("asyncio", "httpx", "httpcore", "aiohttp", "aiohttp.client", "aiohttp.internal", "httpx_aiohttp", "jeonggi")


class WithLocals(logging.Formatter):
    """What a log looks like where somebody lets every traceback tell its frames' variables."""

    def formatException(self, ei: Any) -> str:  # type: ignore[explicit-override]  # noqa: ANN401, N802 - logging's own
        report = traceback.TracebackException(*ei, capture_locals=True)
        return "".join(report.format())


@pytest.fixture
def trawl(capfd: pytest.CaptureFixture[str]) -> Iterator[Trawl]:
    """Everything that is logged at DEBUG, by whoever, twice: as ours is, and with every traceback's variables."""
    trawl, theirs = Trawl(), io.StringIO()
    with loud_logs() as ours:
        loud = logging.StreamHandler(theirs)
        loud.setFormatter(WithLocals())
        logging.getLogger().addHandler(loud)
        for name in _LOUD:
            logging.getLogger(name).setLevel(logging.DEBUG)
        yield trawl
    trawl.take("our log", ours.getvalue())
    trawl.take("a log of everything", theirs.getvalue())
    said = capfd.readouterr()
    trawl.take("stdout", said.out)
    trawl.take("stderr", said.err)
    assert trawl.found() == []


def put_through(gateway: IamportGateway, token: AccessToken, trawl: Trawl, name: str, *, number: int = 0) -> None:
    """Each call that takes a card, with the marked one; whatever comes of it is kept for the search."""
    charge = OnetimeCharge(
        merchant_uid=f"{name}-{number}"[:40].replace(".", "-"),
        amount=3000,
        name="n",
        card=marked_card(),
        customer_uid=f"kept-{name}-{number}" if number % 2 else "",
        buyer_name="홍길동",
        buyer_email="hong@example.com",
        buyer_tel="010-1234-5678",
    )
    issue = IssueKey(customer_uid=f"issued-{name}-{number}", card=marked_card(), customer_name="홍길동")
    for asked in (charge, issue):
        trawl.show(f"{name}: the request", asked)
    for call in (
        lambda: gateway.other.onetime(charge, token=token, send_before_boottime=boottime() + 60),
        lambda: gateway.other.issue_key(issue, token=token),
    ):
        try:
            outcome = call()
        except (GatewayTrouble, BadInput) as trouble:
            trawl.caught(f"{name}: what was raised", trouble)
        else:
            trawl.show(f"{name}: what came of it", outcome)
            trawl.take(f"{name}: as a row", json.dumps(asdict(outcome), default=str, ensure_ascii=False))


def order(simulator: RunningSimulator, place: str, *steps: str) -> None:
    body = json.dumps({"on": place, "sequence": list(steps)}).encode()
    asked = urllib.request.Request(f"{simulator.control_url}/faults", data=body, method="POST")  # noqa: S310
    with urllib.request.urlopen(asked) as done:  # noqa: S310 - our own simulator
        assert done.status == 200


def test_through_every_fault_of_the_simulator(simulator: RunningSimulator, trawl: Trawl) -> None:
    with client(simulator.url, imp_key=IMP_KEY, imp_secret=IMP_SECRET, takes_card_numbers=True) as gateway:
        token = gateway.access_token(None)
        for number, kind in enumerate([None, *FaultKind]):
            if kind is not None:
                order(simulator, "charge", kind)
            if kind in UNCHARGED | AT_DELIVERY:
                order(simulator, "card", str(kind))
            put_through(gateway, gateway.access_token(None), trawl, kind or "well", number=number)
        put_through(gateway, make_token(), trawl, "a-token-that-is-none")
        del token
    trawl.take("the simulator's log", simulator.program.said())
    for file in simulator.ledger.parent.glob(f"{simulator.ledger.name}*"):
        trawl.take(f"the simulator's {file.name}", file.read_bytes())


def says(raw: Callable[[bytes], bytes]) -> Callable[[Conversation], Awaitable[None]]:
    """A gateway that answers with something made of the request's own body."""

    async def behaviour(talk: Conversation) -> None:
        while True:
            asked = await talk.whole_request()
            await talk.say(raw(asked.body))

    return behaviour


def envelope(status: int, *, code: int, message: str | None = None, response: object = None) -> bytes:
    return answer(status, {"code": code, "message": message, "response": response})


def record_of(body: bytes, **changes: object) -> dict[str, object]:
    return {
        **json.loads(body),
        "imp_uid": "imps_1",
        "status": "paid",
        "pg_provider": "html5_inicis",
        "pg_id": "M",
        "card_name": "신한",
        **changes,
    }


REPEATING: dict[str, Callable[[bytes], bytes]] = {
    "the-body-itself": lambda body: answer(200, body),
    "the-body-and-500": lambda body: answer(500, body),
    "the-body-cut-short": lambda body: answer(200, body)[:-3],
    "html": lambda body: answer(200, b"<html>" + body),
    "as-its-message": lambda body: envelope(200, code=-1, message=body.decode()),
    "as-its-message-400": lambda body: envelope(400, code=1, message=body.decode()),
    "as-a-duplicate": lambda body: envelope(200, code=1, message="이미 " + body.decode()),
    "as-unknown": lambda body: envelope(404, code=1, message="customer_uid 찾을 수 없습니다 " + body.decode()),
    "in-a-payment": lambda body: envelope(200, code=0, response=record_of(body)),
    "in-another-status": lambda body: envelope(200, code=0, response=record_of(body, status=body.decode())),
    "in-a-failed-one": lambda body: envelope(
        200, code=0, response=record_of(body, status="failed", fail_reason=body.decode())
    ),
    "as-a-name": lambda body: envelope(
        200, code=0, response=record_of(body, card_name=body.decode()[:90], customer_uid="issued-as-a-name-0")
    ),
    "as-its-id": lambda body: envelope(200, code=0, response=record_of(body, imp_uid=body.decode())),
    "in-a-header": lambda body: answer(200, b"{}", headers=("X-Said: " + body.decode("latin-1"),)),
    "no-http": lambda body: body,
}


@pytest.mark.parametrize("name", REPEATING)
def test_through_a_gateway_that_repeats_what_it_was_given(name: str, trawl: Trawl) -> None:
    with SocketServer(says(REPEATING[name])) as server, client(server.url, takes_card_numbers=True) as gateway:
        put_through(gateway, make_token(), trawl, name)
        put_through(gateway, make_token(), trawl, name, number=1)
        assert server.requests


def test_through_a_gateway_that_says_it_in_its_own_words(trawl: Trawl) -> None:
    for told in (*sentences(), *odd_sentences()):
        for raw in (
            envelope(200, code=-1, message=told),
            envelope(200, code=0, response={"status": "failed", "fail_reason": told, "merchant_uid": "m-0"}),
            envelope(200, code=0, response={"status": told}),
        ):
            with (
                SocketServer(says(lambda _, raw=raw: raw)) as server,  # type: ignore[misc]  # bound early
                client(server.url, takes_card_numbers=True) as gateway,
            ):
                put_through(gateway, make_token(), trawl, "m")


def _a_port_that_is_shut() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


async def resets(talk: Conversation) -> None:
    talk.reset()


async def resets_at_the_body(talk: Conversation) -> None:
    await talk.reader.readuntil(b"\r\n\r\n")
    talk.reset()


async def is_silent(talk: Conversation) -> None:
    await talk.whole_request()
    await talk.until_gone()


def test_through_connections_that_fail(trawl: Trawl) -> None:
    shut = _a_port_that_is_shut()
    for name, url in {
        "refused": f"http://127.0.0.1:{shut}",
        "no-such-host": "http://gateway.invalid",
        "no-url": "http://[",
    }.items():
        with client(url, takes_card_numbers=True) as gateway:
            put_through(gateway, make_token(), trawl, name)
    for behaviour in (resets, resets_at_the_body, is_silent):
        with SocketServer(behaviour) as server:
            with client(server.url, takes_card_numbers=True) as gateway:
                put_through(gateway, make_token(), trawl, behaviour.__name__)
            with client(server.url.replace("http:", "https:"), takes_card_numbers=True) as gateway:
                put_through(gateway, make_token(), trawl, f"tls-{behaviour.__name__}")
    with client(f"http://127.0.0.1:{shut}") as gateway:
        put_through(gateway, make_token(), trawl, "not-let-through")


def test_a_body_that_breaks_while_it_is_written(trawl: Trawl, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever breaks in the writing of a body breaks with the card in hand."""

    broken: list[object] = []

    def breaks(value: object, **_: object) -> str:
        broken.append(type(value))
        raise ValueError(f"cannot write {value}")

    monkeypatch.setattr("gateway.onetime.json.dumps", breaks)
    shut = _a_port_that_is_shut()
    with client(f"http://127.0.0.1:{shut}", takes_card_numbers=True) as gateway:
        for asked in (
            lambda: gateway.other.onetime(
                OnetimeCharge(
                    merchant_uid="m",
                    amount=1,
                    name="n",
                    card=marked_card(),
                    buyer_name="n",
                    buyer_email="e",
                    buyer_tel="t",
                ),
                token=make_token(),
                send_before_boottime=boottime() + 60,
            ),
            lambda: gateway.other.issue_key(IssueKey(customer_uid="c", card=marked_card()), token=make_token()),
        ):
            try:
                trawl.show("what came of it", asked())
            except GatewayTrouble as trouble:
                trawl.caught("what was raised", trouble)
    assert len(broken) == 2, "a body was written in another way: nothing was shown"


def test_cards_that_are_none_are_refused_without_a_word_of_them(trawl: Trawl) -> None:
    count = len(spoilt_cards())
    for number in range(count):
        with pytest.raises(BadInput) as refused:
            CardDetails(**spoilt_cards()[number])
        error = refused.value
        error.__traceback__ = error.__traceback__ and error.__traceback__.tb_next  # this test's own frame
        trawl.caught("what was raised", error)


def test_a_card_shows_nothing_in_whatever_way_it_is_looked_at(trawl: Trawl) -> None:
    card = marked_card()
    trawl.show("the card", card)
    trawl.show("a copy", copy.copy(card))
    trawl.show("a deep copy", copy.deepcopy([card]))
    trawl.take("formatted", f"{card:>40} {card!r} {card!s} {card!a}")
    trawl.take("its variables", str([getattr(card, name) for name in dir(CardDetails) if name.startswith("_r")]))
    trawl.take("json", json.dumps({"card": card}, default=str))
    trawl.take("json of its parts", json.dumps({"card": card}, default=repr))
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(TypeError, match="not stored"):
            pickle.dumps(card, protocol)
    with contextlib.suppress(TypeError):
        trawl.take("vars", str(vars(card)))


def test_the_search_itself_finds_what_it_looks_for() -> None:
    fields = marked_card().fields()
    number = str(fields["card_number"])
    long_enough = [fields["expiry"], fields["birth"], number, number[3:13], number.replace("-", "")]
    for told in (json.dumps(fields), *long_enough, *sentences(), *odd_sentences()):
        trawl = Trawl()
        trawl.take("a place", told)
        assert trawl.found()
    harmless = Trawl()
    harmless.take("a place", "987654******7652 at 2026-11-23T23:00:00Z")
    assert harmless.found() == []
