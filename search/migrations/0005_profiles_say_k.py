"""What profiles called `depth` is `k`."""

from django.db import migrations


def _rename(old, new):
    def rename(apps, schema_editor):
        profiles = apps.get_model("search", "Profile").objects.filter(settings__has_key=old)
        for profile in profiles:
            profile.settings[new] = profile.settings.pop(old)
            profile.save(update_fields=["settings"])

    return rename


class Migration(migrations.Migration):
    dependencies = [("search", "0004_curation_rules")]

    operations = [migrations.RunPython(_rename("depth", "k"), _rename("k", "depth"))]
