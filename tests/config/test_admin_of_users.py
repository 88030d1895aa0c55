"""Who may change whom: nobody gets, or gives, rights that they do not have."""

from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from config.roles import ROLES
from tests.factories import UserFactory
from tests.people import find_permission, log_in, make_person, role_group

pytestmark = pytest.mark.django_db

USERS = "/admin/auth/user/"
GROUPS = "/admin/auth/group/"
NEW_PASSWORD = "another sesame 4711"


@pytest.fixture
def administrator() -> User:
    """Return an administrator who is no superuser."""
    user: User = make_person("administrator", username="ada")
    return user


@pytest.fixture
def browser(administrator: User) -> Client:
    """Return the browser of the administrator."""
    return log_in(administrator)


def superuser(**fields: Any) -> User:
    """Return a superuser."""
    user: User = UserFactory.create(is_staff=True, is_superuser=True, **fields)
    return user


def stored(user: User) -> dict[str, Any]:
    """Return everything about a user that a form may change."""
    found = User.objects.filter(pk=user.pk)
    groups = sorted(user.groups.values_list("name", flat=True))
    permissions = sorted(user.user_permissions.values_list("codename", flat=True))
    return {**found.values().get(), "groups": groups, "permissions": permissions}


def page_of(row: User | Group, page: str = "change") -> str:
    """Return the address of a page of a user or group."""
    return f"{USERS if isinstance(row, User) else GROUPS}{row.pk}/{page}/"


def read_form(browser: Client, page: str) -> dict[str, Any]:
    """Return what a browser would post of the form on a page."""
    form = browser.get(page).context["adminform"].form
    values = {name: form[name].value() for name in form.fields}
    values |= {f"{name}_0": "2026-11-25" for name in ("last_login", "date_joined")}
    values |= {f"{name}_1": "00:00:00" for name in ("last_login", "date_joined")}
    return {name: value for name, value in values.items() if value not in (None, False)}


def beyond() -> list[User]:
    """Return users of every kind that an administrator may not touch."""
    more = Group.objects.create(name="callers")
    more.permissions.add(find_permission("connector.use_connector_api"))
    member = UserFactory.create()
    member.groups.add(more)
    return [
        superuser(),
        superuser(is_active=False),
        make_person(may=("connector.use_connector_api",)),
        make_person("administrator", may=("django_celery_beat.change_periodictask",)),
        member,
        make_person(may=("connector.use_connector_api",), is_active=False),
    ]


def test_an_administrator_makes_users_of_every_role(browser: Client) -> None:
    groups = [role_group(role) for role in ROLES]
    browser.post(
        f"{USERS}add/",
        {
            "username": "grace",
            "usable_password": "true",
            "password1": NEW_PASSWORD,
            "password2": NEW_PASSWORD,
        },
    )
    made = User.objects.get(username="grace")

    data = read_form(browser, page_of(made))
    answer = browser.post(
        page_of(made), data | {"is_staff": "on", "groups": [group.pk for group in groups]}
    )

    assert answer.status_code == 302
    assert made.check_password(NEW_PASSWORD)
    assert stored(made)["is_staff"]
    assert stored(made)["groups"] == sorted(ROLES)


def test_an_administrator_changes_resets_and_deletes_those_with_no_more_rights(
    browser: Client,
) -> None:
    other = make_person("administrator")

    data = read_form(browser, page_of(other))
    changed = browser.post(page_of(other), data | {"email": "new@example.org"})
    reset = browser.post(
        page_of(other, "password"),
        {"usable_password": "true", "password1": NEW_PASSWORD, "password2": NEW_PASSWORD},
    )

    assert (changed.status_code, reset.status_code) == (302, 302)
    other.refresh_from_db()
    assert other.email == "new@example.org"
    assert other.check_password(NEW_PASSWORD)
    assert browser.post(page_of(other, "delete"), {"post": "yes"}).status_code == 302
    assert not User.objects.filter(pk=other.pk).exists()


@pytest.mark.parametrize("whom", ["themselves", "another"])
def test_nobody_but_a_superuser_makes_one_or_gives_single_permissions(
    browser: Client, administrator: User, whom: str
) -> None:
    target = administrator if whom == "themselves" else make_person("viewer")
    before = stored(target)
    data = read_form(browser, page_of(target))

    browser.post(
        page_of(target),
        data
        | {
            "is_superuser": "on",
            "user_permissions": [find_permission("connector.use_connector_api").pk],
        },
    )

    after = stored(target)
    assert not after["is_superuser"]
    assert after["permissions"] == before["permissions"]
    assert not {"is_superuser", "user_permissions"} & data.keys()
    page = browser.get(page_of(target)).content.decode()
    assert "is_superuser" not in page
    assert "user_permissions" not in page


def test_a_group_with_rights_beyond_ones_own_can_neither_be_given_nor_joined(
    browser: Client, administrator: User
) -> None:
    more = Group.objects.create(name="callers")
    more.permissions.add(find_permission("connector.use_connector_api"))
    colleague = make_person("viewer")
    for role in ROLES:
        role_group(role)

    for target in (administrator, colleague):
        data = read_form(browser, page_of(target))
        answer = browser.post(page_of(target), data | {"groups": [more.pk]})

        assert answer.status_code == 200
        assert "groups" in answer.context["adminform"].form.errors
        assert not target.groups.filter(pk=more.pk).exists()
    offered = answer.context["adminform"].form.fields["groups"].queryset
    assert {group.name for group in offered} == set(ROLES)


