"""Our logs at DEBUG into a text, for as long as a test listens; afterwards logging is as it was."""

from __future__ import annotations

import contextlib
import io
import logging
from typing import TYPE_CHECKING

import structlog

from runtime.logs import set_up_logs
from runtime.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def loud_logs() -> Iterator[io.StringIO]:
    """Whatever is logged meanwhile, in the form that our processes write."""
    root, stream = logging.getLogger(), io.StringIO()
    handlers, level = root.handlers[:], root.level
    levels = {
        name: logger.level for name, logger in root.manager.loggerDict.items() if isinstance(logger, logging.Logger)
    }
    set_up_logs(load_settings(log_level="DEBUG"), stream=stream)
    try:
        yield stream
    finally:
        logging.captureWarnings(capture=False)
        structlog.reset_defaults()
        root.handlers[:] = handlers
        root.setLevel(level)
        for name, old in levels.items():
            logging.getLogger(name).setLevel(old)
