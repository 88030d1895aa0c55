"""What a server that a test starts finds around it."""

import os
import socket


def clean_environment() -> dict[str, str]:
    """Return the environment without what would lead to another installation."""
    ours = {
        "DATABASE_URL",
        "CELERY_BROKER_URL",
        "SECRET_KEY",
        "SECRETS_KEY",
        "DJANGO_SETTINGS_MODULE",
    }
    return {name: text for name, text in os.environ.items() if name not in ours}


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
