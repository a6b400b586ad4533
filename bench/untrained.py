"""A cross-encoder that has learned nothing: its size, its speed and its loading are real, its scores mean nothing."""

from pathlib import Path

from search.embeddings.model_folders import resolve_model
from search.reranking.onnx import OnnxReranker


def ensure_cross_encoder(path: Path) -> None:
    """The folder, and its export to ONNX, made once, so that no search waits for them."""
    if not (path / "config.json").exists():
        write_cross_encoder(path)
    OnnxReranker(model=str(path))


def write_cross_encoder(path: Path) -> None:
    """A CrossEncoder folder: a tokenizer, MiniLM's trained layers and a head from a seed."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    source = resolve_model("all-MiniLM-L6-v2")
    torch.manual_seed(7)
    model = AutoModelForSequenceClassification.from_pretrained(source, num_labels=1, local_files_only=True)
    torch.nn.init.normal_(model.classifier.weight, std=0.5)
    model.save_pretrained(path)
    AutoTokenizer.from_pretrained(source, local_files_only=True).save_pretrained(path)
