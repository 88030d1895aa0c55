"""The page of one run while it goes on: what changes by itself, its attempts and its log."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    StreamingHttpResponse,
)
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import path
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from processes.admin.wording import (
    coloured,
    show_duration,
    show_json,
    show_reason,
    show_status,
    show_time,
)
from processes.models import Run, RunAttempt
from processes.run_log import MAX_CHUNK_CHARACTERS, Place, read_on, read_tail, read_whole
from processes.waiting import explain_wait

TEMPLATES = "admin/processes/run"
UPDATE = mark_safe(' hx-swap-oob="true"')
OUTCOMES = {
    "": "info",
    RunAttempt.Outcome.SUCCEEDED: "success",
    RunAttempt.Outcome.FAILED: "danger",
    RunAttempt.Outcome.LOST: "danger",
    RunAttempt.Outcome.CANCELLED: "default",
}


def measure(started_at: datetime | None, finished_at: datetime | None) -> timedelta | None:
    """Return how long something took, or has taken until now; None before it began."""
    return (finished_at or timezone.now()) - started_at if started_at else None


def describe_progress(run: Run) -> str:
    """Return how far a run is, empty when its process does not say."""
    if run.progress_done is None:
        return ""
    if run.progress_total is None:
        return _now("progress %(done)g") % {"done": run.progress_done}
    return _now("%(done)g of %(total)g") % {"done": run.progress_done, "total": run.progress_total}


def _show_message(run: Run) -> str:
    if run.status == Run.Status.WAITING:
        wait = explain_wait(run)
        return show_reason(wait.sentence, wait)
    if run.status == Run.Status.RUNNING:
        context = {"run": run, "text": describe_progress(run)}
        return render_to_string(f"{TEMPLATES}/progress.html", context)
    return run.message or "-"


def _show_attempts(run: Run) -> str:
    return _now("%(begun)d of %(most)d") % {"begun": run.attempt, "most": run.retry_count + 1}


def _show_taken(run: Run) -> str:
    if run.status == Run.Status.WAITING:
        return "-"
    taken = measure(run.started_at, run.finished_at)
    return "-" if taken is None else show_duration(taken)


PARTS: dict[str, Callable[[Run], str]] = {
    "status": lambda run: show_status(run.status),
    "message": _show_message,
    "attempt": _show_attempts,
    "node": lambda run: str(run.node or "-"),
    "ready": lambda run: show_time(run.ready_at),
    "started": lambda run: show_time(run.started_at) or "-",
    "finished": lambda run: show_time(run.finished_at) or "-",
    "taken": _show_taken,
    "cancelled": lambda run: show_time(run.cancel_requested_at) or "-",
    "canceller": lambda run: run.cancel_requested_by or "-",
    "reason": lambda run: run.reason or "-",
    "outputs": lambda run: "-" if run.outputs is None else show_json(run.outputs),
}


def show_part(name: str, run: Run, *, is_update: bool = False) -> SafeString:
    """Return a part of the page that changes while the run goes on."""
    mark = UPDATE if is_update else ""
    return format_html('<div id="run-{}"{}>{}</div>', name, mark, PARTS[name](run))


def _part(name: str, description: Any) -> Any:
    @admin.display(description=description)
    def show(page: Any, run: Run) -> SafeString:
        return _once(run, name, lambda: show_part(name, run))

    return show


def _once(run: Run, name: str, render: Callable[[], SafeString]) -> SafeString:
    """Return what is rendered for a run; Unfold asks five times for each field of a page."""
    rendered = run.__dict__.setdefault("rendered", {})
    if name not in rendered:
        rendered[name] = render()
    text: SafeString = rendered[name]
    return text


class RunPage:
    """The fields of the page that change, and the addresses that it reads them from."""

    live_status = _part("status", _("status"))
    live_message = _part("message", _("message"))
    live_attempt = _part("attempt", _("attempts"))
    live_node = _part("node", _("node"))
    live_ready = _part("ready", _("ready at"))
    live_started = _part("started", _("started at"))
    live_finished = _part("finished", _("finished at"))
    live_taken = _part("taken", _("duration"))
    live_cancelled = _part("cancelled", _("cancel requested at"))
    live_canceller = _part("canceller", _("cancel requested by"))
    live_reason = _part("reason", _("reason"))
    live_outputs = _part("outputs", _("outputs"))

    @admin.display(description=_("attempts"))
    def timeline(self, run: Run) -> SafeString:
        """Return every attempt with how it went."""
        return _once(run, "timeline", lambda: _show_timeline(run))

    @admin.display(description=_("log"))
    def log(self, run: Run) -> SafeString:
        """Return the end of the log, which goes on while the run does."""
        return _once(run, "log", lambda: _show_log(run))

    def get_urls(self: Any) -> list[Any]:
        """Add what the page reads while the run goes on, and the download."""
        view = self.admin_site.admin_view
        return [
            path("<uuid:run_id>/live/", view(self.live_view), name="processes_run_live"),
            path("<uuid:run_id>/log/", view(self.log_view), name="processes_run_log"),
            *super().get_urls(),  # type: ignore[misc]
        ]

    def live_view(self: Any, request: HttpRequest, run_id: UUID) -> HttpResponse:
        """Return what has changed on the page since it was where the query says.

        The run is read before its log: when it has ended, so has what is read then.
        """
        run = _find(self, request, run_id)
        place = Place.read(request.GET.get("after", ""))
        known = Place.read(f"{request.GET.get('attempt', '')}.0").attempt
        piece = read_on(run.pk, place)
        attempts = _describe_attempts(run, since=known)
        is_live = piece.is_cut or not run.is_finished
        # Outputs come with the end, and may be large: they are sent once.
        names = [name for name in PARTS if name != "outputs" or not is_live]
        context = {
            "run": run,
            "parts": [show_part(name, run, is_update=True) for name in names],
            "changed": [each for each in attempts if each["attempt"].number == known],
            "begun": [each for each in attempts if each["attempt"].number > known],
            "piece": piece,
            "attempt_before": place.attempt,
            "is_live": is_live,
            "max_chunk": MAX_CHUNK_CHARACTERS,
        }
        return TemplateResponse(request, f"{TEMPLATES}/live.html", context)

    def log_view(self: Any, request: HttpRequest, run_id: UUID) -> Any:
        """Return the whole log as a file, read from the database while it is sent."""
        run = _find(self, request, run_id)
        answer = StreamingHttpResponse(read_whole(run), content_type="text/plain; charset=utf-8")
        answer["Content-Disposition"] = f'attachment; filename="run-{run.pk}.txt"'
        answer["X-Content-Type-Options"] = "nosniff"
        return answer


def _show_timeline(run: Run) -> SafeString:
    context = {"attempts": _describe_attempts(run, since=0)}
    return render_to_string(f"{TEMPLATES}/timeline.html", context)


def _show_log(run: Run) -> SafeString:
    context = {
        "run": run,
        "piece": read_tail(run.pk),
        "attempt_before": 0,
        "is_live": not run.is_finished,
        "max_chunk": MAX_CHUNK_CHARACTERS,
    }
    return render_to_string(f"{TEMPLATES}/log.html", context)


def _find(page: Any, request: HttpRequest, run_id: UUID) -> Run:
    if not page.has_view_permission(request):
        raise PermissionDenied
    run = Run.objects.select_related("process_model", "worker", "node").filter(pk=run_id).first()
    if run is None:
        raise Http404
    return run


def _describe_attempts(run: Run, *, since: int) -> list[dict[str, Any]]:
    """Return the attempts from a number on; not one that has begun since the run was read."""
    attempts = run.attempts.filter(number__gte=since, number__lte=run.attempt)
    return [_describe_attempt(attempt) for attempt in attempts]


def _describe_attempt(attempt: RunAttempt) -> dict[str, Any]:
    outcome = attempt.get_outcome_display() or _now("not ended")
    taken = measure(attempt.started_at, attempt.finished_at)
    return {
        "attempt": attempt,
        "label": coloured(str(outcome), OUTCOMES[attempt.outcome]),
        "duration": show_duration(taken) if taken is not None else "",
    }
