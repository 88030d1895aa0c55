"""`manage.py serve`: web, worker and beat under one supervisor."""

import sys
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connections

from config import demonstration
from config.management.commands.web import require_free_port
from config.preparation import ADMIN_NAME, CLIENT_NAME, Prepared, prepare
from config.supervisor import Child, Supervisor
from processes.models import Worker
from processes.registry import UnusableModule


class Command(BaseCommand):
    """Run the whole installation from one terminal."""

    help = "Starts web, a node of worker 1 and beat, and keeps them running."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take whether to prepare first."""
        parser.add_argument(
            "--prepare",
            action="store_true",
            help="first bring database, static files, process models and first accounts up to date",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Serve until Ctrl-C or SIGTERM."""
        require_free_port(settings.HOST, settings.PORT)
        prepared = self._prepare() if options["prepare"] else None
        worker = prepared.worker if prepared else Worker.objects.order_by("pk").first()
        if worker is None:
            raise CommandError("There is no worker yet; add --prepare, or make one in the admin.")
        connections.close_all()
        supervisor = Supervisor(
            [_child("web"), _child("worker", "--id", str(worker.pk)), _child("beat")],
            # The worker ends what is left when its own grace is over; this one is for the rest.
            grace=settings.SHUTDOWN_GRACE + 5,
            on_started=lambda: _greet(prepared, supervisor.announce),
        )
        raise SystemExit(supervisor.run())

    def _prepare(self) -> Prepared:
        try:
            return prepare(lambda step: self.stdout.write(f"  preparing {step}"))
        except UnusableModule as error:
            raise CommandError(str(error)) from error


def _greet(prepared: Prepared | None, say: Callable[[str], None]) -> None:
    """Say where everything is, once it is ready, and show the first run."""
    address = f"http://{_reachable(settings.HOST)}:{settings.PORT}"
    demonstration.wait_until_ready(address)
    password = prepared.client_password if prepared else None
    say(
        "\n".join(
            [
                "",
                f"Arabica is ready at {address}",
                f"  admin     {address}/admin/",
                f"  API docs  {address}/api/docs/",
                "",
                *(_accounts(prepared) if prepared else []),
                "Start a process:",
                demonstration.curl_line(address, CLIENT_NAME, password or "$ARABICA_PASSWORD"),
                "",
            ]
        )
    )
    if password:
        say("The first run, made now over HTTP:")
        demonstration.demonstrate(address, CLIENT_NAME, password, say)


def _child(name: str, *arguments: str) -> Child:
    manage = str(Path(settings.BASE_DIR) / "manage.py")
    return Child(name, [sys.executable, manage, name, *arguments])


def _accounts(prepared: Prepared) -> list[str]:
    lines = []
    if prepared.admin_password:
        lines.append(f"  administrator   {ADMIN_NAME}   password {prepared.admin_password}")
    if prepared.client_password:
        lines.append(f"  API client      {CLIENT_NAME}    password {prepared.client_password}")
    if lines:
        return [*lines, "  (shown once: only digests are kept)", ""]
    python = Path(sys.executable)
    return [
        "Forgotten a password?",
        f"  {python} manage.py changepassword {ADMIN_NAME}",
        f"  {python} manage.py create_api_client {CLIENT_NAME} --reset",
        "",
    ]


def _reachable(host: str) -> str:
    """Return a host that a browser on this machine can open."""
    if host in {"0.0.0.0", "::"}:  # noqa: S104 - compared, not listened on
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host
