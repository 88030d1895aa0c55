"""Every execution: runs, their attempts and their logs."""

import uuid
from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Self

import uuid_utils.compat
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Exists, F, OuterRef, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from processes.models.process_models import MAX_RETRY_COUNT, ProcessModel
from processes.models.workers import Worker, WorkerNode

UNFINISHED = ["WAITING", "RUNNING"]
CLAIM_ORDER = ("-priority", "ready_at", "id")
MIN_PRIORITY, DEFAULT_PRIORITY, MAX_PRIORITY = 1, 50, 99


def new_run_id() -> uuid.UUID:
    """Return a time-ordered UUID, so that new rows meet at the end of every index."""
    return uuid_utils.compat.uuid7()


class RunQuerySet(models.QuerySet["Run"]):
    """Runs by where they stand; every comparison uses the database's clock."""

    def waiting(self) -> Self:
        """Return the runs that nobody executes yet."""
        return self.filter(status=Run.Status.WAITING)

    def ready(self) -> Self:
        """Return the waiting runs whose time has come."""
        return self.waiting().filter(ready_at__lte=Now())

    def running(self) -> Self:
        """Return the runs that a node holds a lease on."""
        return self.filter(status=Run.Status.RUNNING)

    def abandoned(self) -> Self:
        """Return the running runs whose lease ran out: nobody has extended it."""
        return self.running().filter(lease_expires_at__lt=Now())

    def unfinished(self) -> Self:
        """Return the runs whose status may still change."""
        return self.filter(status__in=UNFINISHED)

    def in_turn(self) -> Self:
        """Leave out the runs that wait for another one to finish."""
        earlier = Run.objects.unfinished().filter(pk=OuterRef("waits_for"))
        return self.filter(Q(waits_for=None) | ~Exists(earlier))

    def startable(self) -> Self:
        """Return the runs that could begin now, if a worker and the limits have room for them."""
        return self.ready().in_turn().filter(process_model__enabled=True)

    def within_limits(self) -> Self:
        """Leave out the runs of process models that are at their limit."""
        at_limit = ProcessModel.objects.at_limit()
        # Not `exclude`: a long queue of one at its limit would be read row by row.
        return self.filter(process_model__in=ProcessModel.objects.exclude(pk__in=at_limit))

    def claimable_by(self, worker_id: int, node_id: uuid.UUID | None = None) -> Self:
        """Return the runs that the worker, or the node of it, may take, best first.

        They are none while the worker is disabled, paused or at its limit, or the node drained. The
        limits of their process models are left aside: see `processes.claiming`.
        """
        worker = Worker.objects.filter(pk=worker_id)
        runs = self.startable()
        if node_id:
            runs = runs.exclude(Exists(WorkerNode.objects.drained().filter(pk=node_id)))
        return (
            runs.filter(Exists(worker.taking_runs()), ~Exists(worker.at_limit()))
            .filter(Q(worker=None) | Q(worker=worker_id))
            .order_by(*CLAIM_ORDER)
        )

    def owned_by(self, owner: str) -> Self:
        """Return the runs that the identity `owner` (`client:<id>`, `user:<id>`) may read."""
        return self.filter(owner=owner)


