"""Each kind of change that the README promises to be safe while the present code goes on."""

from django.db import migrations, models
from django.db.models import F, Value

BATCH = 200


def _new_field(name, field):
    field.set_attributes_from_name(name)
    return field


def add_columns(apps, schema_editor):
    run = apps.get_model("processes", "Run")
    nullable = _new_field("later_text", models.CharField(max_length=100, null=True))
    defaulted = _new_field("later_number", models.IntegerField(db_default=Value(7)))
    for field in (nullable, defaulted):
        field.model = run
        schema_editor.add_field(run, field)


def add_index(apps, schema_editor):
    table = apps.get_model("processes", "Run")._meta.db_table
    concurrently = "CONCURRENTLY" if schema_editor.connection.vendor == "postgresql" else ""
    schema_editor.execute(f"CREATE INDEX {concurrently} later_finished ON {table} (finished_at)")


def fill_in_batches(apps, schema_editor):
    run = apps.get_model("processes", "Run")
    ids = list(run.objects.values_list("pk", flat=True))
    for first in range(0, len(ids), BATCH):
        run.objects.filter(pk__in=ids[first : first + BATCH]).update(message=F("message"))


def add_check(apps, schema_editor):
    if schema_editor.connection.vendor != "postgresql":
        return  # SQLite would write the table again
    table = apps.get_model("processes", "Run")._meta.db_table
    schema_editor.execute(
        f"ALTER TABLE {table} ADD CONSTRAINT later_positive CHECK (later_number > 0) NOT VALID"
    )
    schema_editor.execute(f"ALTER TABLE {table} VALIDATE CONSTRAINT later_positive")


class Migration(migrations.Migration):
    atomic = False  # each step holds its lock for itself

    dependencies = [("processes", "0005_people_may_cancel_runs")]

    operations = [
        migrations.CreateModel(
            name="Thing",
            fields=[("id", models.BigAutoField(primary_key=True)), ("name", models.TextField())],
        ),
        migrations.RunPython(add_columns, migrations.RunPython.noop, atomic=True),
        migrations.RunPython(add_index, migrations.RunPython.noop, atomic=False),
        migrations.RunPython(fill_in_batches, migrations.RunPython.noop, atomic=False),
        migrations.RunPython(add_check, migrations.RunPython.noop, atomic=False),
    ]
