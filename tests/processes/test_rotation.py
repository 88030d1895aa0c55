"""Another key for secrets: everything that is stored is encrypted anew, while all goes on."""

from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from config import secrets_check
from processes import rotation
from processes.encryption import decrypt, encrypt
from processes.management.commands.worker import Command as WorkerCommand
from processes.models import Parameter, ProcessModel, Run
from processes.models.trails import trail_of
from processes.rotation import look_at_secrets, renew_secrets
from processes.secrets import is_encrypted
from scheduler.health import Level
from scheduler.models import Schedule
from tests.factories import ParameterFactory, ProcessModelFactory, RunFactory, make_schedule

pytestmark = pytest.mark.django_db

OLD, NEW = "o" * 32, "n" * 32


@pytest.fixture
def model(settings: Any) -> ProcessModel:
    """Return a process model with a secret, stored by the old key, and the new key in front."""
    settings.SECRETS_KEYS = [OLD]
    parameter = ParameterFactory.create(
        name="password", value_type="secret", default=encrypt("default")
    )
    found: ProcessModel = parameter.process_model
    values = {"password": encrypt("hunter2"), "user": "ada"}
    make_schedule(process_model=found, values=values)
    for state in ("succeeded", "failed", "running", "postponed"):
        RunFactory.create(process_model=found, values=values, **{state: True})
    RunFactory.create(values={"user": "ada"})
    settings.SECRETS_KEYS = [NEW, OLD]
    return found


def rotate() -> str:
    output = StringIO()
    call_command("rotate_secrets_key", stdout=output)
    return output.getvalue()


def test_everything_is_readable_by_the_new_key_alone(model: ProcessModel, settings: Any) -> None:
    text = rotate()

    settings.SECRETS_KEYS = [NEW]
    assert "runs: 4 secrets, 4 encrypted anew, 0 that no key decrypts" in text
    assert "schedules: 1 secrets, 1 encrypted anew" in text
    assert "parameters: 1 secrets, 1 encrypted anew" in text
    assert decrypt(Parameter.objects.get().default or {}) == "default"
    assert decrypt(Schedule.objects.get().values["password"]) == "hunter2"
    runs = Run.objects.filter(process_model=model)
    assert {decrypt(run.values["password"]) for run in runs} == {"hunter2"}
    assert {run.values["user"] for run in Run.objects.all()} == {"ada"}
    assert look_at_secrets().unreadable == []


def test_entries_of_the_audit_are_left_as_they_are(model: ProcessModel) -> None:
    entries = trail_of(Schedule).entries.objects.order_by("pk")
    before = list(entries.values_list())

    rotate()

    assert before
    assert list(entries.values_list()) == before
    assert "hunter2" not in repr(before)


def test_second_time_changes_nothing(model: ProcessModel) -> None:
    rotate()
    before = list(Run.objects.order_by("pk").values_list("values", flat=True))

    text = rotate()

    assert "runs: 4 secrets, 0 encrypted anew" in text
    assert list(Run.objects.order_by("pk").values_list("values", flat=True)) == before


def test_more_rows_than_a_batch_are_all_found(
    model: ProcessModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotation, "ROWS_AT_ONCE", 2)

    tallies = renew_secrets()

    assert tallies["runs"].renewed == 4
    assert look_at_secrets().renewed == 0


def test_secret_that_a_parameter_declares_no_more_is_renewed_too(
    model: ProcessModel, settings: Any
) -> None:
    Parameter.objects.all().delete()

    rotate()

    settings.SECRETS_KEYS = [NEW]
    assert decrypt(Schedule.objects.get().values["password"]) == "hunter2"


def test_value_from_before_its_parameter_was_secret_is_encrypted() -> None:
    model = ProcessModelFactory.create()
    run = RunFactory.create(process_model=model, values={"pin": "1234", "user": "ada"})
    ParameterFactory.create(process_model=model, name="pin", value_type="secret")

    assert secrets_check.check_secrets().level is Level.WARNING
    rotate()

    run.refresh_from_db()
    assert is_encrypted(run.values["pin"])
    assert (decrypt(run.values["pin"]), run.values["user"]) == ("1234", "ada")
    assert secrets_check.check_secrets().level is Level.OK


def test_what_no_key_decrypts_is_left_and_told(model: ProcessModel, settings: Any) -> None:
    settings.SECRETS_KEYS = [NEW]
    before = Run.objects.values_list("values", flat=True).get(status="FAILED")

    with pytest.raises(CommandError, match="6 secrets were left as they are") as told:
        rotate()

    assert str(Run.objects.get(status="FAILED").pk) in str(told.value)
    assert Run.objects.values_list("values", flat=True).get(status="FAILED") == before
    check = secrets_check.check_secrets()
    assert check.level is Level.ERROR
    assert "SECRETS_KEY" in check.remedy


def test_without_a_key_nothing_is_touched(model: ProcessModel, settings: Any) -> None:
    settings.SECRETS_KEYS = []

    with pytest.raises(CommandError, match="There is no key for secrets: set SECRETS_KEY"):
        rotate()

    check = secrets_check.check_secrets()
    assert (check.level, "1 parameters are secret" in check.message) == (Level.ERROR, True)


def test_doctor_tells_of_a_rotation_that_is_due(model: ProcessModel) -> None:
    before = secrets_check.check_secrets()
    rotate()
    after = secrets_check.check_secrets()

    assert (before.level, after.level) == (Level.WARNING, Level.OK)
    assert "rotate_secrets_key" in before.remedy


def test_values_of_others_change_nothing_that_is_in_clear(settings: Any) -> None:
    settings.SECRETS_KEYS = []
    RunFactory.create(values={"user": "ada"})

    assert secrets_check.check_secrets().level is Level.OK


def test_starting_worker_tells_of_keys_that_do_not_fit(model: ProcessModel, settings: Any) -> None:
    said: list[str] = []
    for keys in ([NEW, OLD], [NEW], []):
        settings.SECRETS_KEYS = keys
        told = StringIO()
        WorkerCommand(stderr=told)._warn_of_secrets()
        said.append(told.getvalue())

    fits, wrong, none = said
    assert fits == ""
    assert "no key decrypts 6 of the newest stored secrets" in wrong
    assert "There is no key for secrets: set SECRETS_KEY" in none
