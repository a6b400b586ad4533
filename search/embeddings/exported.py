"""ONNX exports in the cache folder: whole, or made once by a child process (torch never enters this one).

An export is written beside, checked, and renamed; one without a manifest that fits its file is no export.
"""

import contextlib
import fcntl
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Generic, Literal, TypeVar

import structlog

from search.embeddings.model_folders import file_sha256, resolve_model, variant_name, weights_sha256
from search.exceptions import EmbeddingUnavailable

Precision = Literal["int8", "fp32"]

# Raise it when what the exporter writes changes: older exports are then made anew.
EXPORT_FORMAT = 2
PROJECT_ROOT = Path(__file__).resolve().parents[2]
ERROR_TAIL_CHARACTERS = 600

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class GraphManifest:
    """What every export says of its graph; what it is an export of says more."""

    format: int
    model_sha256: str
    max_tokens: int
    pad_id: int
    inputs: tuple[str, ...]

    def write(self, folder: Path) -> None:
        (folder / "manifest.json").write_text(json.dumps(asdict(self), indent=1), encoding="utf-8")


@dataclass(frozen=True, kw_only=True)
class Manifest(GraphManifest):
    """Of an embedder. The cosines: agreement with the fp32 torch model on check_sentences.txt."""

    dimension: int
    cosine_min: float
    cosine_mean: float


M = TypeVar("M", bound=GraphManifest)


@dataclass(frozen=True, slots=True)
class Exporter(Generic[M]):
    """A kind of export: the module that writes one (`python -m MODULE SOURCE PRECISION TARGET`) and its manifest."""

    module: str
    manifest: type[M]


EMBEDDER = Exporter("search.embeddings.export", Manifest)


def read_manifest(folder: Path, kind: type[M]) -> M | None:
    """The manifest of a whole export in that folder, else None."""
    try:
        raw = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        manifest = kind(**{**raw, "inputs": tuple(raw["inputs"])})
        whole = manifest.model_sha256 == file_sha256(folder / "model.onnx")
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return manifest if whole and manifest.format == EXPORT_FORMAT else None


@dataclass(frozen=True, kw_only=True)
class ExportedModel(Generic[M]):
    folder: Path
    variant: str
    manifest: M


def log_progress(line: str) -> None:
    log.info("model_export", progress=line)


def ensure_exported(
    model: str,
    *,
    precision: Precision,
    cache_dir: Path,
    exporter: Exporter[M],
    report: Callable[[str], None] = log_progress,
) -> ExportedModel[M]:
    """The model's export, made now (10 to 40 s) if the cache has none; one process makes it, others wait."""
    source = resolve_model(model)
    variant = variant_name(model, kind=f"{precision}-onnx", revision=weights_sha256(source))
    folder = cache_dir / variant
    manifest = read_manifest(folder, exporter.manifest)
    if manifest is None:
        with _locked(folder) as lock:
            manifest = read_manifest(folder, exporter.manifest)
            if manifest is None:
                arguments = [exporter.module, str(source), precision]
                _export(arguments, folder, lock=lock, report=report)
                manifest = read_manifest(folder, exporter.manifest)
    if manifest is None:
        raise EmbeddingUnavailable(f"The export in {folder} is not whole.")
    return ExportedModel(folder=folder, variant=variant, manifest=manifest)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[IO[str]]:
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = folder.with_name(f"{folder.name}.lock").open("w")
    except OSError as error:
        raise EmbeddingUnavailable(f"No model can be kept in {folder.parent}: {error.strerror}.") from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock


def _export(arguments: Sequence[str], folder: Path, *, lock: IO[str], report: Callable[[str], None]) -> None:
    stage = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(stage, ignore_errors=True)
    stage.mkdir()
    command = [sys.executable, "-m", *arguments, str(stage)]
    with tempfile.TemporaryFile("w+", encoding="utf-8") as errors:
        # The child holds the lock too: should we be killed, nobody else starts while it still writes.
        child = subprocess.Popen(  # noqa: S603 (our own interpreter, a list of arguments)
            command,
            cwd=PROJECT_ROOT,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            pass_fds=(lock.fileno(),),
        )
        with child:
            for line in child.stdout or ():
                report(line.rstrip())
        if child.returncode != 0:
            errors.seek(0)
            raise EmbeddingUnavailable(
                f"The ONNX export of {arguments[1]} failed: {errors.read().strip()[-ERROR_TAIL_CHARACTERS:]}"
            )
    shutil.rmtree(folder, ignore_errors=True)
    stage.rename(folder)
