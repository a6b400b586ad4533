"""Exports of models to ONNX: whole or not there, made once, checked; and the command that makes them."""

import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from django.test import override_settings
from pytest_django import Settings

from search.embeddings import exported, model_folders
from search.embeddings.export import check_sentences
from search.embeddings.exported import EMBEDDER, Manifest, ensure_exported, read_manifest
from search.embeddings.model_folders import (
    file_sha256,
    resolve_model,
    variant_name,
    weights_sha256,
    with_prompts,
)
from search.embeddings.onnx import OnnxEmbedder
from search.embeddings.sentence_transformer import SentenceTransformerEmbedder
from search.exceptions import EmbeddingUnavailable

PROJECT_ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sentence-transformers folder with CLS pooling and no normalisation, untrained."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import AutoTokenizer, BertConfig, BertModel

    bert = tmp_path_factory.mktemp("bert")
    torch.manual_seed(7)
    tokenizer = AutoTokenizer.from_pretrained(resolve_model("all-MiniLM-L6-v2"), local_files_only=True)
    sizes: dict[str, Any] = {
        "hidden_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 64,
    }
    BertModel(BertConfig(vocab_size=len(tokenizer), **sizes)).save_pretrained(bert)
    tokenizer.save_pretrained(bert)
    transformer = Transformer(str(bert), max_seq_length=48)
    folder = tmp_path_factory.mktemp("models") / "tiny-cls"
    SentenceTransformer(modules=[transformer, Pooling(32, pooling_mode="cls")], device="cpu").save(
        str(folder)
    )
    return folder


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    """A folder that a reader must take for a whole export."""
    folder = tmp_path / "export"
    folder.mkdir()
    (folder / "model.onnx").write_bytes(b"a graph")
    Manifest(
        format=exported.EXPORT_FORMAT,
        model_sha256=file_sha256(folder / "model.onnx"),
        dimension=384,
        max_tokens=256,
        pad_id=0,
        inputs=("input_ids",),
        cosine_min=0.99,
        cosine_mean=0.99,
    ).write(folder)
    return folder


def test_a_manifest_comes_back_as_it_was_written(whole: Path) -> None:
    manifest = read_manifest(whole, Manifest)
    assert manifest is not None
    assert (manifest.dimension, manifest.max_tokens, manifest.inputs) == (384, 256, ("input_ids",))


@pytest.mark.parametrize("what", ["no model", "no manifest", "short model", "short manifest", "older format"])
def test_an_export_that_is_not_whole_is_none(whole: Path, what: str) -> None:
    manifest = read_manifest(whole, Manifest)
    assert manifest is not None
    match what:
        case "no model":
            (whole / "model.onnx").unlink()
        case "no manifest":
            (whole / "manifest.json").unlink()
        case "short model":
            os.truncate(whole / "model.onnx", 3)
        case "short manifest":
            os.truncate(whole / "manifest.json", 30)
        case "older format":
            replace(manifest, format=exported.EXPORT_FORMAT - 1).write(whole)
    assert read_manifest(whole, Manifest) is None


