"""`manage.py serve`: web, worker and beat under one supervisor."""

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connections

from config import demonstration
from config.management.commands.web import require_free_port
from config.preparation import ADMIN_NAME, CLIENT_NAME, Prepared, prepare
from config.serving import Plan, hand_over
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
        """Prepare, then become the process that serves until Ctrl-C or SIGTERM."""
        require_free_port(settings.HOST, settings.PORT)
        prepared = self._prepare() if options["prepare"] else None
        worker = prepared.worker if prepared else Worker.objects.order_by("pk").first()
        if worker is None:
            raise CommandError("There is no worker yet; add --prepare, or make one in the admin.")
        connections.close_all()
        address = f"http://{_reachable(settings.HOST)}:{settings.PORT}"
        password = prepared.client_password if prepared else None
        hand_over(
            Plan(
                children={
                    "web": _command("web"),
                    "worker": _command("worker", "--id", str(worker.pk)),
                    "beat": _command("beat"),
                },
                # The worker ends what is left when its own grace is over; this is for the rest.
                grace=settings.SHUTDOWN_GRACE + 5,
                address=address,
                greeting=_greet(address, prepared),
                client=(CLIENT_NAME, password) if password else None,
            )
        )

    def _prepare(self) -> Prepared:
        try:
            return prepare(lambda step: self.stdout.write(f"  preparing {step}"))
        except UnusableModule as error:
            raise CommandError(str(error)) from error


def _greet(address: str, prepared: Prepared | None) -> str:
    """Return where everything is, and how to begin."""
    password = prepared.client_password if prepared else None
    return "\n".join(
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


def _command(name: str, *arguments: str) -> list[str]:
    return [sys.executable, str(Path(settings.BASE_DIR) / "manage.py"), name, *arguments]


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
