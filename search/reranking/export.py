"""Exports a CrossEncoder to ONNX: `python -m search.reranking.export SOURCE PRECISION TARGET`.

A child process of its own, because it needs torch. The manifest is written last, only if the scores agree.
"""

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from search.embeddings.export import check_sentences, quantise, say, trace, write_tokenizer
from search.embeddings.exported import EXPORT_FORMAT, Precision
from search.embeddings.model_folders import file_sha256
from search.embeddings.onnx import OnnxModel
from search.reranking.onnx import CrossEncoderManifest

if TYPE_CHECKING:
    import torch
    from sentence_transformers import CrossEncoder

# How far a score may lie from fp32's, in standard deviations of fp32's over the check pairs: int8 rounds, and a
# broken export is off by whole deviations.
FURTHEST = {"int8": 0.75, "fp32": 0.001}
TYPICAL = {"int8": 0.25, "fp32": 0.001}


def export_folder(source: Path, target: Path, *, precision: Precision) -> None:
    """Writes model.onnx, tokenizer.json and manifest.json into `target`, an empty folder."""
    say(f"loading {source.name} with torch")
    from sentence_transformers import CrossEncoder

    model = CrossEncoder(
        str(source), device="cpu", local_files_only=True, model_kwargs={"attn_implementation": "eager"}
    )
    if model.num_labels != 1:
        raise SystemExit(f"The model gives {model.num_labels} scores a pair; a reranker gives one.")
    model.eval()
    write_tokenizer(model.tokenizer, target / "tokenizer.json")
    inputs = tuple(name for name in model.tokenizer.model_input_names if name != "special_tokens_mask")
    say("tracing the graph")
    pairs = [["a query", "a passage"], ["a query", "a longer passage, so that there is padding"]]
    sample = model.tokenizer(pairs, padding=True, return_tensors="pt")
    trace(_graph(model, inputs), sample, target / "model.onnx", inputs=inputs, output="score")
    if precision == "int8":
        say("quantising to int8, per channel")
        quantise(target / "model.onnx")
    say("comparing with the fp32 model")
    _check(model, inputs, target, precision=precision)


def _graph(model: "CrossEncoder", inputs: tuple[str, ...]) -> "torch.nn.Module":
    import torch

    activation: Any = model.activation_fn

    class Scores(torch.nn.Module):
        """The model and its own last function (sigmoid or none) in one graph."""

        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, *tensors: torch.Tensor) -> torch.Tensor:
            logits = self.model(dict(zip(inputs, tensors, strict=True)))["scores"]
            scores: torch.Tensor = activation(logits)
            return scores.squeeze(-1)

    return Scores().eval()


def _check(model: "CrossEncoder", inputs: tuple[str, ...], folder: Path, *, precision: Precision) -> None:
    pairs = check_pairs()
    expected = np.asarray(model.predict(pairs, show_progress_bar=False), dtype=np.float64)
    manifest = CrossEncoderManifest(
        format=EXPORT_FORMAT,
        model_sha256=file_sha256(folder / "model.onnx"),
        max_tokens=_window(model),
        pad_id=int(model.tokenizer.pad_token_id or 0),
        inputs=inputs,
        furthest=0.0,
    )
    exported = OnnxModel(folder, manifest)
    encodings = exported.cutting_tokenizer.encode_batch(pairs)
    actual = np.array([float(exported.run([encoding])[0]) for encoding in encodings])
    apart = np.abs(actual - expected) / (expected.std() or 1.0)
    furthest, typical = float(apart.max()), float(apart.mean())
    say(
        f"distance to fp32 over {len(pairs)} pairs: at most {furthest:.4f} deviations, {typical:.4f} typically"
    )
    if furthest > FURTHEST[precision] or typical > TYPICAL[precision]:
        raise SystemExit(
            f"Distance to fp32: {furthest:.4f} deviations at most, {typical:.4f} typically."
            " Too far off: the export is refused."
        )
    replace(manifest, furthest=round(furthest, 6)).write(folder)


def check_pairs() -> list[tuple[str, str]]:
    """Each sentence that models are compared on, with itself and with the next: related and not."""
    texts = check_sentences()
    return [*zip(texts, texts, strict=True), *zip(texts, [*texts[1:], texts[0]], strict=True)]


def _window(model: "CrossEncoder") -> int:
    window: Any = model.max_seq_length
    if not window:
        raise SystemExit("The model does not say how many tokens it takes.")
    return int(window)


if __name__ == "__main__":
    source_folder, wanted, target_folder = sys.argv[1:]
    export_folder(Path(source_folder), Path(target_folder), precision=cast("Precision", wanted))
