"""Make the groups viewer, operator, author and administrator.

A group of such a name that is there already is somebody's own: it is left as it is, since what an
upgrade added to it, its members could do. The permissions are a copy of `config.roles` as it was.
"""

from django.apps import apps as installed
from django.contrib.auth.management import create_permissions
from django.db import migrations

APPS = ("auth", "axes", "processes", "scheduler", "connector", "config")

VIEWER = """
    processes.view_application processes.view_processmodel processes.view_parameter
    processes.view_output processes.view_worker processes.view_run scheduler.view_schedule
"""
OPERATOR = """
    scheduler.add_schedule scheduler.change_schedule scheduler.delete_schedule
    scheduler.run_schedule processes.start_run processes.cancel_run processes.change_worker
"""
AUTHOR = """
    processes.add_application processes.change_application processes.delete_application
    processes.add_processmodel processes.change_processmodel processes.delete_processmodel
    processes.add_parameter processes.change_parameter processes.delete_parameter
    processes.add_output processes.change_output processes.delete_output
"""
ADMINISTRATOR = """
    processes.add_worker processes.delete_worker
    connector.view_apiclient connector.add_apiclient connector.change_apiclient
    connector.delete_apiclient connector.view_apisecret connector.add_apisecret
    connector.change_apisecret connector.delete_apisecret
    auth.view_user auth.add_user auth.change_user auth.delete_user
    auth.view_group auth.add_group auth.change_group auth.delete_group
    axes.view_accessattempt axes.delete_accessattempt
    config.view_audit
"""
ROLES = {
    "viewer": VIEWER,
    "operator": VIEWER + OPERATOR,
    "author": VIEWER + AUTHOR,
    "administrator": VIEWER + OPERATOR + AUTHOR + ADMINISTRATOR,
}


def find_permissions(apps, using):
    """Return every permission by app label, dot, code name.

    Django makes them after all migrations; on a new database there is none yet.
    """
    for label in APPS:
        # The installed app, since that of a migration's state says it has no models.
        create_permissions(installed.get_app_config(label), verbosity=0, using=using, apps=apps)
    permissions = apps.get_model("auth", "Permission").objects.using(using)
    return {
        f"{permission.content_type.app_label}.{permission.codename}": permission
        for permission in permissions.select_related("content_type")
    }


def make_groups(apps, schema_editor):
    using = schema_editor.connection.alias
    groups = apps.get_model("auth", "Group").objects.using(using)
    permissions = find_permissions(apps, using)
    for name, wanted in ROLES.items():
        group, is_new = groups.get_or_create(name=name)
        if is_new:
            group.permissions.set(permissions[each] for each in wanted.split())


def remove_groups(apps, schema_editor):
    """Remove the groups that are still as they were made, and leave their members and permissions."""
    groups = apps.get_model("auth", "Group").objects.using(schema_editor.connection.alias)
    for group in groups.filter(name__in=ROLES).prefetch_related("permissions__content_type"):
        held = {f"{each.content_type.app_label}.{each.codename}" for each in group.permissions.all()}
        if held == set(ROLES[group.name].split()):
            group.delete()


class Migration(migrations.Migration):

    dependencies = [
        ("axes", "0010_accessattemptexpiration"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("processes", "0011_changes_are_audited"),
        ("scheduler", "0007_changes_are_audited"),
        ("connector", "0004_changes_are_audited"),
        ("config", "0001_changes_are_audited"),
    ]

    operations = [migrations.RunPython(make_groups, remove_groups)]
