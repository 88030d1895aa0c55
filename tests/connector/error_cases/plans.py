"""Plans: the Quartz expression, and the dates that bound it."""

from tests.connector.error_cases.case import Case, Section, on_fields

FRIDAYS = "0 6 6 ? * FRI"


def quartz(text: str, message: str) -> Case:
    """Return a start call whose plan is no Quartz expression."""
    return on_fields(message, quartzDef=text)


SECTION = Section(
    "Plans",
    "The text names the field of the expression and the item in it. A plan that can never fire is"
    " accepted, with a warning.",
    [
        on_fields("quartzDef takes text, not 5.", quartzDef=5),
        on_fields('quartzDef takes text, not ["0 6 6 ? * FRI"].', quartzDef=["0 6 6 ? * FRI"]),
        quartz("0" * 1001, "quartzDef takes at most 1,000 characters; it has 1,001."),
        quartz(
            "Z" * 1000,
            "quartzDef: The expression has 1 field; a Quartz expression has 6 or 7: second minute hour day-of-month month day-of-week [year].",
        ),
        quartz(
            "   ",
            "quartzDef: The expression is empty; a Quartz expression has 6 or 7 fields: second minute hour day-of-month month day-of-week [year].",
        ),
        quartz(
            "0",
            "quartzDef: The expression has 1 field; a Quartz expression has 6 or 7: second minute hour day-of-month month day-of-week [year].",
        ),
        quartz(
            "0 6 * * 5",
            "quartzDef: The expression has 5 fields; a Quartz expression has 6 or 7: second minute hour day-of-month month day-of-week [year]. Did you mean '0 0 6 ? * FRI'?",
        ),
        quartz(
            "*/5 * * * *",
            "quartzDef: The expression has 5 fields; a Quartz expression has 6 or 7: second minute hour day-of-month month day-of-week [year]. Did you mean '0 */5 * * * ?'?",
        ),
        quartz(
            "30 9 * * 1-5",
            "quartzDef: The expression has 5 fields; a Quartz expression has 6 or 7: second minute hour day-of-month month day-of-week [year]. Did you mean '0 30 9 ? * MON-FRI'?",
        ),
        quartz(
            "0 0 1 * 5",
            "quartzDef: The expression has 5 fields; a Quartz expression has 6 or 7: second minute hour day-of-month month day-of-week [year].",
        ),
        quartz(
            "0 0 0 * * ? * *",
            "quartzDef: The expression has 8 fields; a Quartz expression has 6 or 7: second minute hour day-of-month month day-of-week [year].",
        ),
        quartz(
            "0 0 12 * * *",
            "quartzDef: day-of-week: '*' and the day-of-month '*' do not go together; exactly one of the two has to be '?'. Did you mean '0 0 12 * * ?'?",
        ),
        quartz(
            "0 0 12 ? * ?",
            "quartzDef: day-of-week: '?' and the day-of-month '?' do not go together; exactly one of the two has to be '?'. Did you mean '0 0 12 * * ?'?",
        ),
        quartz(
            "0 0 12 1 * MON",
            "quartzDef: day-of-week: 'MON' and the day-of-month '1' do not go together; exactly one of the two has to be '?'.",
        ),
        quartz(
            "75 0 0 * * ?",
            "quartzDef: second: '75' is out of range; it takes 0 to 59, *, lists (1,5), ranges (1-5) and steps (*/5).",
        ),
        quartz(
            "0 0/70 0 * * ?",
            "quartzDef: minute: '0/70' has a step above 59; it takes 0 to 59, *, lists (1,5), ranges (1-5) and steps (*/5).",
        ),
        quartz(
            "0 0 25 * * ?",
            "quartzDef: hour: '25' is out of range; it takes 0 to 23, *, lists (1,5), ranges (1-5) and steps (*/5).",
        ),
        quartz(
            "0 0 noon * * ?",
            "quartzDef: hour: 'NOON' is not understood; it takes 0 to 23, *, lists (1,5), ranges (1-5) and steps (*/5).",
        ),
        quartz(
            "0 ? 0 * * ?",
            "quartzDef: minute: '?' does not belong here; it takes 0 to 59, *, lists (1,5), ranges (1-5) and steps (*/5).",
        ),
        quartz(
            "0 0 0 1,,3 * ?",
            "quartzDef: day-of-month: '' is an empty item; it takes 1 to 31, *, ?, lists (1,5), ranges (1-5) and steps (*/5), or one of L, L-3, LW, L-3W and 15W alone.",
        ),
        quartz(
            "0 0 0 32 * ?",
            "quartzDef: day-of-month: '32' is out of range; it takes 1 to 31, *, ?, lists (1,5), ranges (1-5) and steps (*/5), or one of L, L-3, LW, L-3W and 15W alone.",
        ),
        quartz(
            "0 0 0 L-31 * ?",
            "quartzDef: day-of-month: 'L-31' goes back more than 30 days; it takes 1 to 31, *, ?, lists (1,5), ranges (1-5) and steps (*/5), or one of L, L-3, LW, L-3W and 15W alone.",
        ),
        quartz(
            "0 0 0 1 SMARCH ?",
            "quartzDef: month: 'SMARCH' is not understood; it takes 1 to 12 or JAN to DEC, *, lists (1,5), ranges (1-5) and steps (*/5).",
        ),
        quartz(
            "0 0 0 ? * 0",
            "quartzDef: day-of-week: '0' is out of range; it takes 1 (SUN) to 7 (SAT) or SUN to SAT, *, ?, lists (1,5), ranges (1-5) and steps (*/5), or one of L, FRIL and FRI#2 alone.",
        ),
        quartz(
            "0 0 0 ? * FRI#6",
            "quartzDef: day-of-week: 'FRI#6' has no number from 1 to 5 after the #; it takes 1 (SUN) to 7 (SAT) or SUN to SAT, *, ?, lists (1,5), ranges (1-5) and steps (*/5), or one of L, FRIL and FRI#2 alone.",
        ),
        quartz(
            "0 0 0 ? * MON-6",
            "quartzDef: day-of-week: 'MON-6' mixes a name and a number in one range; it takes 1 (SUN) to 7 (SAT) or SUN to SAT, *, ?, lists (1,5), ranges (1-5) and steps (*/5), or one of L, FRIL and FRI#2 alone.",
        ),
        quartz(
            "0 0 0 ? * XYZ",
            "quartzDef: day-of-week: 'XYZ' is not understood; it takes 1 (SUN) to 7 (SAT) or SUN to SAT, *, ?, lists (1,5), ranges (1-5) and steps (*/5), or one of L, FRIL and FRI#2 alone.",
        ),
        quartz(
            "0 0 0 * * ? 26",
            "quartzDef: year: '26' is out of range; it takes 1970 to 2199, *, lists (2026,2028), ranges (2026-2030) and steps (2026/2).",
        ),
        quartz(
            "0 0 0 * * ? 2030-2020",
            "quartzDef: year: '2030-2020' ends before it begins; it takes 1970 to 2199, *, lists (2026,2028), ranges (2026-2030) and steps (2026/2).",
        ),
        quartz(
            "0 0 \N{ARABIC-INDIC DIGIT ONE} * * ?",
            "quartzDef: hour: '\N{ARABIC-INDIC DIGIT ONE}' has characters that are not ASCII; it takes 0 to 23, *, lists (1,5), ranges (1-5) and steps (*/5).",
        ),
        quartz(
            "@daily",
            "quartzDef: The expression has 1 field; a Quartz expression has 6 or 7: second minute hour day-of-month month day-of-week [year].",
        ),
        quartz(
            "0 0 " + "Z" * 900 + " * * ?",
            "quartzDef: hour: 'ZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZ…' is not understood; it takes 0 to 23, *, lists (1,5), ranges (1-5) and steps (*/5).",
        ),
        on_fields(
            "endDate has to be later than startDate.",
            "endDate",
            quartzDef=FRIDAYS,
            startDate="2030-01-02 00:00:00",
            endDate="2030-01-01 00:00:00",
        ),
        on_fields(
            "endDate has to be later than startDate.",
            "endDate",
            quartzDef=FRIDAYS,
            startDate="2030-01-01 00:00:00",
            endDate="2030-01-01 00:00:00",
        ),
        on_fields(
            "endDate has to be later than startDate.",
            "endDate",
            quartzDef=FRIDAYS,
            startDate="2030-01-01T00:00:00+00:00",
            endDate="2030-01-01T02:00:00+03:00",
        ),
        on_fields(
            "quartzDef: The expression has 1 field; a Quartz expression has 6 or 7: second minute hour day-of-month month day-of-week [year] (and 1 more under errors).",
            "quartzDef",
            "endDate",
            quartzDef="never",
            startDate="2030-01-02 00:00:00",
            endDate="2030-01-01 00:00:00",
        ),
        on_fields(
            "quartzDef: The expression has 1 field; a Quartz expression has 6 or 7: second minute hour day-of-month month day-of-week [year].",
            "quartzDef",
            quartzDef="never",
            runImmediately="Y",
            runOnce="Y",
        ),
    ],
)
