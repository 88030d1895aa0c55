"""No text that anybody can store or send becomes markup or script on any page.

Every text field of every model that a page shows holds attacks; then every page is opened in a real
browser, under the policy that is in force. An attack that got through calls `pwned`, breaks the
policy, or asks for something that is not there.
"""

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from django.conf import settings
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth import get_user_model
from django.contrib.contenttypes.models import ContentType
from django.db import models
from django.db.models.functions import Now
from django.test import Client, override_settings
from django.urls import reverse
from playwright.sync_api import Browser, Page

from connector.models import ApiClient
from processes.models import Output, Parameter, ProcessModel, Run, RunAttempt, RunLog, Worker
from scheduler.models import Fire, Schedule
from tests.factories import UserFactory
from tests.test_every_admin_page import CONFIRMED, NEVER_ADDED, pages
from tests.test_every_admin_page import rows as rows_of_every_model

Rows = dict[Any, Any]

rows = rows_of_every_model
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.browser]

SHORT = [  # for fields of some twenty characters and more
    '"><img src=x onerror=pwned()>',
    "<script>pwned()</script>",
    "'-pwned()-'",
    '" x-init="pwned()',
    "{{7*7}}${pwned()}",
    "</pre><svg onload=pwned()>",
]
ATTACKS = [
    *SHORT,
    "</script><script>pwned()</script>",
    "</title></textarea></style></noscript><script>pwned()</script>",
    "<img src=//evil.example/x>",
    '"><b x-data x-init="pwned()" @click="pwned()" x-on:load.window="pwned()">b</b>',
    "' x-data='' x-init='pwned()' '",
    '"><p hx-get="/admin/" hx-trigger="load" hx-on::load="pwned()">',
    "javascript:pwned()",
    '<a href="javascript:pwned()">link</a>',
    '<iframe srcdoc="<script>parent.pwned()</script>"></iframe>',
    "{{constructor.constructor('pwned()')()}}",
    "`${pwned()}`",
    "\\x3cscript\\x3epwned()\\x3c/script\\x3e",
    "\\u0027-pwned()-\\u0027",
    "]]><!--<script>pwned()</script>-->",
    "&lt;script&gt;pwned()&lt;/script&gt; &#60;img src=x onerror=pwned()&#62;",
    "\uff1cscript\uff1epwned()\uff1c/script\uff1e",
    "\u202e\u2066<script>pwned()</script>\u2069\u202c",
    "=cmd|' /C calc'!A0",
    "line\u2028pwned()\u2029",
]
LONG = " ".join([*ATTACKS, "very-long-" * 200])

# What these hold is read by the program; nobody can store other texts in them.
READ_BY_THE_PROGRAM = {
    "auth.User.password",
    "auth.Permission.codename",
    "processes.Schedule.time_zone",
    "scheduler.Schedule.time_zone",
    "django_celery_beat.CrontabSchedule.minute",
    "django_celery_beat.CrontabSchedule.hour",
    "django_celery_beat.CrontabSchedule.day_of_month",
    "django_celery_beat.CrontabSchedule.month_of_year",
    "django_celery_beat.CrontabSchedule.day_of_week",
    "admin.LogEntry.object_id",
    "connector.ApiClient.allowed_networks",
}


class Watch:
    """What went wrong on the pages that one browser opened."""

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        self.address = address
        self.complaints: list[str] = []
        page.context.expose_binding("pwned", lambda source: self.complain("a script ran"))
        page.on("dialog", self.dismiss)
        page.on("pageerror", lambda error: self.complain(f"error: {error}"))
        page.on("console", self.read_console)
        page.on("request", self.look_at_request)

    def dismiss(self, dialog: Any) -> None:
        self.complain("a dialog")
        dialog.dismiss()

    def complain(self, text: str) -> None:
        self.complaints.append(f"{self.page.url}: {text}")

    def read_console(self, message: Any) -> None:
        asked = message.location["url"]
        is_expected = "status of 4" in message.text and (
            asked == self.page.url or asked.endswith("/favicon.ico")
        )
        if message.type in {"error", "warning"} and not is_expected:
            self.complain(message.text)

    def look_at_request(self, request: Any) -> None:
        is_outside = not request.url.startswith((self.address, "data:", "blob:"))
        is_attack = "pwned" in urlsplit(request.url).path and not request.is_navigation_request()
        if is_outside or is_attack:
            self.complain(f"asked for {request.url}")

    def open(self, address: str) -> None:
        """Open a page and look for links that are scripts."""
        self.page.goto(address)
        self.look()

    def look(self) -> None:
        found = self.page.evaluate(
            """() => [...document.querySelectorAll("[href], [action], [formaction], [src]")].filter(
                (element) => ["href", "action", "formaction", "src"].some((name) =>
                  /^[\\s\\0]*javascript:/i.test(element.getAttribute(name) ?? ""))).length"""
        )
        if found:
            self.complain(f"{found} links are scripts")


