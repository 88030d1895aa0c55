"""Make the entries of django-celery-beat that keep the database small; people may edit them."""

from django.db import migrations

NIGHTLY = {
    "Purge old runs": ("processes.purge_runs", "10", "Removes runs that ended over RUN_RETENTION_DAYS ago."),
    "Purge old logs": ("processes.purge_logs", "20", "Removes logs of runs made over LOG_RETENTION_DAYS ago."),
    "Purge old fires": ("scheduler.purge_fires", "30", "Removes ledger rows older than FIRE_RETENTION_DAYS."),
}
FOLD = "Fold the ledger"


def make_entries(apps, schema_editor):
    PeriodicTask = apps.get_model("django_celery_beat", "PeriodicTask")
    CrontabSchedule = apps.get_model("django_celery_beat", "CrontabSchedule")
    IntervalSchedule = apps.get_model("django_celery_beat", "IntervalSchedule")
    for name, (task, minute, description) in NIGHTLY.items():
        crontab, _ = CrontabSchedule.objects.get_or_create(
            minute=minute, hour="3", day_of_week="*", day_of_month="*", month_of_year="*", timezone="UTC"
        )
        PeriodicTask.objects.get_or_create(
            name=name, defaults={"task": task, "crontab": crontab, "description": description}
        )
    interval, _ = IntervalSchedule.objects.get_or_create(every=5, period="minutes")
    PeriodicTask.objects.get_or_create(
        name=FOLD,
        defaults={
            "task": "scheduler.fold_ledger",
            "interval": interval,
            "description": "Makes one row of each long stretch of fire times without a run.",
        },
    )


def remove_entries(apps, schema_editor):
    apps.get_model("django_celery_beat", "PeriodicTask").objects.filter(name__in=[*NIGHTLY, FOLD]).delete()


class Migration(migrations.Migration):

    dependencies = [
        ('scheduler', '0003_schedules_fire'),
    ]

    operations = [migrations.RunPython(make_entries, remove_entries)]
