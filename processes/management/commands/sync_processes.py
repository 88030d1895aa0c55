"""`manage.py sync_processes`: registered functions become process models."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from processes.registration import load_processes
from processes.registry import UnusableModule
from processes.synchronization import sync_processes


class Command(BaseCommand):
    """Store the registered python processes with their parameters and outputs."""

    help = "Stores the processes of installed apps and of PROCESS_MODULES as process models."

    def handle(self, *args: Any, **options: Any) -> None:
        """Say what was stored, and which process models have lost their function."""
        try:
            load_processes()
        except UnusableModule as error:
            raise CommandError(str(error)) from error
        report = sync_processes()
        for name in report.created:
            self.stdout.write(f"{name}: new")
        for name in report.updated:
            self.stdout.write(f"{name}: up to date")
        for name in report.unregistered:
            self.stdout.write(f"{name}: its function is in none of the loaded modules")
