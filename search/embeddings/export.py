"""Exports a model folder to ONNX: `python -m search.embeddings.export SOURCE PRECISION TARGET`.

A child process of its own, because it needs torch. The manifest is written last, only if the vectors agree.
"""

import sys
import warnings
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from search.embeddings.batching import Vectors, embed_in_batches, length_sorted_batches
from search.embeddings.exported import EXPORT_FORMAT, Manifest, Precision
from search.embeddings.model_folders import file_sha256
from search.embeddings.onnx import OnnxModel

if TYPE_CHECKING:
    import torch
    from sentence_transformers import SentenceTransformer

OPSET = 17
# Below these a quantised model is another model. int8 MiniLM: sentences .983 and more, the two letters "hi"
# .978, mean .992; quantised per tensor instead of per channel it would have .868 and .954.
LOWEST_COSINE = {"int8": 0.97, "fp32": 0.9999}
MEAN_COSINE = {"int8": 0.99, "fp32": 0.9999}
CHECK_BATCH_SIZE = 8


def check_sentences() -> list[str]:
    """Short and long, plain and technical, several scripts: what the export is compared on."""
    return Path(__file__).with_name("check_sentences.txt").read_text(encoding="utf-8").splitlines()


def export_folder(source: Path, target: Path, *, precision: Precision) -> None:
    """Writes model.onnx, tokenizer.json and manifest.json into `target`, an empty folder."""
    say(f"loading {source.name} with torch")
    from sentence_transformers import SentenceTransformer

    # "eager" is the attention whose graph onnxruntime runs best: sdpa's masks and NaN guards cost it a fifth.
    model = SentenceTransformer(
        str(source),
        device="cpu",
        local_files_only=True,
        model_kwargs={"attn_implementation": "eager"},
    )
    model.eval()
    write_tokenizer(model.tokenizer, target / "tokenizer.json")
    inputs = tuple(name for name in model.tokenizer.model_input_names if name != "special_tokens_mask")
    say("tracing the graph")
    sample = model.tokenizer(
        ["two texts", "of unlike length, so that there is padding"], padding=True, return_tensors="pt"
    )
    trace(_graph(model, inputs), sample, target / "model.onnx", inputs=inputs, output="embedding")
    if precision == "int8":
        say("quantising to int8, per channel")
        quantise(target / "model.onnx")
    say("comparing with the fp32 model")
    _check(model, inputs, target, precision=precision)


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def write_tokenizer(tokenizer: Any, path: Path) -> None:
    """Raises SystemExit for a model without a fast tokenizer."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise SystemExit("The model has no fast tokenizer: use the adapter that runs it in torch.")
    backend.save(str(path))


def _graph(model: "SentenceTransformer", inputs: tuple[str, ...]) -> "torch.nn.Module":
    import torch

    class SentenceVectors(torch.nn.Module):
        """Transformer, pooling and normalisation in one graph: every kind of pooling is the model's own."""

        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, *tensors: torch.Tensor) -> torch.Tensor:
            features = self.model(dict(zip(inputs, tensors, strict=True)))
            return torch.nn.functional.normalize(features["sentence_embedding"], dim=1)

    return SentenceVectors().eval()


def trace(graph: "torch.nn.Module", sample: Any, path: Path, *, inputs: tuple[str, ...], output: str) -> None:
    """Writes a graph from token tensors (texts, tokens), as in `sample`, to a row or number for each text."""
    import torch

    axes: dict[str, dict[int, str]] = {name: {0: "batch", 1: "tokens"} for name in inputs}
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter(
            "ignore"
        )  # The tracer's remarks on shapes; the comparison below is what counts.
        torch.onnx.export(
            graph,
            tuple(sample[name] for name in inputs),
            str(path),
            input_names=list(inputs),
            output_names=[output],
            dynamic_axes={**axes, output: {0: "batch"}},
            opset_version=OPSET,
            dynamo=False,
        )


def quantise(path: Path) -> None:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    full = path.with_name("fp32.onnx")
    path.rename(full)
    quantize_dynamic(full, path, per_channel=True, weight_type=QuantType.QInt8)
    full.unlink()


def _check(
    model: "SentenceTransformer", inputs: tuple[str, ...], folder: Path, *, precision: Precision
) -> None:
    expected = model.encode(check_sentences(), normalize_embeddings=True, show_progress_bar=False)
    manifest = Manifest(
        format=EXPORT_FORMAT,
        model_sha256=file_sha256(folder / "model.onnx"),
        dimension=int(expected.shape[1]),
        max_tokens=_window(model),
        pad_id=int(model.tokenizer.pad_token_id or 0),
        inputs=inputs,
        cosine_min=0.0,
        cosine_mean=0.0,
    )
    actual = _vectors(OnnxModel(folder, manifest), check_sentences())
    cosines = np.sum(expected * actual, axis=1)
    lowest, mean = float(cosines.min()), float(cosines.mean())
    say(f"cosine to fp32 over {len(actual)} texts: lowest {lowest:.4f}, mean {mean:.4f}")
    if lowest < LOWEST_COSINE[precision] or mean < MEAN_COSINE[precision]:
        raise SystemExit(
            f"Cosine to fp32: lowest {lowest:.4f}, mean {mean:.4f}. Too far off: the export is refused."
        )
    replace(manifest, cosine_min=round(lowest, 6), cosine_mean=round(mean, 6)).write(folder)


def _vectors(model: OnnxModel[Manifest], texts: list[str]) -> Vectors:
    encodings = model.cutting_tokenizer.encode_batch(texts)
    batches = length_sorted_batches([len(encoding.ids) for encoding in encodings], size=CHECK_BATCH_SIZE)
    return embed_in_batches(
        batches,
        lambda positions: model.run([encodings[p] for p in positions]),
        dimension=model.manifest.dimension,
    )


def _window(model: "SentenceTransformer") -> int:
    window: Any = model.max_seq_length
    if not window:
        raise SystemExit("The model does not say how many tokens it takes (max_seq_length).")
    return int(window)


if __name__ == "__main__":
    source_folder, wanted, target_folder = sys.argv[1:]
    export_folder(Path(source_folder), Path(target_folder), precision=cast("Precision", wanted))
