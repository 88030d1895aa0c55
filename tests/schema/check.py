"""Run schemathesis against the running server, on SQLite and PostgreSQL: `make schema`.

With right credentials (two clients, who must not see each other's runs), without, and with wrong
ones. SCHEMA_EXAMPLES says how many requests are made up for each call (more find more, and take
longer), SCHEMA_SEED repeats a run.
"""

import base64
import json
import os
import re
import secrets
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from tests.services import POSTGRESQL, REQUIRED, has_postgresql
from tests.surroundings import clean_environment, free_port

PROJECT = Path(__file__).resolve().parent.parent.parent
EXAMPLES = int(os.environ.get("SCHEMA_EXAMPLES", "60"))
SEED = int(os.environ.get("SCHEMA_SEED", "0")) or secrets.randbelow(2**31) + 1
READY_WITHIN = 60.0  # seconds
PATIENCE = 600 + 5 * EXAMPLES  # seconds for one run, on a machine that has other work too
# A share of the starts made up has to be taken, or nothing behind the checks of a body was tried.
TAKEN = 0.2

# For each kind of credentials the warnings that count: an operation that no request got into, say.
CREDENTIALS = {
    "right": (
        *("missing_auth", "missing_test_data", "unresolvable_reference", "unsupported_regex"),
        *("missing_deserializer", "low_valid_rate", "rate_limited"),
    ),
    "no": ("unresolvable_reference",),
    "wrong": ("unresolvable_reference",),
}


