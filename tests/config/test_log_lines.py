"""What others have written cannot pass for a line of the log, nor give orders to a terminal."""

import io
import json
import logging
import logging.config
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from config.logs import configure_structlog, logging_settings
from config.visible import make_visible

FORGED = "2026-11-25T00:00:00Z [error    ] forged"
ATTACKS = [
    f"a\n{FORGED}",
    f"a\r{FORGED}",
    f"a\r\n{FORGED}",
    f"a\x0b{FORGED}\x0c",
    f"a\x85{FORGED}",
    f"a\u2028{FORGED}",
    f"a\u2029{FORGED}",
    "a\x1b[2J\x1b[31mred\x1b]0;title\x07",
    "a\x9b31m",
    "a\u202egpj.exe\u202c \u2066\u2069\u200f",
    "a\x00b\x08\x7f",
    "a\ud800",
    "a\ufeff\u200b",
]
HARMLESS = ["Ada Lovelace", "Jörg 漢字 Ελληνικά 🎉", "a\tb", "", "C:\\new"]

Log = Any


@pytest.fixture(params=["text", "json"])
def log(
    request: pytest.FixtureRequest,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Any]:
    """Return a stream that gets what the handlers write, in either form."""
    # Not into pytest's report, which cannot be sent from one process to another with every text.
    monkeypatch.setattr(type(caplog.handler), "emit", lambda *_: None)
    settings = logging_settings(form=request.param, level="INFO")
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    configurator = logging.config.DictConfigurator(settings)
    handler.setFormatter(configurator.configure_formatter(settings["formatters"]["arabica"]))
    root = logging.getLogger()
    root.addHandler(handler)
    yield stream
    root.removeHandler(handler)


def assert_one_entry(log: Any) -> None:
    """The stream has one line that could be an entry; the rest is behind a bar; all is visible."""
    text = log.getvalue()
    text.encode()
    first, *more = text.removesuffix("\n").split("\n")
    assert len(text.splitlines()) == 1 + len(more)
    assert all(line.startswith("    | ") for line in more)
    assert all(line.replace("\t", "").isprintable() for line in (first, *more))
    if first.startswith("{"):
        json.loads(text)
        assert more == []


@pytest.mark.parametrize("attack", ATTACKS, ids=ascii)
def test_values_of_an_event_stay_in_its_line(log: Log, attack: str) -> None:
    structlog.get_logger("arabica.test").warning(
        attack, user=attack, **{f"key {attack}": 1}, many=[attack], error=ValueError(attack)
    )

    assert_one_entry(log)


@pytest.mark.parametrize("attack", ATTACKS, ids=ascii)
def test_other_libraries_lines_stay_one_line(log: Log, attack: str) -> None:
    logging.getLogger("kombu.connection").error("Cannot reach %s", attack)

    assert_one_entry(log)


@pytest.mark.parametrize("attack", ATTACKS, ids=ascii)
def test_each_line_of_a_stack_trace_is_behind_a_bar(log: Log, attack: str) -> None:
    def fail() -> None:
        try:
            raise KeyError("inner")
        except KeyError as error:
            raise RuntimeError(attack) from error

    try:
        fail()
    except RuntimeError:
        structlog.get_logger("arabica.test").exception("It failed")

    assert_one_entry(log)
    assert "in fail" in log.getvalue()


def test_a_warning_is_a_line_of_the_log(log: Log) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(False)
        configure_structlog()
        warnings.warn(f"a\n{FORGED}", UserWarning, stacklevel=1)
        logging.captureWarnings(False)

    assert_one_entry(log)
    assert "UserWarning" in log.getvalue()


def test_the_end_of_a_thread_is_a_line_of_the_log(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise RuntimeError(f"a\n{FORGED}")

    monkeypatch.setattr(threading, "excepthook", threading.__excepthook__)
    configure_structlog()

    thread = threading.Thread(target=fail, name="reader")
    thread.start()
    thread.join()

    assert_one_entry(log)
    assert "A thread has ended: reader" in log.getvalue()


@pytest.mark.parametrize("text", HARMLESS, ids=ascii)
def test_what_can_be_seen_stays_as_it_is(text: str) -> None:
    assert make_visible(text) == text


@pytest.mark.parametrize("attack", ATTACKS, ids=ascii)
def test_what_cannot_be_seen_is_written_out(attack: str) -> None:
    seen = make_visible(attack)

    assert seen.isprintable()
    assert seen.startswith("a\\")
