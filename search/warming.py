"""Caches warmed after a rebuild: the questions asked most are answered once more, with the rights of those who asked.

From the query log, so for tenants that keep queries alone. What it costs is counted like any answer.
"""

from collections.abc import Callable, Iterator
from datetime import timedelta

import structlog
from django.conf import settings
from django.db.models import Count, Max
from django.utils import timezone

from search import answers
from search.authentication import anonymous_reader, key_principal
from search.exceptions import InvalidRequest, SearchError
from search.models import ApiKey, QueryLog, Tenant
from search.types import AskRequest, Principal

_LOOKS_BACK_DAYS = 30
logger = structlog.get_logger(__name__)


def warm(tenant_id: int, *, go_on: Callable[[], None]) -> int:
    """Answers the SEARCH_WARMED_QUESTIONS most asked ones. Returns how many; an outage or a used budget ends it.

    `go_on` is called before each, for what is more urgent; it may raise to end it.
    """
    warmed = 0
    for principal, question in most_asked(tenant_id):
        go_on()
        try:
            body = answers.answer(principal, AskRequest(question))
        except InvalidRequest:
            continue  # a question of former limits
        except SearchError as error:
            logger.warning("warming_ended", tenant=tenant_id, warmed=warmed, code=error.code)
            break
        if not body["answer"]:
            logger.warning("warming_ended", tenant=tenant_id, warmed=warmed, code=body["degraded"][-1])
            break
        warmed += 1
    return warmed


def most_asked(tenant_id: int) -> Iterator[tuple[Principal, str]]:
    """Who asked what most often, those who may still ask; the page's readers where it is public.

    Left out are questions after others, which nobody asks again in the same words.
    """
    since = timezone.now() - timedelta(days=_LOOKS_BACK_DAYS)
    asked = QueryLog.objects.filter(tenant_id=tenant_id, kind=QueryLog.Kind.ASK, asked_at__gte=since)
    counted = asked.filter(standalone_question="").values_list("api_key_id", "query")
    ordered = counted.annotate(times=Count("pk"), last=Max("asked_at")).order_by("-times", "-last")
    tenant = Tenant.objects.get(pk=tenant_id)
    keys = {key.pk: key for key in ApiKey.objects.filter(tenant=tenant).select_related("tenant")}
    for key_id, query, *_ in ordered[: settings.SEARCH_WARMED_QUESTIONS]:
        if key_id is None and tenant.is_public:
            yield anonymous_reader(tenant), query
        elif key_id in keys and keys[key_id].is_active:
            yield key_principal(keys[key_id]), query
