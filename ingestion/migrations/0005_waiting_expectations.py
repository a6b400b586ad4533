from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('ingestion', '0004_expectations'),
    ]

    operations = [
        migrations.RemoveField(
            model_name='expectationwatch',
            name='ended_at',
        ),
        migrations.AddField(
            model_name='expectationwatch',
            name='waiting_since',
            field=models.DateTimeField(editable=False, help_text='When something was first to be asked while documents were taken in.', null=True),
        ),
    ]
