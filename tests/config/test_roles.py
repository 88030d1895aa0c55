"""The four groups that a migration makes, and the table of them in the README."""

from pathlib import Path

import pytest
from django.contrib.auth.models import Group, Permission
from django.core.management import call_command

from config.roles import ADMINISTRATOR, OPERATOR, RIGHTS, ROLES, permissions_of
from tests.factories import UserFactory

BEFORE = "0001"


def held_by(role: str) -> set[str]:
    """Return what the group of a role may do."""
    permissions = Permission.objects.filter(group__name=role).select_related("content_type")
    return {f"{each.content_type.app_label}.{each.codename}" for each in permissions}


def migrate(to: str = "") -> None:
    """Bring the tables of the project's own app to a migration, the last one unless it is named."""
    call_command("migrate", "config", *filter(None, [to]), verbosity=0, interactive=False)


def as_markdown() -> str:
    """Return the table of roles as the README has to show it, within a list."""
    rows = [["", *ROLES], ["---", *(":-:" for _role in ROLES)]]
    rows += [
        [right.words, *("yes" if role in right.roles else "" for role in ROLES)] for right in RIGHTS
    ]
    lines = ["".join(f" {cell} |" if cell else " |" for cell in row) for row in rows]
    return "\n".join(f"  |{line}" for line in lines)


def test_the_administrator_may_do_what_every_other_role_may() -> None:
    for role in ROLES:
        assert permissions_of(role) <= permissions_of(ADMINISTRATOR)


def test_readme_shows_the_table(project: Path) -> None:
    assert as_markdown() in (project / "README.md").read_text()


@pytest.mark.django_db(transaction=True)
def test_groups_come_and_go_with_the_migration() -> None:
    member = UserFactory.create()
    permissions = Permission.objects.count()
    migrate(BEFORE)
    migrate()
    made = {role: held_by(role) for role in ROLES}
    member.groups.add(Group.objects.get(name=OPERATOR))

    migrate(BEFORE)

    assert made == {role: permissions_of(role) for role in ROLES}
    assert not Group.objects.exists()
    assert list(member.groups.all()) == []
    assert Permission.objects.count() == permissions


@pytest.mark.django_db(transaction=True)
def test_a_group_that_somebody_has_made_is_left_as_it_is() -> None:
    migrate(BEFORE)
    own = Group.objects.create(name=OPERATOR)
    own.permissions.add(Permission.objects.get(codename="view_run"))

    migrate()

    assert held_by(OPERATOR) == {"processes.view_run"}
    assert held_by(ADMINISTRATOR) == permissions_of(ADMINISTRATOR)
    migrate(BEFORE)
    assert list(Group.objects.all()) == [own]
    migrate()
