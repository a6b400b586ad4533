"""Embedders against their contract and published figures (OpenAI: the real client, a loopback double)."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.exceptions import ImproperlyConfigured
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from search import backends
from search.embeddings import Embedder, build_embedder, get_embedder
from search.embeddings.batching import embed_in_batches, length_sorted_batches, unit_rows
from search.embeddings.onnx import OnnxEmbedder
from search.embeddings.openai import OpenAIEmbedder
from search.embeddings.sentence_transformer import SentenceTransformerEmbedder
from search.exceptions import EmbeddingUnavailable
from tests.doubles import OpenAIDouble
from tests.fakes import FakeEmbedder
from tests.search.embedder_contract import PASSAGES, EmbedderContract

# The model card of all-MiniLM-L6-v2 on sbert.net: these sentences and their similarities.
SBERT_SENTENCES = ["The weather is lovely today.", "It's so sunny outside!", "He drove to the stadium."]
SBERT_SIMILARITIES = [0.6660, 0.1046, 0.1411]
PROJECT_ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def int8() -> OnnxEmbedder:
    return OnnxEmbedder()


@pytest.fixture(scope="module")
def fp32() -> OnnxEmbedder:
    return OnnxEmbedder(precision="fp32")


@pytest.fixture(scope="module")
def torch_embedder() -> SentenceTransformerEmbedder:
    return SentenceTransformerEmbedder()


@pytest.fixture
def double() -> Iterator[OpenAIDouble]:
    with OpenAIDouble() as server:
        yield server


def openai_embedder(double: OpenAIDouble, **options: Any) -> OpenAIEmbedder:
    # The client's first pause is half a second; one retry is enough to see that it does.
    defaults = {"model": "double-32", "dimension": 32, "max_tokens": 512, "max_retries": 1}
    return OpenAIEmbedder(api_key="no-key", base_url=double.base_url, **{**defaults, **options})


class TestFakeEmbedder(EmbedderContract):
    @pytest.fixture
    def embedder(self) -> Embedder:
        return FakeEmbedder()


class TestOnnxEmbedderInt8(EmbedderContract):
    same = 0.95  # one word of five letters; a sentence stays above .98

    @pytest.fixture
    def embedder(self, int8: OnnxEmbedder) -> Embedder:
        return int8


class TestOnnxEmbedderFp32(EmbedderContract):
    @pytest.fixture
    def embedder(self, fp32: OnnxEmbedder) -> Embedder:
        return fp32


class TestSentenceTransformerEmbedder(EmbedderContract):
    @pytest.fixture
    def embedder(self, torch_embedder: SentenceTransformerEmbedder) -> Embedder:
        return torch_embedder


class TestOpenAIEmbedder(EmbedderContract):
    @pytest.fixture
    def embedder(self, double: OpenAIDouble) -> Embedder:
        return openai_embedder(double)


@pytest.mark.parametrize("name", ["fp32", "torch_embedder"])
def test_minilm_gives_the_similarities_that_sbert_net_published(
    name: str, request: pytest.FixtureRequest
) -> None:
    vectors = request.getfixturevalue(name).embed_passages(SBERT_SENTENCES)
    cosines = vectors @ vectors.T
    assert [round(float(cosines[pair]), 4) for pair in ((0, 1), (0, 2), (1, 2))] == SBERT_SIMILARITIES


def test_int8_vectors_are_near_the_fp32_ones(int8: OnnxEmbedder, fp32: OnnxEmbedder) -> None:
    cosines = np.sum(int8.embed_passages(PASSAGES) * fp32.embed_passages(PASSAGES), axis=1)
    assert cosines.mean() >= 0.987
    assert cosines.min() >= 0.97


def test_each_variant_names_model_precision_runtime_and_revision(
    int8: OnnxEmbedder, fp32: OnnxEmbedder, torch_embedder: SentenceTransformerEmbedder, double: OpenAIDouble
) -> None:
    assert int8.variant == "all-MiniLM-L6-v2-int8-onnx@53aa5117"
    assert fp32.variant == "all-MiniLM-L6-v2-fp32-onnx@53aa5117"
    assert torch_embedder.variant == "all-MiniLM-L6-v2-float32-torch@53aa5117"
    assert openai_embedder(double).variant == "double-32-32d-openai"


def test_prompts_make_another_variant_count_as_tokens_and_change_the_vectors(int8: OnnxEmbedder) -> None:
    prompted = OnnxEmbedder(query_prompt="query: ", passage_prompt="passage: ")
    assert prompted.variant.startswith(f"{int8.variant}+")
    assert prompted.count_tokens(["pump"])[0] == int8.count_tokens(["pump"])[0] + 2
    assert float(prompted.embed_passages(["pump"])[0] @ int8.embed_passages(["pump"])[0]) < 0.95
    expected = int8.embed_query("query: pump")
    assert float(prompted.embed_query("pump") @ expected) > 0.9999


def test_onnx_counts_the_tokens_that_the_models_own_tokenizer_counts(
    int8: OnnxEmbedder, torch_embedder: SentenceTransformerEmbedder
) -> None:
    texts = [*PASSAGES, "", "naïve Straße 12,5 °C", "今日は天気がいい", "x" * 300, "word " * 700]
    assert int8.count_tokens(texts) == torch_embedder.count_tokens(texts)


def test_a_process_that_embeds_with_onnx_imports_no_torch_and_stays_small(
    int8: OnnxEmbedder, settings: Settings
) -> None:
    program = (
        "import json, re, sys\n"
        "from search.embeddings import build_embedder\n"
        "embedder = build_embedder(json.loads(sys.argv[1]))\n"
        "embedder.embed_query('hello'); embedder.embed_passages(['word ' * 200] * 16)\n"
        "peak = int(re.search(r'VmHWM:\\s+(\\d+) kB', open('/proc/self/status').read())[1]) / 1024\n"
        "modules = sorted({name.partition('.')[0] for name in sys.modules})\n"
        "print(json.dumps({'peak_mib': peak, 'modules': modules}))\n"
    )
    options = {"cache_dir": str(settings.SEARCH_MODEL_CACHE_DIR), "threads": 1}
    config = json.dumps({"BACKEND": "search.embeddings.onnx.OnnxEmbedder", "OPTIONS": options})
    done = subprocess.run(
        [sys.executable, "-c", program, config], cwd=PROJECT_ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout.splitlines()[-1])
    print(f"peak memory of a process with the ONNX embedder: {seen['peak_mib']:.0f} MiB")
    assert not {"torch", "transformers", "sentence_transformers", "onnx", "openai"} & set(seen["modules"])
    assert seen["peak_mib"] < 350


# OpenAI


def test_openai_requests_hold_at_most_a_batch_and_every_text_once(double: OpenAIDouble) -> None:
    texts = [f"{word} {number}" for number in range(35) for word in ("pump", "valve")]
    vectors = openai_embedder(double, batch_size=20).embed_passages(texts)
    sent = [body["input"] for _, body in double.requests]
    assert [len(batch) for batch in sent] == [20, 20, 20, 10]
    assert sorted(text for batch in sent for text in batch) == sorted(texts)
    assert np.allclose(vectors, FakeEmbedder().embed_passages(texts), atol=1e-6)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_openai_passages_are_tried_again_after_a_passing_error(double: OpenAIDouble, status: int) -> None:
    double.fail_next(status, headers={"retry-after-ms": "1"})
    assert openai_embedder(double).embed_passages(["pump"]).shape == (1, 32)
    assert len(double.requests) == 2


def test_openai_errors_that_last_are_unavailable_and_do_not_show_the_key(double: OpenAIDouble) -> None:
    double.fail_next(503, times=2, headers={"retry-after-ms": "1"})
    embedder = openai_embedder(double)
    with pytest.raises(EmbeddingUnavailable, match="InternalServerError") as raised:
        embedder.embed_passages(["pump"])
    assert "no-key" not in raised.value.detail
    assert "no-key" not in repr(embedder)


def test_an_openai_query_is_not_tried_again_and_waits_no_longer_than_its_own_time_out(
    double: OpenAIDouble,
) -> None:
    embedder = openai_embedder(double, query_timeout_seconds=0.1)
    double.fail_next(429)
    with pytest.raises(EmbeddingUnavailable, match="RateLimitError"):
        embedder.embed_query("pump")
    double.delay_seconds = 0.5
    with pytest.raises(EmbeddingUnavailable, match="APITimeoutError"):
        embedder.embed_query("pump")
    assert len(double.requests) == 2


def test_openai_vectors_of_another_dimension_are_refused_by_number(double: OpenAIDouble) -> None:
    with pytest.raises(EmbeddingUnavailable, match=r"of \[32\] dimensions; 1 of 64 are expected"):
        openai_embedder(double, dimension=64).embed_passages(["pump"])


def test_openai_is_asked_for_a_dimension_only_where_the_model_can_shorten(double: OpenAIDouble) -> None:
    openai_embedder(double, model="text-embedding-3-small").embed_query("pump")
    openai_embedder(double).embed_query("pump")
    assert [body.get("dimensions") for _, body in double.requests] == [32, None]


def test_openai_counts_exactly_where_a_tokenizer_is_named_and_cuts_by_it(
    double: OpenAIDouble, int8: OnnxEmbedder, settings: Settings
) -> None:
    tokenizer = Path(settings.SEARCH_MODEL_CACHE_DIR) / int8.variant / "tokenizer.json"
    embedder = openai_embedder(double, tokenizer=tokenizer, max_tokens=6)
    texts = ["Pumps", "naïve Straße 12,5 °C"]
    assert embedder.count_tokens(texts) == int8.count_tokens(texts)
    embedder.embed_query("one two three four five six")
    embedder.embed_query("one two")
    assert [body["input"] for _, body in double.requests] == [["one two three four"], ["one two"]]


@pytest.fixture(scope="module")
def twenty_tokens() -> OpenAIEmbedder:
    return OpenAIEmbedder(api_key="no-key", base_url="http://127.0.0.1:9/v1", max_tokens=20)


@given(text=st.text(max_size=200))
def test_a_query_without_a_tokenizer_is_cut_at_a_whole_character(
    twenty_tokens: OpenAIEmbedder, text: str
) -> None:
    cut = twenty_tokens._cut(text)
    assert text.startswith(cut)
    assert min(len(text.encode()), 17) <= len(cut.encode()) <= 20


# Batching


@given(st.lists(st.integers(1, 300)), st.integers(1, 9), st.integers(50, 600))
def test_batches_hold_every_text_once_within_size_and_budget(
    lengths: list[int], size: int, budget: int
) -> None:
    batches = length_sorted_batches(lengths, size=size, budget=budget)
    flat = [position for batch in batches for position in batch]
    assert sorted(flat) == list(range(len(lengths)))
    assert [lengths[p] for p in flat] == sorted(lengths, reverse=True)
    for batch in batches:
        assert 1 <= len(batch) <= size
        assert len(batch) == 1 or sum(lengths[p] for p in batch) <= budget


@given(st.lists(st.integers(1, 50), max_size=30), st.integers(1, 9))
def test_vectors_return_to_their_texts_places(lengths: list[int], size: int) -> None:
    codes = np.array([[position + 1.0, 1.0] for position in range(len(lengths))]).reshape(-1, 2)
    batches = length_sorted_batches(lengths, size=size)
    vectors = embed_in_batches(batches, lambda positions: codes[list(positions)], dimension=2)
    assert np.allclose(vectors[:, 0] / vectors[:, 1], codes[:, 0])


@pytest.mark.parametrize(
    "broken", [[[0.0, 0.0]], [[float("nan"), 1.0]], [[float("inf"), 1.0]], [[1.0, 2.0, 3.0]]]
)
def test_a_vector_that_no_index_can_use_is_refused(broken: list[list[float]]) -> None:
    with pytest.raises(EmbeddingUnavailable):
        unit_rows(np.array(broken), dimension=2)


# The settings' embedders

FAKE = {"BACKEND": "tests.fakes.FakeEmbedder", "OPTIONS": {"dimension": 16}}


def test_an_alias_is_built_once_for_all_threads(settings: Settings) -> None:
    settings.SEARCH_EMBEDDERS = {"default": FAKE, "next": {**FAKE, "OPTIONS": {"dimension": 8}}}
    found: list[Embedder] = []
    threads = [threading.Thread(target=lambda: found.append(get_embedder())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len({id(embedder) for embedder in found}) == 1
    assert (get_embedder().dimension, get_embedder("next").dimension) == (16, 8)


def test_an_alias_that_the_settings_lack_and_a_config_without_backend_are_named(
    settings: Settings,
) -> None:
    settings.SEARCH_EMBEDDERS = {"default": FAKE}
    with pytest.raises(ImproperlyConfigured, match="no 'other', only \\['default'\\]"):
        get_embedder("other")
    with pytest.raises(ImproperlyConfigured, match="BACKEND"):
        build_embedder({"OPTIONS": {}})


class FailsOnce(FakeEmbedder):
    builds = 0

    def __init__(self) -> None:
        super().__init__()
        FailsOnce.builds += 1
        if FailsOnce.builds == 1:
            raise EmbeddingUnavailable("the model is not there yet")


def test_a_failed_build_fails_fast_for_a_while_and_is_then_tried_again(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FailsOnce, "builds", 0)
    settings.SEARCH_EMBEDDERS = {"default": {"BACKEND": f"{__name__}.FailsOnce"}}
    for _ in range(3):
        with pytest.raises(EmbeddingUnavailable, match="not there yet"):
            get_embedder()
    assert FailsOnce.builds == 1
    monkeypatch.setattr(backends, "RETRY_BUILD_AFTER_SECONDS", 0.0)
    assert get_embedder().dimension == 32
    assert FailsOnce.builds == 2


def test_a_folder_without_weights_is_unavailable_and_named(tmp_path: Path) -> None:
    with pytest.raises(EmbeddingUnavailable, match=f"{tmp_path.name} holds no model weights"):
        OnnxEmbedder(model=str(tmp_path))
