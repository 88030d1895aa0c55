"""People of each role, and their browsers."""

from typing import Any

from django.contrib.auth.models import Group, Permission
from django.test import Client

from config.roles import permissions_of
from tests.factories import UserFactory


def find_permission(name: str) -> Permission:
    """Return a permission by app label, dot, code name."""
    app_label, codename = name.split(".")
    return Permission.objects.get(content_type__app_label=app_label, codename=codename)


def role_group(role: str) -> Group:
    """Return the group of a role, made again where a test has flushed what migrations made."""
    group, is_new = Group.objects.get_or_create(name=role)
    if is_new:
        group.permissions.set(map(find_permission, permissions_of(role)))
    return group


def make_person(*roles: str, may: tuple[str, ...] = (), **fields: Any) -> Any:
    """Return a member of the staff who has these roles, and single permissions beside them."""
    person = UserFactory.create(**{"is_staff": True} | fields)
    person.groups.set(map(role_group, roles))
    person.user_permissions.set(map(find_permission, may))
    return person


def log_in(person: Any) -> Client:
    """Return the browser of a person."""
    browser = Client()
    browser.force_login(person)
    return browser
