"""Every URL of the project."""

from django.contrib import admin
from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

from search import health
from search.api import SearchView

api = [
    path("search", SearchView.as_view(), name="search"),
]

urlpatterns = [
    path("livez", health.livez),
    path("readyz", health.readyz),
    path("metrics", health.metrics),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", SpectacularSwaggerView.as_view(url_name="schema"), name="docs"),
    path("api/v1/", include((api, "api"))),
    path("admin/rq/", include("django_rq.urls")),
    path("admin/", admin.site.urls),
]
