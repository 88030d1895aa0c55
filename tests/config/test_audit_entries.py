"""Every change of configuration is one entry: who, from where, what was before and after."""

import io
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission, User
from django.core.management import call_command
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django_celery_beat.models import CrontabSchedule, PeriodicTask

from connector.client_creation import create_api_client
from connector.models import ApiClient, ApiSecret
from processes import origin
from processes.models import Application, Parameter, ProcessModel, Worker
from processes.models.trails import recording, trail_of
from processes.secrets import MASK
from processes.synchronization import sync_processes
from scheduler import planning, switching
from scheduler.firing import fire_due_schedules
from scheduler.models import Schedule
from tests.audit import brief, entries, entries_after, history_of
from tests.conftest import Caller
from tests.factories import (
    ApiClientFactory,
    ParameterFactory,
    ProcessModelFactory,
    UserFactory,
    WorkerFactory,
    WorkerNodeFactory,
    make_due_schedule,
    make_schedule,
)

pytestmark = pytest.mark.django_db

CONFIRMED = {"confirmed": "1"}


@pytest.fixture
def ada() -> Client:
    """Return the browser of a superuser at an address of her own."""
    browser = Client(REMOTE_ADDR="192.0.2.7")
    browser.force_login(UserFactory.create(username="ada", is_staff=True, is_superuser=True))
    return browser


def post_form(browser: Client, address: str, **changes: Any) -> None:
    """Send a page's form as it is shown, with `changes`; None leaves a field out."""
    form = browser.get(address).context["adminform"].form
    formsets = [each.formset for each in browser.get(address).context["inline_admin_formsets"]]
    data: dict[str, Any] = {}
    for each in [form, *(f for s in formsets for f in [s.management_form, *s.forms])]:
        data |= {each.add_prefix(name): each[name].value() for name in each.fields}
    data = {name: _sent(value) for name, value in (data | changes).items() if value is not None}
    answer = browser.post(address, {name: v for name, v in data.items() if v is not False})
    assert "errors" not in (answer.context or {}), answer.context["errors"]


def _sent(value: Any) -> Any:
    return [getattr(each, "pk", each) for each in value] if isinstance(value, list) else value


def page_of(row: Any) -> str:
    """Return the address of the form of a row."""
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])


def test_an_edit_in_the_admin_is_one_entry_with_its_origin(ada: Client) -> None:
    worker = WorkerFactory.create(name="Press")
    known = entries()

    post_form(ada, page_of(worker), name="Printing press", max_parallel_runs="3")

    [entry] = entries_after(known)
    assert (entry.source, entry.how, entry.key) == ("processes.worker", "~", str(worker.pk))
    assert entry.changes == {"name": ["Press", "Printing press"], "max_parallel_runs": [None, 3]}
    assert (entry.actor, entry.address) == ("user:ada", "192.0.2.7")
    assert len(entry.request_id) == 32
    row = history_of(worker).last()
    assert row.history_user_id == User.objects.get().pk
    assert row.name == "Printing press"


def test_a_form_with_its_inlines_is_one_entry_for_each_object_that_changed(ada: Client) -> None:
    model = ProcessModelFactory.create(executor="command", configuration={"argv": ["hello.py"]})
    first = ParameterFactory.create(process_model=model, name="first")
    ParameterFactory.create(process_model=model, name="second")
    known = entries()

    post_form(
        ada,
        page_of(model),
        title="Greets",
        **{"parameters-0-required": None, "parameters-0-help_text": "Whom"},
    )

    changed, parameter = entries_after(known)
    assert changed.changes == {"title": ["", "Greets"]}
    assert parameter.object_name == f"{model.name}: first"
    assert parameter.key == str(first.pk)
    assert parameter.changes["help_text"] == ["", "Whom"]


def test_limits_of_a_client_are_told_by_name_in_the_one_entry_of_its_form(ada: Client) -> None:
    finance, sales = (Application.objects.create(name=name) for name in ("Finance", "Sales"))
    client = ApiClientFactory.create(name="acme")
    client.applications.add(finance)
    known = entries()

    post_form(ada, page_of(client), description="The shop", applications=[sales.pk])

    [entry] = entries_after(known)
    assert entry.changes == {
        "description": ["", "The shop"],
        "only_listed_process_models": [False, True],
        "applications": [["Finance"], ["Sales"]],
    }


