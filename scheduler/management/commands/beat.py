"""`manage.py beat`: one of any number of beats."""

from typing import Any

from celery import current_app
from django.core.management.base import BaseCommand

from scheduler.beat import BeatProgram


class Command(BaseCommand):
    """Watch the clock until told to stop."""

    help = "Starts a beat: it rings for ready runs and sends housekeeping tasks."

    def handle(self, *args: Any, **options: Any) -> None:
        """Tick until SIGTERM."""
        BeatProgram(app=current_app, quiet=True, loglevel="INFO").run()
