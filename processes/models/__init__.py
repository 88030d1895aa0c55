"""What can be run, who executes it, and every execution of it."""

from processes.models.audit import AuditEvent
from processes.models.process_models import Application, Output, Parameter, ProcessModel
from processes.models.runs import Run, RunAttempt, RunLog
from processes.models.workers import Worker, WorkerNode

__all__ = [
    "Application",
    "AuditEvent",
    "Output",
    "Parameter",
    "ProcessModel",
    "Run",
    "RunAttempt",
    "RunLog",
    "Worker",
    "WorkerNode",
]
