"""Secrets are taken out of texts, whole or split, plain or written into JSON and addresses."""

import json
from itertools import pairwise
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processes.executors.output_lines import MAX_LINE, MORE
from processes.scrubbing import ScrubbedStream, Scrubber, scrub_current, scrubbed
from processes.secrets import MASK
from tests.processes.conftest import RunScript
from tests.processes.recorder import Recorder

ODD = 'pa"ss\\wörd & más/€'
KEY = "-----BEGIN KEY-----\nMIIabcdefgh\nijklmnop==\n-----END KEY-----\n"


@pytest.mark.parametrize(
    "text",
    [
        ODD,
        json.dumps(ODD),
        json.dumps([ODD], ensure_ascii=False),
        repr(ODD),
        quote(ODD),
        quote(ODD, safe=""),
        quote_plus(ODD),
        f"https://ada:{quote_plus(ODD)}@host",
    ],
)
def test_secret_is_masked_however_it_is_written(text: str) -> None:
    shown = Scrubber([ODD]).scrub(f"before {text} after")

    assert MASK in shown
    assert "ss" not in shown
    assert shown.startswith("before ")
    assert shown.endswith(" after")


def test_each_line_of_a_secret_is_masked() -> None:
    shown = Scrubber([KEY]).scrub("line MIIabcdefgh alone, and all: " + repr(KEY))

    assert "MII" not in shown
    assert "ijkl" not in shown


def test_secret_that_is_a_part_of_another_leaves_nothing_of_it() -> None:
    assert Scrubber(["hunter", "hunter2-and-more"]).scrub("hunter2-and-more") == MASK


def test_short_secret_is_left() -> None:
    assert not Scrubber(["abc", ""])
    assert Scrubber(["abc"]).scrub("abcdef") == "abcdef"


@given(st.lists(st.integers(0, 60)), st.sampled_from(["hunter2", KEY, ODD, "abababac"]))
def test_split_makes_no_difference(cuts: list[int], secret: str) -> None:
    text = f"x{secret}y{secret[:3]}z{secret}{secret}"
    stream, told = ScrubbedStream(Scrubber([secret])), ""
    edges = sorted({0, len(text), *(min(cut, len(text)) for cut in cuts)})

    for start, end in pairwise(edges):
        told += stream.take(text[start:end])
    told += stream.end()

    assert told == Scrubber([secret]).scrub(text)
    assert secret not in told


@pytest.mark.parametrize(
    "pieces", [["hunter2-a", "nd-more"], ["ahun", "ter2-and", "-more"], ["hunter", "2-and-more"]]
)
def test_secrets_that_overlap_leave_nothing(pieces: list[str]) -> None:
    stream = ScrubbedStream(Scrubber(["hunter2-and-more", "ahun", "hunter"]))

    told = "".join(stream.take(piece) for piece in pieces) + stream.end()

    assert told.replace(MASK, "") in {"", "a"}


def test_stream_of_one_character_is_neither_told_nor_kept() -> None:
    stream = ScrubbedStream(Scrubber(["aaaa"]))

    told = [stream.take("a" * 99) for _ in range(99)]

    assert all(told)
    assert "aaaa" not in "".join(told) + stream.end()


def test_nothing_is_held_back_that_begins_no_secret() -> None:
    stream = ScrubbedStream(Scrubber(["hunter2"]))

    assert stream.take("progress 10 %\nh") == "progress 10 %\n"
    assert stream.take("ow?") == "how?"


def test_current_secrets_are_those_of_the_block() -> None:
    with scrubbed(Scrubber(["hunter2"])):
        inside = scrub_current("hunter2")

    assert (inside, scrub_current("hunter2")) == (MASK, "hunter2")


def test_output_of_a_command_is_scrubbed_where_it_is_split(
    run_script: RunScript, report: Recorder
) -> None:
    script = (
        "printf 'a hun'; sleep 0.3; printf 'ter2 b\\n'; printf 'hun' >&2; sleep 0.2; echo ter2 >&2"
    )

    run_script(script, options={"scrubber": Scrubber(["hunter2"])})

    assert report.lines("stdout") == [f"a {MASK} b"]
    assert report.lines("stderr") == [MASK]


@pytest.mark.parametrize("before", [MAX_LINE - 3, 65_536 - 3, 0])
def test_secret_on_the_edge_of_a_piece_is_masked(
    run_script: RunScript, report: Recorder, before: int
) -> None:
    script = f"#!/usr/bin/env python3\nprint('.' * {before} + 'hunter2' + '.' * 9000)"

    run_script(script, options={"scrubber": Scrubber(["hunter2"])})

    told = "".join(line.removesuffix(MORE) for line in report.lines("stdout"))
    assert told == "." * before + MASK + "." * 9000


def test_last_line_in_the_message_is_scrubbed(run_script: RunScript) -> None:
    secret = "s3cret" * 700  # so that the tail that is kept begins in the middle of it
    script = f"#!/usr/bin/env python3\nimport sys\nprint('{secret}', file=sys.stderr)\nsys.exit(3)"

    with pytest.raises(Exception, match="exit code 3") as failed:
        run_script(script, options={"scrubber": Scrubber([secret])})

    assert "s3cret" not in str(failed.value)