@dataclass
class Server:
    """A web server and a worker of their own, with two API clients."""

    folder: Path
    environment: dict[str, str]
    port: int
    passwords: dict[str, str]

    def manage(self, *arguments: str) -> str:
        """Run a management command and return what it says."""
        done = subprocess.run(  # noqa: S603 - our own program
            [sys.executable, "manage.py", *arguments],
            cwd=PROJECT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    def prepare(self) -> None:
        """Make tables, processes, worker 1 and the clients."""
        found = re.search(r"API client (\w+), password (\S+)", self.manage("prepare"))
        assert found
        self.passwords[found[1]] = found[2]
        other = json.loads(self.manage("create_api_client", "globex", "--json"))
        self.passwords["globex"] = other["password"]

    @property
    def address(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """What web and worker have said so far."""
        return "".join(file.read_text() for file in sorted(self.folder.glob("*.output")))

    @contextmanager
    def running(self) -> Iterator[None]:
        """Serve meanwhile."""
        with ExitStack() as stack:
            for name, *options in (("web", "--processes", "2"), ("worker", "--id", "1")):
                output = stack.enter_context((self.folder / f"{name}.output").open("wb"))
                process = subprocess.Popen(  # noqa: S603 - our own program
                    [sys.executable, "manage.py", name, *options],
                    cwd=PROJECT,
                    env=self.environment,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                )
                stack.callback(end, process)
            self.wait()
            yield

    def wait(self) -> None:
        """Return once it answers."""
        deadline = time.monotonic() + READY_WITHIN
        while time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(f"{self.address}/healthz", timeout=5):  # noqa: S310
                    return
            except OSError:
                time.sleep(0.2)
        raise TimeoutError(f"web does not answer:\n{self.log}")

    def write_credentials(self) -> Path:
        """Return a file with the identities in the form of Web Fuzzing Commons."""
        entries = [
            {
                "name": name,
                "fixedHeaders": [
                    {"name": "Authorization", "value": f"Basic {encode(f'{name}:{password}')}"}
                ],
            }
            for name, password in self.passwords.items()
        ]
        file = self.folder / "credentials.json"
        file.write_text(json.dumps({"auth": entries}))
        return file


def encode(text: str) -> str:
    """Return text as HTTP Basic wants it."""
    return base64.b64encode(text.encode()).decode()


def end(process: "subprocess.Popen[bytes]") -> None:
    """End a process in good order, or at once after a while."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(timeout=40)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def make_database() -> Iterator[str]:
    """Yield the address of a new PostgreSQL database, dropped afterwards."""
    server, _, _ = POSTGRESQL.rpartition("/")
    name = f"arabica_schema_{os.getpid()}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
        try:
            yield f"{server}/{name}"
        finally:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


@contextmanager
def start_server(**environment: str) -> Iterator[Server]:
    """Yield a running server of its own."""
    with tempfile.TemporaryDirectory(prefix="arabica-schema-") as folder:
        port = free_port()
        server = Server(
            Path(folder),
            clean_environment()
            | {
                "VAR_DIR": folder,
                "PORT": str(port),
                "DJANGO_SETTINGS_MODULE": "tests.schema.settings",
                **environment,
            },
            port,
            {},
        )
        server.prepare()
        with server.running():
            yield server


def ask(server: Server, credentials: str) -> tuple[dict[str, Any], str]:
    """Run schemathesis once; return its report and what it printed."""
    report = server.folder / "report.json"
    report.unlink(missing_ok=True)
    configuration = (PROJECT / "tests/schema/schemathesis.toml").read_text()
    configuration += f"\n[warnings]\nfail-on = {json.dumps(CREDENTIALS[credentials])}\n"
    if credentials == "right":
        configuration += (
            f'\n[auth.wfc]\npath = "{server.write_credentials()}"\n'
            f"peers = {json.dumps(list(server.passwords))}\n"
        )
    (server.folder / "schemathesis.toml").write_text(configuration)
    done = subprocess.run(  # noqa: S603 - a tool of this environment
        [
            *(sys.executable, "-m", "schemathesis.cli"),
            *("--config-file", str(server.folder / "schemathesis.toml"), "run"),
            *("--seed", str(SEED), "--max-examples", str(EXAMPLES), "--checks", "all"),
            *("--no-color", "--report", "json", "--report-json-path", str(report)),
            f"{server.address}/api/schema/?format=json",
        ],
        cwd=server.folder,
        env=clean_environment() | {"SCHEMA_CREDENTIALS": credentials, "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    text = done.stdout + done.stderr
    if not report.exists():
        raise RuntimeError(text)
    return json.loads(report.read_text()), text


def judge(report: dict[str, Any], credentials: str) -> list[str]:
    """Return what is wrong with a run, in sentences."""
    wrong = [f"{found['code']} {found['title']}" for found in report["failures"]]
    wrong += [str(error) for error in report["errors"]]
    if report["exit_code"] and not wrong:
        wrong.append("schemathesis ended with a warning that counts")
    taken, tried = count_taken(report)
    if credentials == "right" and not taken > TAKEN * tried:
        wrong.append(f"only {taken} of {tried} requests were taken: the checks saw little")
    if credentials != "right" and taken:
        wrong.append(f"{taken} requests were taken from a stranger")
    return wrong


def count_taken(report: dict[str, Any]) -> tuple[int, int]:
    """Return how many requests were accepted, and how many there were."""
    phases = [
        rates
        for operation in report.get("valid_rates", {}).values()
        for rates in operation.values()
    ]
    return sum(rates["accepted"] for rates in phases), sum(sum(rates.values()) for rates in phases)


def check(name: str, server: Server) -> bool:
    """Print a line for each kind of credentials; tell whether all was right."""
    fine = True
    for credentials in CREDENTIALS:
        began = time.monotonic()
        report, text = ask(server, credentials)
        wrong = judge(report, credentials)
        taken, tried = count_taken(report)
        print(
            f"{name}, {credentials} credentials: {report['test_cases']['generated']} requests,"
            f" {taken} of {tried} valid ones taken, {len(wrong)} failures,"
            f" {time.monotonic() - began:.0f} s"
        )
        if wrong:
            print(text)
            print("\n".join(wrong))
            fine = False
    if "Traceback" in server.log:
        print(f"{name}: web or worker stumbled:\n{server.log}")
        fine = False
    return fine


def main() -> int:
    """Check both databases; return 1 if anything is wrong."""
    print(f"seed {SEED}, {EXAMPLES} examples a call (SCHEMA_SEED, SCHEMA_EXAMPLES)")
    with start_server() as server:
        fine = check("SQLite", server)
    if not has_postgresql():
        print("Not there: postgresql; it was not checked.")
        return int(REQUIRED or not fine)
    with (
        make_database() as address,
        start_server(DATABASE_URL=address, SECRET_KEY=secrets.token_urlsafe(48)) as server,
    ):
        fine = check("PostgreSQL", server) and fine
    return int(not fine)


if __name__ == "__main__":
    sys.exit(main())
