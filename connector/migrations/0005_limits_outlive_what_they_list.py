"""Keep a client limited when the last of what it may use is deleted."""

from django.db import migrations, models


def mark_limited(apps, schema_editor):
    """Mark those that are limited by a list now."""
    ApiClient = apps.get_model("connector", "ApiClient")
    for client in ApiClient.objects.all():
        client.only_listed_process_models = (
            client.applications.exists() or client.process_models.exists()
        )
        client.only_listed_workers = client.workers.exists()
        client.save(update_fields=["only_listed_process_models", "only_listed_workers"])


class Migration(migrations.Migration):

    dependencies = [
        ('connector', '0004_changes_are_audited'),
        ('processes', '0011_changes_are_audited'),
    ]

    operations = [
        migrations.AddField(
            model_name='apiclient',
            name='only_listed_process_models',
            field=models.BooleanField(db_default=False, default=False, verbose_name='only these applications and process models'),
        ),
        migrations.AddField(
            model_name='apiclient',
            name='only_listed_workers',
            field=models.BooleanField(db_default=False, default=False, verbose_name='only these workers'),
        ),
        migrations.AddField(
            model_name='historicalapiclient',
            name='only_listed_process_models',
            field=models.BooleanField(db_default=False, default=False, verbose_name='only these applications and process models'),
        ),
        migrations.AddField(
            model_name='historicalapiclient',
            name='only_listed_workers',
            field=models.BooleanField(db_default=False, default=False, verbose_name='only these workers'),
        ),
        migrations.AlterField(
            model_name='apiclient',
            name='applications',
            field=models.ManyToManyField(blank=True, related_name='+', to='processes.application', verbose_name='applications'),
        ),
        migrations.AlterField(
            model_name='apiclient',
            name='workers',
            field=models.ManyToManyField(blank=True, related_name='+', to='processes.worker', verbose_name='workers'),
        ),
        migrations.RunPython(mark_limited, migrations.RunPython.noop),
    ]
