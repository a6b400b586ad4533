"""A tenant's synonyms, compiled, and kept in this process until their version moves on.

The version is read with the live index anyway, so synonyms cost no query after the first one, and a tenant without
synonyms none at all.
"""

from collections.abc import Mapping
from uuid import UUID

from django.db.models import F

from search.models import SynonymSet, Tenant
from search.synonyms import Thesaurus, parse_rules, thesaurus
from search.types import IndexTarget

_kept: dict[UUID, tuple[int, Mapping[str, Thesaurus]]] = {}


def current_thesauri(target: IndexTarget) -> Mapping[str, Thesaurus]:
    """The synonyms for each language that the index holds; {} where the tenant has none."""
    if not target.synonyms_version:
        return {}
    version, compiled = _kept.get(target.tenant_uuid, (0, {}))
    if version != target.synonyms_version or not compiled.keys() >= set(target.languages):
        compiled = _compiled(target)
        _kept[target.tenant_uuid] = target.synonyms_version, compiled
    return compiled


def _compiled(target: IndexTarget) -> Mapping[str, Thesaurus]:
    rows = SynonymSet.objects.filter(tenant_id=target.tenant_id).values_list("language", "rules")
    rules = {language: parse_rules(text) for language, text in rows}
    for_all = rules.get("", ())
    return {language: thesaurus((*for_all, *rules.get(language, ()))) for language in target.languages}


def synonyms_changed(tenant_id: int) -> None:
    """Let the next search, and no stored response, go by what is in the database.

    Called in the transaction of the change.
    """
    Tenant.objects.filter(pk=tenant_id).update(
        synonyms_version=F("synonyms_version") + 1, content_version=F("content_version") + 1
    )
