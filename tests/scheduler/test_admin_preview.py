"""What the form tells of a plan while it is typed."""

from typing import Any

import pytest

from scheduler.clock import database_now
from tests.scheduler.admin_pages import FRIDAYS, browser_of, make_schedule, page_of, superuser

pytestmark = pytest.mark.django_db
PREVIEW = "/admin/scheduler/schedule/preview/"


def ask(**plan: str) -> Any:
    typed = {"quartz": FRIDAYS, "time_zone": "Europe/Istanbul", "enabled": "on"}
    return superuser().get(PREVIEW, typed | plan)


def test_ten_fire_times_are_told_in_the_zone_and_in_utc() -> None:
    answer = ask()

    preview = answer.context["preview"]
    page = answer.content.decode()
    assert len(preview.fire_times) == 10
    assert preview.warnings == []
    assert all(each.local.strftime("%a %H:%M") == "Fri 06:06" for each in preview.fire_times)
    assert f"{preview.fire_times[0].local:%a %Y-%m-%d %H:%M:%S} +03" in page
    assert f"{preview.fire_times[0].utc:%Y-%m-%d %H:%M:%S}" in page
    assert "Europe/Istanbul" in page
    assert preview.words in page
    assert preview.fire_times[0].utc > database_now()


def test_fire_times_after_a_clock_change_are_marked() -> None:
    page = ask(quartz="0 0 12 1 * ?", time_zone="Europe/Berlin").content.decode()

    assert "after a clock change" in page
    assert "The clocks are changed" in page


@pytest.mark.parametrize(
    ("plan", "warning"),
    [
        ({"quartz": "0 0 0 1 1 ? 2025"}, "never fires"),
        ({"end": "2026-01-01T00:00"}, "never fires"),
        ({"quartz": "0 0 0 1 1 ? 2199"}, "These are all"),
        ({"run_once": "on"}, "finished after this run"),
    ],
)
def test_plan_that_does_not_go_on_is_warned_of(plan: dict[str, str], warning: str) -> None:
    assert warning in ask(**plan).content.decode()


def test_disabled_schedule_is_warned_of() -> None:
    client = superuser()
    schedule = make_schedule(enabled=False)

    typed = client.get(PREVIEW, {"quartz": FRIDAYS, "time_zone": "UTC"}).content.decode()
    stored = client.get(page_of(schedule)).content.decode()

    assert "none of them fires until it is enabled" in typed
    assert "none of them fires until it is enabled" in stored


def test_start_and_end_bound_the_fire_times() -> None:
    preview = ask(start="2031-01-03T06:06", end="2031-01-10T06:06").context["preview"]

    days = [f"{each.local:%Y-%m-%d}" for each in preview.fire_times]
    assert days == ["2031-01-03", "2031-01-10"]


@pytest.mark.parametrize(
    ("plan", "field"),
    [
        ({"quartz": "0 0 25 * * ?"}, "quartz"),
        ({"time_zone": "Mars/Olympus"}, "time_zone"),
        ({"start": "2031-01-03T06:06", "end": "2031-01-02T06:06"}, "end"),
    ],
)
def test_error_is_told_at_its_field_and_at_no_other(plan: dict[str, str], field: str) -> None:
    answer = ask(**plan)

    form, page = answer.context["form"], answer.content.decode()
    assert list(form.errors) == [field]
    assert page.count('class="ar-field-error"') == len(form.fields)
    assert (
        f'<div id="id_{field}_error" class="ar-field-error" aria-live="polite" hx-swap-oob="true"><p>'
        in page
    )


def test_five_fields_are_answered_with_the_quartz_form() -> None:
    answer = ask(quartz="6 6 * * 5")

    (message,) = answer.context["form"].errors["quartz"]
    assert "0 6 6 ? * FRI" in message
    assert 'data-offer="0 6 6 ? * FRI"' in answer.content.decode()


def test_errors_of_several_fields_are_told_at_once() -> None:
    form = ask(quartz="0 0 25 * * ?", time_zone="Mars/Olympus", start="soon").context["form"]

    assert sorted(form.errors) == ["quartz", "start", "time_zone"]


def test_nothing_typed_yet_is_no_error() -> None:
    answer = ask(quartz="")

    assert answer.context["form"].errors == {}
    assert "Type a Quartz expression" in answer.content.decode()


def test_markup_in_a_plan_is_text() -> None:
    page = ask(quartz="<b>0</b>", time_zone="<i>").content.decode()

    assert "<b>" not in page
    assert "<i>" not in page


@pytest.mark.parametrize(
    ("permissions", "status"),
    [
        ([], 403),
        (["scheduler.view_schedule"], 403),
        (["scheduler.add_schedule"], 200),
        (["scheduler.change_schedule"], 200),
    ],
)
def test_preview_is_for_those_who_may_use_the_form(permissions: list[str], status: int) -> None:
    assert browser_of(*permissions).get(PREVIEW).status_code == status
