"""The command that asks a query set: imports, figures, and mistakes that are named."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from search.models import EvaluationRun, Judgement, QuerySet, Tenant
from tests.factories import accept, ingest_all


@pytest.fixture
def folder(tenant: Tenant, tmp_path: Path) -> Path:
    """A BEIR folder whose ids stand behind `files/` in the tenant."""
    for name, text in (("a", "Pumps move water."), ("b", "Wings lift planes.")):
        accept(tenant, f"files/{name}", text)
    ingest_all(tenant)
    (tmp_path / "qrels").mkdir()
    (tmp_path / "queries.jsonl").write_text(
        '{"_id": "1", "text": "water pump"}\n{"_id": "2", "text": "wing"}\n'
    )
    (tmp_path / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n1\ta\t1\n2\tb\t1\n2\tgone\t1\n")
    return tmp_path


@pytest.fixture(autouse=True)
def _given_servers(main_job: None, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command takes the servers of the fixtures and starts none."""
    for name in ("OPENSEARCH_URL", "REDIS_URL", "REDIS_CACHE_URL"):
        monkeypatch.setenv(name, getattr(settings, name))


def ask(*arguments: str, **options: Any) -> tuple[str, str]:
    out, errors = StringIO(), StringIO()
    call_command("run_queries", "acme", "Set", *arguments, stdout=out, stderr=errors, **options)
    return out.getvalue(), errors.getvalue()


def test_a_folder_is_imported_and_asked(folder: Path, tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    shown, said = ask("--beir", str(folder), "--document-prefix", "files/", "--json", str(figures))
    assert "files/gone" in said
    assert Judgement.objects.filter(document="files/a").exists()
    assert {run.mode for run in EvaluationRun.objects.all()} == {"lexical", "vector", "hybrid"}
    assert json.loads(figures.read_text())["lexical"]["mrr@10"] == 1.0
    assert "hybrid" in shown


def test_a_set_that_is_there_is_asked_again(folder: Path) -> None:
    ask("--beir", str(folder), "--document-prefix", "files/", "--modes", "lexical")
    ask("--modes", "lexical")
    assert QuerySet.objects.get().runs.count() == 2


@pytest.mark.parametrize("arguments", [("--modes", "psychic"), ("--beir", "/nowhere"), ()])
def test_a_mistake_is_named(arguments: tuple[str, ...], folder: Path) -> None:
    with pytest.raises(CommandError, match=r"psychic|nowhere|no query"):
        ask(*arguments)
