"""Nothing leaks: secrets go through a whole installation, and are looked for wherever it writes.

Allowed places, which are not searched: the answer of `create_api_client`, which shows the password
once; the environment that was given to the installation; and a command's own folder while it runs.
"""

import base64
import http.cookiejar
import json
import os
import re
import secrets
import shutil
import stat
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from tests.conftest import START, STATUS
from tests.services import POSTGRESQL, REQUIRED, has_postgresql
from tests.stack.canary_search import Eavesdropper, Search
from tests.stack.conftest import Installation, free_port

LEAKED = "an output that is answered"
EVERY_TWO_SECONDS = "0/2 * * * * ?"


def make_canaries() -> dict[str, str]:
    """Return a random text for each thing that is to stay secret."""
    names = [
        *("a secret of a function", "a secret of a command", "a secret of a plan"),
        *("a secret that is refused", "a secret in a broken body", "a secret typed in a form"),
        *("a secret of an abandoned form", "a default", LEAKED),
        *("the password of a user", "a wrong password of a user"),
        *("a wrong password of a client", "another scheme", "an unknown client's password"),
        *("SECRET_KEY", "SECRETS_KEY", "a former key", "the database's password"),
        "the broker's password",
    ]
    return {name: f"cnry{secrets.token_hex(20)}" for name in names}


