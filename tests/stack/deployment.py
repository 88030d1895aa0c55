"""The installation that the README's chapter for production describes, on free ports."""

import base64
import http.client
import json
import os
import re
import shlex
import ssl
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.conftest import START, STATUS
from tests.services import BROKER, NGINX
from tests.stack.conftest import clean_environment, free_port

HOST = "arabica.example.com"
READY_WITHIN = 120.0
UNITS = ["arabica-web", "arabica-beat@", "arabica-worker@"]
ADA = {"name": "OneStepNotepadRunner", "values": {"username": "Ada"}, "runImmediately": "Y"}


class Deployment:
    """Units, environment and proxy as they are, in a folder instead of /opt and /etc."""

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

    def start_proxy(self, **replaced: str) -> None:
        """Start nginx with the site of the chapter, on ports that are free.

        `replaced` are directives with another value, such as `limit_conn="arabica 3"`.
        """
        command = write_site(
            self.project,
            self.folder,
            web_port=self.web_port,
            http_port=self.http_port,
            https_port=self.https_port,
            replaced=replaced,
        )
        self._start("nginx", command, dict(os.environ))

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
        connection = self.connect(tls=tls)
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

    def connect(self, *, tls: bool) -> http.client.HTTPConnection:
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

    def start_process(self) -> str:
        """Start the sample process; return its robustaSpid."""
        status, _, text = self.call("POST", START, ADA)
        assert (status, json.loads(text)["message"]) == (200, "Process saved")
        return str(json.loads(text)["robustaSpid"])

    def wait_for_end(self, robusta_spid: str) -> Any:
        """Return the first status answer that is an end."""
        deadline = time.monotonic() + READY_WITHIN
        while True:
            _, _, text = self.call("GET", STATUS + robusta_spid)
            answer = json.loads(text)
            if answer["status"] not in {"WAITING", "RUNNING"}:
                return answer
            assert time.monotonic() < deadline, answer
            time.sleep(0.05)

    def get_pid(self, name: str) -> int:
        """Return the process id of a unit."""
        return self._processes[name].pid

    def stop(self, name: str) -> int:
        """Ask a process to end in good order; return its exit code."""
        process = self._processes.pop(name)
        process.terminate()
        return process.wait(45)

    def end(self) -> None:
        """Leave no process behind."""
        for name in list(self._processes):
            self.stop(name)


def write_site(
    project: Path,
    folder: Path,
    *,
    web_port: int,
    http_port: int,
    https_port: int,
    replaced: Mapping[str, str] | None = None,
) -> list[str]:
    """Write the site of the chapter for these ports, and what it needs; return what starts nginx."""
    key, certificate = folder / "arabica.key", folder / "arabica.pem"
    subprocess.run(  # noqa: S603 - a key for this test alone
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"),
            *("-keyout", str(key), "-out", str(certificate), "-subj", f"/CN={HOST}"),
        ],
        check=True,
        capture_output=True,
    )
    site = (project / "deploy/nginx.conf").read_text()
    for given, wanted in {
        "127.0.0.1:8000": f"127.0.0.1:{web_port}",
        "listen 80;": f"listen 127.0.0.1:{http_port};",
        "listen 443 ssl;": f"listen 127.0.0.1:{https_port} ssl;",
        "/etc/ssl/certs/arabica.pem": str(certificate),
        "/etc/ssl/private/arabica.key": str(key),
    }.items():
        assert given in site
        site = site.replace(given, wanted)
    for directive, text in (replaced or {}).items():
        site, found = re.subn(rf"(?m)^( +{directive}) .*;", rf"\1 {text};", site)
        assert found
    whole = folder / "nginx.conf"
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = " ".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
    user = "user root; " if os.geteuid() == 0 else ""  # who may write to the test's folder
    whole.write_text(
        f"{user}daemon off; pid {folder}/nginx.pid; error_log stderr;"
        " events { worker_connections 8192; }\n"
        f"http {{ access_log off; {temporary}\n{site}\n}}\n"
    )
    return [NGINX, "-c", str(whole), "-p", str(folder)]


def read_command(unit: Path, project: Path) -> list[str]:
    """Return what a unit starts, with instance 1, from this folder and its environment."""
    line = re.search(r"(?m)^ExecStart=(.*)$", unit.read_text())
    assert line
    command = shlex.split(line[1].replace("%i", "1"))
    assert command[0] == "/opt/arabica/.venv/bin/python"
    return [sys.executable, *command[1:]]
