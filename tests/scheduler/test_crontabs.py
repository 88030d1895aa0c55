"""Each schedule is shown as the nearest crontab; a chosen crontab becomes a Quartz expression."""

import pytest
from django_celery_beat.models import CrontabSchedule

from scheduler.crontabs import describe_nearness, find_crontab, is_projection, project, to_quartz
from scheduler.exceptions import UnusableCrontab
from scheduler.quartz import QuartzExpression

FIELDS = ("minute", "hour", "day_of_month", "month_of_year", "day_of_week")


@pytest.mark.parametrize(
    ("quartz", "crontab", "is_exact"),
    [
        ("0 6 6 ? * FRI", "6 6 * * 5", True),
        ("0 0/15 * * * ?", "*/15 * * * *", True),
        ("0 5,20 8-17 ? * MON-FRI", "5,20 8-17 * * 1-5", True),
        ("0 0 0 1,15 JAN-MAR ?", "0 0 1,15 1-3 *", True),
        ("0 0 12 ? * SUN,SAT", "0 12 * * 0,6", True),
        ("*/2 * * * * ?", "* * * * *", False),
        ("30 0 12 * * ?", "0 12 * * *", False),
        ("0 0 12 * * ? 2030", "0 12 * * *", False),
        ("0 0 8 L * ?", "0 8 28-31 * *", False),
        ("0 0 8 ? * 6#3", "0 8 15-21 * *", False),
        ("0 0 8 ? * 6L", "0 8 22-31 * *", False),
        ("0 0 8 15W * ?", "0 8 14-16 * *", False),
        ("0 0 8 LW * ?", "0 8 26-31 * *", False),
    ],
)
def test_expression_is_shown_as_the_nearest_crontab(
    quartz: str, crontab: str, is_exact: bool
) -> None:
    expression = QuartzExpression(quartz, "Europe/Istanbul")

    fields = project(expression)

    assert " ".join(fields[name] for name in FIELDS) == crontab
    assert fields["timezone"] == "Europe/Istanbul"
    assert (describe_nearness(expression) == "") == is_exact


def test_nearness_names_the_expression_and_its_zone() -> None:
    text = describe_nearness(QuartzExpression("*/2 * * * * ?", "Europe/Istanbul"))

    assert "*/2 * * * * ?" in text
    assert "Europe/Istanbul" in text


@pytest.mark.parametrize(
    ("crontab", "quartz"),
    [
        ({"minute": "6", "hour": "6", "day_of_week": "fri"}, "0 6 6 ? * FRI"),
        ({"minute": "*/15"}, "0 */15 * * * ?"),
        ({"minute": "0", "hour": "8-17", "day_of_week": "0,6"}, "0 0 8-17 ? * SUN,SAT"),
        (
            {"minute": "0", "hour": "0", "day_of_month": "1,15", "month_of_year": "1-3"},
            "0 0 0 1,15 1-3 ?",
        ),
        ({"minute": "0,1,59"}, "0 0,1,59 * * * ?"),
    ],
)
def test_crontab_becomes_the_expression_that_fires_alike(
    crontab: dict[str, str], quartz: str
) -> None:
    made = to_quartz(CrontabSchedule(**crontab))

    assert made == quartz
    assert QuartzExpression(made, "UTC").canonical


@pytest.mark.parametrize(
    ("crontab", "words"),
    [
        ({"day_of_month": "1", "day_of_week": "1"}, "not both"),
        ({"minute": "61"}, "cannot be read"),
    ],
)
def test_crontab_that_no_expression_says_is_refused(crontab: dict[str, str], words: str) -> None:
    with pytest.raises(UnusableCrontab, match=words):
        to_quartz(CrontabSchedule(**crontab))


@pytest.mark.django_db
def test_crontab_is_found_again() -> None:
    expression = QuartzExpression("0 6 6 ? * FRI", "Europe/Istanbul")

    first, second = find_crontab(expression), find_crontab(expression)

    stored = CrontabSchedule.objects.get(pk=first.pk)
    assert first.pk == second.pk
    assert is_projection(stored, expression)
    assert not is_projection(stored, QuartzExpression("0 6 6 ? * FRI", "UTC"))
    assert to_quartz(stored) == "0 6 6 ? * FRI"
