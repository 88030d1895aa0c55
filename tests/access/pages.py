"""Reading a page as a browser does: its links, and what its form would post."""

from html.parser import HTMLParser
from typing import Any

Attributes = list[tuple[str, str | None]]


class PageReader(HTMLParser):
    """Collects the links of a page, and for each form what a browser would send of it."""

    def __init__(self) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.forms: list[dict[str, Any]] = []
        self._is_in_form = False
        self._select: str | None = None
        self._textarea: str | None = None

    def handle_starttag(self, tag: str, attrs: Attributes) -> None:
        """Note a link, or an input of the form that is open."""
        given = dict(attrs)
        if tag == "a" and given.get("href"):
            self.links.add(str(given["href"]))
        elif tag == "form":
            self.forms.append({"method": (given.get("method") or "get").lower(), "data": {}})
            self._is_in_form = True
        elif not self._is_in_form:
            return
        elif tag in {"input", "button"} and given.get("name"):
            self._note_input(tag, given)
        elif tag == "select":
            self._select = given.get("name")
        elif tag == "textarea":
            self._textarea = given.get("name")
            self._add(self._textarea, "")
        elif tag == "option" and self._select and "selected" in given:
            self._add(self._select, given.get("value") or "")

    def handle_data(self, data: str) -> None:
        """Take what stands in a textarea; its first line break is not part of it."""
        if self._textarea:
            self.forms[-1]["data"][self._textarea] = [data.removeprefix("\n")]

    def handle_endtag(self, tag: str) -> None:
        """Close what has been open."""
        if tag == "form":
            self._is_in_form = False
        elif tag == "select":
            self._select = None
        elif tag == "textarea":
            self._textarea = None

    def _note_input(self, tag: str, given: dict[str, str | None]) -> None:
        kind = given.get("type") or ("submit" if tag == "button" else "text")
        if kind in {"checkbox", "radio"} and "checked" not in given:
            return
        is_second_button = kind == "submit" and self.forms[-1].get("button")
        if kind in {"button", "file", "image", "reset"} or is_second_button:
            return
        if kind == "submit":
            self.forms[-1]["button"] = given["name"]
        default = "on" if kind in {"checkbox", "radio"} else ""
        self._add(given["name"], given.get("value") or default)

    def _add(self, name: str | None, value: str) -> None:
        if name:
            self.forms[-1]["data"].setdefault(name, []).append(value)


def read(answer: Any) -> PageReader:
    """Return what stands on the page of an answer."""
    reader = PageReader()
    reader.feed(answer.content.decode())
    return reader


def read_form(answer: Any) -> dict[str, list[str]]:
    """Return what the page's own form would post: of those that post, the one with most inputs."""
    forms = [form["data"] for form in read(answer).forms if form["method"] == "post"]
    return dict(max(forms, key=len, default={}))
