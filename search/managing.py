"""What the admin pages of both apps share: who may manage which tenant, and how lists and states are shown.

A superuser manages everything; any other member of staff the tenants of their `manager` memberships, and sees no other.
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeVar

from django import forms
from django.contrib import admin
from django.db.models import ForeignKey, Model, QuerySet
from django.forms import ModelChoiceField
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from unfold.admin import ModelAdmin
from unfold.decorators import action, display
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminTextareaWidget

from search.models import Membership, Tenant

STATE_COLOURS = {
    "pending": "info",
    "running": "info",
    "building": "info",
    "receiving": "info",
    "live": "success",
    "done": "success",
    "failed": "danger",
    "dead": "danger",
    "cancelled": "warning",
}


F = TypeVar("F", bound=Callable[..., Any])


def column(
    description: str, *, label: Mapping[str, str] | None = None, ordering: str | None = None
) -> Callable[[F], F]:
    """A column of a list; `label` colours its values."""
    decorator: Callable[[F], F] = display(description=description, label=label, ordering=ordering)
    return decorator


def dialog_action(
    description: str, *, path: str, icon: str, text: str, variant: ActionVariant = ActionVariant.DEFAULT
) -> Callable[[F], F]:
    """A button on a row's page that asks first; only the dialog's POST does anything."""
    dialog = {"title": description, "description": text, "form_submit_text": description}
    decorator: Callable[[F], F] = action(
        description=description, url_path=path, icon=icon, variant=variant, dialog=dialog
    )
    return decorator


def managed_tenants(user: Any) -> "QuerySet[Tenant]":
    if user.is_superuser:
        return Tenant.objects.all()
    managers = Membership.objects.filter(user_id=user.pk, role=Membership.Role.MANAGER)
    return Tenant.objects.filter(pk__in=managers.values("tenant_id"))


class TenantScopedAdmin(ModelAdmin):  # type: ignore[misc]
    """Rows, and what a form lets one choose, are those of the managed tenants."""

    tenant_path: ClassVar[str] = "tenant"
    managers_may: ClassVar[frozenset[str]] = frozenset({"view", "add", "change"})
    superusers_may: ClassVar[frozenset[str]] = frozenset({"view", "add", "change"})
    list_per_page = 50
    show_full_result_count = False
    list_filter_submit = False

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        rows: QuerySet[Any] = super().get_queryset(request)
        if request.user.is_superuser:
            return rows
        return rows.filter(**{f"{self.tenant_path}__in": managed_tenants(request.user)})

    def one(self, request: HttpRequest, object_id: str) -> "QuerySet[Any]":
        """A row that may be managed, for an action on it; else 404."""
        rows = self.get_queryset(request).filter(pk=object_id)
        get_object_or_404(rows)
        return rows

    def _may(self, request: HttpRequest, what: str) -> bool:
        """What may be done at all; which rows it may be done to is up to `get_queryset`."""
        user = request.user
        if not (user.is_active and user.is_staff):
            return False
        if user.is_superuser:
            return what in self.superusers_may
        return what in self.managers_may and managed_tenants(user).exists()

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self._may(request, "view")

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self._may(request, "view")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self._may(request, "add")

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self._may(request, "change")

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self._may(request, "delete")

    def formfield_for_foreignkey(
        self, db_field: "ForeignKey[Any, Any]", request: HttpRequest, **kwargs: Any
    ) -> "ModelChoiceField[Any] | None":
        if db_field.related_model is Tenant:
            kwargs["queryset"] = managed_tenants(request.user)
        field: ModelChoiceField[Any] | None = super().formfield_for_foreignkey(db_field, request, **kwargs)
        if field is not None and db_field.related_model is Tenant:
            _choose_the_only_one(field)
        return field


def go_to(request: HttpRequest, address: str) -> HttpResponse:
    """After a dialog: htmx is told to load the page anew."""
    if request.headers.get("HX-Request"):
        return HttpResponse(headers={"HX-Redirect": address})
    return HttpResponseRedirect(address)


def _choose_the_only_one(field: "ModelChoiceField[Any]") -> None:
    tenants = list(field.queryset[:2]) if field.queryset is not None else []
    if len(tenants) == 1:
        field.initial = tenants[0].pk


class ReadOnly:
    """Rows that the platform writes by itself."""

    managers_may: ClassVar[frozenset[str]] = frozenset({"view"})
    superusers_may: ClassVar[frozenset[str]] = frozenset({"view"})


class TenantFilter(admin.SimpleListFilter):
    """Only the tenants that one manages, and only when there are several."""

    title = "tenant"
    parameter_name = "tenant"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(str(tenant.pk), tenant.name) for tenant in managed_tenants(request.user)[:200]]

    def has_output(self) -> bool:
        return bool(len(self.lookup_choices) > 1)

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> "QuerySet[Any]":
        value = self.value() or ""
        return queryset.filter(tenant=int(value)) if value.isascii() and value.isdigit() else queryset


class LinesField(forms.CharField):
    """A list of texts, one a line."""

    def __init__(self, **options: Any) -> None:
        rows = options.pop("rows", 3)
        super().__init__(widget=UnfoldAdminTextareaWidget({"rows": rows}), strip=False, **options)

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        if isinstance(value, list):
            return value
        lines = [line.strip() for line in str(value or "").splitlines()]
        return list(dict.fromkeys(line for line in lines if line))

    def validate(self, value: Any) -> None:
        forms.Field.validate(self, value)

    def run_validators(self, value: Any) -> None:
        for line in value:
            super().run_validators(line)

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(self.to_python(initial) != self.to_python(data))
