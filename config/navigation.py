"""The admin's look and its sidebar: Unfold's settings."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse, reverse_lazy
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

AUDIT_PERMISSION = "config.view_audit"

# From light to dark; white text on 600 and 600 on white both reach a contrast of 4.5.
COFFEE = {
    "50": "oklch(97.5% .013 70)",
    "100": "oklch(94.5% .028 70)",
    "200": "oklch(89% .05 68)",
    "300": "oklch(81% .075 65)",
    "400": "oklch(74% .1 60)",
    "500": "oklch(68% .12 57)",
    "600": "oklch(50% .115 50)",
    "700": "oklch(44% .1 48)",
    "800": "oklch(38% .08 47)",
    "900": "oklch(32% .065 46)",
    "950": "oklch(23% .045 45)",
}


def show_zone(request: HttpRequest) -> list[str]:
    """Return what the header says of the times on every page."""
    return [gettext("Times: %(zone)s") % {"zone": settings.TIME_ZONE}, "info"]


def is_on_scheduler(request: HttpRequest) -> bool:
    """Tell whether the page belongs to the process models, the connector's page included."""
    pages = ("admin:processes_processmodel_changelist", "connector:parameters")
    return any(request.path.startswith(reverse(page)) for page in pages)


def is_superuser(request: HttpRequest) -> bool:
    """Tell whether the reader may see the pages of the machinery."""
    return bool(getattr(request.user, "is_superuser", False))


def may_view_audit(request: HttpRequest) -> bool:
    """Tell whether the reader may see who changed what."""
    return request.user.has_perm(AUDIT_PERMISSION)


def may_view(model: str) -> Callable[[HttpRequest], bool]:
    """Return a test of the permission to see `model` (app label, dot, model name)."""
    app_label, name = model.split(".")

    def is_permitted(request: HttpRequest) -> bool:
        permissions = (f"{app_label}.{verb}_{name}" for verb in ("view", "change"))
        return any(request.user.has_perm(permission) for permission in permissions)

    return is_permitted


def link(title: Any, icon: str, model: str, **more: Any) -> dict[str, Any]:
    """Return a sidebar entry that leads to the list of `model`, for those who may see it."""
    return {
        "title": title,
        "icon": icon,
        "link": reverse_lazy(f"admin:{model.replace('.', '_')}_changelist"),
        "permission": may_view(model),
    } | more


def housekeeping(title: Any, icon: str, model: str) -> dict[str, Any]:
    """Return a sidebar entry to one of django-celery-beat's own pages."""
    return link(title, icon, f"django_celery_beat.{model}", permission=is_superuser)


UNFOLD = {
    "SITE_TITLE": "Arabica",
    "SITE_HEADER": "Arabica",
    "SITE_SYMBOL": "schedule",
    "SITE_FAVICONS": [
        {
            "rel": "icon",
            "type": "image/svg+xml",
            "href": lambda request: static("arabica/icon.svg"),
        }
    ],
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "ENVIRONMENT": "config.navigation.show_zone",
    "COLORS": {"primary": COFFEE},
    "STYLES": [lambda request: static("arabica/arabica.css")],
    "SCRIPTS": [lambda request: static("arabica/arabica.js")],
    "SIDEBAR": {
        "navigation": [
            {
                "items": [
                    link(
                        _("Scheduler"),
                        "play_circle",
                        "processes.processmodel",
                        active=is_on_scheduler,
                    ),
                    link(_("Schedules"), "calendar_month", "scheduler.schedule"),
                    link(_("Runs"), "list_alt", "processes.run"),
                    link(_("Workers"), "dns", "processes.worker"),
                    link(_("API clients"), "key", "connector.apiclient"),
                    {
                        "title": _("Audit"),
                        "icon": "policy",
                        "link": reverse_lazy("audit"),
                        "permission": may_view_audit,
                    },
                ],
            },
            {
                "title": _("Housekeeping"),
                "collapsible": True,
                "separator": True,
                "items": [
                    housekeeping(_("Periodic tasks"), "update", "periodictask"),
                    housekeeping(_("Crontabs"), "event_repeat", "crontabschedule"),
                    housekeeping(_("Intervals"), "timelapse", "intervalschedule"),
                    housekeeping(_("Clocked"), "alarm", "clockedschedule"),
                    housekeeping(_("Solar events"), "wb_twilight", "solarschedule"),
                ],
            },
            {
                "title": _("Users and groups"),
                "separator": True,
                "items": [
                    link(_("Users"), "person", "auth.user"),
                    link(_("Groups"), "group", "auth.group"),
                    link(_("Wrong log-ins"), "lock_clock", "axes.accessattempt"),
                ],
            },
        ],
    },
}
