"""Every row of the table of errors, through Django, with its exact status, code and message."""

from typing import Any

import pytest

from connector.error_codes import CODES
from tests.connector.error_answers import (
    compare_with_document,
    find_faults,
    send_in_process,
    write_sections,
)
from tests.connector.error_cases import SECTIONS
from tests.connector.error_stage import set_stage


@pytest.mark.django_db
def test_every_case_is_answered_as_the_table_and_the_document_say(caplog: Any) -> None:
    stage = set_stage()

    answers = [
        (section, [send_in_process(case, stage) for case in section.cases]) for section in SECTIONS
    ]

    assert _differences(answers) == {}
    compare_with_document("the table", write_sections(answers))


def _differences(answers: Any) -> dict[str, list[str]]:
    faults = {
        case.sent: find_faults(case, answer)
        for section, given in answers
        for case, answer in zip(section.cases, given, strict=True)
    }
    return {sent: found for sent, found in faults.items() if found}


def test_codes_are_those_of_the_document() -> None:
    lines = ["| `code` | meaning |", "|---|---|"]
    lines += [f"| `{code}` | {meaning} |" for code, meaning in CODES.items()]

    compare_with_document("the codes", "\n".join(lines))
