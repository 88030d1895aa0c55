"""compose.yaml and the Dockerfile say the same as the units, the environment and the settings."""

import re
import shlex
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml

from config import settings

# What compose.yaml itself reads from .env, beside the settings.
OF_COMPOSE = {
    *("COMPOSE_PROFILES", "POSTGRES_PASSWORD", "BROKER_PASSWORD", "SERVER_NAME", "TLS_DIRECTORY"),
}
OURS = ["prepare", "web", "beat", "worker"]


@pytest.fixture
def compose(project: Path) -> Any:
    return yaml.safe_load((project / "compose.yaml").read_text())


@pytest.fixture
def known(project: Path) -> set[str]:
    text = (project / "config/settings.py").read_text()
    return set(re.findall(r'read_\w+\(\s*"([A-Z_]+)"', text))


def read_environment(project: Path) -> dict[str, str]:
    """Return what the example of .env says."""
    lines = (project / "deploy/compose.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


@pytest.mark.parametrize(
    ("service", "unit"),
    [("web", "arabica-web"), ("beat", "arabica-beat@"), ("worker", "arabica-worker@")],
)
def test_service_starts_what_its_unit_starts(
    project: Path, compose: Any, service: str, unit: str
) -> None:
    line = re.search(
        r"(?m)^ExecStart=/opt/arabica/(.*)$", (project / f"deploy/{unit}.service").read_text()
    )

    assert line
    assert compose["services"][service]["command"] == shlex.split(line[1].replace("%i", "1"))


def test_services_take_known_settings_only(project: Path, compose: Any, known: set[str]) -> None:
    assert set(compose["x-arabica"]["environment"]) <= known
    assert set(read_environment(project)) <= known | OF_COMPOSE


def test_every_variable_has_a_line_in_the_example(project: Path) -> None:
    used = set(re.findall(r"(?<!\$)\$\{([A-Z_]+)", (project / "compose.yaml").read_text()))

    assert used == (OF_COMPOSE | {"SECRET_KEY", "SECRETS_KEY"})
    assert used <= set(read_environment(project))


def test_secrets_of_the_example_are_left_to_be_filled_in(project: Path) -> None:
    example = read_environment(project)

    assert {example[name] for name in example if "PASSWORD" in name or "KEY" in name} == {""}


@pytest.mark.parametrize("service", OURS)
def test_service_has_no_right_that_it_does_not_need(compose: Any, service: str) -> None:
    options = compose["services"][service]

    assert options["read_only"] is True
    assert options["cap_drop"] == ["ALL"]
    assert options["security_opt"] == ["no-new-privileges:true"]


@pytest.mark.parametrize("service", OURS)
def test_runs_in_progress_get_their_grace(compose: Any, service: str) -> None:
    period = compose["services"][service]["stop_grace_period"]

    assert int(period.removesuffix("s")) > settings.SHUTDOWN_GRACE + 20


def test_images_are_pinned_by_version(project: Path, compose: Any) -> None:
    images = [options["image"] for options in compose["services"].values()]
    stages = re.findall(r"(?m)^FROM (\S+)", (project / "Dockerfile").read_text())

    for image in images + stages:
        assert re.fullmatch(r"[a-z]+:\d+\.\d+(\.\d+)?(-[a-z-]+)?", image), image
    assert len(set(stages)) == 1


def test_each_broker_answers_to_the_name_and_scheme_of_its_profile(compose: Any) -> None:
    services = compose["services"].values()
    brokers = [options for options in services if "profiles" in options]

    assert sorted(options["profiles"][0] for options in brokers) == ["amqp", "redis"]
    assert all(options["networks"]["back"]["aliases"] == ["broker"] for options in brokers)


def test_web_believes_the_proxy_and_the_proxy_finds_web(project: Path, compose: Any) -> None:
    web, proxy = compose["services"]["web"], compose["services"]["proxy"]
    command = proxy["command"][-1]
    site = (project / "deploy/nginx.conf").read_text()

    trusted = compose["x-arabica"]["environment"]["TRUSTED_PROXIES"]
    assert proxy["networks"]["front"]["ipv4_address"] == trusted
    assert f"/{web['networks']['front']['ipv4_address']}:8000/" in command
    for given in re.findall(r"s/([^/]+)/", command):
        assert given in site
    for volume in proxy["volumes"][1:]:
        assert volume.split(":")[-2] in site


def test_image_holds_what_runs_and_nothing_else(project: Path) -> None:
    lines = (project / ".dockerignore").read_text().splitlines()
    taken = [line[1:] for line in lines if line.startswith("!")]
    apps = {folder.parent.name for folder in project.glob("*/apps.py")}

    assert "*" in lines
    assert all((project / path).exists() for path in taken)
    assert apps | {"templates", "static", "manage.py"} <= set(taken)
    assert not any(fnmatch(".env", path) or fnmatch("var", path) for path in taken)


def test_dockerfile_installs_pins_that_agree_with_those_under_test(project: Path) -> None:
    folder = project / "requirements"
    base, production = (
        set(re.findall(r"(?m)^\S+==.*$", (folder / f"{name}.txt").read_text()))
        for name in ("base", "production")
    )

    assert "requirements/production.txt" in (project / "Dockerfile").read_text()
    assert base < production
