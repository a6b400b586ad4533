"""/livez, /readyz and /metrics. A restart of OpenSearch must not take every instance out, so it is
reported, not required."""

import threading
import time
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest, multiprocess

from search.client import ResponseError, get_client
from search.embeddings import get_embedder
from search.exceptions import SearchError

CANARY_SECONDS = 5.0
_canary_lock = threading.Lock()
_canary: tuple[float, str] = (0.0, "")


def livez(request: HttpRequest) -> HttpResponse:
    """The process answers. Asks nothing else."""
    return HttpResponse("ok", content_type="text/plain")


def readyz(request: HttpRequest) -> JsonResponse:
    """503 only when the database is down or the model can't be loaded; `opensearch` tells of a canary query."""
    checks = {"database": _database(), "model": _model(), "opensearch": _opensearch()}
    is_ready = checks["database"] == "ok" and checks["model"] == "ok"
    return JsonResponse({"ready": is_ready, "checks": checks}, status=200 if is_ready else 503)


def _database() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as error:
        return f"down: {error}"
    return "ok"


def _model() -> str:
    try:
        get_embedder()
    except SearchError as error:
        return f"not loaded: {error.detail}"
    return "ok"


def _opensearch() -> str:
    """A canary hybrid query over all of our indexes, at most once in CANARY_SECONDS."""
    global _canary
    with _canary_lock:
        checked_at, state = _canary
        if not state or time.monotonic() - checked_at > CANARY_SECONDS:
            _canary = (time.monotonic(), _run_canary())
        return _canary[1]


def _run_canary() -> str:
    matches = [{"match": {"text_en": {"query": "canary"}}}, {"match": {"text_other": {"query": "canary"}}}]
    body: dict[str, Any] = {"size": 1, "_source": False, "query": {"hybrid": {"queries": matches}}}
    try:
        get_client().search(index=f"{settings.OPENSEARCH_INDEX_PREFIX}-*", body=body)
    except SearchError as error:
        return f"down: {error.detail}"
    except ResponseError as error:
        return f"down: {error.__class__.__name__} {error.status_code}"
    return "ok"


def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus text; the totals of all processes when PROMETHEUS_MULTIPROC_DIR is set."""
    registry = REGISTRY
    if settings.PROMETHEUS_MULTIPROC_DIR:
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)
