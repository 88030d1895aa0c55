"""The README's chapter for a first process, followed word by word."""

import json
import os
import re
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, build_opener

from tests.stack.conftest import Installation


def test_first_process_of_the_readme_runs_as_written(
    fresh: Installation, project: Path, tmp_path: Path
) -> None:
    chapter = _chapter((project / "README.md").read_text(), "Your first process")
    folder = tmp_path / "processes"
    folder.mkdir()
    (folder / "my_processes.py").write_text(_block(chapter, "python"))
    settings, _ = re.search(r"(?m)^\$ (PYTHONPATH=.*) (make run)$", chapter).groups()  # type: ignore[union-attr]
    fresh.environment |= dict(
        setting.split("=", 1) for setting in settings.replace("~", str(tmp_path)).split()
    )
    fresh.start()
    line = re.search(r"(?s)\$ (curl .*?)\n```", chapter)[1]  # type: ignore[index]

    printed = subprocess.run(  # noqa: S603 - the README's own line
        ["bash", "-c", line.replace(":8000/", f":{fresh.port}/")],  # noqa: S607
        env=os.environ | {"ARABICA_PASSWORD": fresh.password},
        capture_output=True,
        text=True,
        check=True,
    )

    answer = json.loads(printed.stdout[printed.stdout.index("{") :])
    assert answer["message"] == "Process saved"
    end = fresh.wait_for_end(answer["robustaSpid"])
    promised = re.search(r'"__out_greeting": "([^"]*)"', chapter)[1]  # type: ignore[index]
    assert end["__out_greeting"] == promised == "hello Ada, hello Ada"


def test_program_of_the_readme_runs_as_written(
    fresh: Installation, project: Path, tmp_path: Path
) -> None:
    chapter = _chapter((project / "README.md").read_text(), "Your first process")
    chapter = chapter.split("### A program as a process\n")[1]
    folder = tmp_path / "programs"
    folder.mkdir()
    (folder / "backwards.py").write_text(_block(chapter, "python"))
    chmod, setting = re.search(
        r"(?m)^\$ (chmod .*)\n\$ (COMMANDS_DIR=.*) make run$", chapter
    ).groups()  # type: ignore[union-attr]
    subprocess.run(["bash", "-c", chmod.replace("~", str(tmp_path))], check=True)  # noqa: S603, S607
    fresh.environment |= dict([setting.replace("~", str(tmp_path)).split("=", 1)])
    fresh.start()
    name, configuration, parameter, output = re.search(
        r"the name `(.*?)` and the configuration\s+`(.*?)`, add the parameter `(.*?)` and the output"
        r"\s+`(.*?)`",
        chapter,
    ).groups()  # type: ignore[union-attr]
    Admin(fresh).add(
        "processes/processmodel",
        **{
            "name": name,
            "configuration": configuration,
            "parameters-TOTAL_FORMS": "1",
            "parameters-0-name": parameter,
            "outputs-TOTAL_FORMS": "1",
            "outputs-0-name": output,
        },
    )
    body = re.search(r"-d '(.*?)'", chapter)[1]  # type: ignore[index]

    end = fresh.wait_for_end(fresh.post(json.loads(body)))

    promised = re.search(r'"__out_backwards": "([^"]*)"', chapter)[1]  # type: ignore[index]
    assert (end["status"], end["__out_backwards"]) == ("SUCCEEDED", promised)


class Admin:
    """The administrator's browser, without a screen."""

    def __init__(self, installation: Installation) -> None:
        self._root = f"http://127.0.0.1:{installation.port}/admin/"
        self._browser = build_opener(HTTPCookieProcessor())
        password = re.search(r"administrator +admin +password (\S+)", installation.output)
        self._post("login/", {"username": "admin", "password": password[1]})  # type: ignore[index]

    def add(self, model: str, **changes: str) -> None:
        """Add a row by what the form shows, with changes."""
        page = self._post(f"{model}/add/", changes)
        assert "was added successfully" in page, page

    def _post(self, path: str, changes: dict[str, str]) -> str:
        form = _ShownForm()
        form.feed(self._browser.open(self._root + path).read().decode())
        fields = {name: value for name, value in form.fields.items() if "__prefix__" not in name}
        for index in ("parameters-0-", "outputs-0-"):
            if f"{index}name" in changes:
                fields[f"{index}value_type"] = "text"
        data = urlencode(fields | changes).encode()
        page: str = self._browser.open(self._root + path, data).read().decode()
        return page


class _ShownForm(HTMLParser):
    """What a browser would post of the inputs of a page, buttons and switches left alone."""

    def __init__(self) -> None:
        super().__init__()
        self.fields: dict[str, str] = {}
        self._select = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        name = given.get("name") or ""
        if tag == "select":
            self._select = name
        if tag == "option" and "selected" in given:
            self.fields[self._select] = given.get("value") or ""
        kind = given.get("type")
        without = "on" if kind == "checkbox" else ""
        is_on = kind not in {"checkbox", "radio"} or "checked" in given
        if tag == "input" and name and is_on and kind != "submit":
            self.fields[name] = given.get("value") or without


def test_configuration_table_names_every_variable(project: Path) -> None:
    table = _chapter((project / "README.md").read_text(), "Configuration")
    read = set(
        re.findall(r'read_\w+\(\s*"([A-Z_]+)"', (project / "config/settings.py").read_text())
    )

    assert len(read) > 15
    assert {name for name in read if f"`{name}`" not in table} == set()


def _chapter(text: str, title: str) -> str:
    return text.split(f"## {title}\n")[1].split("\n## ")[0]


def _block(chapter: str, language: str) -> str:
    return chapter.split(f"```{language}\n")[1].split("```")[0]
