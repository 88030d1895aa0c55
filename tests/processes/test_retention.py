"""Old runs and logs go, in batches; what is not finished stays."""

import uuid
from datetime import datetime, timedelta
from typing import Any

import pytest
import uuid_utils.compat
from django.db.models.functions import Now
from django.utils import timezone

from processes import retention
from processes.models import Run, RunAttempt, RunLog
from processes.retention import purge_logs, purge_runs
from tests.factories import RunFactory

pytestmark = pytest.mark.django_db
DAYS_90 = timedelta(days=90)


def make_id(made_at: datetime) -> uuid.UUID:
    """Return an id such as a run made at that moment has: 48 bits of milliseconds, then chance."""
    milliseconds = int(made_at.timestamp() * 1000)
    return uuid.UUID(int=milliseconds << 80 | uuid_utils.compat.uuid7().int & (1 << 80) - 1)


def make_old_run(days: int, **traits: Any) -> Run:
    """Return a run made and, if it is finished, ended so many days ago."""
    made_at = timezone.now() - timedelta(days=days)
    run: Run = RunFactory.create(id=make_id(made_at), created_at=made_at, **traits)
    Run.objects.filter(pk=run.pk, finished_at__isnull=False).update(finished_at=made_at)
    RunAttempt.objects.create(run=run, number=1)
    RunLog.objects.create(run=run, attempt=1, sequence=1, stream="log", text="x")
    return run


def test_old_runs_go_with_attempts_and_logs_and_the_others_stay(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(retention, "RUNS_AT_ONCE", 2)
    for _ in range(5):
        make_old_run(91, succeeded=True)
    kept = [make_old_run(89, succeeded=True), make_old_run(91), make_old_run(91, running=True)]

    assert purge_runs(DAYS_90) == 5

    assert set(Run.objects.all()) == set(kept)
    assert RunAttempt.objects.count() == RunLog.objects.count() == 3


def test_run_that_lasted_long_is_kept_from_its_end_on() -> None:
    run = make_old_run(200, succeeded=True)
    Run.objects.filter(pk=run.pk).update(finished_at=Now() - timedelta(days=1))

    assert purge_runs(DAYS_90) == 0


def test_logs_go_before_their_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "LOG_CHUNKS_AT_ONCE", 2)
    for _ in range(3):
        make_old_run(31, succeeded=True)
    kept = [make_old_run(29, succeeded=True), make_old_run(31, running=True)]

    assert purge_logs(timedelta(days=30)) == 3

    assert Run.objects.count() == 5
    assert set(RunLog.objects.values_list("run", flat=True)) == {run.pk for run in kept}
