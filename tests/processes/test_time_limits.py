"""An attempt that takes too long fails, by its node's parent and without the database."""

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from processes import ending, nodes
from processes.ending import Ender
from processes.execution import claim_run, complete_run, execute_run, work_until_idle
from processes.executors.base import ProcessFailed, Work
from processes.executors.context import RunContext
from processes.executors.python import PythonExecutor
from processes.leases import LeaseKeeper
from processes.models import ProcessModel, Run, RunAttempt
from processes.moments import describe_duration, describe_time_limit
from processes.queueing import cancel_run
from tests.factories import ProcessModelFactory, RunFactory, UserFactory
from tests.processes.conftest import Register
from tests.processes.recorder import Recorder

Child = subprocess.Popen[bytes]
Start = Callable[..., Child]
OBEY = "import time; print(flush=True); time.sleep(60)"
IGNORE = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {OBEY}"
LIMIT = timedelta(seconds=10)
MESSAGE = "The time limit of 10 seconds was reached."


@pytest.fixture
def start_child() -> Iterator[Start]:
    """Return a function that starts a child of this process and waits until it is ready."""
    children: list[Child] = []

    def start(program: str = OBEY) -> Child:
        child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)  # noqa: S603 - a program of this file
        assert child.stdout is not None
        child.stdout.readline()
        child.stdout.close()
        children.append(child)
        return child

    yield start
    for child in children:
        child.kill()
        child.wait()


def hold_by(node: nodes.Node, child: Child, *, late: float = 0.1) -> Run:
    """Return a run that the child executes, so many seconds over its limit."""
    [slot] = node.slots
    run = claim_run(node)
    assert run is not None
    assert run.lease_token is not None
    slot.hold(run.pk, run.lease_token, deadline=time.monotonic() + 30, time_limit=LIMIT)
    slot._memory.limit_at = time.monotonic() - late
    slot._memory.pid = child.pid
    return run


def record_death(node: nodes.Node, child: Child) -> None:
    """Have the keeper record the run of a child that ends."""
    code = child.wait(10)
    keeper = LeaseKeeper(node)
    keeper.note_exit(child.pid, code)
    keeper.look()


def test_attempt_over_its_limit_is_told_to_end_and_fails(
    node: nodes.Node, start_child: Start
) -> None:
    RunFactory.create(process_model__on_worker_lost="retry")
    child = start_child()
    run = hold_by(node, child)

    Ender(node).look()
    record_death(node, child)

    run.refresh_from_db()
    assert (run.status, run.reason, run.message) == ("FAILED", "time_limit", MESSAGE)
    attempt = RunAttempt.objects.get()
    assert (attempt.outcome, attempt.error, attempt.signal) == ("failed", MESSAGE, "SIGTERM")


def test_attempt_that_ignores_sigterm_is_killed_after_its_grace(
    node: nodes.Node, start_child: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ending, "SECONDS_AFTER_GRACE", 60.0)
    killed: list[bool] = []
    RunFactory.create()
    child = start_child(IGNORE)
    hold_by(node, child)
    ender = Ender(node, lambda: killed.append(True))

    ender.look()
    ender.look()
    assert (child.poll(), killed) == (None, [])
    ender._kill_at = dict.fromkeys(ender._kill_at, time.monotonic())
    ender.look()
    record_death(node, child)

    assert killed == [True]
    attempt = RunAttempt.objects.get()
    assert (attempt.outcome, attempt.error, attempt.signal) == ("failed", MESSAGE, "SIGKILL")


def test_attempt_within_its_limit_goes_on(node: nodes.Node, start_child: Start) -> None:
    RunFactory.create()
    child = start_child()
    hold_by(node, child, late=-60)

    Ender(node).look()

    time.sleep(0.2)
    assert child.poll() is None
    assert not node.slots[0].is_overdue()


def test_attempt_without_a_limit_goes_on(node: nodes.Node, start_child: Start) -> None:
    [slot] = node.slots
    slot.hold(uuid.uuid4(), uuid.uuid4(), deadline=0)
    slot._memory.pid = (child := start_child()).pid

    Ender(node).look()

    time.sleep(0.2)
    assert child.poll() is None


def test_attempt_whose_end_is_being_recorded_stays_what_it_is(
    node: nodes.Node, start_child: Start
) -> None:
    RunFactory.create()
    child = start_child()
    run = hold_by(node, child)
    node.slots[0].begin_ending()

    Ender(node).look()
    complete_run(run, outputs={"x": 1})
    LeaseKeeper(node).look()

    time.sleep(0.2)
    assert child.poll() is None
    assert Run.objects.get().status == "SUCCEEDED"
    assert RunAttempt.objects.get().outcome == "succeeded"


def test_limit_of_an_attempt_is_none_of_the_next(node: nodes.Node) -> None:
    [slot] = node.slots
    slot.hold(uuid.uuid4(), overdue := uuid.uuid4(), deadline=0)
    slot.mark_overdue(overdue)
    assert slot.is_to_end()

    slot.hold(uuid.uuid4(), uuid.uuid4(), deadline=0)

    assert not slot.is_to_end()


