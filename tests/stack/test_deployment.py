"""The files under deploy/: units, environment and proxy, used as they are with real servers."""

import json
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
import redis
from amqp.exceptions import NotFound, ResourceLocked
from kombu import Connection

from connector.unread import MAX_REST
from tests.conftest import START
from tests.services import BROKER, POSTGRESQL, RABBITMQ, REMEDIES, REQUIRED, SERVICES
from tests.stack.deployment import ADA, HOST, UNITS, Deployment


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    for name in ("postgresql", "redis", "rabbitmq", "nginx"):
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
    answer = deployment.wait_for_end(deployment.start_process())

    assert answer["status"] == "SUCCEEDED"
    assert answer["__out_x"] == "Ada"


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
    connection = deployment.connect(tls=True)

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
    assert (headers["Server"], headers["Cache-Control"]) == ("nginx", "no-store")
    assert headers["X-Content-Type-Options"] == "nosniff"
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


def test_installation_moves_to_rabbitmq_with_what_it_has_stored(deployment: Deployment) -> None:
    assert deployment.stop("arabica-worker@") == 0
    waiting = deployment.start_process()
    deployment.stop("arabica-beat@")
    deployment.stop("arabica-web")

    deployment.environment["CELERY_BROKER_URL"] = RABBITMQ
    for unit in UNITS:
        deployment.start_unit(unit)
    deployment.wait_until_ready()
    answers = [deployment.wait_for_end(spid) for spid in (waiting, deployment.start_process())]

    assert {answer["status"] for answer in answers} == {"SUCCEEDED"}


def test_rabbitmq_keeps_no_queue_of_a_node_that_has_ended(deployment: Deployment) -> None:
    pid = deployment.get_pid("arabica-worker@")
    own = f"worker-1-{pid}@{socket.gethostname()}.celery.pidbox"

    # Newer servers refuse queues that are neither durable nor of a single connection.
    with pytest.raises(ResourceLocked):
        count_consumers(own)
    assert count_consumers("worker-1") >= 1
    deployment.stop("arabica-worker@")
    deployment.start_unit("arabica-worker@")
    deployment.wait_until_ready()

    with pytest.raises(NotFound):
        count_consumers(own)


def count_consumers(queue: str) -> int:
    """Return how many listen to a queue of RabbitMQ; raise as the server does."""
    with Connection(RABBITMQ) as server:
        channel: Any = server.channel()  # the types know no AMQP
        return int(channel.queue_declare(queue, passive=True).consumer_count)


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
