"""Further passages of a document and the chunks beside a hit, on the real node."""

from typing import Any

import pytest

from search import services
from search.models import Tenant
from search.types import Principal, SearchRequest
from tests.factories import accept, ingest_all

pytestmark = pytest.mark.usefixtures("main_job")


def search(principal: Principal, query: str, **options: Any) -> list[dict[str, Any]]:
    return list(services.search(principal, SearchRequest(query, **options))["hits"])


@pytest.fixture
def manual(tenant: Tenant) -> Tenant:
    """A manual whose chapters each mention the valve, a note, and a secret."""
    chapters = [
        f"Chapter {number}. The valve number {number} opens slowly. " + "Oil. " * 220 for number in range(6)
    ]
    accept(tenant, "manual", "\n\n".join(chapters))
    accept(tenant, "note", "A valve.")
    accept(tenant, "secret", "The secret valve.", access=["board"])
    ingest_all(tenant)
    return tenant


def test_a_hit_brings_further_passages_of_its_document(manual: Tenant, principal: Principal) -> None:
    plain = search(principal, "valve opens slowly")
    hits = search(principal, "valve opens slowly", passages=3)
    assert all("more" not in hit for hit in plain)
    assert [hit["chunk"]["id"] for hit in hits] == [hit["chunk"]["id"] for hit in plain]
    [found] = [hit for hit in hits if hit["document"]["id"] == "manual"]
    assert len(found["more"]) == 2
    chunks = [found["chunk"]["id"], *(passage["chunk"]["id"] for passage in found["more"])]
    assert len(set(chunks)) == 3
    assert len({chunk.rpartition(":")[0] for chunk in chunks}) == 1
    assert found["score"] >= found["more"][0]["score"] >= found["more"][1]["score"]
    assert "<mark>valve</mark>" in found["more"][0]["highlights"][0]


def test_a_hit_brings_the_chunks_before_and_after_it(manual: Tenant, principal: Principal) -> None:
    chunks = search(principal, "valve oil", group_by="chunk", top_k=100)
    texts = {
        hit["chunk"]["ordinal"]: hit["chunk"]["text"] for hit in chunks if hit["document"]["id"] == "manual"
    }
    hits = search(principal, "valve oil", group_by="chunk", top_k=100, neighbours=1)
    for hit in hits:
        if hit["document"]["id"] != "manual":
            assert "neighbours" not in hit
            continue
        at = hit["chunk"]["ordinal"]
        expected = [ordinal for ordinal in (at - 1, at + 1) if ordinal in texts]
        assert [neighbour["ordinal"] for neighbour in hit["neighbours"]] == expected
        assert [neighbour["text"] for neighbour in hit["neighbours"]] == [
            texts[ordinal] for ordinal in expected
        ]