class Run(models.Model):
    """One execution of a process model. The row is the truth; messages only say *look*."""

    class Status(models.TextChoices):
        """Where a run stands; the values are those of the connector API."""

        WAITING = "WAITING", _("waiting")
        RUNNING = "RUNNING", _("running")
        SUCCEEDED = "SUCCEEDED", _("succeeded")
        FAILED = "FAILED", _("failed")
        CANCELLED = "CANCELLED", _("cancelled")

    class Reason(models.TextChoices):
        """Why a run stands where it stands, as a stable code beside the message."""

        PROCESS_FAILED = "process_failed", _("the process failed")
        TIME_LIMIT = "time_limit", _("the time limit was reached")
        RETRY_PENDING = "retry_pending", _("a retry is pending")
        WORKER_LOST = "worker_lost", _("the worker was lost")
        WORKER_STOPPED = "worker_stopped", _("the worker was stopped")
        CANCELLED = "cancelled", _("cancelled")

    id = models.UUIDField(_("robustaSpid"), primary_key=True, default=new_run_id, editable=False)
    process_model = models.ForeignKey(
        ProcessModel,
        verbose_name=_("process model"),
        on_delete=models.PROTECT,
        related_name="runs",
        db_index=False,
    )
    values = models.JSONField(_("values"), default=dict)
    outputs = models.JSONField(_("outputs"), null=True)
    status = models.CharField(
        _("status"), max_length=10, choices=Status.choices, default=Status.WAITING
    )
    message = models.TextField(_("message"), blank=True)
    reason = models.CharField(_("reason"), max_length=40, blank=True)
    progress_done = models.FloatField(_("progress"), null=True)
    progress_total = models.FloatField(_("progress total"), null=True)

    attempt = models.PositiveSmallIntegerField(
        _("attempt"), default=0, help_text=_("How many attempts have begun.")
    )
    retry_count = models.PositiveSmallIntegerField(
        _("retry count"), default=0, validators=[MaxValueValidator(MAX_RETRY_COUNT)]
    )
    retry_delay = models.DurationField(_("retry delay"), default=timedelta)
    worker = models.ForeignKey(
        Worker,
        verbose_name=_("worker"),
        on_delete=models.PROTECT,
        null=True,
        related_name="runs",
        db_index=False,
    )
    priority = models.PositiveSmallIntegerField(
        _("priority"),
        default=DEFAULT_PRIORITY,
        validators=[MinValueValidator(MIN_PRIORITY), MaxValueValidator(MAX_PRIORITY)],
    )

    owner = models.CharField(_("owner"), max_length=100, blank=True)
    requested_by = models.CharField(_("requested by"), max_length=200, blank=True)
    schedule_id = models.UUIDField(_("schedule"), null=True)
    waits_for = models.UUIDField(
        _("waits for"), null=True, help_text=_("The run that has to finish before this one begins.")
    )

    created_at = models.DateTimeField(_("created at"), db_default=Now())
    ready_at = models.DateTimeField(_("ready at"), db_default=Now())
    started_at = models.DateTimeField(_("started at"), null=True)
    finished_at = models.DateTimeField(_("finished at"), null=True)
    cancel_requested_at = models.DateTimeField(_("cancel requested at"), null=True)
    cancel_requested_by = models.CharField(_("cancel requested by"), max_length=200, blank=True)

    node = models.ForeignKey(
        WorkerNode,
        verbose_name=_("node"),
        on_delete=models.SET_NULL,
        null=True,
        related_name="runs",
        db_index=False,
    )
    lease_token = models.UUIDField(null=True)
    lease_expires_at = models.DateTimeField(null=True)

    # Known to whoever has claimed it: whether it counts for a limit of parallel runs, and the types
    # of the outputs that no code checks, by name.
    is_limited = False
    declared_outputs: Mapping[str, str] = MappingProxyType({})

    objects = RunQuerySet.as_manager()

    class Meta:
        verbose_name = _("run")
        verbose_name_plural = _("runs")
        ordering = ["-id"]
        permissions = [("cancel_run", "Can cancel runs"), ("start_run", "Can start runs")]
        constraints = [
            # Protects readers of the status: the five words are all there are.
            models.CheckConstraint(
                condition=Q(status__in=["WAITING", "RUNNING", "SUCCEEDED", "FAILED", "CANCELLED"]),
                name="run_status_known",
            ),
            # Protects the fencing: a run is being executed exactly while a lease is held.
            models.CheckConstraint(
                condition=Q(
                    status="RUNNING", lease_token__isnull=False, lease_expires_at__isnull=False
                )
                | (~Q(status="RUNNING") & Q(lease_token=None, lease_expires_at=None)),
                name="run_lease_while_running",
            ),
            # Protects the claim's order from a priority that outranks every other for ever.
            models.CheckConstraint(
                condition=Q(priority__gte=MIN_PRIORITY, priority__lte=MAX_PRIORITY),
                name="run_priority_in_range",
            ),
            # Protects the attempts from running away.
            models.CheckConstraint(
                condition=Q(retry_count__lte=MAX_RETRY_COUNT), name="run_retry_count_in_range"
            ),
            # Protects the status answer: only a finished run has an end, and it always has one.
            models.CheckConstraint(
                condition=Q(status__in=["WAITING", "RUNNING"], finished_at=None)
                | Q(status__in=["SUCCEEDED", "FAILED", "CANCELLED"], finished_at__isnull=False),
                name="run_finished_at_when_finished",
            ),
        ]
        indexes = [
            # Serves the claim: the best run a worker may take.
            models.Index(
                F("priority").desc(),
                "ready_at",
                "id",
                condition=Q(status="WAITING"),
                name="run_claim",
            ),
            # Serves the claim while a process model is at its limit: the best run of each of the
            # others, however many of that one wait before them.
            models.Index(
                "process_model",
                F("priority").desc(),
                "ready_at",
                "id",
                condition=Q(status="WAITING"),
                name="run_claim_of_model",
            ),
            # Serves the limits: what is executed of a process model.
            models.Index(
                fields=["process_model"], condition=Q(status="RUNNING"), name="run_running_of_model"
            ),
            # Serves the heartbeat (extend the leases of a node) and the counting of busy slots.
            models.Index(fields=["node"], condition=Q(status="RUNNING"), name="run_leases_of_node"),
            # Serves the search for leases that ran out.
            models.Index(
                fields=["lease_expires_at"], condition=Q(status="RUNNING"), name="run_lease_expiry"
            ),
            # Serves the runs of one process model, newest first.
            models.Index(fields=["process_model", "-id"], name="run_of_process_model"),
            # Serves the runs of one schedule, newest first.
            models.Index(
                fields=["schedule_id", "-id"],
                condition=Q(schedule_id__isnull=False),
                name="run_of_schedule",
            ),
            # Serves the overlap policies and the status of a plan: what goes on of a schedule.
            models.Index(
                fields=["schedule_id", "status"],
                condition=Q(schedule_id__isnull=False),
                name="run_of_schedule_by_status",
            ),
            # Serves the runs meant for one worker, newest first.
            models.Index(
                fields=["worker", "-id"], condition=Q(worker__isnull=False), name="run_of_worker"
            ),
        ]

    def __str__(self) -> str:
        return str(self.pk)

    @property
    def has_attempt_after_loss(self) -> bool:
        """Tell whether another attempt is left for a worker that was lost: at least one is."""
        return (
            self.process_model.on_worker_lost == ProcessModel.OnWorkerLost.RETRY
            and self.attempt <= max(self.retry_count, 1)
        )

    @property
    def is_finished(self) -> bool:
        """Tell whether the run has reached a status that never changes again."""
        return self.status not in {self.Status.WAITING, self.Status.RUNNING}


