"""Workers: who is online, what each does, and pausing them."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin, messages
from django.db.models import Count, Exists, IntegerField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce, Now
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import action, display

from processes.admin.confirmation import ask_first, is_confirmed
from processes.admin.wording import coloured, show_time
from processes.models import Run, Worker, WorkerNode

MAX_REASON = 200


class NodeInline(TabularInline):
    """The operating-system processes that serve a worker."""

    model = WorkerNode
    hide_title = True
    extra = 0
    per_page = 20
    verbose_name_plural = _("nodes")
    fields = ["shown_state", "host", "pid", "concurrency", "started_at", "last_seen_at"]
    readonly_fields = fields

    @admin.display(description=_("state"))
    def shown_state(self, node: Any) -> SafeString:
        """Return whether its heartbeat is recent."""
        return show_online(node.is_online)

    def get_queryset(self, request: HttpRequest) -> QuerySet[WorkerNode]:
        """Return the nodes, each with whether it is online."""
        nodes: QuerySet[WorkerNode] = super().get_queryset(request)
        online = WorkerNode.objects.online().filter(pk=OuterRef("pk"))
        return nodes.annotate(is_online=Exists(online)).order_by("-is_online", "-last_seen_at")

    def has_view_permission(self, request: HttpRequest, obj: Worker | None = None) -> bool:
        """Show them to whoever may see the worker."""
        return bool(request.user.has_perm("processes.view_worker"))

    def has_add_permission(self, request: HttpRequest, obj: Worker | None) -> bool:
        """Refuse: nodes register themselves."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Worker | None = None) -> bool:
        """Refuse: nodes register themselves."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Worker | None = None) -> bool:
        """Refuse: nodes register themselves."""
        return False


def show_online(is_online: bool) -> SafeString:
    """Return a label for online or offline."""
    return coloured(_now("online"), "success") if is_online else coloured(_now("offline"), "danger")


def count(rows: QuerySet[Any], worker: str) -> Any:
    """Return an expression that counts `rows` by the field that leads to the worker."""
    counts = rows.filter(**{worker: OuterRef("pk")}).order_by().values(worker)
    return Coalesce(
        Subquery(counts.annotate(count=Count("pk")).values("count"), output_field=IntegerField()),
        0,
    )


@admin.register(Worker)
class WorkerAdmin(ModelAdmin):
    """Who executes runs."""

    list_display = [
        "name_and_id",
        "shown_state",
        "shown_nodes",
        "shown_running",
        "is_enabled",
        "shown_pause",
    ]
    search_fields = ["name"]
    actions = ["pause", "resume"]
    actions_detail = ["pause_one", "resume_one"]
    fieldsets = [
        (None, {"fields": ["name", "enabled"]}),
        (_("State"), {"fields": ["shown_state", "shown_pause", "pause_reason", "command"]}),
    ]
    add_fieldsets = [(None, {"fields": ["name", "enabled"]})]
    readonly_fields = ["shown_state", "shown_pause", "command"]

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

    @admin.display(description=_("running now"), ordering="running_now")
    def shown_running(self, worker: Any) -> int:
        """Return how many runs its nodes execute."""
        running: int = worker.running_now
        return running

    @admin.display(description=_("enabled"), ordering="enabled", boolean=True)
    def is_enabled(self, worker: Worker) -> bool:
        """Return whether it may take runs."""
        return worker.enabled

    @admin.display(description=_("paused"), ordering="paused_at")
    def shown_pause(self, worker: Worker) -> str:
        """Return since when and why it is paused."""
        if worker.paused_at is None:
            return "-"
        return format_html(
            "{} <span class='ar-quiet'>{} {}</span>",
            coloured(_now("paused"), "warning"),
            show_time(worker.paused_at),
            worker.pause_reason,
        )

    @admin.display(description=_("start a node"))
    def command(self, worker: Worker) -> SafeString:
        """Return the command that starts a node of this worker, to copy."""
        return render_to_string(
            "admin/copyable.html", {"text": f"python manage.py worker --id {worker.pk}"}
        )

    @admin.action(description=_("Pause selected workers"), permissions=["change"])
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

    def _ask_to_pause(self, request: HttpRequest, workers: Iterable[Worker]) -> HttpResponse:
        return ask_first(
            request,
            self,
            title=_now("Pause workers"),
            consequence=_now(
                "They finish the runs they have begun and take no more. Runs meant for them wait"
                " until they are resumed."
            ),
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
        Worker.objects.filter(pk__in=[worker.pk for worker in changed]).update(
            paused_at=Now() if paused else None, pause_reason=reason
        )
        for worker in changed:
            self.log_change(request, worker, _now("Paused.") if paused else _now("Resumed."))
        self.message_user(request, _tell(len(changed), paused=paused), messages.SUCCESS)

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
