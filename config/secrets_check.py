"""What the doctor says of the keys for secrets, by the secrets that are stored."""

from django.conf import settings

from processes.exceptions import NoSecretsKey
from processes.models import Parameter
from processes.rotation import look_at_secrets
from processes.value_types import ValueType
from scheduler.health import Check, Level

ROTATE = "Run `manage.py rotate_secrets_key`; until then keep every key in SECRETS_KEY."
GIVE_KEY = "Add the key by which they were stored to SECRETS_KEY; their runs fail until then."


def check_secrets() -> Check:
    """Tell whether the newest of the stored secrets can be decrypted, and by which key."""
    takers = Parameter.objects.filter(value_type=ValueType.SECRET).count()
    if not settings.SECRETS_KEYS:
        if not takers:
            return Check(
                "secrets", Level.OK, "no key in SECRETS_KEY, and no process takes a secret"
            )
        message = f"no key in SECRETS_KEY, and {takers} parameters are secret: starts are refused"
        return Check("secrets", Level.ERROR, message, str(NoSecretsKey()))
    tally = look_at_secrets()
    looked = f"of the newest {tally.stored} that are stored"
    if tally.unreadable:
        message = f"no key decrypts {len(tally.unreadable)} {looked}: {tally.unreadable[0]}"
        return Check("secrets", Level.ERROR, message, GIVE_KEY)
    if tally.renewed:
        message = f"{tally.renewed} {looked} are encrypted by a former key, or not yet"
        return Check("secrets", Level.WARNING, message, ROTATE)
    keys = "1 key" if len(settings.SECRETS_KEYS) == 1 else f"{len(settings.SECRETS_KEYS)} keys"
    return Check("secrets", Level.OK, f"{keys}; the first decrypts all {looked}")
