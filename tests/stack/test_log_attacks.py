"""What callers send and processes print comes to the terminal as text, and never as a line of ours."""

import http.client
import textwrap
from pathlib import Path

import pytest

from tests.stack.conftest import Installation

FORGED = "1999-12-31T23:59:59.000000Z [critical ] forged"
SHOUTS = f"""
    import os

    from processes.registry import process


    @process(name="Shouts")
    def shout() -> None:
        os.write(1, b"shout\\x1b[2J\\x1b[31m\\n{FORGED}\\rweb    | {FORGED}\\xc2\\x85\\xe2\\x80\\xaedone\\n")
        raise RuntimeError("It failed\\n{FORGED}\\x1b[2J")
"""


def send(port: int, path: bytes, **headers: bytes) -> int:
    """Post nothing to `path`, with headers as they are; return the status."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.putrequest("POST", "/", skip_host="Host" in headers)
    # Past http.client, which refuses what an attacker would send.
    connection._buffer[0] = b"POST " + path + b" HTTP/1.1"  # type: ignore[attr-defined]
    for name, value in {"Content-Length": b"0", **headers}.items():
        connection._buffer.append(name.replace("_", "-").encode() + b": " + value)  # type: ignore[attr-defined]
    connection.endheaders()
    status = connection.getresponse().status
    connection.close()
    return status


@pytest.mark.parametrize("form", ["text", "json"])
def test_nothing_from_outside_forges_a_line(fresh: Installation, tmp_path: Path, form: str) -> None:
    (tmp_path / "loud.py").write_text(textwrap.dedent(SHOUTS))
    fresh.environment |= {
        "PROCESS_MODULES": "loud",
        "PYTHONPATH": str(tmp_path),
        "LOG_LEVEL": "DEBUG",
        "LOG_FORMAT": form,
    }
    fresh.start()
    forged = FORGED.encode()
    quoted = forged.replace(b" ", b"%20").replace(b"[", b"%5B")

    for line_end in (b"%0A", b"%0D%0A", b"%E2%80%A8", b"%C2%85", b"%1B%5B2J"):
        path = b"/admin/path-of-an-attack" + line_end + quoted
        # No route has an address with a line feed; the others are refused, and that is logged.
        assert send(fresh.port, path) == (404 if b"%0A" in line_end else 403)
        assert (
            send(fresh.port, b"/admin/x", Origin=b"http://origin\x85" + forged + b"\x9b2J") == 403
        )
        assert send(fresh.port, path, User_Agent=b"\x85" + forged, X_Forwarded_For=b"\x85" + forged)
        assert send(fresh.port, path, Host=b"host\x85" + forged) == 400
        assert send(fresh.port, b"/scheduler/connector-api/process/start" + line_end) in {403, 404}
    assert fresh.wait_for_end(fresh.post({"name": "Shouts"}))["status"] == "FAILED"
    assert fresh.stop() == 0

    lines = fresh.output.split("\n")
    assert sum("path-of-an-attack" in line for line in lines) >= 6
    assert any("shout\\x1b[2J\\x1b[31m" in line for line in lines)
    assert [line for line in lines if not line.replace("\t", "").isprintable()] == []
    assert [line for line in lines if line.startswith(FORGED)] == []
    # What a process prints past its log is shown behind the name of the worker, and no other.
    shown = [line for line in lines if line.partition(" | ")[2].startswith(FORGED)]
    assert [line.partition(" ")[0] for line in shown] == ["worker"]
