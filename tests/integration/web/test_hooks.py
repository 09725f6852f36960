"""The door of the hooks, as whoever sends them meets it: a real process, real connections, real PostgreSQL."""

from __future__ import annotations

import json
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import httpx
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.integration.web.conftest import running_door
from tests.support.databases import fresh_database
from tests.support.polling import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from runtime.embedded.state_dir import ServerUrls
    from tests.integration.web.conftest import Door

OURS = "j" + "a" * 39
HOOK = {"imp_uid": "imps_123456789012", "merchant_uid": OURS, "status": "paid"}


@pytest.fixture
def door(open_door: Callable[..., Door]) -> Door:
    return open_door(hook_rate=10_000)


def _post(door: Door, path: str = "/hooks/iamport", **request: Any) -> httpx.Response:  # noqa: ANN401 - httpx's own
    return httpx.post(f"{door.url}{path}", timeout=30, **request)


def test_a_hook_is_kept_whether_it_comes_as_json_or_as_a_form(door: Door) -> None:
    as_json = _post(door, json={**HOOK, "cancellation_id": "c-1", "added_later": {"x": [1]}, "customer_uid": "card7"})
    as_form = _post(door, "/hooks/iamport/second", data={**HOOK, "status": "cancelled"})

    assert [as_json.status_code, as_form.status_code] == [200, 200]
    assert as_json.json() == {"stored": True}
    assert door.rows() == [
        ("default", HOOK["imp_uid"], OURS, "paid", "c-1", 1),
        ("second", HOOK["imp_uid"], OURS, "cancelled", None, 1),
    ]


def test_a_doubled_hook_is_counted_and_makes_no_second_row(door: Door) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: _post(door, json=HOOK).status_code, range(20)))

    assert answers == [200] * 20
    assert [row[-1] for row in door.rows()] == [20]


def test_nothing_is_kept_but_the_documented_fields_in_their_form(door: Door) -> None:
    marked = {
        "merchant_uid": "주문-김하나-4111111111111111",
        "status": "something new 4111111111111111",
        "cancellation_id": "kim@shop.example",
        "buyer_email": "kim@shop.example",
        "card_number": "4111-1111-1111-1111",
    }

    assert _post(door, json={**HOOK, **marked}).status_code == 200

    assert door.rows() == [("default", HOOK["imp_uid"], None, "other", None, 1)]
    assert "4111" not in door.program.said()
    assert "kim@" not in door.program.said()


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ({"content": b""}, 400),
        ({"content": b"{"}, 400),
        ({"content": b"[]"}, 400),
        ({"content": b'{"a":' + b"[" * 60_000}, 400),
        ({"content": b'{"imp_uid":' + b"9" * 60_000 + b"}"}, 400),
        ({"content": b"\xff\xfe"}, 400),
        ({"json": {"merchant_uid": OURS}}, 400),
        ({"json": HOOK | {"imp_uid": ["imps_1"]}}, 400),
        ({"content": b'{"imp_uid": "imps_1", "imp_uid": "imps_2"}'}, 400),
        ({"content": b"imp_uid=imps_1&imp_uid=imps_2"}, 400),
        ({"content": b"imp_uid=imps_1&" + b"&".join(b"f%d=1" % n for n in range(200))}, 400),
        ({"content": b"imp_uid=%ff%fe"}, 400),
        ({"json": HOOK, "headers": {"Content-Type": "application/xml"}}, 415),
        ({"files": {"imp_uid": b"imps_1"}}, 415),
        ({"json": HOOK, "headers": {"Content-Encoding": "gzip"}}, 415),
        ({"json": {"imp_uid": "imps_1'; DROP TABLE gateway_event"}}, 400),
        ({"json": {"imp_uid": "imps_\ud800".encode("utf-8", "surrogatepass").decode("utf-8", "replace")}}, 400),
        ({"content": b"x" * (64 * 1024 + 1)}, 413),
        ({"content": b"x" * (900 * 1024)}, 413),
        ({"content": iter([b"x" * 50_000] * 10)}, 413),
    ],
)
def test_garbage_is_refused_in_one_sentence(shared_door: Door, request_: dict[str, Any], status: int) -> None:
    kept = shared_door.rows()
    answer = _post(shared_door, **request_)

    assert answer.status_code == status
    assert set(answer.json()) == {"error"}
    assert shared_door.rows() == kept