@pytest.mark.parametrize("is_reverse", [False, True])
def test_relations_changed_by_code_are_told(is_reverse: bool) -> None:
    group, user = Group.objects.create(name="Operators"), UserFactory.create()
    known = entries()

    if is_reverse:
        group.user_set.add(user)
        group.user_set.clear()
    else:
        user.groups.add(group)
        user.groups.clear()

    added, removed = entries_after(known)
    assert added.changes == {"groups": [[], ["Operators"]]}
    assert removed.changes == {"groups": [["Operators"], []]}
    assert added.key == removed.key == str(user.pk)


def test_rights_of_a_group_are_told(ada: Client) -> None:
    group = Group.objects.create(name="Operators")
    known = entries()

    post_form(
        ada, page_of(group), permissions=[Permission.objects.get(codename="change_worker").pk]
    )

    [entry] = entries_after(known)
    [_before, after] = entry.changes["permissions"]
    assert after == ["Processes | worker | Can change worker"]


def test_a_password_is_told_as_changed_and_never_shown(ada: Client) -> None:
    user = UserFactory.create(username="grace")
    known = entries()

    answer = ada.post(
        reverse("admin:auth_user_password_change", args=[user.pk]),
        {"password1": "a long new one 1815", "password2": "a long new one 1815"},
    )

    assert answer.status_code == 302
    [entry] = entries_after(known)
    assert (entry.actor, entry.object_name) == ("user:ada", "grace")
    assert entry.changes == {"password": [MASK, MASK]}
    assert not hasattr(history_of(user).last(), "password")


def test_a_log_in_that_hashes_the_password_anew_changes_nobody(settings: Any) -> None:
    UserFactory.create(username="grace", is_staff=True)
    settings.PASSWORD_HASHERS = [
        "django.contrib.auth.hashers.PBKDF2SHA1PasswordHasher",
        *settings.PASSWORD_HASHERS,
    ]
    known = entries()

    Client().post("/admin/login/", {"username": "grace", "password": "open sesame"})

    assert User.objects.get().password.startswith("pbkdf2_sha1$")
    assert brief(entries_after(known)) == [("event", "logged_in")]


def test_log_ins_are_told_also_those_that_failed() -> None:
    UserFactory.create(username="ada", is_staff=True)
    browser = Client(REMOTE_ADDR="192.0.2.9")
    known = entries()

    browser.post("/admin/login/", {"username": "my password", "password": "ada"})
    browser.post("/admin/login/", {"username": "ada", "password": "guess"})
    browser.post("/admin/login/", {"username": "ada", "password": "open sesame"})
    browser.post("/admin/logout/")

    found = entries_after(known)
    told = [(each.how, each.actor, each.object_name, each.address) for each in found]
    assert told == [
        ("log_in_failed", "nobody", "a name that no user has", "192.0.2.9"),
        ("log_in_failed", "nobody", "ada", "192.0.2.9"),
        ("logged_in", "user:ada", "ada", "192.0.2.9"),
        ("logged_out", "user:ada", "ada", "192.0.2.9"),
    ]
    assert "guess" not in str(found)
    assert "my password" not in str(found)


def test_a_client_made_in_the_admin_is_told_with_its_secret_but_not_the_secret(
    ada: Client,
) -> None:
    known = entries()

    # The answer is the page that shows the secret, where other forms lead on to another page.
    ada.post(reverse("admin:connector_apiclient_add"), {"name": "acme", "enabled": "on"})

    assert brief(entries_after(known)) == [
        ("connector.apiclient", "+"),
        ("connector.apisecret", "+"),
    ]
    digest = bytes(ApiSecret.objects.get().digest)
    assert digest.hex() not in str(entries())
    assert not hasattr(history_of(ApiSecret.objects.get()).last(), "digest")


def test_a_new_password_of_a_client_ends_one_secret_and_makes_another(ada: Client) -> None:
    client, _secret = create_api_client("acme")
    known = entries()

    ada.post(
        f"/admin/connector/apiclient/{client.pk}/new-password/",
        CONFIRMED | {"keep": "24", "newest": client.secrets.get().pk},
    )

    found = entries_after(known)
    assert brief(found) == [("connector.apisecret", "~"), ("connector.apisecret", "+")]
    assert list(found[0].changes) == ["expires_at"]
    assert {each.actor for each in found} == {"user:ada"}
    assert all(each.object_name.startswith("acme ") for each in found)


