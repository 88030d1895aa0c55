"""A web server that dies between COMMIT and publish, or just before it replies; run as a program.

It is `manage.py web` in all else. Each of its processes serves some starts and dies in one of
them, either alone or with the server that would replace it. Each death is a line in a file.
"""

import os
import random
import signal
import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

SEED, NOTES = "MORTAL_WEB_SEED", "MORTAL_WEB_NOTES"
STARTS = range(15, 45)  # after so many a process dies
MOMENTS = ("before_publish", "before_reply")
WHOM = ("alone", "whole")

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]


class Mortal:
    """A WSGI application with a last moment."""

    def __init__(self, application: Application, ring: Callable[..., None]) -> None:
        self._application = application
        self._ring = ring
        self._notes = Path(os.environ[NOTES])
        born = len(self._notes.read_text().splitlines()) if self._notes.exists() else 0
        chance = random.Random(int(os.environ[SEED]) + born)  # noqa: S311 - a test's moments
        self._left = chance.choice(STARTS)
        self._moment, self._whom = MOMENTS[born % 2], WHOM[born // 2 % 2]
        self._lock = threading.Lock()
        self._this_call = threading.local()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer, or die with the answer in hand."""
        self._this_call.is_last = False
        answer = self._application(environ, start_response)
        if self._this_call.is_last:
            self._die()
        return answer

    def ring_for(self, *run: Any) -> None:
        """Ring after COMMIT, or die before it."""
        with self._lock:
            self._left -= 1
            self._this_call.is_last = self._left == 0
        if self._this_call.is_last and self._moment == "before_publish":
            self._die()
        self._ring(*run)

    def _die(self) -> None:
        with self._notes.open("a") as notes:
            notes.write(f"{self._moment} {self._whom}\n")
        if self._whom == "whole":
            os.kill(int(os.environ["ARABICA_WEB_PID"]), signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)


def make_application() -> Mortal:
    """Return the real application with a last moment."""
    from config.wsgi import application
    from processes import queueing

    mortal = Mortal(application, queueing._ring_for)
    setattr(queueing, "_ring_for", mortal.ring_for)  # noqa: B010 - of any arguments
    return mortal


def main() -> None:
    """Serve as `manage.py web` does, with the other application."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    import django

    django.setup()
    from django.core.management import execute_from_command_line

    from config.management.commands import web

    granian = getattr(web, "Granian")  # noqa: B009 - mypy sees no export
    setattr(  # noqa: B010 - as above
        web,
        "Granian",
        lambda target, **options: granian("tests.faults.mortal_web:application", **options),
    )
    execute_from_command_line(["manage.py", "web", *sys.argv[1:]])


if __name__ == "__main__":
    main()
elif NOTES in os.environ:  # loaded by a process of the web server
    application = make_application()