def test_a_killed_export_is_never_taken_for_whole(tiny_model: Path, tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from search.embeddings.exported import EMBEDDER, ensure_exported\n"
        "def say(line): print(line, flush=True)\n"
        "ensure_exported(sys.argv[1], precision='int8', cache_dir=Path(sys.argv[2]), exporter=EMBEDDER, report=say)"
    )
    command = [sys.executable, "-c", program, str(tiny_model), str(tmp_path)]
    run = subprocess.Popen(
        command, cwd=PROJECT_ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert run.stdout is not None
    with run:
        assert run.stdout.readline().startswith("loading tiny-cls")
        os.killpg(run.pid, signal.SIGKILL)
    assert {path.suffix for path in tmp_path.iterdir()} == {".lock", ".part"}


@dataclass(frozen=True)
class Prepared:
    cache_dir: Path
    said: str
    figures: list[dict[str, Any]]


@pytest.fixture(scope="module")
def prepared(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """prepare_models run twice at once, onto what a killed export and a damaged one left behind."""
    cache_dir = tmp_path_factory.mktemp("cache")
    variant = variant_name("tiny-cls", kind="fp32-onnx", revision=weights_sha256(tiny_model))
    for leftover in (cache_dir / f"{variant}.part", cache_dir / variant):
        leftover.mkdir()
        (leftover / "model.onnx").write_bytes(b"half a gra")
    options = {"model": str(tiny_model), "precision": "fp32", "cache_dir": str(cache_dir)}
    out = [StringIO(), StringIO()]
    files = [cache_dir / "first.json", cache_dir / "second.json"]
    config = {"default": {"BACKEND": "search.embeddings.onnx.OnnxEmbedder", "OPTIONS": options}}
    with override_settings(SEARCH_EMBEDDERS={**config, "other": {"BACKEND": "tests.fakes.FakeEmbedder"}}):
        threads = [
            threading.Thread(
                target=call_command, args=("prepare_models", "--json", str(file)), kwargs={"stdout": stdout}
            )
            for file, stdout in zip(files, out, strict=True)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    figures = [json.loads(file.read_text())["embedders"] for file in files]
    return Prepared(cache_dir=cache_dir, said="".join(text.getvalue() for text in out), figures=figures)


def test_two_that_want_the_same_export_make_it_once_and_replace_what_is_not_whole(prepared: Prepared) -> None:
    assert prepared.said.count("loading tiny-cls") == 1
    assert prepared.said.count("comparing with the fp32 model") == 1
    assert not list(prepared.cache_dir.glob("*.part"))


def test_prepare_models_writes_figures_of_every_embedder(prepared: Prepared) -> None:
    for figures in prepared.figures:
        assert figures["default"]["variant"].startswith("tiny-cls-fp32-onnx@")
        assert figures["default"]["cosine_min"] > 0.9999
        assert figures["other"]["dimension"] == 32


def test_an_export_pools_scales_and_cuts_as_its_own_model_does(prepared: Prepared, tiny_model: Path) -> None:
    embedder = OnnxEmbedder(model=str(tiny_model), precision="fp32", cache_dir=prepared.cache_dir)
    reference = SentenceTransformerEmbedder(model=str(tiny_model))
    assert (
        (embedder.dimension, embedder.max_tokens) == (reference.dimension, reference.max_tokens) == (32, 48)
    )
    texts = [text for text in check_sentences() if len(text) < 120]
    cosines = np.sum(embedder.embed_passages(texts) * reference.embed_passages(texts), axis=1)
    assert cosines.min() > 0.9999
    pasted = "leave in writing " * 100
    assert float(embedder.embed_query(pasted) @ reference.embed_query(pasted)) > 0.9999


def test_a_failed_export_says_why_and_leaves_nothing_whole(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exported, "PROJECT_ROOT", tmp_path)  # There the child can't import its program.
    with pytest.raises(
        EmbeddingUnavailable, match=r"(?s)The ONNX export of .*tiny-cls failed: .*No module named"
    ):
        ensure_exported(str(tiny_model), precision="fp32", cache_dir=tmp_path / "cache", exporter=EMBEDDER)
    assert all(path.suffix in {".lock", ".part"} for path in (tmp_path / "cache").iterdir())


def test_a_cache_folder_that_can_not_be_made_is_unavailable(tiny_model: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EmbeddingUnavailable, match="No model can be kept in"):
        ensure_exported(
            str(tiny_model), precision="fp32", cache_dir=tmp_path / "file" / "cache", exporter=EMBEDDER
        )


def test_the_check_has_a_few_dozen_unlike_texts() -> None:
    texts = check_sentences()
    assert len(set(texts)) == len(texts) >= 36
    assert all(texts)


def test_the_bundled_weights_are_the_published_ones_or_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert weights_sha256(resolve_model("all-MiniLM-L6-v2")) == model_folders.BUNDLED_WEIGHTS_SHA256
    monkeypatch.setattr(model_folders, "BUNDLED_WEIGHTS_SHA256", "0" * 64)
    with pytest.raises(EmbeddingUnavailable, match="not the published"):
        resolve_model("sentence-transformers/all-MiniLM-L6-v2")


def test_sharded_weights_have_one_revision_that_changes_with_any_shard(tmp_path: Path) -> None:
    for name in ("model-1.safetensors", "model-2.safetensors"):
        (tmp_path / name).write_bytes(name.encode())
    before = weights_sha256(tmp_path)
    (tmp_path / "model-2.safetensors").write_bytes(b"retrained")
    assert weights_sha256(tmp_path) != before


def test_a_hub_model_without_a_network_is_unavailable_and_the_way_out_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(EmbeddingUnavailable, match="Name a folder, or allow the hub"):
        resolve_model("nobody/no-such-model")


def test_variants_are_told_apart_by_kind_revision_and_prompts() -> None:
    assert (
        variant_name("a/b/bge-small", kind="fp32-onnx", revision="0123456789")
        == "bge-small-fp32-onnx@01234567"
    )
    assert with_prompts("v@1", "", "") == "v@1"
    assert len({with_prompts("v@1", "q", ""), with_prompts("v@1", "", "q"), "v@1"}) == 3


def test_prepare_models_fails_plainly(settings: Settings, tmp_path: Path) -> None:
    broken = {"BACKEND": "search.embeddings.onnx.OnnxEmbedder", "OPTIONS": {"model": str(tmp_path)}}
    settings.SEARCH_EMBEDDERS = {"default": broken}
    with pytest.raises(CommandError, match=r"default: .* holds no model weights"):
        call_command("prepare_models")
    with pytest.raises(CommandError, match="has no \\['absent'\\]"):
        call_command("prepare_models", "--alias", "absent")
