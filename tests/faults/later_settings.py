"""The settings of a later version, which has migrations that the present one does not know."""

from config.settings import *  # noqa: F403 - all of them, and one app more
from config.settings import INSTALLED_APPS as PRESENT_APPS

INSTALLED_APPS = [*PRESENT_APPS, "tests.faults.later"]