@pytest.fixture
def watch(chromium: Browser, live_server: Any) -> Iterator[Watch]:
    """Return the browser of a superuser who has logged in."""
    client = Client()
    client.force_login(UserFactory.create(is_staff=True, is_superuser=True))
    session = client.cookies[settings.SESSION_COOKIE_NAME]
    with chromium.new_context(base_url=live_server.url) as context:
        context.add_cookies([{"name": session.key, "value": session.value, "url": live_server.url}])
        context.set_default_timeout(15_000)
        yield Watch(context.new_page(), live_server.url)


def text_fields(model: type[models.Model]) -> Iterator["models.Field[Any, Any]"]:
    for field in model._meta.concrete_fields:
        is_text = isinstance(field, models.CharField | models.TextField | models.JSONField)
        if (
            is_text
            and not field.choices
            and f"{model._meta.label}.{field.name}" not in READ_BY_THE_PROGRAM
        ):
            yield field


def attack(field: "models.Field[Any, Any]", number: int) -> Any:
    """Return a value full of attacks that the column can hold, another one for each `number`."""
    if isinstance(field, models.JSONField):
        return [LONG, *ATTACKS] if field.name == "choices" else {LONG[:200]: LONG, "list": ATTACKS}
    length = field.max_length
    if length is None:
        return LONG
    if length >= 150:
        return f"{number} {SHORT[number % 6]} {SHORT[(number + 1) % 6]} {LONG}"[:length]
    fitting = [text for text in ATTACKS if len(text) <= length] or [SHORT[number % 6]]
    return fitting[number % len(fitting)][:length]


def fill(row: models.Model, number: int) -> int:
    """Put attacks into all text fields of a row, past what its forms refuse; return how many."""
    fields = list(text_fields(type(row)))
    values = {field.attname: attack(field, number + i) for i, field in enumerate(fields)}
    if values:
        type(row)._default_manager.filter(pk=row.pk).update(**values)
    return len(values)


def add_details(rows: Rows) -> list[models.Model]:
    """Store what the pages of `rows` show besides them."""
    run, schedule, process_model = rows[Run], rows[Schedule], rows[ProcessModel]
    Run.objects.filter(pk=run.pk).update(schedule_id=schedule.pk)
    made: list[models.Model] = [
        RunAttempt.objects.create(run=run, number=1, outcome="failed", finished_at=Now()),
        RunLog.objects.create(run=run, attempt=1, sequence=1, stream="log", text="x"),
        Fire.objects.create(schedule=schedule, fire_time=Now(), outcome="ran", run=run),
        Output.objects.create(process_model=process_model, name="output"),
    ]
    for number, kind in enumerate(Parameter._meta.get_field("value_type").choices or ()):
        made.append(
            Parameter.objects.create(
                process_model=process_model, name=f"{number}", value_type=kind[0]
            )
        )
    made.extend(
        LogEntry.objects.create(
            user_id=rows[get_user_model()].pk,
            content_type=ContentType.objects.get_for_model(row),
            object_id=row.pk,
            action_flag=CHANGE,
        )
        for row in rows.values()
    )
    return made


@pytest.fixture
def attacked(rows: Rows) -> tuple[Rows, int]:
    """Return rows of every model with attacks in their text fields, and how many fields these are."""
    number_of_fields = sum(
        fill(row, number) for number, row in enumerate([*rows.values(), *add_details(rows)])
    )
    # A default is stored only when it is of its parameter's type.
    Parameter.objects.exclude(value_type__in=["text", "json", "secret"]).update(default=None)
    for row in rows.values():
        row.refresh_from_db()
    return rows, number_of_fields


# Fills every field of the page's own form that a person may write into, and sends it.
SEND = """(attack) => {
  const form = [...document.querySelectorAll("form[method=post]")].find(
    (form) => !form.action.includes("/logout/"));
  for (const field of form.querySelectorAll("input:not([type]), input[type=text], textarea")) {
    field.value = attack;
  }
  form.noValidate = true;
  form.requestSubmit(form.querySelector("[type=submit]"));
}"""
DELETE_ALL = """() => {
  const form = document.querySelector("#changelist-form");
  for (const box of form.querySelectorAll("[name=_selected_action]")) box.checked = true;
  form.querySelector("[name=action]").value = "delete_selected";
  form.submit();
}"""


def list_of(model: type[models.Model]) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


def page_of(row: models.Model, page: str = "change") -> str:
    name = f"admin:{row._meta.app_label}_{row._meta.model_name}_change"
    return reverse(name, args=[row.pk]).replace("change/", f"{page}/")