class RunAttempt(models.Model):
    """One try at a run, with how it ended."""

    class Outcome(models.TextChoices):
        """How an attempt ended; empty while it lasts."""

        SUCCEEDED = "succeeded", _("succeeded")
        FAILED = "failed", _("failed")
        LOST = "lost", _("lost")
        CANCELLED = "cancelled", _("cancelled")

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="attempts", db_index=False)
    number = models.PositiveSmallIntegerField(_("number"))
    started_at = models.DateTimeField(_("started at"), db_default=Now())
    finished_at = models.DateTimeField(_("finished at"), null=True)
    outcome = models.CharField(_("outcome"), max_length=20, choices=Outcome.choices, blank=True)
    exit_code = models.IntegerField(_("exit code"), null=True)
    signal = models.CharField(_("signal"), max_length=20, blank=True)
    error = models.TextField(_("error"), blank=True)
    node_name = models.CharField(_("node"), max_length=300, blank=True)

    class Meta:
        verbose_name = _("attempt")
        verbose_name_plural = _("attempts")
        ordering = ["number"]
        constraints = [
            # Makes a second start of one attempt impossible, and serves the attempts of a run.
            models.UniqueConstraint(fields=["run", "number"], name="run_attempt_once"),
        ]

    def __str__(self) -> str:
        return f"{self.run_id} #{self.number}"


class RunLog(models.Model):
    """A chunk of what a run printed or logged."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="logs", db_index=False)
    attempt = models.PositiveSmallIntegerField(_("attempt"))
    sequence = models.PositiveIntegerField(_("sequence"))
    stream = models.CharField(_("stream"), max_length=20)
    text = models.TextField(_("text"))
    logged_at = models.DateTimeField(_("logged at"), db_default=Now())

    class Meta:
        verbose_name = _("log chunk")
        verbose_name_plural = _("log")
        ordering = ["attempt", "sequence"]
        constraints = [
            # Makes a chunk written twice visible, and serves the log of a run in order.
            models.UniqueConstraint(
                fields=["run", "attempt", "sequence"], name="run_log_sequence_once"
            ),
        ]

    def __str__(self) -> str:
        return self.text
