"""`manage.py worker` with a lease of three seconds, so that a test need not wait for long."""

import os
import sys
from datetime import timedelta

import django
from django.core.management import execute_from_command_line

LEASE = timedelta(seconds=3)


def main() -> None:
    """Run the command with short times."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    from processes import execution, nodes

    execution.LEASE = LEASE
    nodes.HEARTBEAT_SECONDS = 1.0
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