class Stack(Installation):
    """An installation that is given canaries, and whose every answer is kept."""

    def __init__(self, project: Path, folder: Path, **environment: str) -> None:
        self.folder = folder
        self.canaries = make_canaries()
        programs, temporary = folder / "programs", folder / "tmp"
        for path in (programs, temporary, folder / "var", folder / "said"):
            path.mkdir()
        shutil.copy(project / "tests/stack/canary_command.py", programs / "canary_command.py")
        super().__init__(
            project,
            folder / "var",
            SECRET_KEY=self.canaries["SECRET_KEY"] * 2,
            SECRETS_KEY=f"{self.canaries['SECRETS_KEY']},{self.canaries['a former key']}",
            PROCESS_MODULES="tests.stack.canary_processes",
            COMMANDS_DIR=str(programs),
            TMPDIR=str(temporary),
            LOG_LEVEL="DEBUG",
            **environment,
        )
        self.plan = ""
        self.broker: Broker | None = None
        self._said = (folder / "said/stack").open("w+b")
        self._answers = (folder / "said/answers").open("ab")
        jar = http.cookiejar.CookieJar()
        self._browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))

    def start(self) -> None:
        """Start it; what it says goes to a file, since there is much of it."""
        self._process = subprocess.Popen(
            [sys.executable, "manage.py", "serve", "--prepare"],
            cwd=self.project,
            env=self.environment,
            stdout=self._said,
            stderr=subprocess.STDOUT,
        )
        deadline = time.monotonic() + 600
        while b"The first run, made now over HTTP" not in (self.folder / "said/stack").read_bytes():
            assert self._process.poll() is None, (self.folder / "said/stack").read_text()
            assert time.monotonic() < deadline, (self.folder / "said/stack").read_text()
            time.sleep(0.5)

    def ask(self, path: str, body: bytes | None = None, **headers: str) -> tuple[int, str]:
        """Make one call, and keep the answer with its headers."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", body, headers)
        try:
            answer = self._browser.open(request, timeout=60)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            text = answer.read().decode()
            self._answers.write(f"{answer.status}\n{answer.headers}\n{text}\n".encode())
            self._answers.flush()
            return int(answer.status), text

    def api(self, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """Make one call of the API as the client."""
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        given = basic("canary", self.password) | {"Content-Type": "application/json"} | headers
        status, text = self.ask(path, data, **given)
        return status, json.loads(text)

    def post_form(self, path: str, fields: dict[str, str]) -> str:
        """Post the form of a page as a browser does, hidden fields included."""
        _, page = self.ask(path)
        hidden = re.findall(r'<input type="hidden" name="([^"]+)"(?: value="([^"]*)")?', page)
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
        assert token, page[:2000]
        data = urllib.parse.urlencode({**dict(hidden), "csrfmiddlewaretoken": token[1], **fields})
        address = f"http://127.0.0.1:{self.port}{path}"
        status, text = self.ask(path, data.encode(), Referer=address)
        assert status == 200, text[:2000]
        return text

    def command(self, *arguments: str, **environment: str) -> str:
        """Run a management command, and keep what it says."""
        before = self.environment
        self.environment = before | environment
        done = self.manage(*arguments)
        self.environment = before
        said = done.stdout + done.stderr
        if arguments[0] != "create_api_client":
            (self.folder / f"said/{arguments[0]}-{secrets.token_hex(4)}").write_text(said)
        return said

    def wait_for(self, robusta_spid: str) -> dict[str, Any]:
        """Return the first status answer that is an end."""
        deadline = time.monotonic() + 120
        while True:
            _, answer = self.api(STATUS + robusta_spid)
            if answer["status"] not in {"WAITING", "RUNNING"}:
                return dict(answer)
            assert time.monotonic() < deadline, answer
            time.sleep(0.2)

    def stop_quietly(self) -> int:
        """Stop it in good order and return its exit code."""
        self.process.terminate()
        return self.process.wait(90)

    def end(self) -> None:
        """Leave nothing behind."""
        super().end()
        self._said.close()
        self._answers.close()


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


@pytest.fixture(params=["embedded", "services"])
def stack(request: Any, project: Path, tmp_path: Path) -> Iterator[Stack]:
    """Yield an installation that is not started: embedded, or on servers of which it knows secrets."""
    if request.param == "embedded":
        stack = Stack(project, tmp_path, LOG_FORMAT="text")
        yield stack
        stack.end()
        return
    require_services()
    name = f"arabica_canary_{os.getpid()}"
    stack = Stack(project, tmp_path, LOG_FORMAT="json")
    server = urllib.parse.urlsplit(POSTGRESQL)
    secret = server.password or stack.canaries["the database's password"]
    stack.canaries["the database's password"] = secret
    location = f"{server.username}:{secret}@{server.hostname}:{server.port or 5432}"
    admin = f"postgres://{location}/postgres"
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    broker = start_redis(tmp_path, stack)
    try:
        stack.environment["DATABASE_URL"] = f"postgres://{location}/{name}"
        stack.environment["CELERY_BROKER_URL"] = broker.url
        yield stack
    finally:
        stack.end()
        broker.process.kill()
        broker.process.wait()
        with psycopg.connect(admin, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def require_services() -> None:
    if has_postgresql() and shutil.which("redis-server"):
        return
    missing = "Not there: PostgreSQL or redis-server."
    pytest.fail(missing) if REQUIRED else pytest.skip(missing)


class Broker:
    """A Redis server with a password, and somebody who hears all that it is sent."""

    def __init__(self, url: str, process: subprocess.Popen[bytes]) -> None:
        self.url, self.process = url, process
        deadline = time.monotonic() + 20
        while True:
            with suppress(Exception):  # until it takes connections
                self.eavesdropper = Eavesdropper(url)
                return
            assert time.monotonic() < deadline
            time.sleep(0.1)


def start_redis(folder: Path, stack: Stack) -> Broker:
    port, password = free_port(), stack.canaries["the broker's password"]
    process = subprocess.Popen(  # noqa: S603 - the distribution's own
        [shutil.which("redis-server") or "redis-server", "-"],
        cwd=folder / "tmp",
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    )
    assert process.stdin
    lines = [f"port {port}", "bind 127.0.0.1", f"requirepass {password}", 'save ""']
    process.stdin.write("\n".join(lines).encode())
    process.stdin.close()
    broker = stack.broker = Broker(f"redis://:{password}@127.0.0.1:{port}/0", process)
    return broker


def test_nothing_leaks(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    search = Search({name: text for name, text in stack.canaries.items() if name != LEAKED})
    stack.start()
    make_accounts(stack, search)

    spids = start_runs(stack)
    look_at_command(stack, search)
    ends = {name: stack.wait_for(spid) for name, spid in spids.items()}
    make_mistakes(stack)
    look_at_pages(stack, spids)
    look_at_processes(stack, search)
    said = [stack.command("doctor"), stack.command("doctor", "--json")]
    former = stack.canaries["a former key"]
    rotated = stack.command("rotate_secrets_key", SECRETS_KEY=f"{former},{search_key(stack)}")
    stack.command("rotate_secrets_key")
    assert stack.stop_quietly() == 0

    look_everywhere(stack, search)
    with capsys.disabled():
        print(f"\n{search.report()}")  # noqa: T201 - the figure that this is for
    assert search.hits == []
    assert search.places > 20
    assert {name: end["status"] for name, end in ends.items()} == {
        "Quiet": "SUCCEEDED",
        "Careless": "FAILED",
        "Quitter": "FAILED",
        "Dying": "FAILED",
        "Command": "FAILED",
        "Leaking": "SUCCEEDED",
    }
    assert "••••••" in ends["Careless"]["message"]
    assert "••••••" in ends["Command"]["message"]
    assert "first decrypts all" in said[0]
    assert "encrypted anew" in rotated
    # The test of the test: what is answered openly is found, in the database and in the answers.
    control = Search({LEAKED: stack.canaries[LEAKED]})
    look_everywhere(stack, control)
    found = " ".join(control.hits)
    assert "said/answers" in found or "answers" in found
    assert "table processes_run" in found or "arabica.sqlite3" in found


def search_key(stack: Stack) -> str:
    return stack.canaries["SECRETS_KEY"]


def make_accounts(stack: Stack, search: Search) -> None:
    """Make an API client, a superuser and a command, and log in."""
    told = json.loads(stack.command("create_api_client", "canary", "--json"))
    stack.password = told["password"]
    search.canaries["the password of a client"] = stack.password
    stack.command(
        *("createsuperuser", "--noinput", "--username", "root", "--email", "root@example.com"),
        DJANGO_SUPERUSER_PASSWORD=stack.canaries["the password of a user"],
    )
    for password in ("a wrong password of a user", "the password of a user"):
        stack.post_form(
            "/admin/login/?next=/admin/processes/run/",
            {"username": "root", "password": stack.canaries[password]},
        )
    stack.post_form(
        "/admin/processes/processmodel/add/",
        {
            "name": "Command",
            "enabled": "on",
            "executor": "command",
            "configuration": '{"argv": ["canary_command.py"]}',
            "default_retry_count": "0",
            "default_retry_delay": "0:00:00",
            "kill_grace": "0:00:10",
            "on_worker_lost": "fail",
            "max_output_bytes": "1000000",
            "parameters-TOTAL_FORMS": "2",
            "parameters-0-name": "password",
            "parameters-0-value_type": "secret",
            "parameters-0-required": "on",
            "parameters-1-name": "token",
            "parameters-1-value_type": "secret",
            "parameters-1-default": stack.canaries["a default"],
            "_continue": "1",
        },
    )


def start_runs(stack: Stack) -> dict[str, str]:
    """Start every process with a secret, the careless one twice over by a retry; and a plan."""
    of_function = {"password": stack.canaries["a secret of a function"]}
    of_command = {"password": stack.canaries["a secret of a command"]}
    bodies: dict[str, dict[str, Any]] = {
        "Quiet": {"values": of_function},
        "Careless": {"values": of_function, "retryCount": 1},
        "Quitter": {"values": of_function},
        "Dying": {"values": of_function},
        "Leaking": {"values": {"password": stack.canaries[LEAKED]}},
        "Command": {"values": of_command},
    }
    spids = {}
    for name, body in bodies.items():
        whole = {"name": name, "runImmediately": "Y", "runOnce": "Y", **body}
        status, dry = stack.api(START + "?dryRun=true", whole)
        assert (status, dry["values"]["password"]) == (200, "••••••")
        key = {"Idempotency-Key": f"key-{name}"} if name == "Quiet" else {}
        status, answer = stack.api(START, whole, **key)
        assert status == 200, answer
        spids[name] = answer["robustaSpid"]
    plan = {
        "name": "Careless",
        "quartzDef": EVERY_TWO_SECONDS,
        "values": {"password": stack.canaries["a secret of a plan"]},
    }
    status, answer = stack.api(START, plan)
    assert status == 200, answer
    stack.plan = answer["robustaSpid"]
    return spids


def look_at_command(stack: Stack, search: Search) -> None:
    """Look at the command while it runs: its arguments, environment and folder."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        for process in psutil.process_iter():
            with suppress(psutil.Error, OSError):
                if process.cmdline()[1:2] != [str(stack.folder / "programs/canary_command.py")]:
                    continue
                search.look("environment of a command", repr(process.environ()).encode())
                search.look("arguments of a command", repr(process.cmdline()).encode())
                values = Path(process.environ()["ARABICA_VALUES"])
                assert stat.S_IMODE(values.stat().st_mode) == 0o600
                assert stat.S_IMODE(values.parent.stat().st_mode) == 0o700
                return
        time.sleep(0.05)
    pytest.fail("The command was not seen.")


