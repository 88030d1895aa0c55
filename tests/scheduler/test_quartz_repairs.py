"""Two-letter days are understood, and can be told from what Quartz takes."""

import pytest

from scheduler.quartz import QuartzExpression
from scheduler.quartz_repairs import find_repairs


@pytest.mark.parametrize(
    ("text", "repairs"),
    [
        ("0 6 6 ? * FR", {"FR": "FRI"}),
        ("0 6 6 ? * fr", {"fr": "FRI"}),
        ("0 6 6 ? * MO,WED,fr", {"MO": "MON", "fr": "FRI"}),
        ("0 6 6 ? * MO-FR", {"MO-FR": "MON-FRI"}),
        ("0 6 6 ? * MO-FRI 2030", {"MO-FRI": "MON-FRI"}),
        ("0 6 6 ? * FRL", {"FRL": "FRIL"}),
        ("0 6 6 ? * FR#2", {"FR#2": "FRI#2"}),
        ("\t0  6 6 ? *  SA\n", {"SA": "SAT"}),
        ("0 6 6 ? * SU,MO,TU,WE,TH,FR,SA,FR", "seven"),
        ("0 6 6 ? * SUN,MON,TUE,WED,THU,FRI,SAT", {}),
        ("0 6 6 ? * FRIL", {}),
        ("0 6 6 ? * sunl", {}),
        ("0 6 6 ? * L", {}),
        ("0 6 6 ? * 6", {}),
        ("0 6 6 LW MAR ?", {}),
    ],
)
def test_two_letter_days_are_found_with_what_they_were_read_as(
    text: str, repairs: dict[str, str] | str
) -> None:
    found = find_repairs(text)

    if repairs == "seven":
        repairs = {day[:2]: day for day in ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")}
    assert found == repairs
    repaired = text
    for item, read in found.items():
        repaired = repaired.replace(item, read)
    assert QuartzExpression(repaired, "UTC") == QuartzExpression(text, "UTC")
