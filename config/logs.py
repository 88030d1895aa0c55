"""Logging: one line an event, as text for a terminal or as JSON for a collector.

No text that somebody else has written can begin a line: JSON escapes it, and in text everything that
cannot be seen is written out. Only the lines of a stack trace follow their event, each behind a bar.
"""

import logging
import threading
from typing import Any

import structlog

from config.visible import make_visible
from processes.scrubbing import scrub_current

SHARED_PROCESSORS: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.stdlib.PositionalArgumentsFormatter(),
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


class ScrubbedFormatter(structlog.stdlib.ProcessorFormatter):
    """Renders events without the secrets of the run that this process carries out."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, which may have what a process logs by itself."""
        return scrub_current(super().format(record))


def logging_settings(*, form: str, level: str) -> dict[str, Any]:
    """Return the settings for `logging.config.dictConfig`; `form` is "text" or "json"."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "arabica": {
                "()": ScrubbedFormatter,
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    structlog.processors.format_exc_info,
                    structlog.processors.JSONRenderer() if form == "json" else TextRenderer(),
                ],
                "foreign_pre_chain": SHARED_PROCESSORS,
            }
        },
        "filters": {
            "expected": {"()": "django.utils.log.CallbackFilter", "callback": _is_unexpected}
        },
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "formatter": "arabica",
                "filters": ["expected"],
            }
        },
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            "celery": {"level": "WARNING" if level == "INFO" else level},
            # Without the handlers of their own, which would print what they get as it is.
            "django": {},
            "django.server": {"propagate": True},
            "axes": {"level": "WARNING" if level == "INFO" else level},
            "django.request": {"level": "ERROR"},
            "django.security.DisallowedHost": {"level": "CRITICAL"},
        },
    }


class TextRenderer:
    """Renders an event as one line, its stack trace below, each line behind a bar."""

    def __init__(self) -> None:
        self._render = structlog.dev.ConsoleRenderer(colors=False)

    def __call__(self, logger: Any, name: str, event: dict[str, Any]) -> str:
        """Return the text of an event."""
        trace = event.pop("exception", None)
        below = trace.split("\n") if trace else []
        lines = [self._render(logger, name, event), *below]
        return "\n    | ".join(make_visible(line) for line in lines)


def configure_structlog() -> None:
    """Send structlog's events, warnings and the ends of threads through the logs' handlers."""
    logging.captureWarnings(True)
    if threading.excepthook is threading.__excepthook__:
        threading.excepthook = _log_end_of_thread
    structlog.configure(
        processors=[*SHARED_PROCESSORS, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def _is_unexpected(record: logging.LogRecord) -> bool:
    """Leave out 503 answers: the part that is away has a line of its own, once."""
    return getattr(record, "status_code", None) != 503


def _log_end_of_thread(ended: threading.ExceptHookArgs) -> None:
    """Log the exception that ended a thread, which Python would print as it is."""
    if ended.exc_type is not SystemExit:
        name = ended.thread.name if ended.thread else ""
        logging.getLogger("threading").error(
            "A thread has ended: %s", name, exc_info=ended.exc_value
        )