def test_other_ways_lead_nowhere_and_tell_nothing(shared_door: Door) -> None:
    door, kept = shared_door, shared_door.rows()
    for path in ("/", "/docs", "/redoc", "/openapi.json", "/hooks", "/hooks/iamport/", "/hooks/iamport/UPPER"):
        answer = _post(door, path, json=HOOK)
        assert answer.status_code == 404, path
        assert "server" not in answer.headers
    for method in ("GET", "HEAD", "PUT", "DELETE", "OPTIONS", "BREW"):
        assert httpx.request(method, f"{door.url}/hooks/iamport", content=b"x" * 10_000).status_code == 405, method
    assert httpx.get(f"{door.url}/healthz").json() == {"ok": True}
    assert door.rows() == kept


def test_a_foreign_address_is_refused_and_a_proxy_is_believed_only_if_it_is_ours(
    tmp_path: Path, database_url: str
) -> None:
    sources = "52.78.100.19,52.78.5.0/24"
    with running_door(tmp_path, database_url, hook_sources=sources) as door:
        assert _post(door, json=HOOK).status_code == 403
        assert _post(door, json=HOOK, headers={"X-Forwarded-For": "52.78.100.19"}).status_code == 403
        assert door.rows() == []
    with running_door(tmp_path, database_url, hook_sources=sources, trusted_proxies="127.0.0.0/8") as door:
        for forwarded, status in (
            ("52.78.100.19", 200),
            ("1.2.3.4, 52.78.5.241", 200),
            ("52.78.100.19, 1.2.3.4", 403),
            ("52.78.100.19, nonsense", 403),
            ("", 403),
        ):
            assert _post(door, json=HOOK, headers={"X-Forwarded-For": forwarded}).status_code == status, forwarded
        assert httpx.get(f"{door.url}/healthz").status_code == 200


def test_more_hooks_than_the_rate_are_turned_away_and_later_ones_are_taken(open_door: Callable[..., Door]) -> None:
    door = open_door(hook_rate=2)
    answers = [_post(door, json=HOOK).status_code for _ in range(12)]

    assert set(answers) == {200, 429}
    assert eventually(lambda: _post(door, json=HOOK).status_code == 200)


def test_with_the_database_away_it_is_told_and_once_it_is_back_hooks_are_kept_again(
    door: Door, database_url: str
) -> None:
    assert _post(door, json=HOOK).status_code == 200
    with psycopg.connect(database_url, autocommit=True) as admin:
        admin.execute("ALTER TABLE gateway_event RENAME TO away")
        assert _post(door, json=HOOK).status_code == 503
        admin.execute("ALTER TABLE away RENAME TO gateway_event")
        # Only this test's own: others share the server.
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'jeonggi' AND datname = current_database()"
        )

    assert eventually(lambda: _post(door, json=HOOK).status_code == 200)
    assert httpx.get(f"{door.url}/healthz").status_code == 200


def test_a_database_that_hangs_is_told_while_it_hangs(door: Door, database_url: str) -> None:
    with psycopg.connect(database_url) as admin:
        admin.execute("LOCK TABLE gateway_event IN ACCESS EXCLUSIVE MODE")
        with ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(lambda _: _post(door, json=HOOK).status_code, range(20)))
        assert answers == [503] * 20
        assert httpx.get(f"{door.url}/healthz").status_code == 200
        admin.rollback()

    assert eventually(lambda: _post(door, json=HOOK).status_code == 200)


def test_hooks_still_come_in_while_thousands_of_connections_say_nothing(door: Door) -> None:
    lines: list[socket.socket] = []
    try:
        for number in range(2_000):
            if len(lines) > 600:  # more than the door holds; a test may open about a thousand files
                lines.pop(0).close()
            lines.append(socket.create_connection(("127.0.0.1", door.port), timeout=30))
            if number % 400 == 399:
                assert _post(door, json=HOOK).status_code == 200
    finally:
        for line in lines:
            line.close()
    assert door.program.is_alive()


def test_it_ends_in_order_and_what_is_under_way_is_still_answered(door: Door) -> None:
    body = json.dumps(HOOK).encode()
    head = b"POST /hooks/iamport HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body)
    with socket.create_connection(("127.0.0.1", door.port), timeout=30) as line:
        line.sendall(head + body[:10])
        assert httpx.get(f"{door.url}/healthz").status_code == 200  # later than the above: it was read
        door.program.process.terminate()
        line.sendall(body[10:])
        assert line.recv(100).startswith(b"HTTP/1.1 200")

    assert door.program.wait() == 0
    assert len(door.rows()) == 1


