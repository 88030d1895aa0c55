"""`manage.py web`: the web server."""

import logging
import os
import resource
import socket
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from granian import Granian
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels

from connector.unread import DEFAULT_THREADS

IDLE_SECONDS = 10  # then a connection is closed that has no whole head of a request
BACKLOG = 4096  # the kernel takes no more than its net.core.somaxconn
MAX_OPEN_FILES = 65_536
ENOUGH_OPEN_FILES = 4_096
# Of a process's files, for all that is no caller's connection.
OWN_FILES = 256


class Command(BaseCommand):
    """Serve the connector API and the admin."""

    help = "Starts the web server."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take address and size."""
        parser.add_argument("--host", default=settings.HOST, help="default: %(default)s")
        parser.add_argument("--port", type=int, default=settings.PORT, help="default: %(default)s")
        parser.add_argument("--processes", type=int, default=1, help="default: %(default)s")
        parser.add_argument(
            "--threads",
            type=int,
            default=DEFAULT_THREADS,
            help="of each process, at most; default: %(default)s",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Serve until SIGTERM."""
        require_free_port(options["host"], options["port"])
        open_files = raise_open_files()
        if open_files < ENOUGH_OPEN_FILES:
            self.stderr.write(
                f"This process may open {open_files:,} files only, so about"
                f" {max(open_files - OWN_FILES, 0):,} connections at a time; raise `ulimit -n` (of"
                f" a service LimitNOFILE) to {ENOUGH_OPEN_FILES:,} or more."
            )
        logging.getLogger("_granian").addFilter(is_no_advice_on_threads)
        os.environ["ARABICA_WEB_PID"] = str(os.getpid())
        os.environ["ARABICA_WEB_THREADS"] = str(options["threads"])
        Granian(
            "config.wsgi:application",
            address=options["host"],
            port=options["port"],
            interface=Interfaces.WSGI,
            workers=options["processes"],
            blocking_threads=options["threads"],
            websockets=False,
            # A connection of HTTP/2 could begin hundreds of bodies, and nobody needs it here.
            http=HTTPModes.http1,
            http1_settings=HTTP1Settings(header_read_timeout=IDLE_SECONDS * 1000),
            backlog=BACKLOG,
            # Connections, not requests: at this number none is taken until another one ends.
            backpressure=max(open_files - OWN_FILES, OWN_FILES),
            respawn_failed_workers=True,
            workers_kill_timeout=10,
            log_level=LogLevels.warning,
            # Its lines go to our handlers, as those of every other library.
            log_dictconfig={
                "loggers": {"_granian": {"propagate": True}, "granian.access": {"propagate": True}}
            },
        ).serve()


def is_no_advice_on_threads(record: logging.LogRecord) -> bool:
    """Leave out granian's advice to have fewer threads: most of ours wait for bodies."""
    return "Python threads" not in record.getMessage()


def raise_open_files() -> int:
    """Let this process and its children open as many files as they may; return how many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MAX_OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, MAX_OPEN_FILES)
    if soft == resource.RLIM_INFINITY or soft >= most:
        return MAX_OPEN_FILES if soft == resource.RLIM_INFINITY else soft
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return most


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
