"""How the admin looks: its name, colours and navigation."""

from typing import Any

from django.templatetags.static import static
from django.urls import reverse_lazy


def _menu(title: str, icon: str, view: str, *, superusers_only: bool = False) -> dict[str, Any]:
    item: dict[str, Any] = {"title": title, "icon": icon, "link": reverse_lazy(view)}
    return item | {"permission": lambda request: request.user.is_superuser} if superusers_only else item


UNFOLD = {
    "SITE_TITLE": "Ragsite",
    "SITE_HEADER": "Ragsite",
    "SITE_SYMBOL": "search",
    "SHOW_VIEW_ON_SITE": False,
    "COLORS": {
        "primary": {
            "50": "#eefaf7",
            "100": "#d5f2ec",
            "200": "#aee5db",
            "300": "#79d1c4",
            "400": "#45b5a7",
            "500": "#28998c",
            "600": "#0f766e",
            "700": "#0b5d57",
            "800": "#0c4b47",
            "900": "#0c3f3c",
            "950": "#042523",
        }
    },
    "DASHBOARD_CALLBACK": "ingestion.admin.dashboard.dashboard",
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("ragsite/icon.svg")}
    ],
    "STYLES": [lambda request: static("ragsite/admin.css")],
    "SIDEBAR": {
        "navigation": [
            {
                "title": "Content",
                "items": [
                    _menu("Dashboard", "dashboard", "admin:index"),
                    _menu("Sources", "folder_open", "admin:ingestion_source_changelist"),
                    _menu("Documents", "description", "admin:search_document_changelist"),
                    _menu("Metadata fields", "sell", "admin:search_metadatafield_changelist"),
                ],
            },
            {
                "title": "Work",
                "items": [
                    _menu("Tasks", "task_alt", "admin:ingestion_ingestiontask_changelist"),
                    _menu("Syncs", "sync", "admin:ingestion_syncrun_changelist"),
                    _menu("Batches", "inventory_2", "admin:ingestion_batch_changelist"),
                    _menu("Queue", "notifications", "django_rq:home", superusers_only=True),
                ],
            },
            {
                "title": "Search",
                "items": [
                    _menu("Search page", "search", "page-home") | {"active": lambda request: False},
                    _menu("Collections", "category", "admin:search_collection_changelist"),
                    _menu("Curation", "push_pin", "admin:search_curationrule_changelist"),
                    _menu("Synonyms", "compare_arrows", "admin:search_synonymset_changelist"),
                    _menu("Expectations", "verified", "admin:search_expectation_changelist"),
                    _menu("Why is it (not) there?", "troubleshoot", "whereabouts"),
                    _menu("Caches", "bolt", "caches"),
                    _menu("Query log", "history", "admin:search_querylog_changelist"),
                    _menu("Profiles", "tune", "admin:search_profile_changelist"),
                    _menu("Rerankers", "sort", "admin:search_trainedreranker_changelist"),
                    _menu("Index versions", "database", "admin:search_searchindex_changelist"),
                ],
            },
            {
                "title": "Relevance lab",
                "items": [
                    _menu("Query sets", "quiz", "admin:search_queryset_changelist"),
                    _menu("Queries", "contact_support", "admin:search_judgedquery_changelist"),
                    _menu("Runs", "experiment", "admin:search_evaluationrun_changelist"),
                    _menu("Tuning", "tune", "admin:search_labjob_changelist"),
                    _menu("Ratings", "thumbs_up_down", "admin:search_feedback_changelist"),
                ],
            },
            {
                "title": "Access",
                "items": [
                    _menu("Tenants", "domain", "admin:search_tenant_changelist"),
                    _menu("Members", "group", "admin:search_membership_changelist"),
                    _menu("API keys", "key", "admin:search_apikey_changelist"),
                    _menu("Spending", "payments", "spending"),
                    _menu("Users", "person", "admin:search_user_changelist", superusers_only=True),
                ],
            },
        ],
    },
}