def test_connections_that_send_nothing_or_half_a_request_are_let_go_and_hooks_still_come_in(door: Door) -> None:
    def idle(said: bytes) -> socket.socket:
        line = socket.create_connection(("127.0.0.1", door.port))
        line.settimeout(30)
        line.sendall(said)
        return line

    half_a_head = b"POST /hooks/iamport HTTP/1.1\r\nHost: x\r\nX-Slow: "
    half_a_body = b"POST /hooks/iamport HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{"
    lines = [idle(said) for said in (b"", half_a_head, half_a_body) for _ in range(20)]

    assert _post(door, json=HOOK).status_code == 200
    ends = [line.recv(1_000) for line in lines]
    assert ends[:40] == [b""] * 40
    assert all(end.startswith(b"HTTP/1.1 408") for end in ends[40:])
    for line in lines:
        line.close()


@pytest.mark.parametrize(
    "said",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 200,  # TLS on a plain port
        b"\x00\xff garbage \xfe\r\n\r\n",
        b"POST /hooks/iamport HTTP/1.1\r\nHost: x\r\nX-Long: " + b"y" * 20_000 + b"\r\n\r\n",
        b"POST /hooks/iamport HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /hooks/iamport HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nimp_u",
        b"POST /hooks/iamport HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST http://elsewhere.example/hooks/iamport?x=%00 HTTP/1.1\r\n\r\n",
    ],
)
def test_what_is_no_http_is_refused_and_leaves_no_word_in_the_log(shared_door: Door, said: bytes) -> None:
    before, kept = shared_door.program.said(), shared_door.rows()
    with socket.create_connection(("127.0.0.1", shared_door.port), timeout=30) as line:
        line.sendall(said)
        assert line.recv(1_000).startswith((b"HTTP/1.1 4", b"HTTP/1.0 4"))

    assert shared_door.program.is_alive()
    assert shared_door.program.said() == before
    assert shared_door.rows() == kept


def test_jeonggi_web_is_the_door_itself_and_ends_with_its_signal(tmp_path: Path, database_url: str) -> None:
    with running_door(tmp_path, database_url, command=("cli", "web", "--json"), log_format="console") as door:
        assert _post(door, json=HOOK).status_code == 200
        assert door.program.stop() == 0


def test_without_a_database_jeonggi_web_says_so_and_does_not_open(tmp_path: Path) -> None:
    nowhere = "postgresql://jeonggi@127.0.0.1:1/jeonggi"
    with (
        pytest.raises(AssertionError, match=r"ended with 2 .*\n.*the database does not answer"),
        running_door(tmp_path, nowhere, command=("cli", "web")),
    ):
        raise RuntimeError("it listened")


def test_a_taken_port_is_told_in_one_sentence(shared_door: Door, tmp_path: Path, database_url: str) -> None:
    with (
        pytest.raises(AssertionError, match=r"jeonggi: cannot listen on 127\.0\.0\.1:\d+ .*: set JEONGGI_WEB_HOST"),
        running_door(tmp_path, database_url, web_port=shared_door.port),
    ):
        raise RuntimeError("it listened")


@pytest.fixture(scope="module")
def shared_door(tmp_path_factory: pytest.TempPathFactory, server_urls: ServerUrls) -> Iterator[Door]:
    with (
        fresh_database(server_urls.database_url) as url,
        running_door(tmp_path_factory.mktemp("door"), url, hook_rate=100_000) as door,
    ):
        yield door


_words = st.text(max_size=30) | st.sampled_from(
    [OURS, "imps_123456789012", "paid", "cancelled", "\x00", "4111111111111111"]
)
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | _words,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_words, inner, max_size=4),
    max_leaves=12,
)
_names = st.sampled_from(["imp_uid", "merchant_uid", "status", "cancellation_id"]) | _words
_bodies = (
    st.binary(max_size=2_000)
    | _json.map(lambda value: json.dumps(value).encode())
    | st.dictionaries(_names, _json, max_size=6).map(lambda value: json.dumps(value).encode())
    | st.lists(st.tuples(_names, _words), max_size=6).map(lambda pairs: urlencode(pairs, errors="replace").encode())
)
_types = (
    st.none()
    | st.sampled_from(
        [
            "application/json",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "text/plain;charset=x",
        ]
    )
    | st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=40)
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(body=_bodies, content_type=_types)
def test_whatever_is_sent_is_taken_or_refused_and_breaks_nothing(
    shared_door: Door, body: bytes, content_type: str | None
) -> None:
    headers = {} if content_type is None else {"Content-Type": content_type}

    answer = _post(shared_door, content=body, headers=headers)

    assert answer.status_code in {200, 400, 415}, answer.text
    assert answer.json().keys() == ({"stored"} if answer.status_code == 200 else {"error"})
    assert shared_door.program.is_alive()
    assert "web.failed" not in shared_door.program.said()
