"""What do our processes say, in which form, and what never?

Everything goes to stderr through one handler: our own events (structlog) and the libraries' records alike, so that
both are redacted. An event is a constant ``noun.past_verb``; facts are keywords.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping, Sequence
from typing import TYPE_CHECKING, Any, TextIO
from urllib.parse import urlsplit

import structlog
from pydantic import SecretStr

from runtime.credentials import all_secrets

if TYPE_CHECKING:
    from runtime.settings import Settings

REDACTED = "[redacted]"

# Keys whose values are never told, whole or by their last word. Digests, counts and lengths of such things are
# harmless and have other last words: token_digest, token_life_seconds.
_SECRET_KEYS = frozenset({
    "access_key", "address", "api_key", "buyer_name", "card_number", "customer_name", "customer_uid", "database_url",
    "dsn", "imp_key", "name", "redis_url", "birth", "pwd_2digit", "expiry",
})  # fmt: skip
_SECRET_LAST_WORDS = frozenset({
    "addr", "authorization", "cookie", "email", "mail", "password", "phone", "secret", "tel", "token",
})  # fmt: skip

_SECRETS_IN_TEXT = (
    (re.compile(r"(?<=://)[^/\s:@]*:[^/\s@]+(?=@)"), REDACTED),  # user and password of an address
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{8,}"), rf"\1 {REDACTED}"),
    (re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+"), REDACTED),  # mail
    (re.compile(r"(?<!\d)01\d[ -]?\d{3,4}[ -]?\d{4}(?!\d)"), REDACTED),  # Korean mobile numbers
    (re.compile(r"(?<![\w])(?:\d{4}[ -]?){3}\d{2,4}(?![\w])"), REDACTED),  # card numbers
    (
        re.compile(
            r"(?i)(['\"]?\b(?:imp_key|imp_secret|customer_uid|password|access_token|card_number)\b['\"]?\s*[=:]\s*)"
            r"(['\"]?)[^\s'\",&}]+"
        ),
        rf"\1\2{REDACTED}",
    ),
)

# The shortest value that is looked for everywhere: a shorter one would black out innocent text.
_LEAST_SECRET_LENGTH = 6

# One canonical line at the end of a task is ours to write; theirs would be several a task, and a line a request.
_QUIET = (
    "aiohttp", "alembic", "amqp", "asyncio", "celery.app.trace", "celery.beat", "celery.worker.strategy", "flower",
    "httpcore", "httpx", "kombu", "sqlalchemy", "tornado", "urllib3",
)  # fmt: skip


def set_up_logs(settings: Settings, *, stream: TextIO | None = None) -> None:
    """Send every log record of this process to ``stream`` (default stderr), redacted; may be called again."""
    stream = stream if stream is not None else sys.stderr
    as_json = settings.log_format == "json" or (settings.log_format == "auto" and not stream.isatty())
    redact = Redaction(secrets_of(settings))
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,  # a later call, in a worker's child, must reach loggers that exist already
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                # As plain text before the redaction, and without the frames' local variables.
                structlog.processors.format_exc_info,
                redact,
                _json_renderer() if as_json else structlog.dev.ConsoleRenderer(colors=stream.isatty()),
            ],
        )
    )
    root = logging.getLogger()
    for old in root.handlers[:]:
        if isinstance(old.formatter, structlog.stdlib.ProcessorFormatter):
            root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(settings.log_level)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)


def secrets_of(settings: Settings) -> Sequence[str]:
    """The values of all secret settings, and the passwords inside addresses."""
    found: set[str] = set()
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if isinstance(value, SecretStr):
            text = value.get_secret_value()
            found |= {text, urlsplit(text).password or ""} if "://" in text else {text}
    found |= set(all_secrets(settings))
    # The longest first: one may be a part of another.
    return sorted((text for text in found if len(text) >= _LEAST_SECRET_LENGTH), key=len, reverse=True)


class Redaction:
    """A structlog processor that blacks out secrets by key, by shape and by value, however deep."""

    def __init__(self, secrets: Sequence[str] = ()) -> None:
        self._secrets = secrets

    def __call__(self, logger: object, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """The event without secrets."""
        del logger, method
        return {key: self._told(key, value) for key, value in event.items()}

    def _told(self, key: str, value: object) -> object:
        if value is not None and is_secret_key(key):
            return REDACTED
        return self._clean(value)

    def _clean(self, value: object) -> object:
        match value:
            case None | bool() | int() | float():
                return value
            case str():
                return self._clean_text(value)
            case bytes():
                return f"{len(value)} bytes"
            case Mapping():
                return {str(key): self._told(str(key), inner) for key, inner in value.items()}
            case Sequence() | set() | frozenset():
                return [self._clean(inner) for inner in value]
            case _:
                return self._clean_text(str(value))

    def _clean_text(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, REDACTED)
        for shape, replacement in _SECRETS_IN_TEXT:
            text = shape.sub(replacement, text)
        return text


def is_secret_key(key: str) -> bool:
    """Whether the value under such a key is never told."""
    plain = key.lower().replace("-", "_")
    return plain in _SECRET_KEYS or plain.rpartition("_")[2] in _SECRET_LAST_WORDS


def _json_renderer() -> structlog.processors.JSONRenderer:
    return structlog.processors.JSONRenderer(ensure_ascii=False, default=str)
