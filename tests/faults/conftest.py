"""What fault tests share. Those in `trials` take minutes: only `make faults` collects them."""

import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from django.test.utils import setup_databases, teardown_databases

from tests.faults.ground import Ground, make_ground

SIZE = os.environ.get("FAULTS", "")
collect_ignore_glob = [] if SIZE else ["trials/*"]


Amount = TypeVar("Amount")


def pick(*, short: Amount, long: Amount) -> Amount:
    """Return what is meant for the size that was asked for: FAULTS=short or FAULTS=long."""
    return long if SIZE == "long" else short


@pytest.fixture
def seed() -> int:
    """Return where the random moments come from: FAULTS_SEED, or another one each time."""
    seed = int(os.environ.get("FAULTS_SEED", random.randrange(10**6)))  # noqa: S311 - a test's moments
    print(f"\nFAULTS_SEED={seed}")  # noqa: T201 - to repeat it
    return seed


@pytest.fixture(scope="session")
def _migrated_database(
    django_test_environment: None, django_db_modify_db_settings: None, django_db_blocker: Any
) -> Iterator[None]:
    """Migrate a database once; no test changes it, each has a copy."""
    with django_db_blocker.unblock():
        made = setup_databases(verbosity=0, interactive=False, aliases={"default": ()})
    yield
    with django_db_blocker.unblock():
        teardown_databases(made, verbosity=0)


@pytest.fixture
def ground(_migrated_database: None, django_db_blocker: Any, tmp_path: Path) -> Iterator[Ground]:
    """Return an installation of this test alone; nothing is started yet."""
    with django_db_blocker.unblock(), make_ground(tmp_path / "ground") as ground:
        yield ground