def make_mistakes(stack: Stack) -> None:
    """Call with what is refused, each time with a canary in it."""
    refused = stack.canaries["a secret that is refused"]
    broken = stack.canaries["a secret in a broken body"]
    expected = [
        ({"name": "Quiet", "values": {"password": [refused]}}, 400),
        ({"name": "Quiet", "values": {"password": {"arabica:secret": refused}}}, 400),
        ({"name": "Quiet", "values": json.dumps({"password": refused})}, 400),
        ({"name": "Quiet", "values": [refused]}, 400),
        ({"name": "Quiet", "values": {"password": refused, "pasword": refused}}, 400),
        (f'{{"name": "Quiet", "values": {{"password": "{broken}"'.encode(), 400),
        (f'{{"name": "Quiet", "values": {{"password": “{broken}”}}}}'.encode(), 400),
        (f'{{"name": "Quiet", "values": {{"password": "{broken}\\u0000"}}}}'.encode(), 400),
    ]
    for body, wanted in expected:
        status, answer = stack.api(START, body)
        assert status == wanted, answer
    stack.api(START, {"name": "Quiet", "values": {}}, **{"Content-Type": "text/plain"})
    stack.api(
        START,
        {"name": "Quiet", "values": {"password": refused}},
        **{"Idempotency-Key": "key-Quiet"},
    )
    for user, name in (
        ("canary", "a wrong password of a client"),
        ("nobody", "an unknown client's password"),
        ("root", "a wrong password of a user"),
    ):
        status, _ = stack.ask(STATUS + stack.plan, None, **basic(user, stack.canaries[name]))
        assert status == 401
    status, _ = stack.ask(START, b"{}", Authorization=f"Bearer {stack.canaries['another scheme']}")
    assert status == 401


