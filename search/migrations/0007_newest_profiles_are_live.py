"""Requests that name a profile got its newest version so far: that is the live one now."""

from django.db import migrations
from django.db.models import Max


def newest_are_live(apps, schema_editor):
    profiles = apps.get_model("search", "Profile").objects
    for newest in profiles.exclude(name="default").values("tenant", "name").annotate(version=Max("version")):
        profiles.filter(**newest).update(state="live")


class Migration(migrations.Migration):
    dependencies = [("search", "0006_profile_versions_go_live")]

    operations = [migrations.RunPython(newest_are_live, migrations.RunPython.noop)]
