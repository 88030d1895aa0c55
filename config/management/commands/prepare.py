"""`manage.py prepare`: bring an installation up to date before its processes are started."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from config.preparation import ADMIN_NAME, CLIENT_NAME, prepare
from processes.registry import UnusableModule


class Command(BaseCommand):
    """Do once what `serve --prepare` does at each start."""

    help = "Brings database, static files, process models and first accounts up to date."

    def handle(self, *args: Any, **options: Any) -> None:
        """Prepare, and say the passwords of accounts that were made; nothing shows them again."""
        try:
            prepared = prepare(lambda step: self.stdout.write(f"  preparing {step}"))
        except UnusableModule as error:
            raise CommandError(str(error)) from error
        if prepared.admin_password:
            self.stdout.write(f"administrator {ADMIN_NAME}, password {prepared.admin_password}")
        if prepared.client_password:
            self.stdout.write(f"API client {CLIENT_NAME}, password {prepared.client_password}")
        self.stdout.write(f"worker {prepared.worker.pk} can be started")