@pytest.mark.parametrize(
    ("action", "changed"),
    [
        ("pause", {"paused_at", "pause_reason"}),
        ("skip", {"skip_until", "skip_reason"}),
        ("disable", {"periodic_task__enabled"}),
    ],
)
def test_what_is_done_to_a_schedule_is_one_entry(
    ada: Client, action: str, changed: set[str]
) -> None:
    schedule = make_schedule(name="Nightly")
    known = entries()

    ada.post(f"{page_of(schedule)[: -len('change/')]}{action}/", CONFIRMED | {"reason": "Works"})

    [entry] = entries_after(known)
    assert (entry.object_name, entry.actor, entry.how) == ("Nightly", "user:ada", "~")
    assert set(entry.changes) == changed


def test_resume_and_enable_are_told() -> None:
    schedule = make_schedule(name="Nightly", enabled=False)
    switching.pause_schedule(schedule.pk, reason="Works")
    known = entries()

    switching.enable_schedule(schedule.pk)
    switching.resume_schedule(schedule.pk)

    enabled, resumed = entries_after(known)
    assert enabled.changes == {"periodic_task__enabled": [False, True]}
    assert resumed.changes["pause_reason"] == ["Works", ""]


def test_bulk_actions_are_one_entry_for_each_object(ada: Client) -> None:
    schedules = [make_schedule(name=f"Plan {number}") for number in range(3)]
    workers = [WorkerFactory.create() for _ in range(2)]
    known = entries()

    ada.post(
        reverse("admin:scheduler_schedule_changelist"),
        CONFIRMED | {"action": "disable", "_selected_action": [each.pk for each in schedules]},
    )
    ada.post(
        reverse("admin:processes_worker_changelist"),
        CONFIRMED
        | {"action": "pause", "_selected_action": [w.pk for w in workers], "reason": "Works"},
    )

    found = entries_after(known)
    assert brief(found) == [("scheduler.schedule", "~")] * 3 + [("processes.worker", "~")] * 2
    assert {each.key for each in found[:3]} == {str(each.pk) for each in schedules}
    assert found[3].changes["pause_reason"] == ["", "Works"]


def test_deleting_in_bulk_is_one_entry_each_and_keeps_those_before(ada: Client) -> None:
    applications = [Application.objects.create(name=name) for name in ("Finance", "Sales")]
    keys = [str(each.pk) for each in applications]
    known = entries()

    ada.post(
        reverse("admin:processes_application_changelist"),
        {"action": "delete_selected", "_selected_action": keys, "post": "yes"},
    )

    assert not Application.objects.exists()
    assert brief(entries_after(known)) == [("processes.application", "-")] * 2
    assert [e.how for e in entries() if e.key == keys[0] and "application" in e.source] == [
        "+",
        "-",
    ]


def test_deleting_keeps_the_entries_of_schedules_clients_and_users() -> None:
    schedule, client, user = (
        make_schedule(name="Nightly"),
        ApiClientFactory.create(),
        UserFactory.create(),
    )
    keys = {str(schedule.pk), str(client.pk), str(user.pk)}
    names = {"scheduler.schedule", "connector.apiclient", "auth.user"}

    planning.delete_schedules([schedule.pk])
    client.delete()
    user.delete()

    found = [each for each in entries() if each.key in keys and each.how != "~"]
    kept = [(each.source, each.how) for each in found if each.source in names]
    assert sorted(kept) == sorted((name, how) for name in names for how in "+-")
    assert not PeriodicTask.objects.filter(name="Nightly").exists()


def test_an_edit_of_a_plan_in_the_admin_is_one_entry(ada: Client) -> None:
    schedule = make_schedule("0 0 6 * * ?", name="Nightly")
    known = entries()

    planning.change_schedule(schedule.pk, quartz="0 0 7 * * ?", name="Daily", end=None, priority=70)

    [entry] = entries_after(known)
    assert entry.changes == {
        "quartz": ["0 0 6 * * ?", "0 0 7 * * ?"],
        "periodic_task__name": ["Nightly", "Daily"],
        "priority": [50, 70],
    }


