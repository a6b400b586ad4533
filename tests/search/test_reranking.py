"""Rerankers: the contract, and the CrossEncoder's real loading code on a folder made from a seed."""

import threading
import time
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from search.embeddings.model_folders import resolve_model
from search.exceptions import RerankUnavailable
from search.reranking import CrossEncoderReranker, Reranker, get_reranker
from tests.fakes import FakeReranker

PASSAGES = [f"Passage {number} is about pump {number} and {'valves ' * number}" for number in range(19)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CrossEncoder folder with a tokenizer, a small BERT and a head. Untrained: it proves no quality."""
    import torch
    from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

    path = tmp_path_factory.mktemp("cross-encoder") / "seeded-cross-encoder"
    tokenizer = AutoTokenizer.from_pretrained(resolve_model("all-MiniLM-L6-v2"), local_files_only=True)
    torch.manual_seed(7)
    sizes: dict[str, Any] = {
        "hidden_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 128,
        "initializer_range": 0.3,
        "num_labels": 1,
    }
    BertForSequenceClassification(BertConfig(vocab_size=len(tokenizer), **sizes)).save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def cross_encoder(folder: Path) -> CrossEncoderReranker:
    return CrossEncoderReranker(model=str(folder), batch_size=4, max_length=64)


class RerankerContract:
    @pytest.fixture
    def reranker(self) -> Reranker:
        raise NotImplementedError

    def test_each_passage_gets_its_own_score_in_the_order_given(self, reranker: Reranker) -> None:
        scores = reranker.rerank("pump 7", PASSAGES, deadline_seconds=60)
        assert len(scores) == len(PASSAGES)
        backwards = reranker.rerank("pump 7", PASSAGES[::-1], deadline_seconds=60)
        assert backwards[::-1] == pytest.approx(scores, abs=1e-4)
        assert len(set(scores)) > 1

    def test_no_passages_give_no_scores(self, reranker: Reranker) -> None:
        assert reranker.rerank("pump", [], deadline_seconds=1) == []

    def test_a_passed_deadline_is_unavailable_and_says_so(self, reranker: Reranker) -> None:
        with pytest.raises(RerankUnavailable, match=f"deadline: 0 of {len(PASSAGES)}"):
            reranker.rerank("pump", PASSAGES, deadline_seconds=0.0)

    def test_a_reranker_has_a_name(self, reranker: Reranker) -> None:
        assert reranker.name


class TestFakeReranker(RerankerContract):
    @pytest.fixture
    def reranker(self) -> Reranker:
        return FakeReranker()


class TestCrossEncoderReranker(RerankerContract):
    @pytest.fixture
    def reranker(self, cross_encoder: CrossEncoderReranker) -> Reranker:
        return cross_encoder


class SlowEncoder:
    """Stands before the real encoder: notes its batches and takes its time over each."""

    def __init__(self, encoder: Any, seconds: float) -> None:
        self.encoder = encoder
        self.seconds = seconds
        self.batches: list[int] = []

    def predict(self, pairs: list[tuple[str, str]], **options: Any) -> Any:
        self.batches.append(len(pairs))
        time.sleep(self.seconds)
        return self.encoder.predict(pairs, **options)


@pytest.fixture
def slow(cross_encoder: CrossEncoderReranker, monkeypatch: pytest.MonkeyPatch) -> SlowEncoder:
    encoder = SlowEncoder(cross_encoder._encoder, seconds=0.1)
    monkeypatch.setattr(cross_encoder, "_encoder", encoder)
    return encoder


def test_passages_are_scored_in_batches_of_the_set_size(
    cross_encoder: CrossEncoderReranker, slow: SlowEncoder
) -> None:
    cross_encoder.rerank("pump", PASSAGES, deadline_seconds=60)
    assert slow.batches == [4, 4, 4, 4, 3]


def test_the_deadline_is_kept_between_batches(cross_encoder: CrossEncoderReranker, slow: SlowEncoder) -> None:
    started = time.monotonic()
    with pytest.raises(RerankUnavailable, match=r"deadline: (4|8) of 19 scored in 0.15 s"):
        cross_encoder.rerank("pump", PASSAGES, deadline_seconds=0.15)
    assert time.monotonic() - started < 0.15 + 4 * slow.seconds
    assert len(slow.batches) < 5


def test_waiting_for_another_readers_batch_counts_against_the_deadline(
    cross_encoder: CrossEncoderReranker, slow: SlowEncoder
) -> None:
    slow.seconds = 1.0
    other = threading.Thread(
        target=cross_encoder.rerank, args=("pump", PASSAGES[:1]), kwargs={"deadline_seconds": 60}
    )
    other.start()
    while not slow.batches:
        time.sleep(0.01)
    with pytest.raises(RerankUnavailable, match="deadline: 0 of 2"):
        cross_encoder.rerank("pump", PASSAGES[:2], deadline_seconds=0.1)
    other.join()
    assert slow.batches == [1]


def test_a_long_pair_is_cut_to_the_set_length(cross_encoder: CrossEncoderReranker) -> None:
    long = "valve " * 200
    one, other = cross_encoder.rerank("pump", [long, long + "and a tail"], deadline_seconds=60)
    assert one == pytest.approx(other, abs=1e-6)


def test_threads_share_one_encoder(cross_encoder: CrossEncoderReranker) -> None:
    expected = cross_encoder.rerank("pump 7", PASSAGES, deadline_seconds=60)
    found: list[list[float]] = []
    threads = [
        threading.Thread(
            target=lambda: found.append(cross_encoder.rerank("pump 7", PASSAGES, deadline_seconds=60))
        )
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 6
    assert all(scores == pytest.approx(expected, abs=1e-4) for scores in found)


def test_a_model_that_can_not_be_loaded_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(RerankUnavailable, match="can't be loaded"):
        CrossEncoderReranker(model=str(tmp_path))


def test_a_model_of_several_labels_is_no_reranker(folder: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    model = AutoModelForSequenceClassification.from_pretrained(
        folder, num_labels=3, ignore_mismatched_sizes=True
    )
    model.save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(folder).save_pretrained(tmp_path)
    with pytest.raises(RerankUnavailable, match="gives 3 scores"):
        CrossEncoderReranker(model=str(tmp_path))


def test_the_settings_name_the_reranker_or_none(settings: Settings) -> None:
    settings.SEARCH_RERANKER = None
    assert get_reranker() is None
    settings.SEARCH_RERANKER = {"BACKEND": "tests.fakes.FakeReranker", "OPTIONS": {"name": "named"}}
    found = get_reranker()
    assert found is not None
    assert found.name == "named"
    assert get_reranker() is found
