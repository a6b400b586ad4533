"""Where a process's time goes, by part: `python -m bench.profiles STACKS` sums up what `py-spy record -f raw` wrote.

A sample counts for the part whose code is innermost in its stack; the standard library counts for whoever called it.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

# Beginnings of the paths that a frame names, and the part they stand for. The innermost frame with one decides.
PARTS: Mapping[str, str] = {
    "opensearchpy/": "OpenSearch client",
    "urllib3/": "OpenSearch client",
    "redis/": "Redis client",
    "rq/": "RQ",
    "django/db/": "database",
    "search/prepared.py": "database",
    "rest_framework/": "Django and DRF",
    "django/": "Django and DRF",
    "corsheaders/": "Django and DRF",
    "whitenoise/": "Django and DRF",
    "django_htmx/": "Django and DRF",
    "csp/": "Django and DRF",
    "gunicorn/": "web server",
    "uvicorn/": "web server",
    "a2wsgi/": "web server",
    "starlette/": "web server",
    "onnxruntime/": "embedding",
    "search/embeddings/": "embedding",
    "openai/": "model client",
    "httpx2/": "model client",
    "httpx/": "model client",
    "structlog/": "logs and metrics",
    "prometheus_client/": "logs and metrics",
    "search/metrics.py": "logs and metrics",
    "unstructured/": "parsing",
    "py3langid/": "parsing",
    "ingestion/parsers/": "parsing",
    "ingestion/chunking.py": "chunking",
    "ingestion/chunk_units.py": "chunking",
    "search/": "search",
    "ingestion/": "ingestion",
}
OTHER = "other"
# A thread of a pool that has nothing to do looks busy to py-spy.
_IDLE = "_worker (concurrent/futures/thread.py"


def part_of(frames: Iterable[str]) -> str:
    """The part of a stack, its outermost frame first; a frame reads `function (path:line)`."""
    for frame in reversed(list(frames)):
        path = frame.partition("(")[2]
        for beginning, part in PARTS.items():
            if path.startswith(beginning):
                return part
    return OTHER


def shares(lines: Iterable[str], *, within: str) -> dict[str, float]:
    """Share of the samples by part, the largest first. Only stacks with `within` in a frame count."""
    counted: Counter[str] = Counter()
    for line in lines:
        stack, _, samples = line.rstrip("\n").rpartition(" ")
        if within in stack and not stack.rpartition(";")[2].startswith(_IDLE):
            counted[part_of(stack.split(";"))] += int(samples)
    total = sum(counted.values())
    return {part: round(samples / total, 3) for part, samples in counted.most_common()}


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.profiles", description=__doc__)
    parser.add_argument("stacks", type=Path, help="written by `py-spy record --format raw`")
    parser.add_argument("--within", default="", help="count only stacks that hold this text")
    options = parser.parse_args(arguments)
    with options.stacks.open() as lines:
        sys.stdout.write(json.dumps(shares(lines, within=options.within), indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
