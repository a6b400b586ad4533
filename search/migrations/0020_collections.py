from django.db import migrations, models
import django.db.models.deletion


class Migration(migrations.Migration):

    dependencies = [
        ('search', '0019_query_log'),
    ]

    operations = [
        migrations.CreateModel(
            name='Collection',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(help_text='What readers choose, as “Manuals”.', max_length=100)),
                ('slug', models.SlugField(help_text='What apps call it, in the field “collection” of a request.')),
                ('description', models.CharField(blank=True, max_length=200)),
                ('filters', models.JSONField(blank=True, default=dict, help_text='As in the API: {"field": "team", "op": "eq", "value": "service"}. Empty: all documents.')),
                ('profile', models.SlugField(blank=True, help_text='Empty: what holds for requests that name none.')),
                ('audience', models.JSONField(blank=True, help_text='Access groups that may choose it. Empty: everyone; []: nobody.', null=True)),
                ('tenant', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='collections', to='search.tenant')),
            ],
            options={
                'ordering': ['name'],
                'constraints': [models.UniqueConstraint(fields=('tenant', 'slug'), name='one_collection_per_tenant_and_slug')],
            },
        ),
    ]
