"""Every URL of the project."""

from django.contrib import admin
from django.contrib.auth.views import LoginView, LogoutView
from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

from ingestion import api as ingestion_api
from ingestion import expectation_api
from search import chat, health, mcp, profile_api, streams, views
from search.admin.caches_page import caches_page
from search.admin.spending import spending_page
from search.admin.whereabouts_page import whereabouts_page
from search.api import CollectionsView, ExplainView, FeedbackView, SearchView, SuggestView

api = [
    path("search", SearchView.as_view(), name="search"),
    path("explain", ExplainView.as_view(), name="explain"),
    path("collections", CollectionsView.as_view(), name="collections"),
    path("suggest", SuggestView.as_view(), name="suggest"),
    path("feedback", FeedbackView.as_view(), name="feedback"),
    path("ask", streams.ask, name="ask"),
    path("documents", ingestion_api.DocumentsView.as_view(), name="documents"),
    path("documents/bulk", ingestion_api.BulkView.as_view(), name="bulk"),
    path("documents/<path:public_id>", ingestion_api.DocumentView.as_view(), name="document"),
    path("passages", ingestion_api.PassagesView.as_view(), name="passages"),
    path("batches/<uuid:batch_id>", ingestion_api.BatchView.as_view(), name="batch"),
    path("tasks/<uuid:task_id>", ingestion_api.TaskView.as_view(), name="task"),
    path("expectations", expectation_api.ExpectationsView.as_view(), name="expectations"),
    path("expectations/ask", expectation_api.AskAgainView.as_view(), name="ask-expectations"),
    path("expectations/<int:pk>", expectation_api.ExpectationView.as_view(), name="expectation"),
    path("expectations/<int:pk>/put-back", expectation_api.PutBackView.as_view(), name="put-back"),
    path("profiles", profile_api.ProfilesView.as_view(), name="profiles"),
    path("profiles/<slug:name>/versions", profile_api.VersionsView.as_view(), name="profile-versions"),
    path("profiles/<slug:name>/rollback", profile_api.RollbackView.as_view(), name="profile-rollback"),
    path(
        "profiles/<slug:name>/versions/<int:version>",
        profile_api.VersionView.as_view(),
        name="profile-version",
    ),
    path(
        "profiles/<slug:name>/versions/<int:version>/evaluate",
        profile_api.EvaluateView.as_view(),
        name="profile-evaluate",
    ),
    path(
        "profiles/<slug:name>/versions/<int:version>/promote",
        profile_api.PromoteView.as_view(),
        name="profile-promote",
    ),
    path("sources", ingestion_api.SourcesView.as_view(), name="sources"),
    path("sources/<slug:slug>/sync", ingestion_api.SourceSyncView.as_view(), name="source-sync"),
]

handler404 = "search.errors.not_found"
handler500 = "search.errors.server_error"
urlpatterns = [
    path("livez", health.livez),
    path("readyz", health.readyz),
    path("metrics", health.metrics),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", SpectacularSwaggerView.as_view(url_name="schema"), name="docs"),
    path("api/v1/", include((api, "api"))),
    path("mcp", mcp.endpoint, name="mcp"),
    path("v1/chat/completions", chat.completions, name="chat-completions"),
    path("v1/models", chat.models, name="chat-models"),
    path("v1/models/<path:name>", chat.model, name="chat-model"),
    path("admin/rq/", include("django_rq.urls")),
    path("admin/whereabouts/", admin.site.admin_view(whereabouts_page), name="whereabouts"),
    path("admin/caches/", admin.site.admin_view(caches_page), name="caches"),
    path("admin/spending/", admin.site.admin_view(spending_page), name="spending"),
    path("admin/", admin.site.urls),
    path("login/", LoginView.as_view(template_name="search/login.html", next_page="/"), name="login"),
    path("logout/", LogoutView.as_view(next_page="/"), name="logout"),
    path("", views.home, name="page-home"),
    path("t/<slug:slug>/", views.tenant_page, name="page-tenant"),
    path("t/<slug:slug>/ask", views.page_ask, name="page-ask"),
    path("t/<slug:slug>/suggest", views.page_suggest, name="page-suggest"),
    path("t/<slug:slug>/feedback", views.page_feedback, name="page-feedback"),
    path("t/<slug:slug>/document", views.document_page, name="page-document"),
]
