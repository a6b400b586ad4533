"""The admin's page "Caches": what a tenant's caches hold, one entry opened, and what is chosen evicted."""

from dataclasses import dataclass
from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import render

from search import cache_entries
from search.cache_entries import LAYERS
from search.exceptions import Unavailable
from search.managing import managed_tenants
from search.models import Tenant
from search.redis_cache import Layer, layer
from search.tenants import live_target
from search.types import IndexTarget

PAGE_SIZE = 50


@dataclass(frozen=True, slots=True)
class _Looked:
    """What is looked at: a tenant, a layer, the words searched for, the page."""

    tenant: Tenant
    layer: Layer
    text: str
    page: int
    entry: str

    def address(self, **changes: Any) -> str:
        query = QueryDict(mutable=True)
        looked = {"tenant": self.tenant.slug, "layer": self.layer.name, "q": self.text, "page": self.page}
        query.update({name: str(value) for name, value in (looked | changes).items() if value})
        return f"?{query.urlencode()}"


def caches_page(request: HttpRequest) -> HttpResponse:
    """GET lists, and opens an `entry`; POST evicts the chosen `entries`, or `all` of the layer."""
    tenants = list(managed_tenants(request.user))
    context = admin.site.each_context(request) | {"title": "Caches", "tenants": tenants, "layers": LAYERS}
    if not tenants:
        return render(request, "search/caches.html", context)
    looked = _looked(request, tenants)
    target = live_target(looked.tenant.pk)
    if request.method == "POST":
        if target is not None:
            _evict(request, looked, target)
        return HttpResponseRedirect(looked.address())
    return render(request, "search/caches.html", context | _shown(looked, target))


def _looked(request: HttpRequest, tenants: list[Tenant]) -> _Looked:
    slug, name, page = (request.GET.get(name, "") for name in ("tenant", "layer", "page"))
    return _Looked(
        tenant=next((tenant for tenant in tenants if tenant.slug == slug), tenants[0]),
        layer=layer(name if name in LAYERS else LAYERS[0]),
        text=request.GET.get("q", "").strip()[:200],
        page=int(page) if page.isascii() and page.isdigit() and len(page) < 3 else 0,
        entry=request.GET.get("entry", ""),
    )


def _evict(request: HttpRequest, looked: _Looked, target: IndexTarget) -> None:
    chosen = None if "all" in request.POST else request.POST.getlist("entries")
    try:
        count = cache_entries.evict(target, looked.layer.name, chosen)
    except Unavailable as error:
        messages.error(request, error.detail)
        return
    messages.success(request, f"Removed {count} {'entry' if count == 1 else 'entries'}.")


def _shown(looked: _Looked, target: IndexTarget | None) -> dict[str, Any]:
    context: dict[str, Any] = {"looked": looked, "layer": looked.layer, "entries": [], "opened": None}
    if target is None:
        return context
    name, start = looked.layer.name, looked.page * PAGE_SIZE
    try:
        found = cache_entries.entries(target, name, text=looked.text, start=start, size=PAGE_SIZE + 1)
        opened = cache_entries.opened(target, name, looked.entry) if looked.entry else None
    except Unavailable as error:
        return context | {"problem": error.detail}
    lines = [(entry, looked.address(entry=entry.id)) for entry in found[:PAGE_SIZE]]
    return context | {
        "entries": lines,
        "opened": opened,
        "question": next((entry.label for entry in found if entry.id == looked.entry), ""),
        "is_gone": bool(looked.entry) and opened is None,
        "earlier": looked.address(page=looked.page + 1) if len(found) > PAGE_SIZE else "",
        "later": looked.address(page=looked.page - 1) if looked.page else "",
    }
