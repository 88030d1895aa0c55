"""Who executes: workers, and the operating-system processes that serve them."""

from collections import Counter
from datetime import timedelta
from typing import Any, Self

from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Count, F, FilteredRelation, Q
from django.db.models.functions import Greatest, Now
from django.utils.translation import gettext_lazy as _

from processes.models.trails import Trail

OFFLINE_AFTER = timedelta(seconds=30)
FORGOTTEN_AFTER = timedelta(days=1)
SHARED_QUEUE = "shared"


def _held_runs() -> FilteredRelation:
    # Rows under a lease are counted, never a counter: that could leak.
    return FilteredRelation("nodes__runs", condition=Q(nodes__runs__status="RUNNING"))


class WorkerQuerySet(models.QuerySet["Worker"]):
    """Workers by what admins let them do."""

    def taking_runs(self) -> Self:
        """Return the workers that are neither disabled nor paused."""
        return self.filter(enabled=True, paused_at=None)

    def count_room(self) -> dict[int, int]:
        """Return how many more runs the workers that have a limit may begin, by worker id."""
        limited = self.exclude(max_parallel_runs=None).order_by().alias(held=_held_runs())
        room = Greatest(F("max_parallel_runs") - Count("held"), 0)
        return dict(limited.annotate(room=room).values_list("pk", "room"))

    def at_limit(self) -> Self:
        """Return the workers that execute as many runs as they may, over all nodes, or more."""
        limited = self.exclude(max_parallel_runs=None).order_by().alias(held=_held_runs())
        return limited.annotate(running=Count("held")).filter(running__gte=F("max_parallel_runs"))


class Worker(models.Model):
    """Who executes runs; API clients name it by its id. Every worker also serves the shared queue."""

    name = models.CharField(_("name"), max_length=100, unique=True)
    enabled = models.BooleanField(
        _("enabled"), default=True, help_text=_("A disabled worker takes no runs.")
    )
    paused_at = models.DateTimeField(_("paused at"), null=True, blank=True)
    pause_reason = models.CharField(_("pause reason"), max_length=200, blank=True)
    max_parallel_runs = models.PositiveIntegerField(
        _("maximum parallel runs"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text=_(
            "Over all its nodes together. Empty: as many as they have slots. A lower limit ends"
            " nothing that runs."
        ),
    )

    objects = WorkerQuerySet.as_manager()
    history = Trail()

    class Meta:
        verbose_name = _("worker")
        verbose_name_plural = _("workers")
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.pk} · {self.name}"

    @property
    def queue(self) -> str:
        """The Celery queue that only this worker's nodes listen to."""
        return queue_of(self.pk)


def queue_of(worker_id: int | None) -> str:
    """Return the Celery queue of a worker, or the one that any worker serves."""
    return SHARED_QUEUE if worker_id is None else f"worker-{worker_id}"


class WorkerNodeQuerySet(models.QuerySet["WorkerNode"]):
    """Nodes by what their heartbeat says."""

    def online(self) -> Self:
        """Return the nodes whose last heartbeat is recent, by the database's clock."""
        return self.filter(stopped_at=None, last_seen_at__gt=Now() - OFFLINE_AFTER)

    def silent(self) -> Self:
        """Return the nodes that went offline within a day without having been stopped."""
        return self.filter(
            stopped_at=None,
            last_seen_at__lte=Now() - OFFLINE_AFTER,
            last_seen_at__gt=Now() - FORGOTTEN_AFTER,
        )

    def drained(self) -> Self:
        """Return the nodes that somebody has told to take no more runs."""
        return self.exclude(drain_requested_at=None)

    def taking_runs(self) -> Self:
        """Return the online nodes that are not drained, of workers neither disabled nor paused."""
        return self.online().filter(
            drain_requested_at=None, worker__in=Worker.objects.taking_runs()
        )

    def with_free_slots(self) -> Any:
        """Add as `free` how many more runs each node has slots for."""
        held = FilteredRelation("runs", condition=Q(runs__status="RUNNING"))
        free = Greatest(F("concurrency") - Count("held"), 0)
        return self.order_by().annotate(held=held).annotate(free=free)

    def count_free_slots(self) -> Counter[int]:
        """Return how many more runs the nodes could execute now, by worker id.

        They are no more than their worker's limit leaves.
        """
        nodes = self.with_free_slots().values_list("worker", "worker__max_parallel_runs", "free")
        free: Counter[int] = Counter()
        limited = set()
        for worker_id, limit, slots in nodes:
            free[worker_id] += slots
            if limit is not None:
                limited.add(worker_id)
        if limited:
            for worker_id, room in Worker.objects.filter(pk__in=limited).count_room().items():
                free[worker_id] = min(free[worker_id], room)
        return free


class WorkerNode(models.Model):
    """A live operating-system process that executes runs for a worker."""

    boot_id = models.UUIDField(primary_key=True)
    worker = models.ForeignKey(Worker, on_delete=models.CASCADE, related_name="nodes")
    host = models.CharField(_("host"), max_length=255)
    pid = models.PositiveIntegerField(_("process id"))
    concurrency = models.PositiveIntegerField(_("concurrency"))
    started_at = models.DateTimeField(_("started at"), db_default=Now())
    last_seen_at = models.DateTimeField(_("last seen at"), db_default=Now())
    last_message_at = models.DateTimeField(
        _("last message at"), null=True, help_text=_("When the broker last delivered to it.")
    )
    stopped_at = models.DateTimeField(_("stopped at"), null=True)
    drain_requested_at = models.DateTimeField(
        _("drain requested at"),
        null=True,
        help_text=_("From then on it takes no more runs; its worker's other nodes go on."),
    )

    objects = WorkerNodeQuerySet.as_manager()

    class Meta:
        verbose_name = _("worker node")
        verbose_name_plural = _("worker nodes")
        ordering = ["-last_seen_at"]
        indexes = [
            # Serves readiness: which are online, which went silent, and the last heartbeat of all.
            models.Index(fields=["last_seen_at"], name="node_last_seen"),
        ]

    def __str__(self) -> str:
        return f"{self.host}:{self.pid}"