def test_limit_is_kept_without_a_query(
    node: nodes.Node, start_child: Start, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    RunFactory.create()
    child = start_child()
    hold_by(node, child)

    with django_assert_num_queries(0):
        Ender(node).look()

    assert child.wait(10) == -signal.SIGTERM


def test_limit_uses_up_an_attempt(node: nodes.Node, start_child: Start) -> None:
    RunFactory.create(retry_count=1)
    child = start_child()
    run = hold_by(node, child)

    Ender(node).look()
    record_death(node, child)

    run.refresh_from_db()
    assert (run.status, run.reason, run.message) == ("WAITING", "retry_pending", MESSAGE)
    assert node.slots[0].read() is None


def test_cancel_that_comes_meanwhile_cancels(node: nodes.Node, start_child: Start) -> None:
    RunFactory.create(retry_count=1)
    child = start_child()
    run = hold_by(node, child)

    Ender(node).look()
    cancel_run(run.pk, requested_by="Ada")
    record_death(node, child)

    assert Run.objects.get().status == "CANCELLED"
    assert RunAttempt.objects.get().outcome == "cancelled"


def test_attempt_that_is_cancelled_already_is_told_nothing_more(
    node: nodes.Node, start_child: Start
) -> None:
    RunFactory.create()
    hold_by(node, start_child(IGNORE))
    run = Run.objects.get()
    cancel_run(run.pk, requested_by="Ada")
    LeaseKeeper(node).look()

    Ender(node).look()

    assert node.slots[0].is_cancelled()
    assert not node.slots[0].is_overdue()


@pytest.mark.parametrize("ends_by_itself", [True, False])
def test_function_that_goes_on_after_its_limit_fails_whatever_it_returns(
    node: nodes.Node, register: Register, ends_by_itself: bool
) -> None:
    seen = []
    [slot] = node.slots

    def reach_the_limit(context: RunContext) -> dict[str, Any]:
        seen.append(context.is_cancelled)
        assert run is not None
        assert run.lease_token is not None
        slot.mark_overdue(run.lease_token)
        seen.append(context.is_cancelled)
        if ends_by_itself:
            return {"x": 1}
        raise ValueError("No paper.")

    model = register(reach_the_limit)
    ProcessModel.objects.update(time_limit=LIMIT)
    RunFactory.create(process_model=model)
    run = claim_run(node)
    assert run is not None
    assert run.lease_token is not None
    slot.hold(run.pk, run.lease_token, deadline=0)

    execute_run(run, slot)

    assert seen == [False, True]
    run.refresh_from_db()
    assert (run.status, run.reason, run.message) == ("FAILED", "time_limit", MESSAGE)
    assert run.outputs is None


def test_sigterm_tells_the_function_of_the_limit(register: Register) -> None:
    def wait() -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    model = register(wait)
    work = Work(
        uuid.uuid4(),
        1,
        {},
        model.configuration,
        is_cancelled=lambda: True,
        describe_end=lambda: describe_time_limit(LIMIT),
    )
    recorder = Recorder()

    with pytest.raises(ProcessFailed, match=MESSAGE):
        PythonExecutor().execute(work, recorder)

    assert f"SystemExit: {MESSAGE}" in recorder.lines("traceback")[0]


def test_changed_limit_counts_for_attempts_that_begin_later(
    become_node: nodes.Node, register: Register
) -> None:
    limits = []

    def look() -> None:
        held = nodes.current_slot().read()
        assert held is not None
        limits.append((held.time_limit, held.kill_grace))
        ProcessModel.objects.update(time_limit=LIMIT, kill_grace=timedelta(seconds=2))

    model = register(look)
    RunFactory.create_batch(2, process_model=model)

    work_until_idle()

    assert limits == [(float("inf"), 10.0), (10.0, 2.0)]


@pytest.mark.django_db
def test_limit_of_no_time_cannot_be_stored() -> None:
    with pytest.raises(IntegrityError, match="process_model_time_limit"):
        ProcessModelFactory.create(time_limit=timedelta(0))


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("time_limit", "0:00:00", "Give at least one second."),
        ("time_limit", "soon", "Write it as hours:minutes:seconds, such as 1:30:00."),
        ("kill_grace", "-1", "Give no time below zero."),
        ("kill_grace", "1:00:01", "Give at most one hour."),
    ],
)
def test_wrong_limit_is_refused_at_its_field(name: str, text: str, sentence: str) -> None:
    model = ProcessModelFactory.create()

    page = save_in_admin(model, **{name: text})

    assert page.context["adminform"].form.errors == {name: [sentence]}


@pytest.mark.django_db
def test_limit_is_set_in_the_admin() -> None:
    model = ProcessModelFactory.create()

    answer = save_in_admin(model, time_limit="1:30:00", kill_grace="0:00:05")

    assert answer.status_code == 302
    model.refresh_from_db()
    assert (model.time_limit, model.kill_grace) == (
        timedelta(minutes=90),
        timedelta(seconds=5),
    )


def save_in_admin(model: ProcessModel, **changes: str) -> Any:
    browser = Client()
    browser.force_login(UserFactory.create(is_staff=True, is_superuser=True))
    address = f"/admin/processes/processmodel/{model.pk}/change/"
    page = browser.get(address)
    forms = [page.context["adminform"].form]
    for inline in page.context["inline_admin_formsets"]:
        forms += [inline.formset.management_form]
    data = {
        field.html_name: field.value()
        for form in forms
        for field in form
        if field.value() is not None
    }
    return browser.post(address, data | {"kill_grace": "0:00:10"} | changes)


@pytest.mark.parametrize(
    ("duration", "words"),
    [
        (timedelta(seconds=10), "10 seconds"),
        (timedelta(seconds=1), "1 second"),
        (timedelta(seconds=0.5), "0.5 seconds"),
        (timedelta(minutes=1), "1 minute"),
        (timedelta(minutes=90), "1 hour 30 minutes"),
        (timedelta(days=2, seconds=1), "2 days 1 second"),
        (timedelta(0), "0 seconds"),
    ],
)
def test_duration_is_told_in_words(duration: timedelta, words: str) -> None:
    assert describe_duration(duration) == words