def test_every_page_shows_attacks_as_text(
    watch: Watch, attacked: tuple[Rows, int], capsys: pytest.CaptureFixture[str]
) -> None:
    rows, fields = attacked
    addresses = [address for address, status in pages(rows).items() if status in {200, 302}]
    opened = [address for address in addresses if not address.endswith("/log/")]

    for address in opened:
        watch.open(address)
    watch.open(list_of(Run))
    watch.open(page_of(rows[Run]))
    watch.page.wait_for_timeout(1500)  # until its log has been asked for again

    with capsys.disabled():
        print(f"\n{len(opened)} pages, {fields} fields with {len(ATTACKS)} attacks")  # noqa: T201
    assert fields > 100
    assert watch.complaints == []


def test_what_an_address_says_is_shown_as_text(watch: Watch, attacked: tuple[Rows, int]) -> None:
    rows, _ = attacked
    attack = quote(" ".join(ATTACKS))
    run, schedule, client = rows[Run].pk, rows[Schedule].pk, rows[ApiClient].pk
    addresses = [
        *(f"{list_of(model)}?q={attack}" for model in rows),
        *(f"{list_of(model)}?{attack}={attack}&o={attack}&p={attack}" for model in rows),
        f"{list_of(Run)}?period={attack}&status__exact={attack}",
        f"{list_of(Worker)}?_popup=1&_to_field={attack}",
        f"/admin/processes/run/{attack}/change/",
        f"/admin/processes/run/{run}/live/?after={attack}&attempt={attack}",
        f"/admin/scheduler/schedule/add/?process_model={attack}&quartz={attack}&name={attack}",
        f"/admin/scheduler/schedule/{schedule}/ledger/?day={attack}",
        f"/admin/scheduler/schedule/preview/?quartz={attack}&time_zone={attack}&start_time={attack}",
        f"/admin/parameters/?id={attack}&client={attack}",
        f"/admin/parameters/{rows[ProcessModel].pk}/?client={attack}",
        f"/admin/search/?s={attack}",
        f"/admin/search/?s={attack}&extended=1",
        f"/admin/autocomplete/?app_label=connector&model_name=apiclient&field_name=workers&term={attack}",
        f"/admin/autocomplete/?app_label={attack}&model_name={attack}&field_name={attack}",
        f"/admin/connector/apiclient/{client}/history/?p={attack}",
        f"/admin/login/?next={attack}",
        f"/admin/password_change/?next={attack}",
        f"/admin/{attack}",
        f"/{attack}",
        f"/api/docs/?lang={attack}&version={attack}&{attack}",
        f"/api/docs/?script=&lang={attack}&version={attack}",
    ]

    for address in addresses:
        watch.open(address)

    assert watch.complaints == []


def test_what_forms_answer_is_shown_as_text(watch: Watch, attacked: tuple[Rows, int]) -> None:
    rows, _ = attacked
    short, long = LONG[:90], LONG[:1500]  # which most fields accept, and refuse
    forms = [
        *((f"{list_of(model)}add/", short) for model in rows if model not in NEVER_ADDED),
        *((page_of(rows[model]), long) for model in rows if model not in {Run, get_user_model()}),
        *((page_of(rows[model], action), short) for model, action in CONFIRMED),
        ("/admin/login/", long),
    ]

    for form, attack in forms:
        watch.open(form)
        if watch.page.locator("form[method=post]:not([action*=logout])").count():
            with watch.page.expect_navigation():
                watch.page.evaluate(SEND, attack)
            watch.look()
    for model in rows:
        watch.open(list_of(model))
        if watch.page.locator("[name=action] [value=delete_selected]").count():
            with watch.page.expect_navigation():
                watch.page.evaluate(DELETE_ALL)
            watch.look()

    assert watch.complaints == []


def test_logs_and_answers_are_never_taken_for_pages(
    watch: Watch, attacked: tuple[Rows, int]
) -> None:
    rows, _ = attacked

    log = watch.page.request.get(f"/admin/processes/run/{rows[Run].pk}/log/")
    found = watch.page.request.get(
        "/admin/autocomplete/?app_label=connector&model_name=apiclient&field_name=workers"
    )

    assert "<script>pwned()</script>" in log.text()
    assert log.headers["content-type"].startswith("text/plain")
    assert log.headers["content-disposition"].startswith("attachment")
    assert "<img src=" in found.text()
    assert found.headers["content-type"] == "application/json"
    for answer in (log, found):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-security-policy"].count("'none'") == 4


def test_a_page_that_escapes_nothing_is_noticed(watch: Watch, attacked: tuple[Rows, int]) -> None:
    rows, _ = attacked
    page = page_of(rows[Run])
    (templates,) = settings.TEMPLATES
    options: Any = templates["OPTIONS"]
    careless = templates | {"OPTIONS": options | {"autoescape": False}}

    with override_settings(TEMPLATES=[careless]):
        watch.open(page)

    assert any("Content Security Policy" in complaint for complaint in watch.complaints)
    watch.complaints.clear()
    with override_settings(TEMPLATES=[careless], CONTENT_SECURITY_POLICY={}):
        watch.open(page)
    assert any("a script ran" in complaint for complaint in watch.complaints)
