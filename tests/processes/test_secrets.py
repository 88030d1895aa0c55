"""Values that are secret: encrypted where they are stored, in clear only where the run is."""

import json
import secrets
from typing import Any

import pytest
from django.db import connection

from processes import nodes
from processes.encryption import decrypt, encrypt, renew
from processes.exceptions import InvalidValues, NoSecretsKey, WrongSecretsKey
from processes.execution import claim_run, execute_run
from processes.executors.base import ProcessFailed
from processes.executors.context import RunContext
from processes.models import ProcessModel, Run, RunLog
from processes.queueing import queue_run
from processes.secrets import ENCRYPTED, MASK, Secret, is_encrypted, mask
from processes.signatures import UnusableProcess, describe_function
from processes.values import check_values
from tests.factories import ParameterFactory, ProcessModelFactory
from tests.processes.conftest import Register, do_nothing

pytestmark = pytest.mark.django_db

OLD, NEW = "o" * 32, "n" * 32


@pytest.fixture
def password() -> str:
    return secrets.token_urlsafe(12)


@pytest.fixture
def model() -> ProcessModel:
    """Return a process model that takes a secret, `password`, and a text."""
    parameter = ParameterFactory.create(name="password", value_type="secret")
    ParameterFactory.create(process_model=parameter.process_model, name="user", required=False)
    found: ProcessModel = parameter.process_model
    return found


def run_once(model: ProcessModel, node: nodes.Node, **values: Any) -> Run:
    """Execute one run of a process model with these values."""
    queue_run(model, values)
    run = claim_run(node)
    assert run is not None
    execute_run(run)
    run.refresh_from_db()
    return run


def read_log(run: Run) -> str:
    return "".join(RunLog.objects.filter(run=run).values_list("text", flat=True))


def dump_tables() -> str:
    """Return every row that a run leaves, as the database holds it."""
    text = ""
    with connection.cursor() as cursor:
        for table in ("processes_run", "processes_runattempt", "processes_runlog"):
            cursor.execute(f"SELECT * FROM {table}")  # noqa: S608 - names from above
            text += repr(cursor.fetchall())
    return text


def test_checked_secret_is_encrypted(model: ProcessModel, password: str) -> None:
    checked = check_values(model, {"password": password, "user": "ada"})

    assert checked["user"] == "ada"
    assert password not in json.dumps(checked)
    assert decrypt(checked["password"]) == password


def test_same_secret_looks_different_each_time(password: str) -> None:
    assert encrypt(password) != encrypt(password)


@pytest.mark.parametrize("text", ["", "x" * 65_536, "şifre\n\N{PILE OF POO}"])
def test_any_text_comes_back(text: str) -> None:
    assert decrypt(encrypt(text)) == text


@pytest.mark.parametrize("value", [17, True, ["hunter2"], {"hunter2": 1}, "hunter2\0"])
def test_refusal_says_nothing_of_the_value(model: ProcessModel, value: Any) -> None:
    with pytest.raises(InvalidValues) as refused:
        check_values(model, {"password": value})

    assert "hunter2" not in str(refused.value)
    assert "text, which is kept secret" in str(refused.value)


@pytest.mark.parametrize("declared", ["secret", "json", None])
def test_encrypted_value_is_taken_from_nobody(declared: str | None, password: str) -> None:
    model = ProcessModelFactory.create()
    if declared:
        ParameterFactory.create(process_model=model, name="password", value_type=declared)

    with pytest.raises(InvalidValues):
        check_values(model, {"password": encrypt(password)})


def test_mask_hides_what_is_encrypted_and_what_is_declared() -> None:
    shown = mask({"old": "in clear", "new": encrypt("hunter2"), "user": "ada"}, {"old"})

    assert shown == {"old": MASK, "new": MASK, "user": "ada"}


def test_first_key_encrypts_and_all_decrypt(settings: Any) -> None:
    settings.SECRETS_KEYS = [OLD]
    stored = encrypt("hunter2")

    settings.SECRETS_KEYS = [NEW, OLD]
    renewed = renew(stored)

    assert decrypt(stored) == decrypt(renewed) == "hunter2"
    assert renew(renewed) is renewed
    settings.SECRETS_KEYS = [NEW]
    assert decrypt(renewed) == "hunter2"
    with pytest.raises(WrongSecretsKey):
        decrypt(stored)


def test_changed_token_is_refused() -> None:
    token = encrypt("hunter2")[ENCRYPTED]
    changed = token[:-6] + ("AAAA" if token[-6:-2] != "AAAA" else "BBBB") + token[-2:]

    with pytest.raises(WrongSecretsKey):
        decrypt({ENCRYPTED: changed})


