"""Schedules, as admins make and change them all day: in a browser."""

import re
from datetime import timedelta

import pytest
from django_celery_beat.models import CrontabSchedule, PeriodicTask
from playwright.sync_api import Browser, Page, expect

from processes.models import ProcessModel, Run
from scheduler.clock import database_now
from scheduler.models import Fire, Schedule
from tests.browser.conftest import OpenPage
from tests.factories import ParameterFactory, ProcessModelFactory, WorkerFactory
from tests.scheduler.admin_pages import ADD, FRIDAYS, LIST, make_schedule, page_of, record

pytestmark = pytest.mark.browser
FORM_WAITS = 5_000  # milliseconds for the answer to what was typed


@pytest.fixture
def invoices(chromium: Browser, transactional_db: None) -> ProcessModel:
    """Return a process model with a required text."""
    WorkerFactory.create(name="Accounting PC")
    model = ProcessModelFactory.create(name="PostInvoices", title="Posts the invoices of a day")
    ParameterFactory.create(process_model=model, name="company", help_text="Whose books.")
    return model


def open_new(page: Page, model: ProcessModel) -> None:
    page.goto(f"{ADD}?process_model={model.pk}")


def fire_times(page: Page) -> list[str]:
    return page.locator("#preview tbody td:first-child").all_inner_texts()


def test_typing_an_expression_shows_its_fire_times(
    open_page: OpenPage, invoices: ProcessModel
) -> None:
    page = open_page()
    open_new(page, invoices)
    preview = page.locator("#preview")

    page.get_by_label("Time zone").fill("Europe/Istanbul")
    page.get_by_label("Quartz expression").press_sequentially(FRIDAYS)

    expect(preview.locator("tbody tr")).to_have_count(10, timeout=FORM_WAITS)
    assert all(re.match(r"Fri \d{4}-\d\d-\d\d 06:06:00 \+03", each) for each in fire_times(page))
    expect(preview.get_by_role("columnheader")).to_have_text(["Europe/Istanbul", "UTC"])
    expect(preview.locator(".ar-plan-words")).to_contain_text("06:06")
    expect(page.locator(".ar-field-error:not(:empty)")).to_have_count(0)


def test_error_is_shown_at_the_field_and_what_is_offered_is_one_click_away(
    open_page: OpenPage, invoices: ProcessModel
) -> None:
    page = open_page()
    open_new(page, invoices)
    quartz = page.get_by_label("Quartz expression")

    quartz.fill("6 6 * * 5")
    expect(page.locator("#id_quartz_error")).to_contain_text("Did you mean '0 6 6 ? * FRI'?")
    page.get_by_role("button", name="Use 0 6 6 ? * FRI").click()

    expect(quartz).to_have_value("0 6 6 ? * FRI")
    expect(page.locator("#id_quartz_error")).to_be_empty()
    expect(page.locator("#preview tbody tr")).to_have_count(10)


def test_plan_that_never_fires_is_warned_of(open_page: OpenPage, invoices: ProcessModel) -> None:
    page = open_page()
    open_new(page, invoices)

    page.get_by_label("Quartz expression").fill("0 0 0 1 1 ? 2025")

    expect(page.locator("#preview")).to_contain_text("This plan never fires")


