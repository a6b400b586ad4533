"""System checks of the settings: what would fail later, or kill a node, is refused at start."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from search.generation.providers import provider_of

KNN_ENGINES = ("lucene", "faiss")
MAX_RESULT_WINDOW = 10_000  # how deep the engine looks by place


@register()
def opensearch_settings(**_: Any) -> list[CheckMessage]:
    errors: list[CheckMessage] = []
    if settings.OPENSEARCH_KNN_ENGINE not in KNN_ENGINES:
        errors.append(Error(f"OPENSEARCH_KNN_ENGINE is one of {', '.join(KNN_ENGINES)}.", id="search.E001"))
    if settings.OPENSEARCH_KNN_ENGINE == "faiss" and not settings.OPENSEARCH_HAS_FAISS:
        errors.append(
            Error(
                "OPENSEARCH_KNN_ENGINE=faiss kills a node without the native library at its first document.",
                hint="Use lucene on the embedded node; where the official image runs, say OPENSEARCH_HAS_FAISS=true.",
                id="search.E002",
            )
        )
    if not 0.0 <= settings.SEARCH_VECTOR_WEIGHT <= 1.0:
        errors.append(Error("SEARCH_VECTOR_WEIGHT lies between 0 and 1.", id="search.E003"))
    if not 0 < settings.SEARCH_SEMANTIC_CACHE_ENTRIES < MAX_RESULT_WINDOW:
        message = f"SEARCH_SEMANTIC_CACHE_ENTRIES lies between 1 and {MAX_RESULT_WINDOW - 1}."
        errors.append(Error(message, id="search.E004"))
    return errors


@register()
def generation_settings(**_: Any) -> list[CheckMessage]:
    """Each provider is made once, which contacts nobody, so that a misspelt one is told at start."""
    names = [config.get("name") for config in settings.SEARCH_GENERATION_PROVIDERS]
    errors: list[CheckMessage] = []
    for config in settings.SEARCH_GENERATION_PROVIDERS:
        try:
            provider_of(config)
        except ValueError as error:
            errors.append(Error(f"SEARCH_GENERATION_PROVIDERS: {error}", id="search.E004"))
    if len(set(names)) < len(names):
        errors.append(
            Error("SEARCH_GENERATION_PROVIDERS: each provider has a name of its own.", id="search.E005")
        )
    return errors


@register()
def price_settings(**_: Any) -> list[CheckMessage]:
    wrong = [model for model, price in settings.SEARCH_MODEL_PRICES.items() if not _is_price(price)]
    message = 'a price is {"prompt": …, "completion": …}, numbers from 0 on, of a million tokens.'
    return [Error(f"SEARCH_MODEL_PRICES: {model}: {message}", id="search.E006") for model in wrong]


def _is_price(price: Any) -> bool:
    if not isinstance(price, dict) or set(price) != {"prompt", "completion"}:
        return False
    return all(isinstance(value, int | float) and value >= 0 for value in price.values())


@register()
def lease_settings(**_: Any) -> list[CheckMessage]:
    if settings.INGESTION_HEARTBEAT_SECONDS * 2 > settings.INGESTION_LEASE_SECONDS:
        message = (
            "INGESTION_HEARTBEAT_SECONDS must be under half of INGESTION_LEASE_SECONDS, or leases run out."
        )
        return [Error(message, id="ingestion.E001")]
    return []
