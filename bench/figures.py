"""Renders the figures in README.md from the JSON files that the commands wrote: `python -m bench.figures` puts them in.

A test holds the README to this, so that no figure in it is anybody's memory.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
FIGURES = ROOT / "docs" / "figures"
README = ROOT / "README.md"
_SECTION = re.compile(r"<!-- figures -->\n.*?<!-- /figures -->", re.DOTALL)
_MIB = 1024 * 1024


def read(name: str) -> Any:
    """A command's figures; None when it has not been run for the README."""
    path = FIGURES / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else None


def section() -> str:
    """The README's section, markers included."""
    parts = [_start(), _relevance(), _ingestion(), _kills(), _search(), _streams(), _load(), _peers()]
    return "\n\n".join(["<!-- figures -->", *(part for part in parts if part), "<!-- /figures -->"])


def write() -> None:
    README.write_text(_SECTION.sub(lambda _: section(), README.read_text()))


def _start() -> str:
    first, second, loaded = read("up_first"), read("up_second"), read("up_two_web_processes")
    if not first or not second or not loaded:
        return ""
    disk = sum(first["disk_bytes"].values()) / _MIB
    memory = sum(loaded["memory_rss_bytes"].values()) / _MIB
    return (
        f"`make up` on a machine with nothing prepared but the packages was ready, sample documents included, in "
        f"{first['seconds_to_ready']:.0f} s, a second start in {second['seconds_to_ready']:.0f} s. It took "
        f"{first['downloaded_bytes'] / _MIB:,.0f} MiB of OpenSearch to download, {disk:,.0f} MiB of disk, "
        f"{first['packages']} Python packages, and {memory:,.0f} MiB of memory with the sample just loaded."
    )


_COLUMNS = {
    "lexical": "lexical",
    "vector": "vector",
    "min_max": "min-max .5",
    "z_score": "z-score .5",
    "rrf": "RRF",
    "shipped": "hybrid as shipped",
    "tuned": "tuned",
    "reranked": "reranked",
}
_SETS = {language: f"xquad {language}" for language in ("de", "en", "zh")}


def _relevance() -> str:
    figures = read("relevance")
    if not figures:
        return ""
    lines = [f"| | queries | {' | '.join(_COLUMNS.values())} |", "| --- " * (len(_COLUMNS) + 2) + "|"]
    for name, row in figures["sets"].items():
        cells = [f"{row[figures['measure']][column]:.3f}" for column in _COLUMNS]
        cells[-1] = f"{row['reranking']['before']:.3f} → {cells[-1]}"
        far = " (below its better leg)" if row["loses"] else ""
        lines.append(f"| {_SETS.get(name, name)}{far} | {row['queries']} | {' | '.join(cells)} |")
    title = (
        "Relevance, nDCG@10 (`relevance_table`). As shipped: the weight of each leg is what a probe of the index "
        "found, without judgements. Tuned and reranked are chosen and learned from other queries than those they are "
        "shown on; the reranker on at most 400, before and after."
    )
    return "\n".join([title, "", *lines])


def _ingestion() -> str:
    figures = read("bench_ingest")
    if not figures:
        return ""
    workers = "1 worker" if figures["workers"] == 1 else f"{figures['workers']} workers"
    peaks, inputs, again = figures["peak_memory_bytes"], figures["embedder_inputs"], figures["second_sync"]
    return (
        f"Ingestion of {sum(figures['documents'].values()):,} files (`bench_ingest`, {workers}, "
        f"{figures['settings']['cores']} cores): {figures['chunks']:,} chunks in {figures['seconds']:,.0f} s, "
        f"{figures['chunks_per_second']:.0f} a second; peak memory of a worker {peaks['worker'] / _MIB:,.0f} MiB "
        f"and its parser {peaks['parser'] / _MIB:,.0f} MiB; {inputs['over_window']} inputs cut by the embedder. "
        f"A second sync took "
        f"{again['seconds']:.1f} s, parsed and embedded {again['embedded']:.0f}."
    )


def _kills() -> str:
    figures = read("bench_kills")
    if not figures:
        return ""
    return (
        f"A worker killed {len(figures['kills'])} times on the way through {figures['documents']:,} documents "
        f"(`bench_kills`): {figures['lost']} of {figures['chunks']:,} chunks lost, {figures['extra']} extra, "
        f"{figures['left_after_reconcile']} left over."
    )