def test_builder_writes_the_expression(open_page: OpenPage, invoices: ProcessModel) -> None:
    page = open_page()
    open_new(page, invoices)
    quartz = page.get_by_label("Quartz expression")
    repeat = page.get_by_label("Repeat")
    page.get_by_text("Build an expression").click()

    built = {}
    for kind in ("every n minutes", "every n hours", "every n days", "on weekdays"):
        repeat.select_option(label=kind)
        built[kind] = quartz.input_value()
    page.get_by_label("Fri", exact=True).check()
    page.get_by_label("At", exact=True).fill("18:30")
    built["Mondays and Fridays"] = quartz.input_value()
    repeat.select_option(label="on days of the month")
    page.get_by_role("textbox", name="Named").fill("1, 15")
    built["named days"] = quartz.input_value()
    page.locator("[data-builder-part=monthday]").select_option(label="last day")
    built["last day"] = quartz.input_value()
    repeat.select_option(label="every n minutes")
    page.get_by_label("Every", exact=True).fill("5")
    built["five minutes"] = quartz.input_value()

    assert built == {
        "every n minutes": "0 * * * * ?",
        "every n hours": "0 0 * * * ?",
        "every n days": "0 0 6 * * ?",
        "on weekdays": "0 0 6 ? * MON",
        "Mondays and Fridays": "0 30 18 ? * MON,FRI",
        "named days": "0 30 18 1,15 * ?",
        "last day": "0 30 18 L * ?",
        "five minutes": "0 */5 * * * ?",
    }
    expect(page.locator("#preview tbody tr")).to_have_count(10)


def test_schedule_is_made_end_to_end_by_keyboard(
    open_page: OpenPage, invoices: ProcessModel
) -> None:
    page = open_page()
    page.goto(LIST)
    page.locator("a[href$='/schedule/add/']").first.press("Enter")
    page.keyboard.type("invoices")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="PostInvoices").press("Enter")

    page.get_by_role("textbox", name="Name", exact=True).focus()
    page.keyboard.type("Every Friday")
    page.keyboard.press("Tab")
    page.keyboard.type(FRIDAYS)
    page.keyboard.press("Tab")  # the builder
    page.keyboard.press("Tab")
    page.keyboard.press("Control+A")
    page.keyboard.type("Europe/Istanbul")
    page.get_by_label("company").focus()
    page.keyboard.type("Acme")
    page.get_by_role("button", name="Save", exact=True).press("Enter")

    expect(page.get_by_text("The schedule was added.")).to_be_visible()
    expect(page.locator("#result_list")).to_contain_text("Every Friday")
    schedule = Schedule.objects.get()
    assert (schedule.quartz, schedule.time_zone) == (FRIDAYS, "Europe/Istanbul")
    assert schedule.values == {"company": "Acme"}
    assert schedule.next_fire_time is not None


def test_edit_of_the_plan_is_compared_before_it_is_saved(
    open_page: OpenPage, invoices: ProcessModel
) -> None:
    schedule = make_schedule(process_model=invoices, values={"company": "Acme"})
    page = open_page()
    page.goto(page_of(schedule))

    page.get_by_label("Quartz expression").fill("0 0 7 * * ?")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("heading", name="After saving")).to_be_visible()
    assert Schedule.objects.get().quartz == FRIDAYS
    page.get_by_role("button", name="Back to the form").click()
    expect(page.get_by_label("Quartz expression")).to_have_value("0 0 7 * * ?")
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_role("button", name="Save", exact=True).click()

    expect(page.get_by_text("The schedule was changed.")).to_be_visible()
    assert Schedule.objects.get().quartz == "0 0 7 * * ?"


def test_page_left_open_does_not_enable_what_finished_meanwhile(
    open_page: OpenPage, invoices: ProcessModel
) -> None:
    schedule = make_schedule(process_model=invoices, values={"company": "Acme"}, run_once=True)
    page = open_page()
    page.goto(page_of(schedule))
    PeriodicTask.objects.filter(plan=schedule).update(enabled=False)
    Schedule.objects.update(next_fire_time=None, was_enabled=False)

    page.get_by_role("textbox", name="Name*", exact=True).fill("Fridays")
    page.get_by_role("button", name="Save", exact=True).click()

    expect(page.get_by_text("The schedule was changed.")).to_be_visible()
    schedule = Schedule.objects.get()
    assert (schedule.periodic_task.name, schedule.periodic_task.enabled) == ("Fridays", False)
    assert schedule.next_fire_time is None


