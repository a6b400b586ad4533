"""Prometheus metrics of both sides, and the stage clock whose readings become a response's `timings`."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import Counter, Gauge, Histogram

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)

QUERY_STAGE_SECONDS = Histogram(
    "ragsite_query_stage_seconds", "Time of a query's stage.", ["stage"], buckets=_SECONDS
)
QUERIES = Counter("ragsite_queries_total", "Queries by endpoint and outcome.", ["endpoint", "outcome"])
DEGRADED = Counter(
    "ragsite_degraded_total", "Responses that had to leave something out, by reason.", ["reason"]
)
CACHE_READS = Counter("ragsite_cache_reads_total", "Cache reads by layer and outcome.", ["layer", "outcome"])
CACHE_EVICTED = Counter("ragsite_cache_evicted_total", "Cache entries removed before their time.", ["layer"])
TOKENS = Counter(
    "ragsite_generation_tokens_total", "Tokens of generations, as the server counted them.", ["kind"]
)
GENERATION_FAILURES = Counter(
    "ragsite_generation_failures_total",
    "Calls of language models that failed, by provider and reason.",
    ["provider", "reason"],
)
FEEDBACK = Counter("ragsite_feedback_total", "Readers' ratings by kind and rating.", ["kind", "rating"])
LAB_REGRESSED = Gauge(
    "ragsite_lab_regressed",
    "1 when a query set's last nightly run is significantly worse than the accepted one.",
    ["tenant", "query_set"],
    multiprocess_mode="mostrecent",
)
EXPECTATIONS_RED = Gauge(
    "ragsite_expectations_red",
    "Expectations of a tenant that do not hold.",
    ["tenant"],
    multiprocess_mode="mostrecent",
)
TASKS = Counter("ragsite_ingestion_tasks_total", "Ingestion tasks that ended, by state.", ["state"])
INGESTION_STAGE_SECONDS = Histogram(
    "ragsite_ingestion_stage_seconds",
    "Time of an ingestion stage for one claim.",
    ["stage"],
    buckets=_SECONDS,
)
CHUNKS = Counter("ragsite_ingestion_chunks_total", "Chunks written to an index.")
EMBEDDINGS = Counter("ragsite_embeddings_total", "Passages embedded, or found stored.", ["outcome"])
QUEUE_TASKS = Gauge(
    "ragsite_queue_tasks", "Open ingestion tasks by state.", ["state"], multiprocess_mode="mostrecent"
)
QUEUE_AGE_SECONDS = Gauge(
    "ragsite_queue_age_seconds", "Age of the oldest task that is due.", multiprocess_mode="mostrecent"
)


class StageClock:
    """Measures the stages of one request or job. `timings` is in milliseconds."""

    def __init__(self, histogram: Histogram = QUERY_STAGE_SECONDS) -> None:
        self._histogram = histogram
        self._started = time.perf_counter()
        self.timings: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            seconds = time.perf_counter() - started
            self._histogram.labels(name).observe(seconds)
            self.timings[name] = round(self.timings.get(name, 0.0) + seconds * 1000, 3)

    def total(self) -> dict[str, float]:
        """The timings so far, with the whole time as `total`."""
        return {**self.timings, "total": round((time.perf_counter() - self._started) * 1000, 3)}
