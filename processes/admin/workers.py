"""Workers: who is online, what each does, and pausing them."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, IntegerField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce, Now
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.admin import ModelAdmin
from unfold.decorators import action, display
from unfold.views import ChangeList

from processes.admin.audited import AuditedPages
from processes.admin.confirmation import ask_first, is_confirmed
from processes.admin.export import CsvExport
from processes.admin.exports import WorkerExport
from processes.admin.wording import coloured, show_time
from processes.admin.worker_nodes import DrainNodes, NodeInline, show_online
from processes.admin.worker_now import count_queues, describe_slots, describe_state, show_now
from processes.models import Run, Worker, WorkerNode
from processes.models.trails import recording
from processes.workforce import Workforce

MAX_REASON = 200


def count(rows: QuerySet[Any], worker: str) -> Any:
    """Return an expression that counts `rows` by the field that leads to the worker."""
    counts = rows.filter(**{worker: OuterRef("pk")}).order_by().values(worker)
    return Coalesce(
        Subquery(counts.annotate(count=Count("pk")).values("count"), output_field=IntegerField()),
        0,
    )


class WorkerChangeList(ChangeList):
    """The list, with what all workers do found together."""

    def get_results(self, request: HttpRequest) -> None:
        """Attach crew and queue to each row."""
        super().get_results(request)
        crews, queues = Workforce().crews, count_queues()
        for worker in self.result_list:
            worker.crew = crews.get(worker.pk)
            worker.queued = queues[worker.pk]


@admin.register(Worker)
class WorkerAdmin(CsvExport, AuditedPages, DrainNodes, ModelAdmin):
    """Who executes runs."""

    list_display = [
        "name_and_id",
        "shown_state",
        "shown_nodes",
        "shown_slots",
        "shown_queue",
        "is_enabled",
        "shown_pause",
    ]
    search_fields = ["name"]
    actions = ["pause", "resume", "save_as_csv"]
    csv_resource = WorkerExport
    actions_detail = ["pause_one", "resume_one"]
    fieldsets = [
        (None, {"fields": ["name", "enabled", "max_parallel_runs"]}),
        (_("State"), {"fields": ["shown_state", "now", "shown_pause", "pause_reason", "command"]}),
    ]
    add_fieldsets = [(None, {"fields": ["name", "enabled", "max_parallel_runs"]})]
    readonly_fields = ["shown_state", "now", "shown_pause", "command"]

    @display(description=_("worker"), ordering="name", header=True)
    def name_and_id(self, worker: Worker) -> tuple[str, str]:
        """Return the name over the id that API clients use."""
        return worker.name, _now("id %(id)d") % {"id": worker.pk}

    @admin.display(description=_("state"))
    def shown_state(self, worker: Any) -> SafeString:
        """Return whether one of its nodes is online."""
        return show_online(worker.nodes_online > 0)

    @admin.display(description=_("nodes online"), ordering="nodes_online")
    def shown_nodes(self, worker: Any) -> int:
        """Return how many nodes are online."""
        online: int = worker.nodes_online
        return online

    @admin.display(description=_("busy slots"), ordering="running_now")
    def shown_slots(self, worker: Any) -> str:
        """Return how many of its slots execute a run, and its limit."""
        return describe_slots(worker, worker.crew, worker.running_now)

    @admin.display(description=_("queue"))
    def shown_queue(self, worker: Any) -> int:
        """Return how many runs that are meant for it could begin."""
        queued: int = worker.queued
        return queued

    @admin.display(description=_("enabled"), ordering="enabled", boolean=True)
    def is_enabled(self, worker: Worker) -> bool:
        """Return whether it may take runs."""
        return worker.enabled

    @admin.display(description=_("paused"), ordering="paused_at")
    def shown_pause(self, worker: Any) -> str:
        """Return since when and why it is paused."""
        if worker.paused_at is None:
            return "-"
        return format_html(
            "{} <span class='ar-quiet'>{} {} {}</span>",
            coloured(_now("paused"), "warning"),
            show_time(worker.paused_at),
            worker.pause_reason,
            describe_state(worker, None, worker.running_now),
        )

    @admin.display(description=_("now"))
    def now(self, worker: Worker) -> SafeString:
        """Return what it does, which is kept up to date while the page is open."""
        return show_now(worker)

    @admin.display(description=_("start a node"))
    def command(self, worker: Worker) -> SafeString:
        """Return the command that starts a node of this worker, to copy."""
        return render_to_string(
            "admin/copyable.html", {"text": f"python manage.py worker --id {worker.pk}"}
        )

    @admin.action(description=_("Pause: finish what runs, take no more"), permissions=["change"])
    def pause(self, request: HttpRequest, queryset: QuerySet[Worker]) -> HttpResponse | None:
        """Let the workers finish what they do and take nothing more."""
        if not is_confirmed(request):
            return self._ask_to_pause(request, queryset)
        self._set_paused(request, queryset.filter(paused_at=None), paused=True)
        return None

    @admin.action(description=_("Resume selected workers"), permissions=["change"])
    def resume(self, request: HttpRequest, queryset: QuerySet[Worker]) -> HttpResponse | None:
        """Let the workers take runs again."""
        if not is_confirmed(request):
            return self._ask_to_resume(request, queryset)
        self._set_paused(request, queryset.exclude(paused_at=None), paused=False)
        return None

    @action(description=_("Pause"), icon="pause", url_path="pause", permissions=["pause"])
    def pause_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Pause this worker, once confirmed."""
        worker = self._find(request, object_id)
        return self.pause(request, worker) or _back_to(object_id)

    @action(description=_("Resume"), icon="play_arrow", url_path="resume", permissions=["resume"])
    def resume_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Let this worker go on, once confirmed."""
        worker = self._find(request, object_id)
        return self.resume(request, worker) or _back_to(object_id)

    def has_pause_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """Offer the button to those who may change workers, while the worker is not paused."""
        return self._may_switch(request, object_id, is_paused=False)

    def has_resume_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """Offer the button to those who may change workers, while the worker is paused."""
        return self._may_switch(request, object_id, is_paused=True)

    def _may_switch(self, request: HttpRequest, object_id: str | None, *, is_paused: bool) -> bool:
        worker = self.get_object(request, object_id)
        return (
            worker is not None
            and (worker.paused_at is not None) == is_paused
            and self.has_change_permission(request, worker)
        )

    def _find(self, request: HttpRequest, object_id: str) -> QuerySet[Worker]:
        worker = self.get_object(request, object_id)
        if worker is None:
            raise Http404
        workers: QuerySet[Worker] = self.get_queryset(request)
        return workers.filter(pk=worker.pk)

    def _ask_to_pause(self, request: HttpRequest, workers: Iterable[Any]) -> HttpResponse:
        running = sum(worker.running_now for worker in workers)
        consequence = ngettext(
            "They finish %(number)d running run and take no more. Runs meant for them wait until"
            " they are resumed.",
            "They finish %(number)d running runs and take no more. Runs meant for them wait until"
            " they are resumed.",
            running,
        )
        return ask_first(
            request,
            self,
            title=_now("Pause workers"),
            consequence=consequence % {"number": running},
            button=_now("Pause"),
            objects=workers,
            asks_reason=True,
        )

    def _ask_to_resume(self, request: HttpRequest, workers: Iterable[Worker]) -> HttpResponse:
        return ask_first(
            request,
            self,
            title=_now("Resume workers"),
            consequence=_now("They take runs again, those that waited for them first."),
            button=_now("Resume"),
            objects=workers,
        )

    def _set_paused(self, request: HttpRequest, workers: QuerySet[Worker], *, paused: bool) -> None:
        changed = list(workers)
        reason = request.POST.get("reason", "")[:MAX_REASON] if paused else ""
        with recording(*changed):
            Worker.objects.filter(pk__in=[worker.pk for worker in changed]).update(
                paused_at=Now() if paused else None, pause_reason=reason
            )
        for worker in changed:
            self.log_change(request, worker, _now("Paused.") if paused else _now("Resumed."))
        self.message_user(request, _tell(len(changed), paused=paused), messages.SUCCESS)

    def get_urls(self) -> list[URLPattern]:
        """Add the panel that shows what a worker does, before pages whose address holds an id."""
        view = self.admin_site.admin_view(self.now_view)
        own = path("<int:object_id>/now/", view, name="processes_worker_now")
        return [own, *super().get_urls()]

    def now_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Return the panel alone, for the page that is open."""
        worker = self.get_object(request, str(object_id))
        if not self.has_view_permission(request, worker):
            raise PermissionDenied
        if worker is None:
            raise Http404
        return HttpResponse(show_now(worker))

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[WorkerChangeList]:
        """Return the list that knows crews and queues."""
        return WorkerChangeList

    def get_inlines(self, request: HttpRequest, obj: Worker | None) -> list[type[NodeInline]]:
        """Leave out the nodes of a worker that is still to be made."""
        return [NodeInline] if obj else []

    def get_queryset(self, request: HttpRequest) -> QuerySet[Worker]:
        """Return the workers with their nodes and runs counted."""
        workers: QuerySet[Worker] = super().get_queryset(request)
        return workers.annotate(
            nodes_online=count(WorkerNode.objects.online(), "worker"),
            running_now=count(Run.objects.running(), "node__worker"),
        )


def _tell(number: int, *, paused: bool) -> str:
    if paused:
        text = ngettext("%(number)d worker was paused.", "%(number)d workers were paused.", number)
    else:
        text = ngettext(
            "%(number)d worker was resumed.", "%(number)d workers were resumed.", number
        )
    return text % {"number": number}


def _back_to(object_id: str) -> HttpResponse:
    return HttpResponseRedirect(reverse("admin:processes_worker_change", args=[object_id]))
