"""The files under deploy/: units, environment and proxy, used as they are with real servers."""

import base64
import http.client
import json
import os
import re
import shlex
import shutil
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
import redis

from connector.unread import MAX_REST
from tests.conftest import START, STATUS
from tests.services import BROKER, NGINX, POSTGRESQL, REMEDIES, REQUIRED, SERVICES
from tests.stack.conftest import clean_environment, free_port

HOST = "arabica.example.com"
READY_WITHIN = 60.0
ADA = {"name": "OneStepNotepadRunner", "values": {"username": "Ada"}, "runImmediately": "Y"}
UNITS = ["arabica-web", "arabica-beat@", "arabica-worker@"]


class Deployment:
    """The installation that the chapter describes, in a folder instead of /opt and /etc."""

    def __init__(self, project: Path, folder: Path, database: str) -> None:
        self.project, self.folder = project, folder
        self.web_port, self.http_port, self.https_port = free_port(), free_port(), free_port()
        self.password = ""
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self.environment = (
            clean_environment()
            | self._read_environment()
            | {
                "DATABASE_URL": database,
                "CELERY_BROKER_URL": BROKER,
                "SECRET_KEY": "only-for-tests-only-for-tests-only-for-tests-only-for-tests",
                "VAR_DIR": str(folder),
                "PORT": str(self.web_port),
            }
        )

    def _read_environment(self) -> dict[str, str]:
        lines = (self.project / "deploy/arabica.env").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))

    def prepare(self) -> None:
        """Do the chapter's step of that name."""
        done = subprocess.run(
            [sys.executable, "manage.py", "prepare"],
            cwd=self.project,
            env=self.environment,
            capture_output=True,
            text=True,
            check=True,
        )
        self.password = done.stdout.split("API client demo, password ")[1].split()[0]

    def start_unit(self, name: str) -> None:
        """Start what the unit says, as systemd would."""
        command = read_command(self.project / f"deploy/{name}.service", self.project)
        self._start(name, command, self.environment)

    def start_proxy(self) -> None:
        """Start nginx with the site of the chapter, on ports that are free."""
        key, certificate = self.folder / "arabica.key", self.folder / "arabica.pem"
        subprocess.run(  # noqa: S603 - a key for this test alone
            [
                *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"),
                *("-keyout", str(key), "-out", str(certificate), "-subj", f"/CN={HOST}"),
            ],
            check=True,
            capture_output=True,
        )
        site = (self.project / "deploy/nginx.conf").read_text()
        for given, wanted in {
            "127.0.0.1:8000": f"127.0.0.1:{self.web_port}",
            "listen 80;": f"listen 127.0.0.1:{self.http_port};",
            "listen 443 ssl;": f"listen 127.0.0.1:{self.https_port} ssl;",
            "/etc/ssl/certs/arabica.pem": str(certificate),
            "/etc/ssl/private/arabica.key": str(key),
        }.items():
            assert given in site
            site = site.replace(given, wanted)
        whole = self.folder / "nginx.conf"
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        temporary = " ".join(f"{kind}_temp_path {self.folder}/{kind};" for kind in kinds)
        user = "user root; " if os.geteuid() == 0 else ""  # who may write to the test's folder
        whole.write_text(
            f"{user}daemon off; pid {self.folder}/nginx.pid; error_log stderr; events {{}}\n"
            f"http {{ access_log off; {temporary}\n{site}\n}}\n"
        )
        self._start("nginx", [NGINX, "-c", str(whole), "-p", str(self.folder)], dict(os.environ))

    def _start(self, name: str, command: list[str], environment: dict[str, str]) -> None:
        with (self.folder / f"{name}.output").open("ab") as output:
            self._processes[name] = subprocess.Popen(  # noqa: S603 - our own program, or nginx
                command,
                cwd=self.project,
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: dict[str, str] | None = None,
        *,
        tls: bool = True,
    ) -> Any:
        """Make one call through the proxy; return status, headers and body."""
        connection = self._connect(tls=tls)
        credentials = base64.b64encode(f"demo:{self.password}".encode()).decode()
        usual = {
            "Host": HOST,
            "Authorization": f"Basic {credentials}",
            "Content-Type": "application/json",
        }
        data = None if body is None else json.dumps(body)
        connection.request(method, path, data, usual | (headers or {}))
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, answer.headers, text

    def _connect(self, *, tls: bool) -> http.client.HTTPConnection:
        if not tls:
            return http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=20)
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return http.client.HTTPSConnection(
            "127.0.0.1", self.https_port, timeout=20, context=context
        )

    def wait_until_ready(self) -> None:
        """Return once /readyz answers 200 through the proxy."""
        deadline = time.monotonic() + READY_WITHIN
        while True:
            try:
                status, _, text = self.call("GET", "/readyz")
            except OSError as error:
                status, text = 0, str(error)
            if status == 200:
                return
            assert time.monotonic() < deadline, text
            time.sleep(0.2)

    def stop(self, name: str) -> int:
        """Ask a process to end in good order; return its exit code."""
        process = self._processes.pop(name)
        process.terminate()
        return process.wait(45)

    def end(self) -> None:
        """Leave no process behind."""
        for name in list(self._processes):
            self.stop(name)


