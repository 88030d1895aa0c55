"""Migrations that the code before them can live with: an upgrade migrates first, then restarts."""

import pytest
from django.db import migrations, models
from django.db.migrations.loader import MigrationLoader

OURS = {"processes", "scheduler", "connector"}
FIRST_RELEASE = "0010"  # up to this number: nothing older has to live with them
# What takes something away from under the older code, or asks it for what it does not know.
BREAKING = (
    migrations.RemoveField,
    migrations.RenameField,
    migrations.DeleteModel,
    migrations.RenameModel,
    migrations.AlterModelTable,
)


def find_breaking(operation: object) -> str:
    """Return why code that does not know this operation fails after it; empty if it does not."""
    if isinstance(operation, BREAKING):
        return f"{operation.describe()}: leave it for a release whose predecessor does without"
    if isinstance(operation, migrations.AddField):
        field = operation.field
        is_column = not isinstance(field, models.ManyToManyField)
        if is_column and not field.null and field.db_default is models.NOT_PROVIDED:
            return f"{operation.describe()}: make it null=True or give it a db_default"
    return ""


def test_code_before_a_migration_can_live_with_it() -> None:
    loader = MigrationLoader(None, ignore_no_migrations=True)

    broken = [
        f"{app}.{name}: {why}"
        for (app, name), migration in loader.disk_migrations.items()
        if app in OURS and name[:4] > FIRST_RELEASE
        for operation in migration.operations
        if (why := find_breaking(operation))
    ]

    assert broken == []


@pytest.mark.parametrize(
    ("operation", "is_breaking"),
    [
        (migrations.AddField("run", "a", models.TextField(null=True)), False),
        (migrations.AddField("run", "a", models.TextField(db_default="")), False),
        (migrations.AddField("run", "a", models.TextField(blank=True)), True),
        (migrations.AddField("run", "a", models.TextField(default="")), True),
        (migrations.RemoveField("run", "a"), True),
        (migrations.RenameField("run", "a", "b"), True),
        (migrations.CreateModel("Thing", []), False),
    ],
)
def test_breaking_operation_is_found(operation: object, is_breaking: bool) -> None:
    assert bool(find_breaking(operation)) is is_breaking
