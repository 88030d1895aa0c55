"""Loads the modules whose functions may be run."""

from django.conf import settings
from django.utils.module_loading import autodiscover_modules

from processes import registry


def load_processes() -> None:
    """Import the examples, `processes.py` of each installed app and what PROCESS_MODULES names.

    Raise registry.UnusableModule, a sentence naming the module, where one cannot be imported.
    """
    registry.load(["processes.examples"])
    autodiscover_modules("processes")
    registry.load(settings.PROCESS_MODULES)
