"""A process model may be a command, a program outside Python."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("processes", "0005_people_may_cancel_runs")]

    operations = [
        migrations.AlterField(
            model_name="processmodel",
            name="executor",
            field=models.CharField(
                choices=[("python", "Python function"), ("command", "command")],
                max_length=20,
                verbose_name="executor",
            ),
        ),
    ]