def look_at_pages(stack: Stack, spids: dict[str, str]) -> None:
    """Open every page that could show a secret, type one into forms, and leave some of them."""
    runs = [f"/admin/processes/run/{spid}" for spid in spids.values() if spid != spids["Leaking"]]
    plan = f"/admin/scheduler/schedule/{stack.plan}"
    pages = ["/admin/", "/admin/processes/run/", "/admin/scheduler/schedule/", "/metrics"]
    pages += [f"{run}/{page}/" for run in runs for page in ("change", "live", "log", "again")]
    pages += [f"{plan}/{page}/" for page in ("change", "ledger", "history", "delete", "duplicate")]
    pages += ["/admin/processes/processmodel/", "/admin/django_celery_beat/periodictask/"]
    pages += ["/readyz", "/healthz", "/api/schema/", "/api/docs/", STATUS + spids["Careless"]]
    _, listed = stack.ask("/admin/processes/processmodel/")
    models = set(re.findall(r"/admin/processes/processmodel/(\d+)/change/", listed))
    pages += [f"/admin/processes/processmodel/{pk}/change/" for pk in models]
    pages += [f"/admin/parameters/{pk}/" for pk in models]
    for page in pages:
        status, text = stack.ask(page)
        assert status in {200, 401, 503}, (page, status, text[:500])
    stack.api(STATUS + stack.plan)
    _, form = stack.ask(f"{plan}/change/")
    secret = re.search(r'<input type="password" name="(value_\d+)"', form)
    assert secret
    for name, changes, told in (
        ("a secret of an abandoned form", {"priority": "1000"}, "not saved yet; empty keeps it"),
        ("a secret typed in a form", {"quartz": "0 0 6 * * ?"}, "Compare the fire times"),
    ):
        fields = filled(form) | changes | {secret[1]: stack.canaries[name]}
        assert told in stack.post_form(f"{plan}/change/", fields)


def filled(form: str) -> dict[str, str]:
    """Return what a page's inputs and choices show."""
    fields = dict(re.findall(r'<input type="(?:text|hidden)" name="([^"]+)" value="([^"]*)"', form))
    for name, choices in re.findall(r'(?s)<select name="([^"]+)"(.*?)</select>', form):
        chosen = re.search(r'<option value="([^"]*)" selected', choices)
        fields[name] = chosen[1] if chosen else ""
    return fields | {"enabled": "on"}


def look_at_processes(stack: Stack, search: Search) -> None:
    """Look at the command line of every process of the installation."""
    for process in stack.find_processes():
        with suppress(psutil.Error):
            search.look(f"command line of {process.pid}", repr(process.cmdline()).encode())


def look_everywhere(stack: Stack, search: Search) -> None:
    """Look into all that is left: files, database, broker, answers and what was said."""
    for folder in ("var", "tmp", "said"):
        search.look_into_files(stack.folder / folder)
    if database := stack.environment.get("DATABASE_URL"):
        search.look_into_database(database)
    if stack.broker:
        assert any("shared" in each for each in stack.broker.eavesdropper.heard)
        search.look("the broker", stack.broker.eavesdropper.dump())
