"""`manage.py worker`: one node of a worker."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from processes.celery_node import run_node
from processes.exceptions import SecretsUnusable
from processes.models import Worker
from processes.nodes import Node
from processes.registration import load_processes
from processes.registry import UnusableModule
from processes.rotation import look_at_secrets

MAX_CONCURRENCY = 256  # each is a process of its own


class Command(BaseCommand):
    """Execute runs for a worker, on this host, until told to stop."""

    help = "Starts a node of a worker: it executes the worker's runs and those for any worker."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the worker's id and how many runs at a time."""
        parser.add_argument("--id", type=int, required=True, help="id of the worker")
        parser.add_argument(
            "--concurrency",
            type=int,
            default=settings.WORKER_CONCURRENCY,
            help="runs executed at a time (default: %(default)s)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Serve until SIGTERM."""
        worker = Worker.objects.filter(pk=options["id"]).first()
        if worker is None:
            known = ", ".join(str(worker) for worker in Worker.objects.all()) or "none yet"
            raise CommandError(f"There is no worker {options['id']}; there are: {known}.")
        if not 1 <= options["concurrency"] <= MAX_CONCURRENCY:
            raise CommandError(f"--concurrency takes a whole number from 1 to {MAX_CONCURRENCY}.")
        self._warn_of_idleness(worker)
        self._load_processes()
        self._warn_of_secrets()
        raise SystemExit(run_node(Node(worker.pk, options["concurrency"])))

    def _warn_of_idleness(self, worker: Worker) -> None:
        """Tell why the node will take nothing for now; whoever enables the worker finds it ready."""
        state = "disabled" if not worker.enabled else "paused" if worker.paused_at else ""
        if state:
            switch = "enabled" if state == "disabled" else "resumed"
            text = f"Worker {worker.pk} is {state}: this node takes no runs until it is {switch}"
            self.stderr.write(f"{text} in the admin, under Workers.")

    def _warn_of_secrets(self) -> None:
        """Tell that runs will fail; those without secrets will not, so the node starts."""
        try:
            unreadable = len(look_at_secrets().unreadable)
        except SecretsUnusable as error:
            self.stderr.write(str(error))
            return
        if unreadable:
            self.stderr.write(
                f"SECRETS_KEY: no key decrypts {unreadable} of the newest stored secrets; their"
                " runs will fail. `manage.py doctor` says more."
            )

    def _load_processes(self) -> None:
        try:
            load_processes()
        except UnusableModule as error:
            raise CommandError(str(error)) from error
