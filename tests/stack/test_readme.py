"""The README's chapter for a first process, followed word by word."""

import json
import os
import re
import subprocess
from pathlib import Path

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
