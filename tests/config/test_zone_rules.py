"""Zone rules are the pinned package's, the same on every host."""

import subprocess
import sys
from pathlib import Path

import pytest

SHOW_SOURCE = "import config, zoneinfo; print(zoneinfo.TZPATH, zoneinfo.ZoneInfo('Europe/Oslo'))"


@pytest.mark.parametrize("host_zones", ["/usr/share/zoneinfo", ""], ids=["with zones", "without"])
def test_the_zone_files_of_the_host_are_not_read(project: Path, host_zones: str) -> None:
    shown = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", SHOW_SOURCE],
        cwd=project,
        env={"PYTHONTZPATH": host_zones},
        capture_output=True,
        text=True,
        check=True,
    )

    assert shown.stdout == "() Europe/Oslo\n"
