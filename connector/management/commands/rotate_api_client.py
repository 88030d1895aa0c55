"""`manage.py rotate_api_client`: another secret for a partner's system, beside the present one."""

import json
from argparse import ArgumentParser, ArgumentTypeError
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from connector.models import ApiClient
from connector.rotation import find_live_secrets, rotate_secret

MAX_HOURS = 8_760  # a year


class Command(BaseCommand):
    """Give an API client a new secret and let the present one live on for a while."""

    help = "Gives an API client another password and prints it once; the present one lives on."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the user name and the time to move over."""
        parser.add_argument("name", help="user name of the client")
        parser.add_argument(
            "--keep",
            type=_hours,
            default=24.0,
            metavar="HOURS",
            help="hours that the present password goes on working, 0: none (default: 24)",
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object only")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print user name and password, and when the present one ends."""
        client = ApiClient.objects.filter(name=options["name"]).first()
        if client is None:
            raise CommandError(f"There is no API client {options['name']!r}.")
        secret = rotate_secret(client, keep=timedelta(hours=options["keep"]))
        before = find_live_secrets(client)[1:]
        end = before[0].expires_at if before else None
        if options["json"]:
            until = end.isoformat() if end else None
            answer = {"username": client.name, "password": secret, "previous_until": until}
            self.stdout.write(json.dumps(answer))
            return
        self.stdout.write(f"user name: {client.name}\npassword:  {secret}")
        self.stdout.write("Keep the password now: only its digest is stored.")
        self.stdout.write(
            f"The password before it works until {timezone.localtime(end):%Y-%m-%d %H:%M:%S %Z}."
            if end
            else "No other password works."
        )


def _hours(text: str) -> float:
    try:
        hours = float(text)
    except ValueError:
        hours = -1.0
    if not 0 <= hours <= MAX_HOURS:
        raise ArgumentTypeError(f"{text!r} is no number of hours from 0 to {MAX_HOURS}")
    return hours
