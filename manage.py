#!/usr/bin/env python
"""Run a management command of Arabica."""

import os
import sys

from processes.lifetime import die_with_supervisor
from processes.origin import name_command
from processes.privacy import be_private


def main() -> None:
    """Hand the command line to Django.

    A wrong setting ends in one sentence instead of a traceback, and with an exit code that keeps
    the supervisor from trying again.
    """
    die_with_supervisor()
    name_command(sys.argv)
    be_private()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        print(f"Arabica cannot start: {error}", file=sys.stderr)  # noqa: T201 - for the terminal
        sys.exit(os.EX_CONFIG)


if __name__ == "__main__":
    main()