@pytest.mark.parametrize("kind", range(6))
def test_nobody_gets_at_a_user_who_has_more_rights(browser: Client, kind: int) -> None:
    target = beyond()[kind]
    before = stored(target)
    took_over = {"usable_password": "true", "password1": NEW_PASSWORD, "password2": NEW_PASSWORD}
    attacks = {
        "change": {"username": "mine", "email": "mine@example.org", "is_active": "on"},
        "password": took_over,
        "delete": {"post": "yes"},
    }

    answers = {
        page: browser.post(page_of(target, page), data).status_code
        for page, data in attacks.items()
    }

    assert answers == dict.fromkeys(attacks, 403)
    assert stored(target) == before
    assert browser.get(page_of(target, "password")).status_code == 403


def test_a_selection_with_a_user_of_more_rights_is_not_deleted(browser: Client) -> None:
    target, colleague = superuser(), make_person("viewer")

    answer = browser.post(
        USERS,
        {
            "action": "delete_selected",
            "_selected_action": [target.pk, colleague.pk],
            "post": "yes",
        },
    )

    assert answer.status_code == 403
    assert User.objects.filter(pk__in=[target.pk, colleague.pk]).count() == 2


def test_the_page_of_a_user_with_more_rights_says_why_it_is_only_read(browser: Client) -> None:
    target = superuser()
    target.set_password("open sesame")
    target.save()

    page = browser.get(page_of(target)).content.decode()

    assert "it has rights that you do not have" in page
    assert 'name="_save"' not in page
    assert page_of(target, "delete") not in page
    assert "pbkdf2" not in page
    assert target.password.split("$")[-1][:6] not in page
    assert (
        "it has rights that you do not have"
        not in browser.get(page_of(make_person("viewer"))).content.decode()
    )


def test_groups_are_made_of_ones_own_rights_alone(browser: Client) -> None:
    own, other = (
        find_permission("processes.view_run"),
        find_permission("connector.use_connector_api"),
    )

    refused = browser.post(f"{GROUPS}add/", {"name": "callers", "permissions": [own.pk, other.pk]})
    taken = browser.post(f"{GROUPS}add/", {"name": "readers", "permissions": [own.pk]})

    assert "permissions" in refused.context["adminform"].form.errors
    assert taken.status_code == 302
    assert not Group.objects.filter(name="callers").exists()
    assert list(Group.objects.get(name="readers").permissions.all()) == [own]


def test_a_group_with_more_rights_is_only_read(browser: Client) -> None:
    group = Group.objects.create(name="callers")
    group.permissions.add(find_permission("connector.use_connector_api"))

    changed = browser.post(page_of(group), {"name": "mine", "permissions": []})
    deleted = browser.post(page_of(group, "delete"), {"post": "yes"})

    assert (changed.status_code, deleted.status_code) == (403, 403)
    assert browser.get(page_of(group)).status_code == 200
    assert Group.objects.get(pk=group.pk).name == "callers"
    assert group.permissions.count() == 1


def test_who_may_change_users_and_little_else_gets_no_further() -> None:
    helper = make_person(may=("auth.view_user", "auth.change_user"))
    colleague = make_person("viewer")
    before = stored(colleague)
    browser = log_in(helper)

    answer = browser.post(page_of(colleague), {"username": "mine"})
    own = browser.post(
        page_of(helper), read_form(browser, page_of(helper)) | {"groups": [role_group("viewer").pk]}
    )

    assert answer.status_code == 403
    assert stored(colleague) == before
    assert own.status_code == 200
    assert stored(helper)["groups"] == []


@pytest.mark.parametrize("role", ["viewer", "operator", "author", "administrator"])
def test_everybody_may_change_their_own_password(role: str) -> None:
    person = make_person(role)

    answer = log_in(person).post(
        "/admin/password_change/",
        {
            "old_password": "open sesame",
            "new_password1": NEW_PASSWORD,
            "new_password2": NEW_PASSWORD,
        },
    )

    person.refresh_from_db()
    assert answer.status_code == 302
    assert person.check_password(NEW_PASSWORD)


def test_a_superuser_makes_another_and_gives_every_permission() -> None:
    browser, target = log_in(superuser()), make_person("viewer")
    permission = find_permission("connector.use_connector_api")

    data = read_form(browser, page_of(target))
    answer = browser.post(
        page_of(target), data | {"is_superuser": "on", "user_permissions": [permission.pk]}
    )

    assert answer.status_code == 302
    assert stored(target)["is_superuser"]
    assert stored(target)["permissions"] == ["use_connector_api"]


def test_the_form_of_permissions_asks_the_database_a_bounded_number_of_times(
    django_assert_max_num_queries: Any,
) -> None:
    browser, target = log_in(superuser()), make_person("viewer")

    with django_assert_max_num_queries(20):
        browser.get(page_of(target))
    with django_assert_max_num_queries(20):
        browser.get(page_of(role_group("viewer")))
