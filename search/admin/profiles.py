"""Admin pages of profiles: their settings, how versions compare, and which of them is live."""

from typing import Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from unfold.decorators import action
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm

from search import promotion
from search.admin.profile_form import ProfileForm
from search.admin.prompt_preview import preview_page
from search.exceptions import SearchError
from search.managing import STATE_COLOURS, TenantFilter, TenantScopedAdmin, column, dialog_action, go_to
from search.models import EvaluationRun, Profile
from search.profile_settings import DEFAULTS, GROUPS, SETTINGS
from search.types import RetrievalSettings

OPEN_STATES = (EvaluationRun.State.PENDING, EvaluationRun.State.RUNNING)
State = Profile.State


@admin.register(Profile)
class ProfileAdmin(TenantScopedAdmin):
    """Saving makes the next version, a draft, so that what was measured with one stays what it was."""

    form = ProfileForm
    list_display = ("name", "version", "state_label", "tenant", "differing", "note", "live_at")
    list_filter = (TenantFilter, "state")
    list_select_related = ("tenant",)
    ordering = ("tenant", "name", "-version")
    fieldsets = (
        (
            None,
            {
                "fields": ("tenant", "name", "note"),
                "description": "A version never changes: saving makes the next one, a draft.",
            },
        ),
        *((title, {"fields": tuple(group)}) for title, group in GROUPS.items()),
    )
    actions_detail = ("evaluate", "go_live", "roll_back", "duplicate", "preview_prompt")
    change_form_before_template = "search/profile_version.html"

    def get_readonly_fields(self, request: HttpRequest, obj: Profile | None = None) -> tuple[str, ...]:
        return ("tenant", "name") if obj else ()

    def get_actions_detail(self, request: HttpRequest, object_id: int) -> list[Any]:
        """A live version can be rolled back, any other evaluated and go live."""
        actions: list[Any] = super().get_actions_detail(request, object_id)
        is_live = self.get_queryset(request).filter(pk=object_id, state=State.LIVE).exists()
        hidden = ("evaluate", "go_live") if is_live else ("roll_back",)
        return [action for action in actions if action.method.__name__ not in hidden]

    @column("state", label=STATE_COLOURS | {"evaluated": "info"}, ordering="state")
    def state_label(self, obj: Profile) -> str:
        return obj.state

    @column("differs from the platform's defaults")
    def differing(self, obj: Profile) -> str:
        values = {name: value for name, value in obj.settings.items() if value != DEFAULTS.get(name)}
        return ", ".join(
            f"{SETTINGS[name].label} {value}" for name, value in values.items() if name in SETTINGS
        )

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """A duplicate begins with the settings of the version that it is of."""
        initial: dict[str, Any] = super().get_changeform_initial_data(request)
        of = initial.pop("duplicate", "")
        version = self.get_queryset(request).filter(pk=of).first() if of.isdigit() else None
        if version is None:
            return initial
        return {"tenant": version.tenant_id, "name": version.name, "note": version.note, **version.settings}

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        version = context.get("original")
        if version is not None:
            context |= _compared(version)
        return super().render_change_form(request, context, *args, **kwargs)

    def save_model(self, request: HttpRequest, obj: Profile, form: ProfileForm, change: bool) -> None:
        made = promotion.new_version(obj.tenant, obj.name, form.settings(), note=obj.note)
        obj.pk = made.pk
        obj.refresh_from_db()

    def response_change(self, request: HttpRequest, obj: Profile) -> HttpResponse:
        messages.info(request, f"Version {obj.version} is a draft: requests get it once it has gone live.")
        return go_to(request, _page(obj.pk))

    @dialog_action(
        "Evaluate",
        path="evaluate",
        icon="science",
        text="Asks each query set of the tenant with this version and with what it would replace.",
    )
    def evaluate(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        def start(version: Profile) -> str:
            runs = promotion.evaluate(version)
            return f"Started {len(runs)} run{'' if len(runs) == 1 else 's'}; their figures appear here."

        return self._do(request, object_id, start)

    @dialog_action(
        "Go live",
        path="go-live",
        icon="rocket_launch",
        text="The next request that means this profile gets this version, if no query set is significantly worse.",
        variant=ActionVariant.PRIMARY,
    )
    def go_live(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        return self._do(request, object_id, lambda version: f"{promotion.promote(version)} is live.")

    @dialog_action(
        "Roll back",
        path="roll-back",
        icon="undo",
        text="What was live before is live again from the next request on. Nothing is reindexed.",
        variant=ActionVariant.WARNING,
    )
    def roll_back(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        def roll_back(version: Profile) -> str:
            before = promotion.roll_back(version.tenant, version.name)
            return f"{before} is live again." if before else "The platform's defaults hold again."

        return self._do(request, object_id, roll_back)

    @dialog_action(
        "Duplicate", path="duplicate", icon="content_copy", text="Opens a new draft with these settings."
    )
    def duplicate(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        version = self.one(request, object_id).get()
        address = reverse("admin:search_profile_add")
        return go_to(request, f"{address}?{urlencode({'duplicate': version.pk})}")

    @action(description="Preview prompt", url_path="prompt", icon="visibility")  # type: ignore[untyped-decorator]
    def preview_prompt(self, request: HttpRequest, object_id: str) -> HttpResponse:
        version = self.one(request, object_id).select_related("tenant").get()
        return preview_page(
            request, version, context=self.admin_site.each_context(request) | {"opts": self.opts}
        )

    def _do(self, request: HttpRequest, object_id: str, what: Any) -> HttpResponse:
        version = self.one(request, object_id).select_related("tenant", "predecessor").get()
        try:
            messages.success(request, what(version))
        except SearchError as refused:
            messages.error(request, str(refused))
        return go_to(request, _page(version.pk))


def _page(pk: int) -> str:
    return reverse("admin:search_profile_change", args=[pk])


def _compared(version: Profile) -> dict[str, Any]:
    """For the template: each setting beside that of what it replaces, and the evaluations so far."""
    is_live = version.state == State.LIVE
    one, other = promotion.settings_of(version), _beside(version)
    rows = [(setting.label, getattr(one, name), getattr(other, name)) for name, setting in SETTINGS.items()]
    runs = EvaluationRun.objects.filter(
        query_set__tenant_id=version.tenant_id, profile_name=version.name, profile_version=version.version
    )
    return {
        "beside": f"{other.name}@{other.version}" if other.version else "the platform's defaults",
        "settings_rows": rows,
        "verdicts": [] if is_live else promotion.verdicts(version),
        "is_live": runs.filter(state__in=OPEN_STATES).exists(),
    }


def _beside(version: Profile) -> RetrievalSettings:
    """What a version would replace; for the live one, what it has replaced."""
    if version.state != State.LIVE:
        return promotion.replaced_by(version)
    return promotion.settings_of(version.predecessor) if version.predecessor else RetrievalSettings()
