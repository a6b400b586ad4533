"""Probing an index on the real node: when, what is kept, what queries make of it, and that nothing is left behind."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from ingestion import jobs, outbox
from ingestion.services import probe, rebuild
from search import retrieval, services
from search.client import get_client
from search.models import SearchIndex, Tenant, User
from search.tenants import live_target
from search.types import Principal, Retrieved, SearchRequest
from tests.factories import accept, ingest_all
from tests.fakes import FakeEmbedder

pytestmark = pytest.mark.usefixtures("main_job")
NOUNS = (
    "pump",
    "valve",
    "pipe",
    "tank",
    "meter",
    "filter",
    "motor",
    "sensor",
    "cable",
    "boiler",
    "gauge",
    "rotor",
)
VERBS = (
    "moves",
    "stops",
    "heats",
    "cools",
    "fills",
    "drains",
    "checks",
    "opens",
    "closes",
    "lifts",
    "turns",
    "joins",
)


def passage(number: int) -> str:
    """Sentences about a few things of its own: what one says, another one of the same passage says in other words."""
    chance = random.Random(number)
    nouns, verbs = chance.sample(NOUNS, 5), chance.sample(VERBS, 5)
    sentences = []
    for _ in range(5):
        middle = " ".join(f"{chance.choice(nouns)} {chance.choice(verbs)}" for _ in range(6))
        sentences.append(f"Unit{number} {middle} quickly.")
    return " ".join(sentences)


@pytest.fixture
def filled(tenant: Tenant, settings: Any) -> SearchIndex:
    """A tenant whose embedder is fake: fast, and no proof of quality."""
    settings.SEARCH_EMBEDDERS = {"default": {"BACKEND": "tests.fakes.FakeEmbedder", "OPTIONS": {}}}
    for number in range(40):
        accept(tenant, f"p{number}", passage(number), language="en")
    ingest_all(tenant)
    return SearchIndex.objects.get(tenant=tenant)


def scratch_indexes() -> list[str]:
    return [
        name for name in get_client().indices.get(index="test-*", ignore=404) if name.endswith("-scratch")
    ]


def test_a_filled_index_is_due_and_its_probe_sets_the_weight(filled: SearchIndex, tenant: Tenant) -> None:
    assert probe.due() == [filled.pk]
    jobs.run_probe(filled.pk)
    filled.refresh_from_db()
    ((language, weight, chunks),) = filled.vector_weights
    assert (language, chunks) == ("en", 40)
    assert 0.0 <= weight <= 1.0
    (found,) = filled.probe["languages"]
    assert found["weighed"]["questions"] == 40
    assert 0.0 < found["weighed"]["lexical"] <= 1.0
    assert found["shown"][0]["question"]
    assert (filled.probing_until, scratch_indexes()) == (None, [])
    assert probe.due() == []


def test_the_weights_are_read_with_the_index_and_make_caches_miss(
    filled: SearchIndex, tenant: Tenant
) -> None:
    before = live_target(tenant.pk)
    assert before is not None
    assert before.weights == ()
    probed = probe.run(filled)
    after = live_target(tenant.pk)
    assert after is not None
    assert [[one.language, one.vector_weight, one.chunks] for one in after.weights] == probed.vector_weights
    assert after.content_version == before.content_version + 1


def test_a_query_is_fused_by_the_weight_of_its_language_unless_the_request_says_another(
    filled: SearchIndex, principal: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    SearchIndex.objects.update(vector_weights=[["en", 0.31, 40], ["zh", 0.12, 20]])
    used: list[float] = []
    ask = retrieval.candidates

    def noted(request: retrieval.CandidatesQuery) -> Retrieved:
        used.append(request.fusion.vector_weight)
        return ask(request)

    monkeypatch.setattr("search.retrieval.candidates", noted)
    for request in (
        SearchRequest("pump"),
        SearchRequest("水泵"),
        SearchRequest("насос"),
        SearchRequest("pump", settings={"vector_weight": 0.9}),
    ):
        services.search(principal, request)
    assert used == [0.31, 0.12, 0.45, 0.9]


def test_the_same_corpus_gives_the_same_weight(filled: SearchIndex, tenant: Tenant) -> None:
    first = probe.run(filled)
    version = live_target(tenant.pk)
    second = probe.run(filled)
    assert first.vector_weights == second.vector_weights
    assert first.probe["languages"] == second.probe["languages"]
    assert live_target(tenant.pk) == version  # nothing changed: what is cached may stay


def test_a_meaningless_embedder_gets_less_weight(
    filled: SearchIndex, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    (with_sense,) = probe.run(filled).vector_weights
    noise = random.Random(1)
    real = FakeEmbedder._vectors
    monkeypatch.setattr(
        FakeEmbedder, "_vectors", lambda self, bags: real(self, [[str(noise.random())] for _ in bags])
    )
    (without,) = probe.run(filled).vector_weights
    assert without[1] < with_sense[1] - 0.1


def test_a_tiny_tenant_keeps_the_default(tenant: Tenant, settings: Any) -> None:
    settings.SEARCH_EMBEDDERS = {"default": {"BACKEND": "tests.fakes.FakeEmbedder", "OPTIONS": {}}}
    for number in range(5):
        accept(tenant, f"p{number}", passage(number), language="en")
    ingest_all(tenant)
    version = probe.run(SearchIndex.objects.get(tenant=tenant))
    assert (version.vector_weights, version.probe["languages"]) == ([], [])
    assert probe.due() == []


def test_a_fifth_of_the_documents_changed_makes_the_next_probe_due(
    filled: SearchIndex, tenant: Tenant
) -> None:
    probe.run(filled)
    for number in range(7):
        accept(tenant, f"new{number}", passage(100 + number), language="en")
    ingest_all(tenant)
    assert probe.due() == []
    accept(tenant, "one more", passage(200), language="en")
    assert probe.due() == []  # it is still to be ingested
    ingest_all(tenant)
    assert probe.due() == [filled.pk]


def test_a_probe_that_another_worker_has_is_left_to_it(filled: SearchIndex) -> None:
    assert probe.lease(filled.pk) is not None
    assert (probe.lease(filled.pk), probe.due()) == (None, [])
    SearchIndex.objects.update(probing_until=timezone.now())
    assert probe.due() == [filled.pk]  # that worker is dead


def test_what_is_to_be_ingested_goes_first(
    filled: SearchIndex, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingestion.jobs._PROBE_PART_SECONDS", 0.0)
    accept(tenant, "urgent", "It is urgent.")
    jobs.run_probe(filled.pk)
    filled.refresh_from_db()
    assert outbox.tenants_with_due_tasks() == []
    assert filled.vector_weights != []
    assert filled.changes_since_probe == 1  # the one that came meanwhile


def test_a_stopped_worker_leaves_the_probe_due_and_nothing_behind(
    filled: SearchIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs._stopping, "is_set", lambda: True)
    jobs.run_probe(filled.pk)
    assert (probe.due(), scratch_indexes()) == ([filled.pk], [])


def test_a_rebuilt_version_starts_with_the_weights_of_the_one_before(
    filled: SearchIndex, tenant: Tenant
) -> None:
    weights = probe.run(filled).vector_weights
    rebuild.start(tenant)
    ingest_all(tenant)
    version = SearchIndex.objects.get(tenant=tenant, number=2)
    assert version.vector_weights == weights
    assert rebuild.finish(version)
    assert probe.due() == [version.pk]


@pytest.fixture
def _given_servers(main_job: None, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command takes the servers of the fixtures and starts none."""
    for name in ("OPENSEARCH_URL", "REDIS_URL", "REDIS_CACHE_URL"):
        monkeypatch.setenv(name, getattr(settings, name))


@pytest.mark.usefixtures("_given_servers")
def test_the_command_probes_and_says_what_was_found(
    filled: SearchIndex, tenant: Tenant, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("probe", tenant.slug, "--json", str(tmp_path / "probe.json"))
    written = json.loads((tmp_path / "probe.json").read_text())
    assert (written["tenant"], written["languages"][0]["language"]) == ("acme", "en")
    assert "en" in capsys.readouterr().out
    with pytest.raises(CommandError, match="nobody"):
        call_command("probe", "nobody")


def test_the_admin_shows_the_probe_and_asks_for_another(filled: SearchIndex, client: Client) -> None:
    client.force_login(User.objects.create_superuser("boss"))
    address = f"/admin/search/searchindex/{filled.pk}/"
    assert "Not probed yet" in client.get(f"{address}change/").content.decode()
    probe.run(filled)
    page = client.get(f"{address}change/").content.decode()
    assert "weight of meaning" in page
    assert "Some of the questions" in page
    client.post(f"{address}probe-again/", {"_form_submitted": "on"})
    assert probe.due() == [filled.pk]
