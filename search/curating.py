"""What a content manager does with curation rules: pin, hide, preview, publish, withdraw.

Every change of what is published moves the tenant's curation version on in the same transaction, so that the next
request of any process follows it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from search.asked import CurrentRules
from search.curation import Rule, RuleSet, contradiction
from search.exceptions import CurationRefused
from search.metrics import StageClock
from search.models import CuratedDocument, CurationRule, Document, Tenant
from search.rule_sets import as_rules, give_vectors, published_rules
from search.services import retrieve
from search.tenants import live_target
from search.types import Principal, SearchRequest, SearchResult

MAX_PINS, MAX_HIDES = 20, 200
_PIN, _HIDE = CuratedDocument.Action.PIN, CuratedDocument.Action.HIDE
_LIMITS = {_PIN: MAX_PINS, _HIDE: MAX_HIDES}


@dataclass(frozen=True, slots=True)
class Preview:
    """What a query gives without and with a rule. `is_met`: the query meets the rule."""

    before: SearchResult
    after: SearchResult
    is_met: bool


def preview(rule: CurationRule, query: str, *, groups: Sequence[str]) -> Preview | None:
    """As someone with these groups would search; a draft as if it were published and its dates had begun.

    None before the tenant's first document. Raises OpenSearchUnavailable, InvalidRequest.
    """
    target = live_target(rule.tenant_id)
    if target is None:
        return None
    principal = Principal(rule.tenant_id, target.tenant_uuid, tuple(groups))
    give_vectors([rule], target)
    [own] = as_rules([rule], target.variant)
    others = as_rules(_published_beside(rule), target.variant)
    request, now = SearchRequest(query), timezone.now()

    def search(rules: Sequence[Rule]) -> SearchResult:
        current = CurrentRules(RuleSet(rules), now)
        return retrieve(principal, request, clock=StageClock(), target=target, rules=current)

    replaced = as_rules([rule.replaces], target.variant) if rule.replaces else []
    after = search([*others, replace(own, starts_at=None, ends_at=None)])
    return Preview(search([*others, *replaced]), after, is_met=own.id in after.curation_rules)


def _published_beside(rule: CurationRule) -> list[CurationRule]:
    """The published rules, but this one and the one that it replaces."""
    return [other for other in published_rules(rule.tenant_id) if other.pk not in (rule.pk, rule.replaces_id)]


def refuse_contradiction(rule: CurationRule, said: Rule) -> None:
    """`said` is what the row is to say. Raises CurationRefused when a published rule does the opposite to a document
    for one of its queries."""
    found = contradiction(said, as_rules(_published_beside(rule)))
    if found is not None:
        other, document_id = found
        verb = "pins" if document_id in other.pins else "hides"
        document = Document.objects.get(pk=document_id)
        raise CurationRefused(
            f"The rule “{', '.join(other.queries[:3])}” {verb} {document} for the same query."
        )


@transaction.atomic
def add(rule: CurationRule, document: Document, action: CuratedDocument.Action) -> None:
    """Pin a document behind the other pins, or hide it. Raises CurationRefused."""
    _refuse_published(rule)
    named = {one.document_id: one for one in rule.curated.all()}
    if (one := named.get(document.pk)) is not None:
        done = "pinned" if one.action == _PIN else "hidden"
        raise CurationRefused(f"{document} is {done} by this rule already; take that back first.")
    count = sum(one.action == action for one in named.values())
    if count >= _LIMITS[action]:
        raise CurationRefused(f"A rule may {action} {_LIMITS[action]} documents.")
    CuratedDocument.objects.create(rule=rule, document=document, action=action, position=count)
    refuse_contradiction(rule, *as_rules([rule]))


def remove(rule: CurationRule, document: Document) -> None:
    """Neither pin nor hide a document any more. Raises CurationRefused."""
    _refuse_published(rule)
    rule.curated.filter(document=document).delete()


@transaction.atomic
def move(rule: CurationRule, document: Document, *, by: int) -> None:
    """Move a pin among the pins: -1 is one place up. Raises CurationRefused."""
    _refuse_published(rule)
    pins = list(rule.curated.filter(action=_PIN))
    at = next((at for at, pin in enumerate(pins) if pin.document_id == document.pk), None)
    if at is None:
        return
    pins.insert(max(0, at + by), pins.pop(at))
    for position, pin in enumerate(pins):
        pin.position = position
    CuratedDocument.objects.bulk_update(pins, ["position"])


def publish(rule: CurationRule) -> None:
    """The rule holds from the next request on, in place of the one that it replaces.

    Raises CurationRefused; for a rule by nearness also EmbeddingUnavailable.
    """
    _refuse_published(rule)
    if not (rule.redirect_url or rule.curated.exists()):
        raise CurationRefused("This rule does nothing yet: pin or hide a document, or say where it leads.")
    refuse_contradiction(rule, *as_rules([rule]))
    if (target := live_target(rule.tenant_id)) is not None:
        give_vectors([rule], target)
    with transaction.atomic():
        if rule.replaces is not None:
            rule.replaces.delete()
        CurationRule.objects.filter(pk=rule.pk).update(state=CurationRule.State.PUBLISHED, replaces=None)
        _move_on(rule.tenant_id)
    rule.refresh_from_db()


@transaction.atomic
def withdraw(rule: CurationRule) -> None:
    """The rule holds no longer, and is a draft again."""
    CurationRule.objects.filter(pk=rule.pk).update(state=CurationRule.State.DRAFT)
    _move_on(rule.tenant_id)
    rule.refresh_from_db()


@transaction.atomic
def delete(rule: CurationRule) -> None:
    tenant_id = rule.tenant_id
    rule.delete()
    _move_on(tenant_id)


@transaction.atomic
def draft_of(rule: CurationRule) -> CurationRule:
    """A draft that replaces a published rule when it is published; the same one until then."""
    if (draft := rule.drafts.first()) is not None:
        return draft
    curated = list(rule.curated.all())
    draft = CurationRule.objects.get(pk=rule.pk)
    draft.pk, draft.state, draft.replaces = None, CurationRule.State.DRAFT, rule
    draft._state.adding = True  # noqa: SLF001  Django's own way to save a copy
    draft.save()
    for one in curated:
        one.pk, one.rule = None, draft
    CuratedDocument.objects.bulk_create(curated)
    return draft


def _refuse_published(rule: CurationRule) -> None:
    if rule.state == CurationRule.State.PUBLISHED:
        raise CurationRefused("A published rule does not change: edit it in a draft, or withdraw it.")


def _move_on(tenant_id: int) -> None:
    Tenant.objects.filter(pk=tenant_id).update(curation_version=F("curation_version") + 1)
