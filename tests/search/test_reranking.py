"""Rerankers: one contract for every adapter, and the real loading, exporting and asking of each.

The cross-encoder is untrained, from a seed: it proves loading, order, batches, deadlines and fallback, never quality.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pytest_django import Settings

from bench.untrained import write_cross_encoder
from search.exceptions import RerankDeadline, RerankUnavailable
from search.reranking import Reranker
from search.reranking.choice import get_reranker, reranker_name
from search.reranking.cross_encoder import CrossEncoderReranker
from search.reranking.deadlines import Deadline
from search.reranking.learned import general_reranker
from search.reranking.onnx import OnnxReranker
from search.reranking.pairs import passage
from search.reranking.remote import RemoteReranker
from search.types import RetrievalSettings
from tests.doubles import RerankDouble
from tests.fakes import FakeReranker
from tests.search.passages import make_hit

TEXTS = [f"Passage {number} is about pump {number} and {'valves ' * number}" for number in range(19)]
HITS = [make_hit(number, text) for number, text in enumerate(TEXTS, 1)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("cross-encoder") / "seeded-cross-encoder"
    write_cross_encoder(path)
    return path


@pytest.fixture(scope="module")
def cross_encoder(folder: Path) -> CrossEncoderReranker:
    return CrossEncoderReranker(model=str(folder), batch_size=4, max_length=64)


@pytest.fixture(scope="module")
def onnx(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> OnnxReranker:
    cache = tmp_path_factory.mktemp("exports")
    return OnnxReranker(model=str(folder), cache_dir=cache, batch_size=4, max_length=64, threads=2)


@pytest.fixture(scope="module")
def double() -> Iterator[RerankDouble]:
    with RerankDouble() as server:
        yield server


@pytest.fixture
def remote(double: RerankDouble) -> Iterator[RemoteReranker]:
    with closing(RemoteReranker(model="word-overlap-double", base_url=double.base_url)) as reranker:
        yield reranker


class RerankerContract:
    same = 1e-4  # how far a hit's score may move with the hits beside it

    @pytest.fixture
    def reranker(self) -> Reranker:
        raise NotImplementedError

    def test_each_hit_gets_its_own_score_in_the_order_given(self, reranker: Reranker) -> None:
        scores = reranker.rerank("pump 7", HITS, deadline_seconds=60)
        assert len(scores) == len(HITS)
        backwards = reranker.rerank("pump 7", HITS[::-1], deadline_seconds=60)
        assert backwards[::-1] == pytest.approx(scores, abs=self.same * float(np.ptp(scores)))
        assert len(set(scores)) > 1

    def test_no_hits_give_no_scores(self, reranker: Reranker) -> None:
        assert reranker.rerank("pump", [], deadline_seconds=1) == []

    def test_a_passed_deadline_says_so(self, reranker: Reranker) -> None:
        with pytest.raises(RerankDeadline, match=f"deadline: 0 of {len(HITS)}"):
            reranker.rerank("pump", HITS, deadline_seconds=0.0)

    def test_eight_threads_get_what_one_gets(self, reranker: Reranker) -> None:
        expected = reranker.rerank("pump 7", HITS, deadline_seconds=60)
        found: list[list[float]] = []
        threads = [
            threading.Thread(
                target=lambda: found.append(reranker.rerank("pump 7", HITS, deadline_seconds=60))
            )
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        tolerance = self.same * float(np.ptp(expected))
        assert len(found) == 8
        assert all(scores == pytest.approx(expected, abs=tolerance) for scores in found)

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


class TestOnnxReranker(RerankerContract):
    same = 0.1  # int8 rounds activations per batch

    @pytest.fixture
    def reranker(self, onnx: OnnxReranker) -> Reranker:
        return onnx


class TestLearnedReranker(RerankerContract):
    @pytest.fixture
    def reranker(self) -> Reranker:
        return general_reranker()


class TestRemoteReranker(RerankerContract):
    @pytest.fixture
    def reranker(self, remote: RemoteReranker) -> Reranker:
        return remote


class SlowEncoder:
    """Stands before the real encoder: notes its batches and takes its time over each."""

    def __init__(self, encoder: Any, seconds: float) -> None:
        self.encoder = encoder
        self.seconds = seconds
        self.batches: list[int] = []
        self.tokenizer = encoder.tokenizer

    def predict(self, pairs: list[tuple[str, str]], **options: Any) -> Any:
        self.batches.append(len(pairs))
        time.sleep(self.seconds)
        return self.encoder.predict(pairs, **options)


@pytest.fixture
def slow(cross_encoder: CrossEncoderReranker, monkeypatch: pytest.MonkeyPatch) -> SlowEncoder:
    encoder = SlowEncoder(cross_encoder._encoder, seconds=0.1)
    monkeypatch.setattr(cross_encoder, "_encoder", encoder)
    return encoder


def test_the_export_scores_as_the_torch_model_does(
    onnx: OnnxReranker, cross_encoder: CrossEncoderReranker, folder: Path, tmp_path: Path
) -> None:
    exact = cross_encoder.rerank("pump 7", HITS, deadline_seconds=60)
    full = OnnxReranker(model=str(folder), cache_dir=tmp_path, precision="fp32", max_length=64)
    assert full.rerank("pump 7", HITS, deadline_seconds=60) == pytest.approx(exact, abs=1e-4)
    rounded = onnx.rerank("pump 7", HITS, deadline_seconds=60)
    assert np.abs(np.subtract(rounded, exact)).max() < 0.75 * np.std(exact)
    assert np.corrcoef(rounded, exact)[0, 1] > 0.97


def test_the_export_is_made_once(onnx: OnnxReranker, folder: Path) -> None:
    reports: list[str] = []
    again = OnnxReranker(model=str(folder), cache_dir=_cache_of(onnx), report=reports.append)
    assert reports == []
    assert again.name == onnx.name
    assert "int8-onnx@" in onnx.name


def _cache_of(reranker: OnnxReranker) -> Path:
    assert reranker.cache_dir is not None
    return Path(reranker.cache_dir)


def test_the_passage_is_cut_and_never_the_query(
    onnx: OnnxReranker, cross_encoder: CrossEncoderReranker
) -> None:
    long_query = "which pump fills the tank on the roof " * 3
    for reranker in (onnx, cross_encoder):
        one, other = (
            reranker.rerank(query, [make_hit(1, "valve " * 200)], deadline_seconds=60)[0]
            for query in (long_query + "now", long_query + "never")
        )
        assert one != other


def test_a_query_that_leaves_no_room_for_a_passage_is_not_reranked(
    onnx: OnnxReranker, cross_encoder: CrossEncoderReranker
) -> None:
    for reranker in (onnx, cross_encoder):
        with pytest.raises(RerankUnavailable, match="leave no room"):
            reranker.rerank("pump " * 40, HITS, deadline_seconds=60)


def test_an_export_that_can_not_be_made_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(RerankUnavailable, match="holds no model weights"):
        OnnxReranker(model=str(tmp_path), cache_dir=tmp_path / "cache")


def test_the_onnx_deadline_is_kept_between_batches(
    onnx: OnnxReranker, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, batches = onnx._model.run, []

    def slowly(encodings: Any) -> Any:
        batches.append(len(encodings))
        time.sleep(0.2)
        return run(encodings)

    monkeypatch.setattr(onnx._model, "run", slowly)
    with pytest.raises(RerankDeadline, match=r"deadline: \d+ of 19 scored in 0.3 s"):
        onnx.rerank("pump", HITS, deadline_seconds=0.3)
    assert len(batches) < 5


def test_a_remote_endpoint_is_asked_in_the_common_shape(double: RerankDouble) -> None:
    made = RemoteReranker(model="m", base_url=double.base_url, api_key="secret", max_characters=10)
    with closing(made) as reranker:
        reranker.rerank("pump 7", HITS[:2], deadline_seconds=5)
    path, body = double.requests[-1]
    assert path == "/v1/rerank"
    documents = [passage(hit)[:10] for hit in HITS[:2]]
    assert body == {"model": "m", "query": "pump 7", "documents": documents, "top_n": 2}
    assert "secret" not in repr(made)


def test_a_remote_endpoint_that_fails_is_unavailable(double: RerankDouble, remote: RemoteReranker) -> None:
    double.fail_next(503)
    with pytest.raises(RerankUnavailable, match="503"):
        remote.rerank("pump", HITS, deadline_seconds=5)
    with (
        closing(RemoteReranker(model="m", base_url="http://127.0.0.1:9")) as nobody,
        pytest.raises(RerankUnavailable, match="ConnectError"),
    ):
        nobody.rerank("pump", HITS, deadline_seconds=5)


def test_a_remote_endpoint_that_is_slow_passes_the_deadline(
    double: RerankDouble, remote: RemoteReranker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(double, "delay_seconds", 1.0)
    started = time.monotonic()
    with pytest.raises(RerankDeadline):
        remote.rerank("pump", HITS, deadline_seconds=0.2)
    assert time.monotonic() - started < 0.9


@pytest.mark.parametrize(
    "answer",
    [
        {"results": []},
        {"results": [{"index": 0, "relevance_score": 1.0}, {"index": 0, "relevance_score": 0.5}]},
        {"results": [{"index": 0, "relevance_score": 1.0}, {"index": 7, "relevance_score": 0.5}]},
        {"results": [{"index": 0, "relevance_score": "high"}, {"index": 1, "relevance_score": 0.5}]},
        {"results": [{"index": 0, "relevance_score": "nan"}, {"index": 1, "relevance_score": 0.5}]},
        {"data": []},
        [],
    ],
)
def test_an_answer_that_does_not_score_each_document_once_is_unavailable(
    double: RerankDouble, remote: RemoteReranker, monkeypatch: pytest.MonkeyPatch, answer: Any
) -> None:
    monkeypatch.setattr(double, "scripted", answer)
    with pytest.raises(RerankUnavailable, match="answer"):
        remote.rerank("pump", HITS[:2], deadline_seconds=5)


def test_a_deadline_tells_what_is_left() -> None:
    assert 0 < Deadline(5, 3).remaining(done=1) <= 5


def test_hits_are_scored_in_batches_of_the_set_size(
    cross_encoder: CrossEncoderReranker, slow: SlowEncoder
) -> None:
    cross_encoder.rerank("pump", HITS, deadline_seconds=60)
    assert slow.batches == [4, 4, 4, 4, 3]


def test_the_deadline_is_kept_between_batches(cross_encoder: CrossEncoderReranker, slow: SlowEncoder) -> None:
    started = time.monotonic()
    with pytest.raises(RerankDeadline, match=r"deadline: (4|8) of 19 scored in 0.15 s"):
        cross_encoder.rerank("pump", HITS, deadline_seconds=0.15)
    assert time.monotonic() - started < 0.15 + 4 * slow.seconds
    assert len(slow.batches) < 5


def test_waiting_for_another_readers_batch_counts_against_the_deadline(
    cross_encoder: CrossEncoderReranker, slow: SlowEncoder
) -> None:
    slow.seconds = 1.0
    other = threading.Thread(
        target=cross_encoder.rerank, args=("pump", HITS[:1]), kwargs={"deadline_seconds": 60}
    )
    other.start()
    while not slow.batches:
        time.sleep(0.01)
    with pytest.raises(RerankDeadline, match="deadline: 0 of 2"):
        cross_encoder.rerank("pump", HITS[:2], deadline_seconds=0.1)
    other.join()
    assert slow.batches == [1]


def test_a_long_pair_is_cut_to_the_set_length(cross_encoder: CrossEncoderReranker) -> None:
    long = "valve " * 200
    one, other = cross_encoder.rerank(
        "pump", [make_hit(1, long), make_hit(2, long + "and a tail")], deadline_seconds=60
    )
    assert one == pytest.approx(other, abs=1e-6)


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
    platform = RetrievalSettings()
    settings.SEARCH_RERANKER = None
    assert reranker_name(platform) == ""
    settings.SEARCH_RERANKER = {"BACKEND": "tests.fakes.FakeReranker", "OPTIONS": {"name": "named"}}
    found = get_reranker(1, platform)
    assert found.name == "named"
    assert get_reranker(1, platform) is found
    assert reranker_name(platform).startswith("tests.fakes.FakeReranker")
    assert reranker_name(RetrievalSettings(rerank_model="none")) == ""
    assert reranker_name(RetrievalSettings(rerank_model="own@3")) == "own@3"
