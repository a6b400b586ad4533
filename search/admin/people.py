"""Admin pages of tenants, their people and the keys of apps."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from unfold.admin import ModelAdmin, TabularInline
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from search.authentication import SCOPES, create_key
from search.managing import LinesField, TenantFilter, TenantScopedAdmin, column
from search.models import ApiKey, Document, Membership, Tenant, User

admin.site.unregister(Group)  # what people may do is said by their memberships


class MembershipForm(forms.ModelForm):  # type: ignore[type-arg]
    groups = LinesField(required=False, rows=2, help_text="Access groups, one a line.")

    class Meta:
        model = Membership
        fields: ClassVar = ["user", "tenant", "role", "groups"]


class MembershipInline(TabularInline):  # type: ignore[misc]
    model = Membership
    form = MembershipForm
    extra = 0
    autocomplete_fields: ClassVar = ["tenant"]


@admin.register(User)
class UserAdmin(DjangoUserAdmin, ModelAdmin):  # type: ignore[misc,type-arg]
    """People. Only superusers see them."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    inlines: ClassVar = [MembershipInline]
    list_display = ("username", "email", "is_active", "is_staff", "is_superuser", "last_login")
    list_filter = ("is_staff", "is_superuser", "is_active")
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        ("Person", {"fields": ("first_name", "last_name", "email")}),
        ("May", {"fields": ("is_active", "is_staff", "is_superuser")}),
        ("Dates", {"fields": ("last_login", "date_joined")}),
    )
    filter_horizontal = ()

    def has_module_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_superuser)


@admin.register(Membership)
class MembershipAdmin(TenantScopedAdmin):
    """Managers change roles and groups of their tenant's people; who is a member at all is up to superusers."""

    form = MembershipForm
    managers_may = frozenset({"view", "change"})
    superusers_may = frozenset({"view", "add", "change", "delete"})
    list_display = ("user", "tenant", "role", "groups_text")
    list_filter = (TenantFilter, "role")
    list_select_related = ("user", "tenant")
    search_fields = ("user__username", "user__email", "tenant__name")
    autocomplete_fields: ClassVar = ["user", "tenant"]

    def get_readonly_fields(self, request: HttpRequest, obj: Membership | None = None) -> tuple[str, ...]:
        return ("user", "tenant") if obj else ()

    @column("groups")
    def groups_text(self, obj: Membership) -> str:
        return ", ".join(obj.groups)


@admin.register(Tenant)
class TenantAdmin(TenantScopedAdmin):
    """A tenant is never deleted here: its index would be left behind."""

    tenant_path = "pk"
    managers_may = frozenset({"view"})
    list_display = ("name", "slug", "public_label", "documents_live", "index_name", "page_link")
    search_fields = ("name", "slug")
    prepopulated_fields: ClassVar = {"slug": ("name",)}
    fields = (
        *("name", "slug", "language", "is_public", "keeps_queries", "answers_near_questions"),
        *("monthly_token_budget", "monthly_cost_budget"),
    )

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        return super().get_queryset(request).select_related("live_index")

    @column("page", label={"public": "success", "members": "info"})
    def public_label(self, obj: Tenant) -> str:
        return "public" if obj.is_public else "members"

    @column("live documents")
    def documents_live(self, obj: Tenant) -> int:
        return Document.objects.filter(tenant=obj, state=Document.State.LIVE).count()

    @column("index")
    def index_name(self, obj: Tenant) -> str:
        return obj.live_index.variant if obj.live_index else ""

    @column("")
    def page_link(self, obj: Tenant) -> str:
        return format_html(
            '<a class="underline" href="{}">Open the page</a>', reverse("page-tenant", args=[obj.slug])
        )


class ApiKeyForm(forms.ModelForm):  # type: ignore[type-arg]
    scopes = forms.MultipleChoiceField(
        choices=[(scope, scope) for scope in SCOPES],
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        initial=["search", "ask"],
        help_text="search and ask read; documents and sources write; profiles changes how is searched; explain says "
        "for any groups why a document is not found, so it is for staff.",
    )
    groups = LinesField(
        required=False,
        help_text="Access groups that the key holds, one a line. None: only what everyone may see.",
    )

    class Meta:
        model = ApiKey
        fields: ClassVar = [
            *("tenant", "name", "scopes", "groups", "expires_at"),
            *("monthly_token_budget", "monthly_cost_budget"),
        ]


@admin.register(ApiKey)
class ApiKeyAdmin(TenantScopedAdmin):
    """The secret is shown once, in the message after the key was made. A key is revoked, not deleted."""

    form = ApiKeyForm
    list_display = ("name", "prefix", "tenant", "scopes_text", "state", "expires_at", "created_at")
    list_filter = (TenantFilter,)
    list_select_related = ("tenant",)
    search_fields = ("name", "prefix")
    fields = tuple(ApiKeyForm.Meta.fields)
    actions = ("revoke",)

    def get_readonly_fields(self, request: HttpRequest, obj: ApiKey | None = None) -> tuple[str, ...]:
        return ("tenant", "prefix", "created_at", "revoked_at") if obj else ()

    def get_fields(self, request: HttpRequest, obj: ApiKey | None = None) -> tuple[str, ...]:
        return (*self.fields, "prefix", "created_at", "revoked_at") if obj else self.fields

    @column("scopes")
    def scopes_text(self, obj: ApiKey) -> str:
        return ", ".join(obj.scopes)

    @column("state", label={"active": "success", "expired": "warning", "revoked": "danger"})
    def state(self, obj: ApiKey) -> str:
        return "active" if obj.is_active else "revoked" if obj.revoked_at else "expired"

    def save_model(self, request: HttpRequest, obj: ApiKey, form: Any, change: bool) -> None:
        if change:
            super().save_model(request, obj, form, change)
            return
        made = create_key(
            obj.tenant,
            name=obj.name,
            scopes=obj.scopes,
            groups=obj.groups,
            expires_at=obj.expires_at,
            budgets={
                "monthly_token_budget": obj.monthly_token_budget,
                "monthly_cost_budget": obj.monthly_cost_budget,
            },
        )
        obj.pk = made.row.pk
        obj.refresh_from_db()
        text = format_html("Copy the key now; it is shown only this once: <code>{}</code>", made.secret)
        messages.warning(request, text)

    @admin.action(description="Revoke")
    def revoke(self, request: HttpRequest, queryset: "QuerySet[ApiKey]") -> None:
        count = queryset.filter(revoked_at=None).update(revoked_at=timezone.now())
        messages.success(
            request, f"Revoked {count} key{'' if count == 1 else 's'}; requests with them fail from now on."
        )
