"""The admin's pages for process models, runs and workers."""

from processes.admin.process_models import ApplicationAdmin, ProcessModelAdmin
from processes.admin.runs import RunAdmin
from processes.admin.workers import WorkerAdmin

__all__ = ["ApplicationAdmin", "ProcessModelAdmin", "RunAdmin", "WorkerAdmin"]
