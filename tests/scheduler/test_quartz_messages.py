"""What people read: refusals, offers of what was probably meant, canonical texts, plans in words."""

# ruff: noqa: RUF001 - Turkish has a letter that looks like another

import pytest

from scheduler.quartz import ZONE, QuartzError, QuartzExpression
from scheduler.quartz_days import (
    AnyDay,
    DayRule,
    DaysOfMonth,
    DaysOfWeek,
    LastDay,
    LastWeekday,
    LastWorkday,
    NearestWorkday,
    NthWeekday,
)


def refusal_of(text: str, tz: str = "UTC") -> QuartzError:
    with pytest.raises(QuartzError) as caught:
        QuartzExpression(text, tz=tz)
    return caught.value


@pytest.mark.parametrize(
    ("text", "field", "message"),
    [
        ("75 0 0 * * ?", "second", "second: '75' is out of range; it takes 0 to 59"),
        ("0 0/70 0 * * ?", "minute", "minute: '0/70' has a step above 59"),
        ("0 0 25 * * ?", "hour", "hour: '25' is out of range; it takes 0 to 23"),
        ("0 0 noon * * ?", "hour", "hour: 'NOON' is not understood"),
        ("0 ? 0 * * ?", "minute", "minute: '?' does not belong here"),
        ("0 0 0 1,,3 * ?", "day-of-month", "day-of-month: '' is an empty item"),
        ("0 0 0 L,15 * ?", "day-of-month", "day-of-month: 'L' is not understood"),
        ("0 0 0 L-31 * ?", "day-of-month", "day-of-month: 'L-31' goes back more than 30 days"),
        ("0 0 0 0W * ?", "day-of-month", "day-of-month: '0W' is out of range"),
        ("0 0 0 1 SMARCH ?", "month", "month: 'SMARCH' is not understood; it takes 1 to 12 or JAN"),
        ("0 0 0 ? * 0", "day-of-week", "day-of-week: '0' is out of range; it takes 1 (SUN) to 7"),
        ("0 0 0 ? * MON-6", "day-of-week", "'MON-6' mixes a name and a number"),
        ("0 0 0 ? * MON-FRI/2", "day-of-week", "'MON-FRI/2' has a step after a name"),
        ("0 0 0 ? * FRI#6", "day-of-week", "'FRI#6' has no number from 1 to 5 after the #"),
        ("0 0 0 * * ? 2030-2020", "year", "year: '2030-2020' ends before it begins"),
        ("0 0 0 * * ? 26", "year", "year: '26' is out of range; it takes 1970 to 2199"),
        ("0 0 \N{ARABIC-INDIC DIGIT ONE} * * ?", "hour", "has characters that are not ASCII"),
        ("", None, "The expression is empty; a Quartz expression has 6 or 7 fields"),
        ("0", None, "The expression has 1 field; a Quartz expression has 6 or 7"),
        ("0 0 0 * * ? * *", None, "The expression has 8 fields"),
        ("0" * 1001, None, "The expression has 1,001 characters; at most 1,000 are allowed."),
    ],
)
def test_a_refusal_names_the_field_the_item_and_what_is_allowed(
    text: str, field: str | None, message: str
) -> None:
    error = refusal_of(text)

    assert error.field == field
    assert message in str(error)


@pytest.mark.parametrize(
    "text",
    [
        "0 0 {} * * ?",
        "0 0 0 {} * ?",
        "0 0 0 ? * {}",
        "0 0 0 {} * MON",
        "0 0 0 ? * {}#2",
        "{} * * * *",
    ],
)
def test_a_refusal_shows_at_most_40_characters_of_an_item(text: str) -> None:
    error = refusal_of(text.format("Z" * 900))

    assert "Z" * 40 not in str(error)
    assert len(str(error)) < 300


@pytest.mark.parametrize(
    "zone", ["Europe/Istambul", "", "Europe", "../etc/passwd", "\0", "Z" * 300]
)
def test_an_unknown_zone_is_refused_by_name(zone: str) -> None:
    error = refusal_of("0 6 6 ? * FRI", tz=zone)

    assert error.field == ZONE
    assert f"{zone[:39]!r}"[:-1] in str(error)
    assert "no time zone; it takes an IANA name such as Europe/Istanbul" in str(error)
    assert len(str(error)) < 150


@pytest.mark.parametrize(
    ("text", "offer"),
    [
        ("*/5 * * * *", "0 */5 * * * ?"),
        ("0 6 * * 5", "0 0 6 ? * FRI"),
        ("0 6 * * 0,7", "0 0 6 ? * SUN,SUN"),
        ("30 9 * * 1-5", "0 30 9 ? * MON-FRI"),
        ("30 9 * * 5-7", "0 30 9 ? * FRI-SUN"),
        ("30 9 * * mon,wed-fri", "0 30 9 ? * MON,WED-FRI"),
        ("30 9 * jan */2", "0 30 9 ? JAN SUN,TUE,THU,SAT"),
        ("30 9 * * 1-5/2", "0 30 9 ? * MON,WED,FRI"),
        ("30 9 * * 3/2", "0 30 9 ? * WED,FRI"),
        ("0 0 1,15 * *", "0 0 0 1,15 * ?"),
        ("0 0 L * ?", "0 0 0 L * ?"),
        ("0 0 ? * *", "0 0 0 * * ?"),
        ("0 0 12 * * *", "0 0 12 * * ?"),
        ("0 0 12 ? * ?", "0 0 12 * * ?"),
        ("0 0 12 1 * *", "0 0 12 1 * ?"),
        ("0 0 12 * * MON 2030", "0 0 12 ? * MON 2030"),
    ],
)
def test_what_was_probably_meant_is_offered(text: str, offer: str) -> None:
    error = refusal_of(text)

    assert str(error).endswith(f" Did you mean {offer!r}?")
    assert QuartzExpression(offer, tz="UTC").canonical == offer