def test_an_edit_on_the_page_of_the_periodic_task_is_one_entry_of_the_schedule(ada: Client) -> None:
    schedule = make_schedule("0 0 6 * * ?", name="Nightly")
    address = page_of(schedule.periodic_task)
    form = ada.get(address).context["adminform"].form
    data = {name: form[name].value() for name in form.fields}
    shown = {f"initial-{name}": value for name, value in data.items()}
    known = entries()

    sent = shown | data | {"name": "Daily", "start_time_0": "", "start_time_1": ""}
    ada.post(address, {name: v for name, v in sent.items() if v not in (None, False)})

    [entry] = entries_after(known)
    assert (entry.source, entry.key) == ("scheduler.schedule", str(schedule.pk))
    assert entry.changes["periodic_task__name"] == ["Nightly", "Daily"]
    assert entry.actor == "user:ada"


def test_code_that_saves_the_periodic_task_changes_the_schedule() -> None:
    schedule = make_schedule(name="Nightly")
    known = entries()

    task = PeriodicTask.objects.get(pk=schedule.periodic_task_id)
    task.enabled = False
    task.save()

    [entry] = entries_after(known)
    assert (entry.source, entry.key) == ("scheduler.schedule", str(schedule.pk))
    assert entry.changes == {"periodic_task__enabled": [True, False]}


@pytest.mark.parametrize("action", ["disable_tasks", "toggle_tasks"])
def test_bulk_actions_on_periodic_tasks_are_told(ada: Client, action: str) -> None:
    schedule = make_schedule(name="Nightly")
    every_day, _ = CrontabSchedule.objects.get_or_create(minute="10", hour="3")
    purge = PeriodicTask.objects.create(name="Own task", task="none", crontab=every_day)
    known = entries()

    ada.post(
        reverse("admin:django_celery_beat_periodictask_changelist"),
        {"action": action, "_selected_action": [schedule.periodic_task_id, purge.pk]},
    )
    switching.follow_switches()

    found = entries_after(known)
    assert sorted(brief(found)) == [
        ("django_celery_beat.periodictask", "~"),
        ("scheduler.schedule", "~"),
    ]
    assert {each.actor for each in found} == {"user:ada"}
    assert [list(each.changes.values()) for each in found] == [[[True, False]]] * 2


def test_draining_a_node_is_an_event_of_its_worker(ada: Client) -> None:
    node = WorkerNodeFactory.create()
    known = entries()

    for action in ("drain", "resume"):
        ada.post(reverse(f"admin:processes_node_{action}", args=[node.pk]), CONFIRMED)

    found = entries_after(known)
    assert brief(found) == [("event", "drained"), ("event", "resumed")]
    assert {each.key for each in found} == {str(node.worker.pk)}
    assert str(node) in found[0].object_name


PLAN = {"name": "OneStepNotepadRunner", "values": {"username": "Ada"}, "quartzDef": "0 0 6 * * ?"}


def test_a_plan_made_over_the_api_is_one_entry_of_its_client(
    acme: Caller, examples: dict[str, ProcessModel]
) -> None:
    known = entries()

    answer = acme.start(PLAN, REMOTE_ADDR="127.0.0.1").json()

    [entry] = entries_after(known)
    assert (entry.source, entry.how, entry.key) == (
        "scheduler.schedule",
        "+",
        answer["robustaSpid"],
    )
    assert (entry.actor, entry.address) == ("client:acme", "127.0.0.1")
    assert entry.changes["quartz"] == [None, "0 0 6 * * ?"]
    assert entry.changes["process_model"] == [None, "OneStepNotepadRunner"]
    assert entry.changes["periodic_task__enabled"] == [None, True]


def test_a_start_of_a_run_and_a_fire_make_no_entry_and_ask_nothing_of_the_audit(
    acme: Caller, examples: dict[str, ProcessModel]
) -> None:
    body = {"name": "OneStepNotepadRunner", "values": {"username": "Ada"}}
    acme.start(body)
    schedules = [make_due_schedule(process_model=examples["CountDown"]) for _ in range(20)]
    known = entries()

    with CaptureQueriesContext(connection) as queries:
        acme.start(body)
        while fire_due_schedules():
            pass

    assert entries_after(known) == []
    assert not [query for query in queries if "historical" in query["sql"]]
    assert Schedule.objects.exclude(settled_until=None).count() == len(schedules)


