"""`manage.py worker` whose Celery meets an error that it does not expect, once it works."""

import os
import sys
from typing import Any

import django
from celery import signals
from django.core.management import execute_from_command_line

FAILS_AFTER = 3.0  # seconds


def fail() -> None:
    """Raise what Celery's event loop lets through."""
    raise AssertionError("unexpected")


def fail_soon(sender: Any, **kwargs: Any) -> None:
    """Have the event loop fail in a while."""
    sender.hub.call_later(FAILS_AFTER, fail)


def main() -> None:
    """Run the command."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    signals.worker_ready.connect(fail_soon, weak=False)
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
