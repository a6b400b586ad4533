"""Versions of profiles, and which of them is live: made, evaluated, promoted past the gate, rolled back.

Going live needs evaluations on the index that serves, none of them significantly worse than what it replaces, and
expectations that all hold. Nothing is reindexed: the next request reads what is live.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from search import expectations
from search.evaluation import lab, lab_jobs
from search.evaluation.significance import Comparison
from search.exceptions import InvalidRequest, SearchError
from search.models import EvaluationRun, Profile, QuerySet, Tenant
from search.models.profiles import DEFAULT_PROFILE
from search.profile_settings import checked, version_settings
from search.reranking.choice import rerank_model_problem, reranker_name
from search.tenants import live_target
from search.types import IndexTarget, RetrievalSettings

LEAST_QUERIES = 5  # with fewer, no loss can be significant
State = Profile.State
logger = structlog.get_logger(__name__)


class PromotionRefused(SearchError):
    """A version may not go live, or nothing is there to go back to; the message says why."""

    code = "promotion_refused"
    status = 409


@dataclass(frozen=True, slots=True)
class Verdict:
    """A version beside what it would replace, on one query set. `refusal` is empty where it may go live."""

    query_set: str
    refusal: str = ""
    comparison: Comparison | None = None


def new_version(tenant: Tenant, name: str, raw: Mapping[str, Any], *, note: str = "") -> Profile:
    """The next version of a profile, a draft. Raises InvalidRequest for settings that do not fit."""
    fitting = checked(raw)
    if problem := rerank_model_problem(tenant.pk, fitting.get("rerank_model", "")):
        raise InvalidRequest(problem, fields={"settings.rerank_model": [problem]})
    with transaction.atomic():
        _lock(tenant.pk)
        versions = Profile.objects.filter(tenant=tenant, name=name).aggregate(last=Max("version"))
        return Profile.objects.create(
            tenant=tenant, name=name, version=(versions["last"] or 0) + 1, settings=fitting, note=note
        )


def draft_with(tenant: Tenant, changed: Mapping[str, Any], *, note: str) -> Profile:
    """A draft of the default profile: what is live of it, but for these settings. Raises InvalidRequest."""
    live = live_version(tenant.pk, DEFAULT_PROFILE)
    return new_version(tenant, DEFAULT_PROFILE, (live.settings if live else {}) | dict(changed), note=note)


def settings_of(profile: Profile) -> RetrievalSettings:
    return version_settings(profile.name, profile.version, profile.settings)


def live_version(tenant_id: int, name: str) -> Profile | None:
    return Profile.objects.filter(tenant_id=tenant_id, name=name, state=State.LIVE).first()


def replaced_by(profile: Profile) -> RetrievalSettings:
    """What a version would replace: what its name means now, else what holds for requests that name none."""
    for name in (profile.name, DEFAULT_PROFILE):
        if (live := live_version(profile.tenant_id, name)) is not None:
            return settings_of(live)
    return RetrievalSettings()


def evaluate(profile: Profile) -> list[EvaluationRun]:
    """Start what the gate needs: runs of a version and of what it would replace, on each query set.

    Raises PromotionRefused when there is no query set, LabError for an empty one.
    """
    sets = _query_sets(profile)
    if not sets:
        raise PromotionRefused(_NO_QUERY_SET)
    asked = (settings_of(profile), replaced_by(profile))
    jobs = [lab_jobs.open_run(query_set, profile=one) for query_set in sets for one in asked]
    return [job.run for job in jobs if job.run is not None]


_NO_QUERY_SET = "Nothing can be evaluated: make a query set with judgements first."


def verdicts(profile: Profile) -> list[Verdict]:
    """A version beside what it would replace, on each query set; one refusal where there is none."""
    target = live_target(profile.tenant_id)
    sets = _query_sets(profile)
    if target is None or not sets:
        return [Verdict("", refusal=_NO_QUERY_SET)]
    return [_verdict(profile, query_set, target) for query_set in sets]


def _verdict(profile: Profile, query_set: QuerySet, target: IndexTarget) -> Verdict:
    before = replaced_by(profile)
    old, new = (_last_run(query_set, one, target) for one in (before, settings_of(profile)))
    if old is None or new is None:
        missing = f"{before.name}@{before.version}" if new else str(profile)
        refusal = f"{query_set}: {missing} has not been evaluated on the index that serves; evaluate first."
        return Verdict(query_set.name, refusal)
    comparison = lab.compare(old, new)
    return Verdict(query_set.name, _refusal(query_set, comparison), comparison)


def _refusal(query_set: QuerySet, comparison: Comparison) -> str:
    judged = len(comparison.differences)
    if judged < LEAST_QUERIES:
        return f"{query_set}: {judged} judged queries prove nothing; {LEAST_QUERIES} are the least."
    if not comparison.is_significantly_worse():
        return ""
    return (
        f"{query_set}: {lab.MAIN_MEASURE} {comparison.second:.3f} is significantly worse than "
        f"{comparison.first:.3f} ({comparison.difference:+.3f}, p {comparison.p:.3g})."
    )


def _query_sets(profile: Profile) -> list[QuerySet]:
    judged = QuerySet.objects.filter(tenant_id=profile.tenant_id, queries__judgements__isnull=False)
    return list(judged.distinct().order_by("name"))


def _last_run(query_set: QuerySet, asked: RetrievalSettings, target: IndexTarget) -> EvaluationRun | None:
    runs = query_set.runs.filter(
        state=EvaluationRun.State.DONE,
        mode=lab.readers_mode(asked),
        reranker=reranker_name(asked),
        index=target.name,
        profile_name=asked.name,
        profile_version=asked.version,
    )
    return runs.order_by("-pk").first()


def promote(profile: Profile) -> Profile:
    """Make a version live in place of what its name means now.

    Raises PromotionRefused with every reason, Unavailable while its expectations can't be asked.
    """
    before = live_version(profile.tenant_id, profile.name)
    if before == profile:
        return before
    if refusals := [verdict.refusal for verdict in verdicts(profile) if verdict.refusal]:
        raise PromotionRefused(f"{profile} does not go live. {' '.join(refusals)}")
    if red := expectations.red_with(profile):
        raise PromotionRefused(
            f"{profile} does not go live: {len(red)} of what must hold would not. {' '.join(red)}"
        )
    with transaction.atomic():
        _lock(profile.tenant_id)
        if live_version(profile.tenant_id, profile.name) != before:
            raise PromotionRefused("Another version went live meanwhile: compare with that one.")
        profile.predecessor = before
        _go_live(profile, in_place_of=before)
    return profile


def roll_back(tenant: Tenant, name: str) -> Profile | None:
    """Make live again what was before the live version; None: the platform's defaults.

    Raises PromotionRefused when there is nothing to go back to.
    """
    with transaction.atomic():
        _lock(tenant.pk)
        live = live_version(tenant.pk, name)
        if live is None:
            raise PromotionRefused(f"No version of {name!r} is live.")
        before = live.predecessor
        if before is None and name != DEFAULT_PROFILE:
            raise PromotionRefused(f"Nothing was live before {live}.")
        _go_live(before, in_place_of=live)
    return before


def _go_live(profile: Profile | None, *, in_place_of: Profile | None) -> None:
    """Inside the tenant's lock. None: the platform's defaults, for requests that name none."""
    if in_place_of is not None:
        in_place_of.state = State.RETIRED
        in_place_of.save(update_fields=["state"])
    if profile is not None:
        profile.state, profile.live_at = State.LIVE, timezone.now()
        profile.save(update_fields=["state", "live_at", "predecessor"])
    one = profile or in_place_of
    if one is not None and one.name == DEFAULT_PROFILE:
        Tenant.objects.filter(pk=one.tenant_id).update(live_profile=profile)
    logger.info("profile_live", profile=str(profile), in_place_of=str(in_place_of))


def _lock(tenant_id: int) -> None:
    Tenant.objects.select_for_update().get(pk=tenant_id)