@pytest.mark.parametrize(
    "text",
    [
        "0 0 1 * 5",  # cron fires on either day, which Quartz cannot say
        "0 0 * * 8",
        "0 0 * * 5L",  # cron counts the days from 0
        "0 25 * * *",
        "0 0 * * xyz",
        "0 0 12 1 * MON",
        "0 0 12 40 * *",
        "0,5 * * *",
        f"{','.join(['0'] * 200)} * * * *",
    ],
    ids=lambda text: text[:12],
)
def test_what_would_be_refused_again_is_not_offered(text: str) -> None:
    assert "Did you mean" not in str(refusal_of(text))


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        (" 0\t06  6 ? * fri ", "0 6 6 ? * FRI"),
        ("0 6 6 ? * FRI *\n", "0 6 6 ? * FRI"),
        ("0 0/15 * * * ?", "0 0/15 * * * ?"),
        ("0 /15 * * * ?", "0 */15 * * * ?"),
        ("0 */1 3,* * * ?", "0 * * * * ?"),
        ("0 5/0 1-3/0 * * ?", "0 5 1 * * ?"),
        ("0 0 0 ? jan-MAR mo,We-FR", "0 0 0 ? JAN-MAR MON,WED-FRI"),
        ("0 0 0 ? * L", "0 0 0 ? * SAT"),
        ("0 0 0 ? * fr#2", "0 0 0 ? * FRI#2"),
        ("0 0 0 ? * 6L 2030", "0 0 0 ? * 6L 2030"),
        ("0 0 0 L-0 * ?", "0 0 0 L * ?"),
        ("0 0 0 l-03w * ?", "0 0 0 L-3W * ?"),
        ("0 0 0 05w * ?", "0 0 0 5W * ?"),
    ],
)
def test_the_canonical_text_is_the_plainest_spelling(text: str, canonical: str) -> None:
    assert QuartzExpression(text, tz="UTC").canonical == canonical


@pytest.mark.parametrize(
    ("days", "rule"),
    [
        ("* * ?", AnyDay()),
        ("? * *", AnyDay()),
        ("1-31 * ?", AnyDay()),
        ("25-2 * ?", DaysOfMonth((1, 2, 25, 26, 27, 28, 29, 30, 31))),
        ("? * FRI-MON", DaysOfWeek((1, 2, 6, 7))),
        ("L * ?", LastDay()),
        ("L-3 * ?", LastDay(3)),
        ("LW * ?", LastWorkday()),
        ("L-3W * ?", LastWorkday(3)),
        ("15W * ?", NearestWorkday(15)),
        ("? * FRI#2", NthWeekday(6, 2)),
        ("? * 6L", LastWeekday(6)),
    ],
)
def test_the_fields_tell_what_the_expression_means(days: str, rule: DayRule) -> None:
    fields = QuartzExpression(f"0 50/5 22-2/2 {days}", tz="UTC").fields

    assert fields.day == rule
    assert (fields.seconds, fields.minutes, fields.hours) == ((0,), (50, 55), (0, 2, 22))
    assert (fields.months, fields.years) == (tuple(range(1, 13)), None)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0 6 6 ? * FRI", ["06:06", "Friday"]),
        ("0 0/15 * * * ?", ["15 minutes"]),
        ("0 0/45 * * * ?", ["0 and 45 minutes"]),
        ("0 0 8-10 * * ?", ["08:00", "09:00", "10:00"]),
        ("0 0 9 ? * 6-2", ["Friday through Monday"]),
        ("0 0 9 L-1 * ?", ["1 day before the last day"]),
        ("0 0 9 15W * ?", ["weekday nearest", "15"]),
        ("0 0 9 LW * ?", ["last weekday of the month"]),
        ("0 0 9 ? * L", ["Saturday"]),
        ("0 0 9 ? * 3#2", ["second Tuesday"]),
        ("0 0 9 ? * 3L", ["last Tuesday"]),
        ("0 0 9 1/2 3,9 ? 2030", ["every 2 days", "March and September", "2030"]),
    ],
)
def test_a_plan_is_said_in_english(text: str, words: list[str]) -> None:
    said = QuartzExpression(text, tz="UTC").describe()

    for word in words:
        assert word in said


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0 6 6 ? * FRI", ["06:06", "Cuma"]),
        ("0 0/15 * * * ?", ["15 dakikada"]),
        ("0 0 9 1 5,11 ?", ["Mayıs", "Kasım"]),
        ("0 0 9 ? * TUE-THU", ["Salı", "Perşembe"]),
    ],
)
def test_a_plan_is_said_in_turkish(text: str, words: list[str]) -> None:
    said = QuartzExpression(text, tz="UTC").describe("tr")

    for word in words:
        assert word in said


@pytest.mark.parametrize(
    ("text", "locale"),
    [
        ("0 0 9 L-1W * ?", "en"),
        ("0 0 9 L-3 * ?", "tr"),
        ("0 0 9 15W * ?", "tr"),
        ("0 0 9 1 1 ? 2026/2", "en"),
        ("0 1,2,3,5,8,9,11,12,14,17,18,20,30 9 * * ?", "en"),
    ],
)
def test_what_has_no_right_words_is_shown_as_it_is(text: str, locale: str) -> None:
    plan = QuartzExpression(text, tz="UTC")

    assert plan.describe(locale) == plan.canonical


def test_another_language_is_answered_in_english() -> None:
    plan = QuartzExpression("0 6 6 ? * FRI", tz="UTC")

    assert plan.describe("de") == plan.describe("en")
