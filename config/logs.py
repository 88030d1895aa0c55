"""Logging: one line an event, as text for a terminal or as JSON for a collector."""

import logging
from typing import Any

import structlog

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
    renderer = (
        structlog.processors.JSONRenderer()
        if form == "json"
        else structlog.dev.ConsoleRenderer(
            colors=False, exception_formatter=structlog.dev.plain_traceback
        )
    )
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "arabica": {
                "()": ScrubbedFormatter,
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    structlog.processors.format_exc_info if form == "json" else _leave_exception,
                    renderer,
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
            "django.request": {"level": "ERROR"},
            "django.security.DisallowedHost": {"level": "CRITICAL"},
        },
    }


def configure_structlog() -> None:
    """Send structlog's events through the standard library's handlers."""
    structlog.configure(
        processors=[*SHARED_PROCESSORS, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def _is_unexpected(record: logging.LogRecord) -> bool:
    """Leave out 503 answers: the part that is away has a line of its own, once."""
    return getattr(record, "status_code", None) != 503


def _leave_exception(logger: Any, name: str, event: dict[str, Any]) -> dict[str, Any]:
    """Leave the exception to the console renderer, which prints it."""
    return event
