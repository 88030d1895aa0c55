"""The columns of process models, runs and workers as CSV."""

from collections import defaultdict
from typing import Any

from django.utils.translation import gettext_lazy as _

from processes.admin.export import CsvResource, column
from processes.admin.run_page import measure
from processes.models import Parameter, Run
from processes.secrets import mask
from processes.value_types import ValueType


class ProcessModelExport(CsvResource):
    """What can be run."""

    name = column(_("name"), lambda model: model.name)
    title = column(_("title"), lambda model: model.title)
    application = column(_("application"), lambda model: model.application)
    description = column(_("description"), lambda model: model.description)
    executor = column(_("executor"), lambda model: model.get_executor_display())
    enabled = column(_("enabled"), lambda model: model.enabled)
    parameters = column(_("parameters"), lambda model: model.parameter_count)
    worker = column(_("default worker"), lambda model: model.default_worker)
    retry_count = column(_("retry count"), lambda model: model.default_retry_count)
    time_limit = column(_("time limit (seconds)"), lambda model: model.time_limit)
    max_parallel_runs = column(_("maximum parallel runs"), lambda model: model.max_parallel_runs)
    last_run_at = column(_("last run"), lambda model: model.last_run_at)
    last_run_status = column(_("status of the last run"), lambda model: model.last_run_status)


class RunExport(CsvResource):
    """Executions, with their outputs, and values of which the secret ones are masked."""

    robusta_spid = column(_("robustaSpid"), lambda run: run.pk)
    process_model = column(_("process model"), lambda run: run.process_model.name)
    status = column(_("status"), lambda run: run.status)
    message = column(_("message"), lambda run: run.message)
    reason = column(_("reason"), lambda run: run.reason)
    worker = column(_("worker"), lambda run: run.worker)
    requested_by = column(_("requested by"), lambda run: run.requested_by)
    created_at = column(_("created at"), lambda run: run.created_at)
    started_at = column(_("started at"), lambda run: run.started_at)
    finished_at = column(_("finished at"), lambda run: run.finished_at)
    duration = column(_("duration (seconds)"), lambda run: _measure(run))
    attempt = column(_("attempt"), lambda run: run.attempt)
    retry_count = column(_("retry count"), lambda run: run.retry_count)
    priority = column(_("priority"), lambda run: run.priority)
    schedule = column(_("schedule"), lambda run: run.schedule_id)
    run_values = column(_("values"), lambda run: run.values)
    outputs = column(_("outputs"), lambda run: run.outputs)

    def __init__(self) -> None:
        super().__init__()
        secret = _find_secrets()
        self.fields["run_values"].dehydrate_method = lambda run: mask(
            run.values, secret[run.process_model_id]
        )


class WorkerExport(CsvResource):
    """Who executes runs."""

    id = column(_("id"), lambda worker: worker.pk)
    name = column(_("name"), lambda worker: worker.name)
    enabled = column(_("enabled"), lambda worker: worker.enabled)
    nodes_online = column(_("nodes online"), lambda worker: worker.nodes_online)
    running = column(_("running"), lambda worker: worker.running_now)
    max_parallel_runs = column(_("maximum parallel runs"), lambda worker: worker.max_parallel_runs)
    paused_at = column(_("paused since"), lambda worker: worker.paused_at)
    pause_reason = column(_("reason"), lambda worker: worker.pause_reason)


def _measure(run: Run) -> Any:
    return measure(run.started_at, run.finished_at) if run.is_finished else None


def _find_secrets() -> defaultdict[int, set[str]]:
    """Return the names of secret parameters by process model: one query for all rows."""
    secret: defaultdict[int, set[str]] = defaultdict(set)
    declared = Parameter.objects.filter(value_type=ValueType.SECRET)
    for process_model, name in declared.values_list("process_model_id", "name"):
        secret[process_model].add(name)
    return secret
