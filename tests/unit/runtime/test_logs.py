from __future__ import annotations

import io
import json
import logging
import re
from typing import TYPE_CHECKING

import pytest
import structlog

from runtime.logs import REDACTED, set_up_logs
from runtime.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRETS = {
    "imp_key": "imp-key-hidden",
    "imp_secret": "imp-secret-hidden",
    "token": "token-hidden",
    "access_token": "access-token-hidden",
    "password": "password-hidden",
    "flower_password": "flower-hidden",
    "customer_uid": "customer-hidden",
    "email": "gildonghidden@example.com",
    "buyer_email": "gildonghidden@example.com",
    "buyer_tel": "010-8812-8812",
    "name": "Hong hidden",
    "buyer_name": "Hong hidden",
    "card_number": "5409-1234-8812-8812",
    "Authorization": "Bearer abcdefghhidden",
    "database_url": "postgresql://u:hidden@h/d",
    "Set-Cookie": "session=hidden",
}


def is_leaked(told: io.StringIO) -> bool:
    """Whether a marker of the secrets above was told; the digits with their neighbours, for an instant has digits."""
    return bool(re.search(r"hidden|8812[ -]?8812", told.getvalue()))


@pytest.fixture(params=["json", "console"])
def told(request: pytest.FixtureRequest) -> Iterator[io.StringIO]:
    stream = io.StringIO()
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    settings = load_settings(
        log_format=request.param,
        imp_key="configured-key-hidden",
        database_url="postgresql://jeonggi:configured-password-hidden@127.0.0.1/jeonggi",
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

    assert not is_leaked(told)
    assert REDACTED in told.getvalue()


def test_secrets_deep_inside_are_not_told(told: io.StringIO) -> None:
    structlog.get_logger("test").info("card.changed", body={"response": [SECRETS, {"list": (SECRETS,)}]})

    assert not is_leaked(told)


@pytest.mark.parametrize(
    "text",
    [
        "could not connect to postgresql://jeonggi:pass-hidden@127.0.0.1:5432/jeonggi",
        "header was Authorization: Bearer abcdefghhidden",
        "mail to gildong.hidden@example.com failed",
        "call 010-8812-8812 or 01088128812",
        "card 5409-1234-8812-8812 was refused",
        "card 5409123488128812 was refused",
        'body {"customer_uid": "card-of-hidden"}',
        "the key is configured-key-hidden",
        "the password is configured-password-hidden",
    ],
)
def test_a_secret_inside_a_text_is_not_told(told: io.StringIO, text: str) -> None:
    structlog.get_logger("test").warning("look_up.failed", error=text)
    logging.getLogger("somebody.else").warning("it said %s", text)

    assert not is_leaked(told)


def test_a_secret_inside_an_exception_is_not_told(told: io.StringIO) -> None:
    word = "neddih"[::-1]  # backwards: a traceback quotes this file, too
    try:
        int(f"password={word}")
    except ValueError:
        structlog.get_logger("test").exception("task.failed")

    assert not is_leaked(told)
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
