"""Making and changing sources: the config is checked by opening its connector, so that a bad one is refused at once."""

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.text import slugify

from ingestion.connectors import open_connector
from ingestion.exceptions import DocumentRefused, SourceError
from ingestion.models import Source
from search.models import Tenant


def create(tenant: Tenant, *, kind: str, config: Mapping[str, Any], name: str = "", slug: str = "") -> Source:
    """Raises SourceError for a kind or config that can't be opened, DocumentRefused for fields that can't be saved."""
    if not isinstance(config, Mapping):
        raise SourceError("config: give an object.")
    open_connector(kind, config)
    source = Source(tenant=tenant, kind=kind, config=dict(config), name=name or slug or kind)
    source.slug = slug or _free_slug(tenant, slugify(source.name) or kind)
    try:
        source.full_clean()
    except ValidationError as error:
        first = next(iter(error.message_dict.items()))
        raise DocumentRefused(f"{first[0]}: {first[1][0]}", fields=error.message_dict) from error
    source.save()
    return source


def _free_slug(tenant: Tenant, wanted: str) -> str:
    taken = set(Source.objects.filter(tenant=tenant, slug__startswith=wanted).values_list("slug", flat=True))
    number = 2
    slug = wanted
    while slug in taken:
        slug, number = f"{wanted}-{number}", number + 1
    return slug
