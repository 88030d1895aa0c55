"""`manage.py create_api_client`: a user name and a generated secret for a partner's system."""

import json
from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from connector.client_creation import create_api_client, describe_refusal
from connector.models import ApiClient
from connector.rotation import rotate_secret


class Command(BaseCommand):
    """Create an API client, or give an existing one a new secret."""

    help = "Creates an API client and prints its generated password once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the user name."""
        parser.add_argument("name", help="user name of the client")
        parser.add_argument("--json", action="store_true", help="print one JSON object only")
        parser.add_argument(
            "--reset",
            action="store_true",
            help="the client exists: give it a new password, the old ones end at once",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Print user name and password."""
        name: str = options["name"]
        secret = self._reset(name) if options["reset"] else self._create(name)
        if options["json"]:
            self.stdout.write(json.dumps({"username": name, "password": secret}))
            return
        self.stdout.write(f"user name: {name}\npassword:  {secret}")
        self.stdout.write("Keep the password now: only its digest is stored.")

    def _create(self, name: str) -> str:
        try:
            return create_api_client(name)[1]
        except ValidationError as error:
            raise CommandError(
                f"{describe_refusal(error)} For a new password of a client that exists, add --reset."
            ) from error

    def _reset(self, name: str) -> str:
        client = ApiClient.objects.filter(name=name).first()
        if client is None:
            raise CommandError(f"There is no API client {name!r}; leave out --reset to create it.")
        return rotate_secret(client, keep=timedelta(0))