def read_command(unit: Path, project: Path) -> list[str]:
    """Return what a unit starts, with instance 1, from this folder and its environment."""
    line = re.search(r"(?m)^ExecStart=(.*)$", unit.read_text())
    assert line
    command = shlex.split(line[1].replace("%i", "1"))
    assert command[0] == "/opt/arabica/.venv/bin/python"
    return [sys.executable, *command[1:]]


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    for name in ("postgresql", "redis", "nginx"):
        if not SERVICES[name]():
            (pytest.fail if REQUIRED else pytest.skip)(f"No {name}: {REMEDIES[name]}.")
    server = POSTGRESQL.rpartition("/")[0]
    name = f"arabica_deployment_{uuid4().hex[:8]}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
    redis.Redis.from_url(BROKER).flushdb()
    project = Path(__file__).resolve().parents[2]
    deployed = Deployment(project, tmp_path_factory.mktemp("deployment"), f"{server}/{name}")
    try:
        deployed.prepare()
        for unit in UNITS:
            deployed.start_unit(unit)
        deployed.start_proxy()
        deployed.wait_until_ready()
        yield deployed
    finally:
        deployed.end()
        with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


def test_process_is_started_over_tls_and_its_output_read(deployment: Deployment) -> None:
    status, _, text = deployment.call("POST", START, ADA)
    assert (status, json.loads(text)["message"]) == (200, "Process saved")

    answer = wait_for_end(deployment, json.loads(text)["robustaSpid"])

    assert answer["status"] == "SUCCEEDED"
    assert answer["__out_x"] == "Ada"


def wait_for_end(deployment: Deployment, robusta_spid: str) -> Any:
    """Return the first status answer that is an end."""
    deadline = time.monotonic() + READY_WITHIN
    while True:
        _, _, text = deployment.call("GET", STATUS + robusta_spid)
        answer = json.loads(text)
        if answer["status"] not in {"WAITING", "RUNNING"}:
            return answer
        assert time.monotonic() < deadline, answer
        time.sleep(0.05)


def test_credentials_over_plain_http_are_refused_in_words(deployment: Deployment) -> None:
    status, _, text = deployment.call("POST", START, ADA, tls=False)

    assert status == 403
    assert json.loads(text)["code"] == "insecure_http"


def test_people_are_led_to_tls_and_get_secure_cookies(deployment: Deployment) -> None:
    led, led_headers, _ = deployment.call("GET", "/admin/login/", tls=False)
    status, headers, page = deployment.call("GET", "/admin/login/")

    assert (led, led_headers["Location"]) == (301, f"https://{HOST}/admin/login/")
    assert status == 200
    assert "csrfmiddlewaretoken" in page
    assert "Secure" in headers["Set-Cookie"]
    assert "max-age" in headers["Strict-Transport-Security"]


def test_another_host_name_is_refused(deployment: Deployment) -> None:
    connection = deployment._connect(tls=True)

    connection.request("GET", "/readyz", headers={"Host": "other.example.com"})
    status = connection.getresponse().status
    connection.close()

    assert status == 400


def test_while_web_is_restarted_the_proxy_answers_in_json(deployment: Deployment) -> None:
    assert deployment.stop("arabica-web") == 0
    status, headers, text = deployment.call("POST", START, ADA)
    deployment.start_unit("arabica-web")
    deployment.wait_until_ready()

    assert (status, headers["Retry-After"]) == (503, "5")
    assert json.loads(text)["code"] == "unavailable"
    assert deployment.call("POST", START, ADA)[0] == 200


@pytest.mark.parametrize(
    ("path", "headers", "expected"),
    [
        (START, {}, (413, "body_too_large")),
        (START, {"Authorization": ""}, (401, "unauthorized")),
        (START, {"Content-Type": "text/plain"}, (415, "unsupported_content")),
        (f"{START}/nothing", {}, (404, "not_found")),
    ],
    ids=["too large", "no credentials", "no JSON", "no such address"],
)
def test_refusal_of_a_large_body_comes_from_the_api_itself(
    deployment: Deployment, path: str, headers: dict[str, str], expected: tuple[int, str]
) -> None:
    large = ADA | {"values": {"username": "x" * 7_000_000}}

    # The proxy may or may not have sent it all when it is refused.
    answers = [deployment.call("POST", path, large, headers) for _ in range(10)]

    assert {(status, json.loads(text)["code"]) for status, _, text in answers} == {expected}


def test_proxy_passes_on_no_more_than_what_is_read_of_a_refused_body(project: Path) -> None:
    limit = re.search(r"client_max_body_size (\d+)m;", (project / "deploy/nginx.conf").read_text())

    assert limit
    assert int(limit[1]) * 1024 * 1024 <= MAX_REST


@pytest.mark.parametrize("name", UNITS)
def test_unit_is_sound(project: Path, tmp_path: Path, name: str) -> None:
    if not shutil.which("systemd-analyze"):
        (pytest.fail if REQUIRED else pytest.skip)("No systemd-analyze: install systemd.")
    text = (project / f"deploy/{name}.service").read_text()
    unit = tmp_path / f"{name.replace('@', '@1')}.service"
    unit.write_text(
        text.replace("/opt/arabica/.venv/bin/python", sys.executable)
        .replace("/opt/arabica", str(project))
        .replace("=arabica\n", "=root\n")
    )

    checked = subprocess.run(  # noqa: S603 - a file of ours
        ["systemd-analyze", "verify", "--man=no", str(unit)],  # noqa: S607
        capture_output=True,
        text=True,
        check=False,
    )

    assert (checked.returncode, checked.stderr) == (0, "")


def test_environment_names_known_settings_only(project: Path) -> None:
    lines = (project / "deploy/arabica.env").read_text().splitlines()
    names = {line.split("=")[0] for line in lines if line and not line.startswith("#")}

    read = set(
        re.findall(r'read_\w+\(\s*"([A-Z_]+)"', (project / "config/settings.py").read_text())
    )

    assert names <= read
