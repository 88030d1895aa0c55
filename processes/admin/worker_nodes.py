"""The nodes of a worker, and draining one of them."""

from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Count, Exists, FilteredRelation, OuterRef, Q, QuerySet
from django.db.models.functions import Now
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.admin import TabularInline

from processes.admin.confirmation import ask_first, is_confirmed
from processes.admin.wording import coloured, show_time
from processes.models import AuditEvent, Run, Worker, WorkerNode
from processes.models.trails import record_event


class NodeInline(TabularInline):
    """The operating-system processes that serve a worker."""

    model = WorkerNode
    hide_title = True
    extra = 0
    per_page = 20
    verbose_name_plural = _("nodes")
    fields = [
        "shown_state",
        "host",
        "pid",
        "busy_slots",
        "started_at",
        "last_seen_at",
        "drain",
    ]
    readonly_fields = fields

    @admin.display(description=_("state"))
    def shown_state(self, node: Any) -> SafeString:
        """Return whether its heartbeat is recent."""
        return show_online(node.is_online)

    @admin.display(description=_("busy slots"))
    def busy_slots(self, node: Any) -> str:
        """Return how many of its slots execute a run."""
        return _now("%(busy)d of %(slots)d") % {"busy": node.running, "slots": node.concurrency}

    @admin.display(description=_("drain"))
    def drain(self, node: Any) -> str:
        """Return how far it is drained, or the button that drains it."""
        if not node.is_online:
            return "-"
        if node.drain_requested_at is None:
            return _link("processes_node_drain", node, _now("Drain"))
        text = ngettext("finishes %(number)d run", "finishes %(number)d runs", node.running)
        state = text % {"number": node.running} if node.running else _now("drained: nothing runs")
        return format_html(
            '{} <span class="ar-quiet">{}</span> {}',
            coloured(state, "warning"),
            show_time(node.drain_requested_at),
            _link("processes_node_resume", node, _now("Resume")),
        )

    def get_queryset(self, request: HttpRequest) -> QuerySet[WorkerNode]:
        """Return the nodes, each with whether it is online."""
        nodes: QuerySet[WorkerNode] = super().get_queryset(request)
        online = WorkerNode.objects.online().filter(pk=OuterRef("pk"))
        held = FilteredRelation("runs", condition=Q(runs__status="RUNNING"))
        counted = nodes.alias(held=held).annotate(running=Count("held"))
        return counted.annotate(is_online=Exists(online)).order_by("-is_online", "-last_seen_at")

    def get_fields(self, request: HttpRequest, obj: Worker | None = None) -> list[str]:
        """Leave out the buttons for those who may not press them."""
        may_drain = request.user.has_perm("processes.change_worker")
        return [name for name in self.fields if may_drain or name != "drain"]

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


def _link(page: str, node: WorkerNode, text: str) -> SafeString:
    address = reverse(f"admin:{page}", args=[node.pk])
    return format_html('<a class="ar-button ar-button-quiet" href="{}">{}</a>', address, text)


def show_online(is_online: bool) -> SafeString:
    """Return a label for online or offline."""
    return coloured(_now("online"), "success") if is_online else coloured(_now("offline"), "danger")


class DrainNodes:
    """The pages that drain one node and let it go on, for the admin of workers."""

    def get_urls(self: Any) -> list[URLPattern]:
        """Add them, and their names."""
        wrap = self.admin_site.admin_view
        own = [
            path("nodes/<uuid:node_id>/drain/", wrap(self.drain_node), name="processes_node_drain"),
            path(
                "nodes/<uuid:node_id>/resume/", wrap(self.resume_node), name="processes_node_resume"
            ),
        ]
        return [*own, *super().get_urls()]  # type: ignore[misc]  # of the admin it is mixed into

    def drain_node(self: Any, request: HttpRequest, node_id: UUID) -> HttpResponse:
        """Have a node finish what it does and take nothing more, once confirmed."""
        node = self._find_node(request, node_id)
        if not is_confirmed(request):
            running = Run.objects.running().filter(node=node).count()
            consequence = ngettext(
                "It finishes its %(number)d running run and takes no more, until it is resumed."
                " The other nodes of its worker go on.",
                "It finishes its %(number)d running runs and takes no more, until it is resumed."
                " The other nodes of its worker go on.",
                running,
            )
            return ask_first(
                request,
                self,
                title=_now("Drain a node"),
                consequence=consequence % {"number": running},
                button=_now("Drain"),
                objects=[f"{node.worker}: {node}"],
                cancel_url=_page_of(node),
            )
        changed = WorkerNode.objects.filter(pk=node.pk, drain_requested_at=None)
        told = _now("The node takes no more runs: %(node)s.") % {"node": node}
        with transaction.atomic():
            count = changed.update(drain_requested_at=Now())
            self._tell(request, node, count, told, AuditEvent.Kind.DRAINED)
        return HttpResponseRedirect(_page_of(node))

    def resume_node(self: Any, request: HttpRequest, node_id: UUID) -> HttpResponse:
        """Let a drained node take runs again, once confirmed."""
        node = self._find_node(request, node_id)
        if not is_confirmed(request):
            return ask_first(
                request,
                self,
                title=_now("Resume a node"),
                consequence=_now("It takes runs again."),
                button=_now("Resume"),
                objects=[f"{node.worker}: {node}"],
                cancel_url=_page_of(node),
            )
        changed = WorkerNode.objects.filter(pk=node.pk).drained()
        told = _now("The node takes runs again: %(node)s.") % {"node": node}
        with transaction.atomic():
            count = changed.update(drain_requested_at=None)
            self._tell(request, node, count, told, AuditEvent.Kind.RESUMED)
        return HttpResponseRedirect(_page_of(node))

    def _find_node(self: Any, request: HttpRequest, node_id: UUID) -> WorkerNode:
        node = WorkerNode.objects.select_related("worker").filter(pk=node_id).first()
        if not self.has_change_permission(request, node and node.worker):
            raise PermissionDenied
        if node is None:
            raise Http404
        return node

    def _tell(
        self: Any,
        request: HttpRequest,
        node: WorkerNode,
        changed: int,
        told: str,
        kind: AuditEvent.Kind,
    ) -> None:
        if changed:
            record_event(kind, node.worker, object_name=f"{node.worker}: {node}")
            self.log_change(request, node.worker, told)
            self.message_user(request, told, messages.SUCCESS)


def _page_of(node: WorkerNode) -> str:
    return reverse("admin:processes_worker_change", args=[node.worker_id])