def test_icon_of_a_row_runs_the_schedule_once_confirmed(
    open_page: OpenPage, invoices: ProcessModel
) -> None:
    schedule = make_schedule(process_model=invoices, values={"company": "Acme"})
    page = open_page()
    page.goto(LIST)

    page.get_by_role("link", name="Run Every Friday now").click()
    assert not Run.objects.exists()
    page.get_by_role("button", name="Run now").click()

    expect(page.get_by_text("1 run was queued.")).to_be_visible()
    assert Run.objects.get().schedule_id == schedule.pk


def test_countdown_goes_on(open_page: OpenPage, invoices: ProcessModel) -> None:
    make_schedule(process_model=invoices, quartz="0 0 0 1 1 ? 2199")
    page = open_page()
    page.goto(LIST)
    countdown = page.locator("[data-countdown]")

    page.evaluate(
        "document.querySelector('[data-countdown]').countdownEnd = performance.now() + 3500"
    )

    expect(countdown).to_have_text("in 1 s")
    expect(countdown).to_have_text("due")


def test_an_edit_on_django_celery_beats_own_page_changes_the_next_fire(
    open_page: OpenPage, invoices: ProcessModel
) -> None:
    schedule = make_schedule(process_model=invoices, values={"company": "Acme"})
    CrontabSchedule.objects.create(minute="15", hour="9", timezone="Europe/Berlin")
    page = open_page()
    page.goto(page_of(schedule))
    page.locator("a[href*='/periodictask/']").last.click()

    page.locator("#select2-id_crontab-container").click()
    page.locator(".select2-search__field").last.fill("Berlin")
    page.get_by_role("option", name="15 9 * * * (m/h/dM/MY/d) Europe/Berlin").click()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("was changed successfully")).to_be_visible()

    page.goto(LIST)
    row = page.locator("#result_list")
    expect(row).to_contain_text("0 15 9 * * ?")
    expect(row).to_contain_text("Europe/Berlin")
    expect(row).to_contain_text(re.compile(r"\d{4}-\d\d-\d\d 09:15:00 CES?T"))
    following = Schedule.objects.get().next_fire_time
    assert following is not None
    assert following.minute == 15
    assert database_now() < following <= database_now() + timedelta(days=1)


@pytest.mark.parametrize("width", [420, 1440])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_of_schedules_is_wider_than_the_screen(
    open_page: OpenPage, invoices: ProcessModel, width: int, scheme: str
) -> None:
    schedule = make_schedule(
        "Every Friday of the accounting department",
        process_model=invoices,
        values={"company": "A" * 90},
    )
    last = database_now() - timedelta(days=2)
    record(schedule, timedelta(days=9), last_fire_time=last, count=500, outcome=Fire.Outcome.MISSED)
    record(
        schedule, timedelta(days=1), reason="Found 310 seconds late: no beat claimed it in time."
    )
    page = open_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    addresses = [
        LIST,
        ADD,
        f"{ADD}?process_model={invoices.pk}",
        page_of(schedule),
        page_of(schedule, "ledger"),
        page_of(schedule, "pause"),
        page_of(schedule, "delete"),
        f"/admin/django_celery_beat/periodictask/{schedule.periodic_task_id}/change/",
    ]

    wider = {}
    for address in addresses:
        page.goto(address)
        wider[address] = page.evaluate("document.documentElement.scrollWidth > innerWidth")

    assert wider == dict.fromkeys(addresses, False)
    page.goto(page_of(schedule))
    page.get_by_label("Quartz expression").fill("0 0 7 * * ?")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("heading", name="After saving")).to_be_visible()
    assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")


def test_every_icon_of_a_row_is_in_sight_on_a_wide_screen(
    open_page: OpenPage, invoices: ProcessModel
) -> None:
    make_schedule(process_model=invoices, values={"company": "Acme"})
    page = open_page(viewport={"width": 1440, "height": 900})
    page.goto(LIST)

    icons = page.locator("#result_list .ar-icon-link")

    expect(icons).to_have_count(4)
    for icon in icons.all():
        expect(icon).to_be_in_viewport(ratio=1)
