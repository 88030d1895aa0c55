#!/usr/bin/env python
"""Run a management command of Arabica."""

import os
import sys


def main() -> None:
    """Hand the command line to Django; a wrong setting ends in one sentence, not a traceback."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(f"Arabica cannot start: {error}")


if __name__ == "__main__":
    main()
