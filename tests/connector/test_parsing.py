"""Which texts are one JSON object within the limits, and what is said about the others."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.exceptions import ConnectorError, MalformedBody
from connector.parsing import MAX_KEY, MAX_KEYS, MAX_NESTING, MAX_TEXT, ParsedBody, parse_object


def refusal(body: bytes | str) -> str:
    with pytest.raises(MalformedBody) as refused:
        parse_object(body if isinstance(body, bytes) else body.encode())
    assert refused.value.status == 400
    return refused.value.message


def nested(levels: int) -> str:
    return '{"a":' + "[" * (levels - 1) + "]" * (levels - 1) + "}"


def with_keys(count: int) -> str:
    return json.dumps({"values": {f"k{i}": i for i in range(count - 1)}})


def test_returns_the_fields_of_an_object() -> None:
    body = b'{"name": "N\xc3\xa4chtlich", "worker": null, "values": {"a": [1, 2.5, true]}}'

    assert parse_object(body) == ParsedBody(
        {"name": "Nächtlich", "worker": None, "values": {"a": [1, 2.5, True]}}, warnings=[]
    )


@pytest.mark.parametrize("body", [b"{}", b" \r\n\t{ } \n"])
def test_returns_no_fields_of_an_empty_object(body: bytes) -> None:
    assert parse_object(body) == ParsedBody({}, [])


def test_skips_a_byte_order_mark() -> None:
    assert parse_object(b'\xef\xbb\xbf{"name": "N"}').fields == {"name": "N"}


def test_leaves_curly_quotes_inside_a_text_alone() -> None:
    body = '{"name": "say “hi”, and ”: }"}'

    assert parse_object(body.encode()).fields == {"name": "say “hi”, and ”: }"}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        pytest.param("", "The body is empty", id="empty"),
        pytest.param(" \r\n ", "The body is empty", id="blank"),
        pytest.param(b"\xef\xbb\xbf", "The body is empty", id="only a byte order mark"),
        pytest.param('{"name": ', "Line 1, column 10: the JSON ends too early", id="no value"),
        pytest.param('{"a": 1', "Line 1, column 8: the JSON ends too early", id="no end"),
        pytest.param('{\n"a": "x', "Line 2, column 6: the text that starts here", id="open text"),
        pytest.param(
            '{"a": "' + "[" * 40, "Line 1, column 7: the text that starts here", id="open brackets"
        ),
        pytest.param('{"a": tru', "Line 1, column 7: a value is expected", id="half a word"),
        pytest.param("{}\n{}", "Line 2, column 1: the JSON ends before this", id="two documents"),
        pytest.param("{} x", "Line 1, column 4: the JSON ends before this", id="text after"),
        pytest.param("[]", "The body is no JSON object", id="list"),
        pytest.param('"name"', "The body is no JSON object", id="text"),
        pytest.param("12", "The body is no JSON object", id="number"),
        pytest.param("null", "The body is no JSON object", id="null"),
        pytest.param("name=x", "Line 1, column 1: a value is expected", id="form"),
        pytest.param("{name: 1}", "Line 1, column 2: a key in double quotes", id="bare key"),
        pytest.param("{'name': 1}", "Line 1, column 2: a key in double quotes", id="single quotes"),
        pytest.param('{"a": 1,}', "Line 1, column 9: a key in double quotes", id="last comma"),
        pytest.param('{"a" 1}', "Line 1, column 6: a colon is expected", id="no colon"),
        pytest.param('{"a": 1 "b"}', "Line 1, column 9: a comma or a closing", id="no comma"),
        pytest.param('{"a": "x\ny"}', "Line 1, column 9: write a line break", id="line break"),
        pytest.param('{"a": "x\0y"}', "Line 1, column 9: write a line break", id="raw NUL"),
        pytest.param('{"a": "C:\\Temp"}', "Line 1, column 10: write a backslash", id="backslash"),
        pytest.param('{"a": "\\u12x4"}', "hexadecimal digits", id="half an escape"),
        pytest.param('{"a": 01}', "Line 1, column 8: a comma or a closing", id="leading zero"),
    ],
)
def test_says_what_is_wrong_with_the_text(body: bytes | str, message: str) -> None:
    assert message in refusal(body)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        pytest.param(b'{"a": "\xff"}', "Line 1, column 8: this is not UTF-8", id="wrong byte"),
        pytest.param(
            b'{\r\n"\xc3\xa4": "\x93"}',
            "Line 2, column 7: this is not UTF-8",
            id="counts characters",
        ),
        pytest.param(b'{"a": "\xc3', "Line 1, column 8: this is not UTF-8", id="cut off"),
        pytest.param(b'{"\xed\xa0\x80": 1}', "Line 1, column 3: this is not UTF-8", id="surrogate"),
        pytest.param(b'{"\xc0\xaf": 1}', "Line 1, column 3: this is not UTF-8", id="overlong"),
        pytest.param("{}".encode("utf-16"), "Line 1, column 1: this is not UTF-8", id="UTF-16"),
    ],
)
def test_says_where_the_body_is_not_utf8(body: bytes, message: str) -> None:
    assert message in refusal(body)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        pytest.param("{“name”: 1}", "Line 1, column 2: “ is a curly quote", id="key"),
        pytest.param('{"a":\n “x”}', "Line 2, column 2: “ is a curly quote", id="value"),
        pytest.param("{\u2018name\u2019: 1}", "Line 1, column 2: \u2018 is a curly quote", id="single"),
        pytest.param('{"name”: "x"}', "Line 1, column 7: ” is a curly quote", id="end of a key"),
        pytest.param(
            '{"a": "x”, "b": "y"}', "Line 1, column 9: ” is a curly quote", id="end of a value"
        ),
        pytest.param('{"a": "x”\n}', "Line 1, column 9: ” is a curly quote", id="end of a line"),
        pytest.param('{"a": "x”}', "Line 1, column 9: ” is a curly quote", id="end of the last text"),
        pytest.param(
            '{“values”: {“username”: “Username”},\n“runOnce”: “N”}',
            "Line 1, column 2: “ is a curly quote",
            id="published sample",
        ),
    ],
)  # fmt: skip
def test_names_curly_quotes_and_their_position(body: str, message: str) -> None:
    assert message in refusal(body)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        pytest.param('{"a": "say “hi”" "b": 1}', "a comma or a closing", id="in the text before"),
        pytest.param('{"a": "“hi”, x", "b" 1}', "a colon is expected", id="in an earlier text"),
        pytest.param('{"a": 1 "x”": 2}', "a comma or a closing", id="in a later text"),
    ],
)
def test_does_not_blame_curly_quotes_for_another_mistake(body: str, message: str) -> None:
    assert message in refusal(body)


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ("NaN", "NaN"),
        ("Infinity", "Infinity"),
        ("-Infinity", "-Infinity"),
        ("1e400", "1e400"),
        ("-1e400", "-1e400"),
        ("9" * 400 + ".0", "9" * 40),
        ("9" * 4301, "more than 4,300 digits"),
        ("-" + "9" * 4301, "more than 4,300 digits"),
    ],
    ids=lambda text: text[:20],
)
def test_refuses_what_is_no_finite_number(value: str, named: str) -> None:
    message = refusal(f'{{"a": [{value}]}}')

    assert named in message
    assert "9" * 41 not in message


@pytest.mark.parametrize("value", ["1e308", "1e-400", "9" * 4300, "-" + "9" * 4300, "-0.0"])
def test_takes_numbers_up_to_the_limits(value: str) -> None:
    assert parse_object(f'{{"a": {value}}}'.encode()).fields == {"a": json.loads(value)}


def test_takes_nesting_up_to_the_limit() -> None:
    parse_object(nested(MAX_NESTING).encode())

    assert "deeper than 32 levels" in refusal(nested(MAX_NESTING + 1))


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("[" * 100_000, id="open lists"),
        pytest.param('{"a":' * 100_000, id="open objects"),
        pytest.param(nested(100_000), id="closed lists"),
        pytest.param('{"a": ' + nested(40) + ', "a": 1}', id="under a repeated key"),
        pytest.param('{"\\"": "\\\\", "a": ' + nested(40) + "}", id="after escaped quotes"),
    ],
)
def test_refuses_deep_nesting(body: str) -> None:
    assert "deeper than 32 levels" in refusal(body)


@pytest.mark.parametrize("text", ["[" * 100, '"' + "[" * 100, "\\" + "{" * 100, '\\"['])
def test_counts_no_brackets_inside_a_text(text: str) -> None:
    body = json.dumps({"a": text, text: [text] * 20})

    assert parse_object(body.encode()).fields == {"a": text, text: [text] * 20}


def test_counts_siblings_as_one_level() -> None:
    body = json.dumps({"a": [[]] * 100, "b": [{}] * 100})

    assert parse_object(body.encode()).fields["b"] == [{}] * 100


def test_takes_keys_up_to_the_limit_in_all_objects_together() -> None:
    parse_object(with_keys(MAX_KEYS).encode())

    assert "more than 1,000 keys" in refusal(with_keys(MAX_KEYS + 1))


def test_counts_repeated_keys() -> None:
    assert "more than 1,000 keys" in refusal("{" + '"a":1,' * MAX_KEYS + '"a":1}')


def test_takes_a_key_up_to_the_limit() -> None:
    parse_object(json.dumps({"ä" * MAX_KEY: 1}).encode())

    message = refusal(json.dumps({"values": [{"ä" * (MAX_KEY + 1): 1}]}, ensure_ascii=False))

    assert "ä" * 40 + '" has more than 255 characters' in message


@pytest.mark.parametrize("ensure_ascii", [True, False])
@pytest.mark.parametrize("character", ["x", "ä", "€", "😀", "\n", '"'], ids=ascii)
def test_takes_a_text_up_to_the_limit_in_utf8(character: str, ensure_ascii: bool) -> None:
    width = len(character.encode())
    text = character * (MAX_TEXT // width) + "x" * (MAX_TEXT % width)

    parse_object(json.dumps({"a": [text]}, ensure_ascii=ensure_ascii).encode())
    message = refusal(json.dumps({"a": [text + "x"]}, ensure_ascii=ensure_ascii))

    assert message == "Line 1, column 8: this text is over 64 KiB; shorten it."


def test_refuses_a_long_text_under_a_repeated_key() -> None:
    body = '{"a": 1,\n"a": "' + "x" * (MAX_TEXT + 1) + '", "a": 2}'

    assert "Line 2, column 6: this text is over 64 KiB" in refusal(body)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param('{"a": "x@"}', id="value"),
        pytest.param('{"x@": 1}', id="key"),
        pytest.param('{"a": [{"b": ["x@"]}]}', id="deep down"),
        pytest.param('{"a": "x@", "a": 1}', id="under a repeated key"),
        pytest.param('{"a": "\\\\\\u00e4\\ud83d\\ude00x@"}', id="after good escapes"),
    ],
)
@pytest.mark.parametrize(
    "escape",
    ["\\u0000", "\\ud800", "\\uDFFF", "\\ud83dx", "\\ud83d\\ud83d\\ude00", "\\ude00\\ud83d"],
)
def test_refuses_nul_and_half_a_surrogate_pair_anywhere(body: str, escape: str) -> None:
    place = f"Line 1, column {body.index('@') + 1}: {escape[:6]} is no character"

    assert place in refusal(body.replace("@", escape))


@pytest.mark.parametrize(
    ("escaped", "text"),
    [
        ("\\\\u0000", "\\u0000"),
        ("\\\\ud800", "\\ud800"),
        ("\\ud83d\\ude00", "😀"),
        ("\\u0001\\ue000\\ud7ff", "\x01\ue000\ud7ff"),
    ],
)
def test_takes_every_other_escape(escaped: str, text: str) -> None:
    assert parse_object(f'{{"a": "{escaped}"}}'.encode()).fields == {"a": text}


def test_uses_the_last_value_of_a_repeated_key_and_warns() -> None:
    body = b'{"values": {"username": "A", "username": "B"}, "name": "N"}'

    parsed = parse_object(body)

    assert parsed.fields == {"values": {"username": "B"}, "name": "N"}
    assert parsed.warnings == ['The key "username" is repeated; its last value was used.']


def test_warns_once_for_each_repeated_key() -> None:
    parsed = parse_object(b'{"a": 1, "a": 2, "a": {"c": 1, "c": 2}, "b": 1, "b": 2, "d": {"a": 1}}')

    assert [warning.split('"')[1] for warning in parsed.warnings] == ["c", "a", "b"]


def test_does_not_take_one_key_in_two_objects_for_repeated() -> None:
    assert parse_object(b'{"a": 1, "b": {"a": 2}, "c": {"a": 3}}').warnings == []


@pytest.mark.parametrize(
    "body",
    [
        pytest.param('{"a": ' + "7" * 60 + "e999}", id="number"),
        pytest.param('{"a": "' + "7" * 70_000 + '"}', id="text"),
        pytest.param('{"a": "' + "7" * 60, id="open text"),
        pytest.param('{"a": "' + "7" * 60 + '\\u0000"}', id="NUL"),
        pytest.param('{"a": "' + "7" * 60 + "”}", id="curly quote"),
        pytest.param("7" * 60, id="no object"),
    ],
)
def test_quotes_at_most_forty_characters_of_a_value(body: str) -> None:
    assert "7" * 41 not in refusal(body)


storable_text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | storable_text,
    lambda inner: st.lists(inner) | st.dictionaries(storable_text, inner),
    max_leaves=20,
)
tokens = st.sampled_from(
    [
        *'{}[]",:\\ \n01-.eE“”',
        *('"a":', '"a"', "null", "NaN", "1e999", "\\u", "\\ud83d", "\\ude00", "0000", "\\u0000"),
    ]
)


@settings(deadline=None)
@given(st.dictionaries(storable_text, values), st.booleans(), st.sampled_from([None, 2]))
def test_any_object_within_the_limits_comes_back_whole(
    fields: dict[str, Any], ensure_ascii: bool, indent: int | None
) -> None:
    body = json.dumps(fields, ensure_ascii=ensure_ascii, indent=indent).encode()

    assert parse_object(body) == ParsedBody(fields, [])


@settings(deadline=None)
@given(
    st.binary()
    | st.lists(tokens).map(lambda drawn: "".join(drawn).encode())
    | st.lists(tokens).map(lambda drawn: ('{"a": "' + "".join(drawn) + '"}').encode())
)
def test_any_bytes_are_taken_or_refused(body: bytes) -> None:
    try:
        parsed = parse_object(body)
    except ConnectorError:
        return
    assert parsed.fields == json.loads(body)


escapes = st.sampled_from(
    ["\\u0000", "\\ud83d", "\\uDBFF", "\\ude00", "\\uDC00", "\\u0041", "\\\\", "u"]
)


@settings(deadline=None)
@given(st.lists(escapes, max_size=8).map("".join))
def test_a_text_is_taken_exactly_when_it_can_be_stored(escaped: str) -> None:
    text = json.loads(f'"{escaped}"')
    storable = "\0" not in text and not any("\ud800" <= char <= "\udfff" for char in text)

    try:
        taken = parse_object(f'{{"a": "{escaped}"}}'.encode()).fields == {"a": text}
    except MalformedBody:
        taken = False

    assert taken is storable
