"""Keep what else a start was answered, and have old records removed; people may edit the entry."""

from django.db import migrations, models

PURGE = "Purge old idempotency records"


def make_entry(apps, schema_editor):
    IntervalSchedule = apps.get_model("django_celery_beat", "IntervalSchedule")
    PeriodicTask = apps.get_model("django_celery_beat", "PeriodicTask")
    interval, _ = IntervalSchedule.objects.get_or_create(every=1, period="hours")
    PeriodicTask.objects.get_or_create(
        name=PURGE,
        defaults={
            "task": "connector.purge_idempotency_records",
            "interval": interval,
            "description": "Removes the records of Idempotency-Keys that came over 24 hours ago.",
        },
    )


def remove_entry(apps, schema_editor):
    apps.get_model("django_celery_beat", "PeriodicTask").objects.filter(name=PURGE).delete()


class Migration(migrations.Migration):

    dependencies = [
        ('connector', '0002_wrong_attempts_are_counted'),
        ('scheduler', '0004_housekeeping_tasks'),
    ]

    operations = [
        migrations.AddField(
            model_name='idempotencyrecord',
            name='warnings',
            field=models.JSONField(db_default=[], default=list, verbose_name='warnings'),
        ),
        migrations.RunPython(make_entry, remove_entry),
    ]
