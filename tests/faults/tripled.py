"""Has every message sent three times, out of order; as a program, `manage.py` that does so."""

import os
import random
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kombu import Producer

TIMES = 3
HELD_BACK = 24  # messages that wait for their turn


class Shuffle:
    """Sends what it is given three times, later, in any order."""

    def __init__(self, publish: Any, seed: int) -> None:
        self._publish = publish
        self._chance = random.Random(seed)  # noqa: S311 - a test's moments
        self._held: list[tuple[tuple[Any, ...], dict[str, Any]]] = []
        self._lock = threading.Lock()
        self.sent = 0

    def publish(self, producer: Producer, *args: Any, **options: Any) -> None:
        """Take a message, and send some of those that were held back."""
        with self._lock:
            self._held += [(args, options)] * TIMES
            excess = range(len(self._held) - HELD_BACK)
            due = [self._held.pop(self._chance.randrange(len(self._held))) for _ in excess]
            self.sent += len(due)
        for message, its_options in due:
            self._publish(producer, *message, **its_options)


@contextmanager
def everything_tripled(seed: int) -> Iterator[Shuffle]:
    """Have this process send each message three times."""
    publish = Producer.publish
    shuffle = Shuffle(publish, seed)
    setattr(Producer, "publish", lambda *args, **options: shuffle.publish(*args, **options))  # noqa: B010 - mypy lets nobody
    try:
        yield shuffle
    finally:
        setattr(Producer, "publish", publish)  # noqa: B010 - as above


def main() -> None:
    """Run a management command."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    import django

    django.setup()
    from django.core.management import execute_from_command_line

    with everything_tripled(int(os.environ["FAULTS_SEED"])):
        execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
