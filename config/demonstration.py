"""The first start of a fresh installation, made over HTTP as a client would."""

import base64
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

READY_WITHIN_SECONDS = 60.0
ENDED_WITHIN_SECONDS = 30.0
BODY = {
    "name": "OneStepNotepadRunner",
    "runImmediately": "Y",
    "runOnce": "Y",
    "values": {"username": "Ada", "usersurname": "Lovelace"},
}
START = "/scheduler/connector-api/process/start"
STATUS = "/scheduler/connector-api/process/status/"


class NotReady(Exception):
    """The installation did not become ready, or did not answer as promised."""


def curl_line(address: str, name: str, password: str) -> str:
    """Return a command that starts the sample process; it runs as pasted into a shell."""
    return (
        f'curl -s -u "{name}:{password}" -H "Content-Type: application/json"'
        f" -d '{json.dumps(BODY)}' {address}{START}"
    )


def wait_until_ready(address: str) -> None:
    """Return once /readyz answers 200; raise NotReady with its reasons after a minute."""
    reasons = "the web server does not answer"
    deadline = time.monotonic() + READY_WITHIN_SECONDS
    while time.monotonic() < deadline:
        try:
            _call(f"{address}/readyz")
        except urllib.error.HTTPError as error:
            checks = json.load(error).get("checks", {})
            reasons = "; ".join(c["message"] for c in checks.values() if not c["ok"])
        except OSError:
            pass
        else:
            return
        time.sleep(0.1)
    raise NotReady(f"not ready after {READY_WITHIN_SECONDS:.0f} s: {reasons}")


def demonstrate(address: str, name: str, password: str, say: Callable[[str], None]) -> None:
    """Start the sample process and say both answers."""
    credentials = base64.b64encode(f"{name}:{password}".encode()).decode()
    headers = {"Authorization": f"Basic {credentials}", "Content-Type": "application/json"}
    started = _call(f"{address}{START}", headers, json.dumps(BODY).encode())
    say(f"POST {START}\n  {json.dumps(started)}")
    deadline = time.monotonic() + ENDED_WITHIN_SECONDS
    while time.monotonic() < deadline:
        status = _call(f"{address}{STATUS}{started['robustaSpid']}", headers)
        if status["status"] not in {"WAITING", "RUNNING"}:
            say(f"GET {STATUS}{started['robustaSpid']}\n  {json.dumps(status)}")
            return
        time.sleep(0.02)
    raise NotReady(f"the first run did not end: {status['message']}")


def _call(
    address: str, headers: dict[str, str] | None = None, body: bytes | None = None
) -> dict[str, Any]:
    request = urllib.request.Request(address, data=body, headers=headers or {})  # noqa: S310 - own address
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - own address
        parsed: dict[str, Any] = json.load(answer)
    return parsed
