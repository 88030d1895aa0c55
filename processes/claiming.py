"""Which run a node takes next: the best one whose limits of parallel runs have room.

Without limits a claim looks once and locks a run. A limit costs the lock of the limited row, under
which the runs that hold a lease are counted. Locks are taken in one order: worker, process model,
run; and a run is locked only to be taken, so that nobody passes it over for a claim that is refused.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import ExpressionWrapper, F, IntegerField, OuterRef, Subquery

from processes.models import ProcessModel, Run, Worker
from processes.models.runs import RunQuerySet


@dataclass(frozen=True)
class Choice:
    """What a worker could take: the best run of one process model, or of any without a limit."""

    worker_id: int
    node_id: UUID
    is_worker_limited: bool
    process_model_id: int | None = None
    is_model_limited: bool = False

    @property
    def is_limited(self) -> bool:
        """Tell whether what is taken counts for a limit."""
        return self.is_worker_limited or self.is_model_limited

    def lock(self) -> Run | None:
        """Lock the run, in the caller's transaction; None if there is no room, or no run left.

        Others that claim under the same limit wait until that transaction has ended.
        """
        if self.is_worker_limited and not _lock_room(Worker.objects.filter(pk=self.worker_id)):
            return None
        runs = Run.objects.claimable_by(self.worker_id, self.node_id).select_related(
            "process_model"
        )
        if self.process_model_id is not None:
            models = ProcessModel.objects.filter(pk=self.process_model_id)
            if self.is_model_limited and not _lock_room(models):
                return None
            runs = runs.filter(process_model=self.process_model_id)
        run = runs.select_for_update(skip_locked=True, of=("self",)).first()
        if run is None or (run.process_model.max_parallel_runs and not self.is_model_limited):
            return None  # what was before it is taken, and its own limit has not been looked at
        return run


def find_choices(worker_id: int, node_id: UUID) -> Iterator[Choice]:
    """Yield what this node of the worker could take, best first.

    Ask for the next only after the transaction in which nothing came of the one before.
    """
    claimable = Run.objects.claimable_by(worker_id, node_id)
    best = _look(claimable, worker_id)
    if best and best.model_limit is None:
        yield Choice(worker_id, node_id, best.worker_limit is not None)
        best = _look(_find_heads(claimable), worker_id)
    passed_over = set()
    while best:
        model_id = best.process_model_id
        limits = best.worker_limit is not None, best.model_limit is not None
        yield Choice(worker_id, node_id, limits[0], model_id, limits[1])
        passed_over.add(model_id)
        best = _look(_find_heads(claimable).exclude(process_model__in=passed_over), worker_id)


def _look(runs: RunQuerySet, worker_id: int) -> Any:
    """Return process model and limits of the first of `runs`; None if there is none."""
    worker = Worker.objects.filter(pk=worker_id)
    return (
        runs.annotate(
            model_limit=F("process_model__max_parallel_runs"),
            worker_limit=Subquery(worker.values("max_parallel_runs")),
        )
        .values_list("process_model_id", "model_limit", "worker_limit", named=True)
        .first()
    )


def _find_heads(claimable: RunQuerySet) -> RunQuerySet:
    """Return the best run of each process model that is below its limit, best first.

    A walk through the claim's own index would pass every run that waits for a limit. The order is
    written so that no index serves it, or the planner would take that walk.
    """
    head = claimable.filter(process_model=OuterRef("pk")).values("pk")[:1]
    models = ProcessModel.objects.exclude(pk__in=ProcessModel.objects.at_limit())
    heads = models.order_by().annotate(head=Subquery(head)).values("head")
    by_priority = ExpressionWrapper(0 - F("priority"), output_field=IntegerField())
    return Run.objects.filter(pk__in=heads).order_by(by_priority, "ready_at", "id")


def _lock_room(limited: Any) -> bool:
    """Lock a row that has a limit, and tell whether one more run may begin.

    The lock leaves room for those who only refer to the row: a start never waits for it. The runs
    are counted by a statement of their own, which sees what came while the lock was waited for.
    """
    list(limited.select_for_update(no_key=True).values_list("pk"))
    return all(limited.count_room().values())
