"""`manage.py web`: the web server."""

import os
import socket
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from granian import Granian
from granian.constants import Interfaces
from granian.log import LogLevels


class Command(BaseCommand):
    """Serve the connector API and the admin."""

    help = "Starts the web server."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take address and size."""
        parser.add_argument("--host", default=settings.HOST, help="default: %(default)s")
        parser.add_argument("--port", type=int, default=settings.PORT, help="default: %(default)s")
        parser.add_argument("--processes", type=int, default=1, help="default: %(default)s")
        parser.add_argument("--threads", type=int, default=4, help="default: %(default)s")

    def handle(self, *args: Any, **options: Any) -> None:
        """Serve until SIGTERM."""
        require_free_port(options["host"], options["port"])
        os.environ["ARABICA_WEB_PID"] = str(os.getpid())
        Granian(
            "config.wsgi:application",
            address=options["host"],
            port=options["port"],
            interface=Interfaces.WSGI,
            workers=options["processes"],
            blocking_threads=options["threads"],
            websockets=False,
            respawn_failed_workers=True,
            workers_kill_timeout=10,
            log_level=LogLevels.warning,
            # Its lines go to our handlers, as those of every other library.
            log_dictconfig={
                "loggers": {"_granian": {"propagate": True}, "granian.access": {"propagate": True}}
            },
        ).serve()


def require_free_port(host: str, port: int) -> None:
    """Raise CommandError with the remedy if nothing can listen at this address."""
    try:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        family, kind, protocol, _, address = addresses[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise CommandError(
            f"Cannot listen on {host} port {port}: {error.strerror or error}."
            " Set PORT (or HOST) to another one."
        ) from error