def _search() -> str:
    figures = read("bench_search")
    if not figures:
        return ""
    one, load = figures["one_by_one"], figures["at_once"]
    rows = [
        ("whole API", "api"),
        ("whole API, query vector cached", "api_vector_cached"),
        ("the same bodies sent straight to OpenSearch", "opensearch"),
    ]
    lines = [
        "| hybrid, top 10 | p50 ms | p95 ms | requests a second, 8 clients |",
        "| --- | --- | --- | --- |",
    ]
    for title, key in rows:
        alone, rate = one[key], load[key]["requests_per_second"]
        lines.append(f"| {title} | {alone['p50_ms']:.1f} | {alone['p95_ms']:.1f} | {rate:.0f} |")
    return "\n".join([f"Search over {figures['index']['chunks']:,} chunks (`bench_search`):", "", *lines])


def _streams() -> str:
    figures = read("bench_streams")
    if not figures:
        return ""
    return (
        f"{figures['streams']} streamed answers of {figures['seconds']:.0f} s at once, against a double of a model "
        f"(`bench_streams`): first token p95 {figures['first_token_ms']['p95'] / 1000:.2f} s, {figures['shed']} shed; "
        f"a plain search's p95 {figures['search_during_ms']['p95']:.0f} ms meanwhile, "
        f"{figures['search_idle_ms']['p95']:.0f} ms idle."
    )


def _load() -> str:
    figures = read("bench_load")
    if not figures:
        return ""
    search, answers = figures["search"], figures["answers"]
    times = ", ".join(f"{name} {search['ok_ms'][name]:,.0f} ms" for name in ("p50", "p95", "p99"))
    cores = ", ".join(f"{name} {each['cores']:.2f}" for name, each in figures["processes"].items())
    return (
        f"{figures['clients']} clients searching without a pause and {figures['streams']} readers of streamed answers "
        f"on one server for {figures['seconds']:.0f} s (`bench_load`): {search['ok_per_second']:.0f} searches/s, "
        f"{times}; {search['shed']} shed, {search['errors']} errors. {answers['completed']} answers, first token p95 "
        f"{answers['first_token_ms']['p95'] / 1000:.1f} s, {answers['shed']} shed, {answers['errors']} errors. "
        f"Cores in use: {cores}."
    )


def _peers() -> str:
    tables = [_peers_table(figures) for name in ("peers_10k", "peers_75k") if (figures := read(name))]
    return "\n\n".join(tables)


def _peers_table(figures: Any) -> str:
    """One row a system; medians of the rounds. A system without nDCG within 1 % of the best is marked."""
    embedded, cached = figures["search"]["embedded"], figures["search"]["cached"]
    columns = [
        "system",
        "nDCG@10",
        "indexes, vectors given",
        "embeds and indexes",
        "p50 ms",
        "requests a second, 8 clients",
        "p50 ms, vector cached",
        "own CPU ms",
        "memory MiB",
    ]
    lines = [f"| {' | '.join(columns)} |", "| --- " * len(columns) + "|"]
    for name, values in figures["indexing_given_vectors"].items():
        if name == "finish_seconds":
            continue
        cells = [
            _judged(figures, name),
            f"{values['passages_per_second']['median']:.0f}",
            f"{figures['ingestion'][name]['passages_per_second']['median']:.0f}",
            f"{embedded['1'][name]['p50_ms']['median']:.1f}",
            f"{embedded['8'][name]['requests_per_second']['median']:.0f}",
            f"{cached['1'][name]['p50_ms']['median']:.1f}",
            f"{embedded['8'][name]['own_cpu_ms']['median']:.1f}",
            f"{figures['memory_bytes'][name] / _MIB:,.0f}",
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    title = (
        f"Beside its peers, {figures['settings']['count']:,} passages (`bench_peers`, passages a second; OpenSearch's "
        f"own {figures['memory_bytes']['opensearch'] / _MIB:,.0f} MiB serve three of the systems):"
    )
    return "\n".join([title, "", *lines])


def _judged(figures: Any, name: str) -> str:
    if "ndcg@10" not in figures:
        return ""
    far = "" if name in figures["near_best"] else " (lower)"
    return f"{figures['ndcg@10'][name]['mean']:.3f}{far}"


if __name__ == "__main__":
    write()
    sys.stdout.write(section() + "\n")
