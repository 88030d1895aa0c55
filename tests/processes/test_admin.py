"""The admin's pages for process models, runs and workers."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from processes.admin.run_filters import LimitedPaginator, first_id_at
from processes.admin.wording import show_duration
from processes.models import Application, ProcessModel, Run, Worker
from tests.factories import (
    ParameterFactory,
    ProcessModelFactory,
    RunFactory,
    UserFactory,
    WorkerFactory,
    WorkerNodeFactory,
)

PROCESS_MODELS = "/admin/processes/processmodel/"
RUNS = "/admin/processes/run/"
WORKERS = "/admin/processes/worker/"


@pytest.fixture
def operator(db: None) -> Client:
    """Return the browser of a superuser."""
    client = Client()
    client.force_login(UserFactory.create(is_staff=True, is_superuser=True))
    return client


def shown(answer: Any) -> list[Any]:
    """Return the rows of a list."""
    return list(answer.context["cl"].result_list)


def count_queries(client: Client, address: str) -> int:
    """Return how many queries a page takes."""
    with CaptureQueriesContext(connection) as queries:
        assert client.get(address).status_code == 200
    return len(queries)


# Process models


def test_a_row_links_to_the_parameters_page_by_an_icon_with_a_name(operator: Client) -> None:
    process_model = ProcessModelFactory.create(name="Post invoices")

    page = operator.get(PROCESS_MODELS).content.decode()

    assert f'href="/admin/parameters/{process_model.pk}/"' in page
    assert 'aria-label="Parameters of Post invoices"' in page


def test_a_row_shows_the_last_run_and_the_live_ones(operator: Client) -> None:
    process_model = ProcessModelFactory.create()
    RunFactory.create(process_model=process_model, failed=True)
    RunFactory.create(process_model=process_model, running=True)
    RunFactory.create_batch(2, process_model=process_model)
    newest = RunFactory.create(process_model=process_model, succeeded=True)
    RunFactory.create(failed=True)

    answer = operator.get(f"{PROCESS_MODELS}?q={process_model.name}")

    (row,) = shown(answer)
    assert (row.running, row.waiting) == (1, 2)
    assert (row.last_run_id, row.last_run_status) == (newest.pk, Run.Status.SUCCEEDED)
    assert f'href="{RUNS}{newest.pk}/change/"' in answer.content.decode()


def test_the_list_of_process_models_takes_as_many_queries_for_30_as_for_3(operator: Client) -> None:
    for _ in range(3):
        RunFactory.create(process_model=ParameterFactory.create().process_model)
    count_queries(operator, PROCESS_MODELS)
    few = count_queries(operator, PROCESS_MODELS)
    for _ in range(27):
        RunFactory.create(process_model=ParameterFactory.create().process_model, running=True)

    assert count_queries(operator, PROCESS_MODELS) == few


def test_the_action_opens_one_page_for_the_selection(operator: Client) -> None:
    chosen = [ProcessModelFactory.create(name=name) for name in ("B", "A")]
    ProcessModelFactory.create(name="C")

    answer = operator.post(
        PROCESS_MODELS,
        {
            "action": "show_parameters_of_selected",
            "_selected_action": [process_model.pk for process_model in chosen],
        },
        follow=True,
    )

    sections = answer.context["sections"]
    assert [section.process_model.name for section in sections] == ["A", "B"]


def test_the_page_of_a_process_model_leads_to_its_parameters(operator: Client) -> None:
    process_model = ProcessModelFactory.create()
    address = f"{PROCESS_MODELS}{process_model.pk}/parameters/"

    page = operator.get(f"{PROCESS_MODELS}{process_model.pk}/change/").content.decode()
    answer = operator.get(address)

    assert f'href="{address}"' in page
    assert (answer.status_code, answer["Location"]) == (
        302,
        f"/admin/parameters/{process_model.pk}/",
    )


def test_what_the_code_owns_cannot_be_edited(operator: Client) -> None:
    parameter = ParameterFactory.create(name="company")
    process_model = parameter.process_model
    address = f"{PROCESS_MODELS}{process_model.pk}/change/"

    form = operator.get(address).context["adminform"].form
    answer = operator.post(
        address,
        {
            "name": "Another name",
            "title": "Another title",
            "default_retry_count": "3",
            "default_retry_delay": "00:01:00",
            "kill_grace": "00:00:10",
            "on_worker_lost": "retry",
            "max_output_bytes": "1000",
            "parameters-TOTAL_FORMS": "1",
            "parameters-INITIAL_FORMS": "1",
            "parameters-0-id": str(parameter.pk),
            "parameters-0-name": "other",
            "outputs-TOTAL_FORMS": "0",
            "outputs-INITIAL_FORMS": "0",
        },
    )

    assert list(form.fields) == [
        "application",
        "enabled",
        "default_worker",
        "default_retry_count",
        "default_retry_delay",
        "on_worker_lost",
        "max_parallel_runs",
        "time_limit",
        "kill_grace",
        "max_output_bytes",
        "accepts_undeclared_values",
    ]
    stored = ProcessModel.objects.get(pk=process_model.pk)
    assert answer.status_code == 302
    assert (stored.name, stored.title) == (process_model.name, "")
    assert (stored.default_retry_count, stored.default_retry_delay.seconds) == (3, 60)
    assert (stored.on_worker_lost, stored.max_output_bytes) == ("retry", 1000)
    assert stored.parameters.get().name == "company"


def test_a_reader_of_process_models_sees_their_parameters(db: None) -> None:
    user = UserFactory.create(is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_processmodel"))
    reader = Client()
    reader.force_login(user)
    parameter = ParameterFactory.create(help_text="Which company.")

    page = reader.get(f"{PROCESS_MODELS}{parameter.process_model_id}/change/").content.decode()

    assert "Which company." in page


def test_the_list_says_how_process_models_are_added(operator: Client) -> None:
    page = operator.get(PROCESS_MODELS).content.decode()

    assert "PROCESS_MODULES" in page
    assert "COMMANDS_DIR" in page


def test_applications_count_their_process_models(operator: Client) -> None:
    application = Application.objects.create(name="Accounting")
    ProcessModelFactory.create_batch(2, application=application)

    (row,) = shown(operator.get("/admin/processes/application/"))

    assert row.process_model_count == 2


# Runs


def made(moment: datetime, **options: Any) -> Run:
    """Return a run whose id and time say that it was made at `moment`."""
    run_id = uuid.UUID(int=first_id_at(moment).int + uuid.uuid4().int % 2**60)
    run: Run = RunFactory.create(id=run_id, created_at=moment, **options)
    return run


def test_the_last_seven_days_are_shown_unless_others_are_asked_for(operator: Client) -> None:
    now = timezone.now()
    recent = made(now - timedelta(days=6))
    old = made(now - timedelta(days=8))
    very_old = made(now - timedelta(days=80))

    assert shown(operator.get(RUNS)) == [recent]
    assert shown(operator.get(f"{RUNS}?period=month")) == [recent, old]
    assert shown(operator.get(f"{RUNS}?period=all")) == [recent, old, very_old]
    assert shown(operator.get(f"{RUNS}?period=hour")) == []
    assert "The last 7 days are shown" in operator.get(RUNS).content.decode()
    assert "The last 7 days are shown" not in operator.get(f"{RUNS}?period=all").content.decode()


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("created_at_from_0=2026-03-02", ["noon", "late"]),
        ("created_at_from_0=2026-03-02&created_at_from_1=12:00:01", ["late"]),
        ("created_at_to_0=2026-03-02&created_at_to_1=12:00:00", ["early", "noon"]),
        ("created_at_to_0=2026-03-02", ["early", "noon", "late"]),
        ("created_at_from_0=2026-03-03", []),
        ("created_at_from_0=nonsense", ["early", "noon", "late"]),
    ],
)
def test_a_range_of_time_holds_both_its_ends(
    operator: Client, query: str, expected: list[str]
) -> None:
    names = {
        made(datetime(2026, 3, 1, 12, tzinfo=UTC)).pk: "early",
        made(datetime(2026, 3, 2, 12, tzinfo=UTC)).pk: "noon",
        made(datetime(2026, 3, 2, 23, 59, 59, tzinfo=UTC)).pk: "late",
    }

    rows = shown(operator.get(f"{RUNS}?{query}"))

    assert sorted(names[run.pk] for run in rows) == sorted(expected)


def test_the_search_finds_one_run_by_its_whole_id_however_old(operator: Client) -> None:
    run = made(timezone.now() - timedelta(days=400))
    RunFactory.create()

    assert shown(operator.get(RUNS, {"q": f" {str(run.pk).upper()} "})) == [run]
    assert shown(operator.get(RUNS, {"q": str(run.pk)[:-1]})) == []
    assert shown(operator.get(RUNS, {"q": "'; DROP TABLE processes_run"})) == []


def test_runs_are_filtered_by_status_process_model_and_worker(operator: Client) -> None:
    failed = RunFactory.create(failed=True)
    waiting = RunFactory.create(worker=WorkerFactory.create())
    RunFactory.create(succeeded=True)

    by_status = operator.get(f"{RUNS}?status__exact=FAILED&status__exact=WAITING")
    by_model = operator.get(f"{RUNS}?process_model__id__exact={failed.process_model_id}")
    by_worker = operator.get(f"{RUNS}?worker__id__exact={waiting.worker_id}")

    assert shown(by_status) == [waiting, failed]
    assert shown(by_model) == [failed]
    assert shown(by_worker) == [waiting]


def test_a_list_of_50_runs_takes_as_many_queries_as_one_of_5(operator: Client) -> None:
    worker = WorkerFactory.create()
    process_model = ProcessModelFactory.create()

    def make(number: int) -> None:
        for traits in (
            {"worker": worker},
            {},
            {"running": True},
            {"failed": True},
            {"postponed": 1},
        ):
            RunFactory.create_batch(number, process_model=process_model, **traits)

    make(1)
    count_queries(operator, RUNS)
    few = count_queries(operator, RUNS)
    make(9)

    assert count_queries(operator, RUNS) == few
    assert few <= 16


def test_counting_stops_at_ten_thousand(operator: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("processes.admin.run_filters.MAX_COUNTED", 3)
    RunFactory.create_batch(5, process_model=ProcessModelFactory.create())

    with CaptureQueriesContext(connection) as queries:
        answer = operator.get(RUNS)

    assert answer.context["cl"].result_count == 3
    assert "the newest 3 runs" in answer.content.decode()
    counts = [query["sql"] for query in queries if "COUNT(" in query["sql"]]
    assert counts
    assert all("LIMIT 4" in sql for sql in counts if "processes_workernode" not in sql)


def test_choices_of_filters_are_not_counted(operator: Client) -> None:
    RunFactory.create()

    assert count_queries(operator, f"{RUNS}?_facets=True") <= count_queries(operator, RUNS) + 1
    assert "Show counts" not in operator.get(RUNS).content.decode()


def test_fewer_runs_are_counted_exactly(db: None) -> None:
    RunFactory.create_batch(2)

    paginator = LimitedPaginator(Run.objects.order_by("-pk"), 50)

    assert (paginator.count, paginator.has_more) == (2, False)


@pytest.mark.parametrize(
    ("traits", "expected"),
    [
        ({"failed": True}, "The printer is out of paper."),
        ({"running": True, "progress_done": 3, "progress_total": 10}, "3 of 10"),
        ({"running": True, "progress_done": 3}, "progress 3"),
        ({}, "no worker is online"),
        ({"postponed": True}, "it is due at"),
    ],
    ids=["failed", "running", "running without an end", "waiting", "postponed"],
)
def test_a_run_says_why_it_stands_where_it_stands(
    operator: Client, traits: dict[str, Any], expected: str
) -> None:
    run = RunFactory.create(**traits)

    assert expected in operator.get(RUNS).content.decode()
    assert expected in operator.get(f"{RUNS}{run.pk}/change/").content.decode()


def test_a_run_of_a_disabled_process_model_does_not_lend_its_reason_to_others(
    operator: Client,
) -> None:
    RunFactory.create(process_model=ProcessModelFactory.create(name="Off", enabled=False))
    RunFactory.create(process_model=ProcessModelFactory.create(name="On"))

    reasons = {run.process_model.name: run.in_words for run in shown(operator.get(RUNS))}

    assert reasons == {"Off": "process model Off is disabled", "On": "no worker is online"}


def test_the_page_of_a_run_shows_values_outputs_and_times_with_their_zone(
    operator: Client, settings: Any
) -> None:
    run = RunFactory.create(
        succeeded=True,
        values={"city": "İstanbul", "markup": "<b>"},
        created_at=datetime(2026, 3, 2, 12, 0, 5, tzinfo=UTC),
    )

    page = operator.get(f"{RUNS}{run.pk}/change/").content.decode()

    assert "&quot;city&quot;: &quot;İstanbul&quot;" in page
    assert "&quot;markup&quot;: &quot;&lt;b&gt;&quot;" in page
    assert "&quot;x&quot;: &quot;Ada Lovelace&quot;" in page
    assert "2026-03-02 12:00:05 UTC" in page


@pytest.mark.parametrize("page", ["add/", "{pk}/delete/"])
def test_runs_are_neither_added_nor_deleted(operator: Client, page: str) -> None:
    run = RunFactory.create()

    assert operator.post(RUNS + page.format(pk=run.pk), {"post": "yes"}).status_code == 403
    assert Run.objects.filter(pk=run.pk).exists()


def test_runs_are_not_changed(operator: Client) -> None:
    run = RunFactory.create(failed=True)

    answer = operator.post(f"{RUNS}{run.pk}/change/", {"status": "SUCCEEDED", "message": ""})

    run.refresh_from_db()
    assert answer.status_code == 403
    assert (run.status, run.message) == (Run.Status.FAILED, "The printer is out of paper.")


@pytest.mark.parametrize("address", [f"{RUNS}nonsense/change/", f"{WORKERS}x/pause/"])
def test_a_malformed_id_is_no_server_error(operator: Client, address: str) -> None:
    assert operator.get(address).status_code in {302, 403, 404}


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (-1, "0.00 s"),
        (0.417, "0.42 s"),
        (9.999, "10.00 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (185, "3 min 05 s"),
        (7385, "2 h 03 min"),
    ],
)
def test_durations_are_short(seconds: float, expected: str) -> None:
    assert show_duration(timedelta(seconds=seconds)) == expected


# Workers


def test_a_worker_is_online_while_one_of_its_nodes_is(operator: Client) -> None:
    online, offline, idle = (WorkerFactory.create() for _ in range(3))
    node = WorkerNodeFactory.create(worker=online)
    WorkerNodeFactory.create(worker=online, offline=True)
    WorkerNodeFactory.create(worker=offline, offline=True)
    RunFactory.create_batch(2, running=True, node=node)

    rows = {row.pk: (row.nodes_online, row.running_now) for row in shown(operator.get(WORKERS))}

    assert rows == {online.pk: (1, 2), offline.pk: (0, 0), idle.pk: (0, 0)}


def test_the_page_of_a_worker_shows_its_nodes_and_the_command_for_another(
    operator: Client,
) -> None:
    worker = WorkerFactory.create()
    WorkerNodeFactory.create(worker=worker, host="server-7")

    page = operator.get(f"{WORKERS}{worker.pk}/change/").content.decode()

    assert "server-7" in page
    assert f"python manage.py worker --id {worker.pk}" in page


def test_pausing_a_selection_asks_first_and_then_stores_the_reason(operator: Client) -> None:
    worker, other = WorkerFactory.create(), WorkerFactory.create()
    choice = {"action": "pause", "_selected_action": [worker.pk]}

    question = operator.post(WORKERS, choice)
    before = Worker.objects.get(pk=worker.pk).paused_at
    operator.post(WORKERS, choice | {"confirmed": "1", "reason": "Month end"})

    assert "take no more" in question.content.decode()
    assert before is None
    worker.refresh_from_db()
    other.refresh_from_db()
    assert worker.paused_at is not None
    assert worker.pause_reason == "Month end"
    assert other.paused_at is None


def test_pausing_again_leaves_the_first_reason(operator: Client) -> None:
    paused_at = timezone.now() - timedelta(hours=1)
    worker = WorkerFactory.create(paused_at=paused_at, pause_reason="Month end")

    operator.post(
        WORKERS,
        {"action": "pause", "_selected_action": [worker.pk], "confirmed": "1", "reason": ""},
    )

    worker.refresh_from_db()
    assert (worker.paused_at, worker.pause_reason) == (paused_at, "Month end")


def test_the_page_of_a_worker_offers_the_switch_that_fits(operator: Client) -> None:
    worker = WorkerFactory.create()
    address = f"{WORKERS}{worker.pk}"

    running = operator.get(f"{address}/change/").content.decode()
    operator.get(f"{address}/pause/")
    unconfirmed = Worker.objects.get(pk=worker.pk).paused_at
    operator.post(f"{address}/pause/", {"confirmed": "1", "reason": "Repair"})
    paused = operator.get(f"{address}/change/").content.decode()
    operator.post(f"{address}/resume/", {"confirmed": "1"})

    assert f"{address}/pause/" in running
    assert f"{address}/resume/" not in running
    assert unconfirmed is None
    assert f"{address}/resume/" in paused
    assert "Repair" in paused
    worker.refresh_from_db()
    assert (worker.paused_at, worker.pause_reason) == (None, "")


def test_readers_of_workers_cannot_pause_them(db: None) -> None:
    user = UserFactory.create(is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_worker"))
    reader = Client()
    reader.force_login(user)
    worker = WorkerFactory.create()

    one = reader.post(f"{WORKERS}{worker.pk}/pause/", {"confirmed": "1"})
    reader.post(WORKERS, {"action": "pause", "_selected_action": [worker.pk], "confirmed": "1"})

    assert one.status_code == 403
    assert Worker.objects.get(pk=worker.pk).paused_at is None


def test_a_worker_is_added_by_its_name(operator: Client) -> None:
    operator.post(f"{WORKERS}add/", {"name": "Ankara", "enabled": "on"})

    assert Worker.objects.get().name == "Ankara"