def test_without_a_key_nothing_is_stored_in_clear(model: ProcessModel, settings: Any) -> None:
    settings.SECRETS_KEYS = []

    with pytest.raises(NoSecretsKey, match="SECRETS_KEY"):
        check_values(model, {"password": "hunter2"})
    assert check_values(ProcessModelFactory.create(), {"user": "ada"}) == {"user": "ada"}


def test_secret_is_a_text_whose_repr_is_masked() -> None:
    secret = Secret("hunter2")

    assert (secret, f"{secret}", secret + "!") == ("hunter2", "hunter2", "hunter2!")
    assert "hunter2" not in repr(secret) + repr([secret]) + repr({"password": secret})


def test_function_declares_and_receives_a_secret(
    become_node: nodes.Node, register: Register, password: str
) -> None:
    received: list[str] = []

    def log_in(context: RunContext, password: Secret, pin: Secret | None = None) -> None:
        assert isinstance(password, Secret)
        assert pin is None
        received.append(str(password))
        context.log(f"logging in with {password!r}")

    model = register(log_in)
    ParameterFactory.create(process_model=model, name="password", value_type="secret")

    run = run_once(model, become_node, **check_values(model, {"password": password}))

    assert (run.status, run.message) == ("SUCCEEDED", "")
    assert received == [password]
    assert MASK in read_log(run)
    assert is_encrypted(run.values["password"])
    assert password not in dump_tables()


def test_signature_says_secret() -> None:
    def log_in(password: Secret, pin: Secret | None = None) -> None:
        """Log in."""

    first, second = describe_function(log_in).parameters

    assert (first.value_type, first.required) == ("secret", True)
    assert (second.value_type, second.required, second.default) == ("secret", False, None)


def test_secret_in_the_code_is_refused() -> None:
    def log_in(password: Secret = Secret("hunter2")) -> None:  # noqa: B008
        """Log in."""

    with pytest.raises(UnusableProcess, match="a secret in the code is none") as refused:
        describe_function(log_in)
    assert "hunter2" not in str(refused.value)


def test_what_the_function_says_is_scrubbed(
    become_node: nodes.Node, register: Register, password: str, capsys: Any
) -> None:
    def fail(context: RunContext, password: Secret) -> None:
        import logging
        import sys

        context.log(f"said: {password}")
        print(f"printed: {password}")  # noqa: T201 - what is tested
        for character in password:
            print(character, end="")  # noqa: T201
        sys.stderr.write(f"complained: {password}\n")
        logging.getLogger("theirs").error("logged: %s", password)
        raise ValueError(f"cannot log in with {password}") from KeyError(password)

    model = register(fail)

    run = run_once(model, become_node, password=encrypt(password))

    assert (run.status, run.message) == ("FAILED", f"cannot log in with {MASK}")
    assert [attempt.error for attempt in run.attempts.all()] == [f"cannot log in with {MASK}"]
    log = read_log(run)
    assert f"said: {MASK}" in log
    assert f"printed: {MASK}\n{MASK}" in log
    assert f"ValueError: cannot log in with {MASK}" in log
    assert f"complained: {MASK}" in capsys.readouterr().err
    assert password not in dump_tables()


def test_run_whose_secret_cannot_be_decrypted_fails_and_says_so(
    become_node: nodes.Node, register: Register, settings: Any
) -> None:
    def log_in(password: Secret) -> None:
        raise AssertionError

    settings.SECRETS_KEYS = [OLD]
    stored = encrypt("hunter2")
    for keys, sentence in (
        ([NEW], "The secret value 'password' cannot be decrypted: no key fits it."),
        ([], "There is no key for secrets: set SECRETS_KEY"),
    ):
        settings.SECRETS_KEYS = keys

        with_model = register(log_in)
        run = run_once(with_model, become_node, password=stored)

        assert (run.status, run.reason) == ("FAILED", "process_failed")
        assert run.message.startswith(sentence)
        assert "SECRETS_KEY" in run.message


def test_failure_of_our_own_is_scrubbed_too(
    become_node: nodes.Node, register: Register, password: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(work: Any, report: Any) -> Any:
        assert work.values["password"] not in repr(work)
        raise ProcessFailed(f"no such host: https://ada:{work.values['password']}@example.com")

    from processes.executors.python import PythonExecutor

    monkeypatch.setattr(PythonExecutor, "execute", lambda self, work, report: breaks(work, report))

    run = run_once(register(do_nothing), become_node, password=encrypt(password))

    assert run.message == f"no such host: https://ada:{MASK}@example.com"
