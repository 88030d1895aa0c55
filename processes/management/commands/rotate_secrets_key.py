"""`manage.py rotate_secrets_key`: every stored secret encrypted by the first key of SECRETS_KEY."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from processes.exceptions import NoSecretsKey
from processes.rotation import Tally, renew_secrets

MAX_NAMED = 10


class Command(BaseCommand):
    """Encrypt all secrets anew, so that a former key can be taken out of SECRETS_KEY."""

    help = "Encrypts every stored secret by the first key of SECRETS_KEY; safe while all runs."

    def handle(self, *args: Any, **options: Any) -> None:
        """Say how many there are, how many were encrypted anew, and which no key fits."""
        try:
            tallies = renew_secrets()
        except NoSecretsKey as error:
            raise CommandError(str(error)) from error
        whole = Tally()
        for name, tally in tallies.items():
            self.stdout.write(
                f"{name}: {tally.stored} secrets, {tally.renewed} encrypted anew,"
                f" {len(tally.unreadable)} that no key decrypts"
            )
            whole.add(tally)
        if whole.unreadable:
            shown = "\n".join(f"  {place}" for place in whole.unreadable[:MAX_NAMED])
            raise CommandError(
                f"{len(whole.unreadable)} secrets were left as they are: no key in SECRETS_KEY"
                f" decrypts them. Add the key by which they were stored, or give the values"
                f" again. The first are\n{shown}"
            )
        self.stdout.write("All are encrypted by the first key; the others may be removed.")
