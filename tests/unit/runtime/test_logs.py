from __future__ import annotations

import io
import json
import logging
from typing import TYPE_CHECKING

import pytest
import structlog

from runtime.logs import REDACTED, set_up_logs
from runtime.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRETS = {
    "imp_key": "imp-key-8812",
    "imp_secret": "imp-secret-8812",
    "token": "token-8812",
    "access_token": "access-token-8812",
    "password": "password-8812",
    "flower_password": "flower-8812",
    "customer_uid": "customer-8812",
    "email": "gildong8812@example.com",
    "buyer_email": "gildong8812@example.com",
    "buyer_tel": "010-8812-8812",
    "name": "Hong 8812",
    "buyer_name": "Hong 8812",
    "card_number": "5409-1234-8812-8812",
    "Authorization": "Bearer abcdefgh8812",
    "database_url": "postgresql://u:p8812@h/d",
    "Set-Cookie": "session=8812",
}


@pytest.fixture(params=["json", "console"])
def told(request: pytest.FixtureRequest) -> Iterator[io.StringIO]:
    stream = io.StringIO()
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    settings = load_settings(
        log_format=request.param,
        imp_key="configured-key-8812",
        database_url="postgresql://jeonggi:configured-password-8812@127.0.0.1/jeonggi",
        redis_url="redis://127.0.0.1/0",
    )
    set_up_logs(settings, stream=stream)
    yield stream
    structlog.reset_defaults()
    logging.captureWarnings(capture=False)
    root.handlers, root.level = handlers, level


@pytest.mark.parametrize("key", SECRETS)
def test_a_secret_under_its_key_is_not_told(told: io.StringIO, key: str) -> None:
    structlog.get_logger("test").info("card.changed", **{key: SECRETS[key]}, attempt_no=3)

    assert "8812" not in told.getvalue()
    assert REDACTED in told.getvalue()


def test_secrets_deep_inside_are_not_told(told: io.StringIO) -> None:
    structlog.get_logger("test").info("card.changed", body={"response": [SECRETS, {"list": (SECRETS,)}]})

    assert "8812" not in told.getvalue()


@pytest.mark.parametrize(
    "text",
    [
        "could not connect to postgresql://jeonggi:pass-8812@127.0.0.1:5432/jeonggi",
        "header was Authorization: Bearer abcdefgh8812",
        "mail to gildong.8812@example.com failed",
        "call 010-8812-8812 or 01088128812",
        "card 5409-1234-5678-8812 was refused",
        "card 5409123456788812 was refused",
        'body {"customer_uid": "card-of-8812"}',
        "the key is configured-key-8812",
        "the password is configured-password-8812",
    ],
)
def test_a_secret_inside_a_text_is_not_told(told: io.StringIO, text: str) -> None:
    structlog.get_logger("test").warning("look_up.failed", error=text)
    logging.getLogger("somebody.else").warning("it said %s", text)

    assert "8812" not in told.getvalue()


def test_a_secret_inside_an_exception_is_not_told(told: io.StringIO) -> None:
    number = "".join(("88", "12"))  # in pieces: a traceback quotes this file, too
    try:
        int(f"password=pass-{number}")
    except ValueError:
        structlog.get_logger("test").exception("task.failed")

    assert "8812" not in told.getvalue()
    assert "ValueError" in told.getvalue()


def test_what_is_no_secret_is_told(told: io.StringIO) -> None:
    structlog.get_logger("test").info(
        "charge_attempt.approved", imp_uid="imp_448280090638", amount_won=9900, token_digest="ab12", decline_code=None
    )

    assert all(word in told.getvalue() for word in ("imp_448280090638", "9900", "ab12"))


def test_quiet_libraries_are_heard_only_when_something_is_wrong(told: io.StringIO) -> None:
    logging.getLogger("httpx").info("HTTP Request: POST")
    logging.getLogger("celery.worker.strategy").info("Task received")
    logging.getLogger("kombu").warning("connection lost")

    assert "connection lost" in told.getvalue()
    assert "HTTP Request" not in told.getvalue()
    assert "Task received" not in told.getvalue()


def test_a_line_of_json_has_its_event_level_and_instant(told: io.StringIO) -> None:
    structlog.get_logger("test").info("sweep.finished", found=2)
    logging.getLogger("somebody.else").error("lost")

    if told.getvalue().startswith("{"):
        ours, theirs = (json.loads(line) for line in told.getvalue().splitlines())
        assert (ours["event"], ours["level"], ours["found"]) == ("sweep.finished", "info", 2)
        assert ours["timestamp"].endswith("Z")
        assert (theirs["event"], theirs["level"]) == ("lost", "error")
    else:
        assert "sweep.finished" in told.getvalue()


def test_setting_up_again_tells_everything_once(told: io.StringIO) -> None:
    set_up_logs(load_settings(log_format="json"), stream=told)
    structlog.get_logger("test").info("sweep.finished")

    assert told.getvalue().count("sweep.finished") == 1
