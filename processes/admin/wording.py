"""How states, durations and times are shown on the admin's pages."""

import json
from datetime import datetime, timedelta
from typing import Any

from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.translation import gettext as _

from processes.models import Run
from processes.waiting import Wait

COLOURS = {
    Run.Status.WAITING: "warning",
    Run.Status.RUNNING: "info",
    Run.Status.SUCCEEDED: "success",
    Run.Status.FAILED: "danger",
    Run.Status.CANCELLED: "default",
}


def coloured(text: str, colour: str = "default", *, href: str = "") -> SafeString:
    """Return `text` as one of Unfold's labels: info, success, warning, danger or default."""
    return render_to_string(
        "unfold/helpers/label.html", {"text": text, "type": colour, "href": href}
    )


def show_status(status: str, *, href: str = "") -> SafeString:
    """Return a run's status as a coloured label."""
    return coloured(str(Run.Status(status).label), COLOURS[Run.Status(status)], href=href)


def show_time(moment: datetime | None) -> str:
    """Return a moment to the second with its zone, empty for None."""
    return date_format(timezone.localtime(moment), "DATETIME_FORMAT") if moment else ""


def show_duration(duration: timedelta) -> str:
    """Return a duration as short as can be: "0.42 s", "3 min 05 s", "2 h 03 min"."""
    seconds = max(duration.total_seconds(), 0)
    if seconds < 10:
        return _("%(seconds).2f s") % {"seconds": seconds}
    minutes, seconds = divmod(round(seconds), 60)
    if minutes == 0:
        return _("%(seconds)d s") % {"seconds": seconds}
    hours, minutes = divmod(minutes, 60)
    if hours == 0:
        return _("%(minutes)d min %(seconds)02d s") % {"minutes": minutes, "seconds": seconds}
    return _("%(hours)d h %(minutes)02d min") % {"hours": hours, "minutes": minutes}


def show_json(value: Any) -> SafeString:
    """Return JSON on several lines, every letter as it is written."""
    text = json.dumps(value, ensure_ascii=False, indent=2)
    return format_html('<pre class="ar-code" tabindex="0">{}</pre>', text)


def show_reason(text: str, wait: Wait | None, *, most: int | None = None) -> SafeString:
    """Return why a run stands where it stands, cut to `most` characters; the title has it whole."""
    badge = coloured(str(wait.code.label), "warning") if wait else ""
    shown = Truncator(text).chars(most) if most else text
    return format_html(
        '<span class="ar-message" title="{}">{} {}</span>', text, badge, shown or "-"
    )