def test_a_secret_value_is_masked_and_not_copied() -> None:
    model = ProcessModelFactory.create()
    ParameterFactory.create(
        process_model=model, name="token", value_type="secret", default="swordfish"
    )
    ParameterFactory.create(process_model=model, name="user")
    known = entries()

    schedule = make_schedule(process_model=model, values={"token": "hunter2", "user": "ada"})
    planning.change_schedule(schedule.pk, values={"token": "hunter3", "user": "ada"})

    made, changed = entries_after(known)
    assert made.changes["values"] == [None, {"token": MASK, "user": "ada"}]
    assert changed.changes == {"values": [{"token": MASK, "user": "ada"}] * 2}
    rows = [*history_of(schedule).values(), *trail_of(Parameter).entries.objects.values()]
    assert "hunter" not in str(rows)
    assert "swordfish" not in str(rows)


def test_a_change_that_is_rolled_back_makes_no_entry() -> None:
    worker = WorkerFactory.create(name="Press")
    known = entries()

    class Stop(Exception):
        """What rolls back."""

    def fail() -> None:
        worker.name = "Printing press"
        worker.save()
        raise Stop

    with pytest.raises(Stop), transaction.atomic():
        fail()
    with recording():  # noqa: SIM117 - the outer one goes on
        with pytest.raises(Stop), transaction.atomic():
            fail()

    assert entries_after(known) == []


def test_saving_without_a_change_makes_no_entry() -> None:
    worker = WorkerFactory.create()
    known = entries()

    worker.save()
    Worker.objects.update_or_create(pk=worker.pk, defaults={"enabled": True})

    assert entries_after(known) == []


def test_synchronising_again_makes_no_entry(examples: dict[str, ProcessModel]) -> None:
    known = entries()
    sync_processes()
    again = entries_after(known)
    Parameter.objects.filter(name="usersurname").update(help_text="Something else")

    sync_processes()

    assert again == []
    [entry] = entries_after(known)
    assert entry.object_name == "OneStepNotepadRunner: usersurname"
    assert entry.actor == "system"


def test_a_command_is_named_with_who_started_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "carol")
    token = origin._origin.set(origin.Origin())
    try:
        origin.name_command(["manage.py", "create_api_client", "acme"])
        call_command("create_api_client", "acme", stdout=io.StringIO())
        call_command("rotate_api_client", "acme", stdout=io.StringIO())
    finally:
        origin._origin.reset(token)

    found = [entry for entry in entries() if entry.source.startswith("connector.")]
    assert [each.how for each in found] == ["+", "+", "~", "+"]
    assert {each.actor for each in found} == {"command:create_api_client by carol"}


@pytest.mark.parametrize("service", ["beat", "worker", "web", "serve"])
def test_a_service_acts_for_itself(service: str) -> None:
    token = origin._origin.set(origin.Origin())
    try:
        origin.name_command(["manage.py", service])
        assert origin.current_origin().find_actor().name == "system"
    finally:
        origin._origin.reset(token)


def test_the_first_change_of_a_row_that_has_no_entry_yet_knows_what_was_before() -> None:
    worker = WorkerFactory.create(name="Press")
    history_of(worker).delete()  # as after an upgrade

    worker.name = "Printing press"
    worker.save()

    assert history_of(worker).get().changes == {"name": ["Press", "Printing press"]}


def test_times_and_durations_are_told() -> None:
    model = ProcessModelFactory.create()
    known = entries()

    model.time_limit = timedelta(minutes=90)
    model.save()

    [entry] = entries_after(known)
    assert entry.changes == {"time_limit": [None, "P0DT01H30M00S"]}


def test_a_superuser_made_by_a_command_is_told() -> None:
    get_user_model().objects.create_superuser("root", password="long enough")

    [entry] = [each for each in entries() if each.source == "auth.user"]
    assert entry.changes["is_superuser"] == [None, True]
    assert entry.changes["password"] == [None, MASK]
    assert ApiClient.objects.count() == 0
