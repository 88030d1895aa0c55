"""The project: settings, addresses, and the processes it runs as."""

import zoneinfo

from config.celery import app as celery_app

__all__ = ["celery_app"]

# The host's zone files come first unless they are left out, and every host has others. From the
# pinned tzdata package, a plan fires at the same instants wherever it runs.
zoneinfo.reset_tzpath(to=())
zoneinfo.ZoneInfo.clear_cache()
