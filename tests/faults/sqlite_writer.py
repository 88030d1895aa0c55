"""A process that writes to the database of an installation in many small transactions."""

import json
import os
import sys
import time
from datetime import timedelta
from uuid import UUID

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

# ruff: noqa: E402 - the models need the settings
from django.db import Error, transaction
from django.utils import timezone

from processes.models import ProcessModel, Run
from processes.queueing import cancel_run, queue_run

LATER = timedelta(hours=1)


def main(count: int) -> None:
    """Make, change and cancel runs; print what failed and how long each transaction took."""
    model = ProcessModel.objects.get(name="Journaled")
    taken, errors = [], []
    last: UUID | None = None
    _say("ready")
    sys.stdin.readline()
    for number in range(count):
        began = time.monotonic()
        try:
            last = _write(number % 3, model, last)
        except Error as error:
            errors.append(str(error))
        taken.append(time.monotonic() - began)
    _say(json.dumps({"taken": taken, "errors": errors}))


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _write(kind: int, model: ProcessModel, last: UUID | None) -> UUID | None:
    if kind == 0 or last is None:
        return queue_run(model, {"seconds": 0.0}, ready_at=timezone.now() + LATER).pk
    if kind == 1:
        with transaction.atomic():  # reads before it writes: what deferred transactions fail at
            run = Run.objects.get(pk=last)
            Run.objects.waiting().filter(pk=last).update(priority=run.priority % 99 + 1)
        return last
    cancel_run(last, requested_by="a writer")
    return None


if __name__ == "__main__":
    main(int(sys.argv[1]))
