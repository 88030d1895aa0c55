"""Text of unknown origin, made safe for a terminal and for a log of one line an entry."""


def make_visible(text: str) -> str:
    """Return `text` with everything that cannot be seen written out, such as `\\n` and `\\x1b`.

    What is not printable for Python begins a line somewhere (line feed, U+2028), moves the cursor
    or colours (escape sequences), turns the writing around, or cannot be encoded (half a pair of
    surrogates). Tabs stay.
    """
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() or character == "\t" else _write_out(character)
        for character in text
    )


def _write_out(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")
