"""The project's settings for tests: a data folder of their own, short leases, servers given by the fixtures."""

import os
from pathlib import Path

from embedded.paths import checkout_paths

_CHECKOUT = Path(__file__).resolve().parent.parent
for _name in (
    "OPENSEARCH_URL",
    "REDIS_URL",
    "REDIS_CACHE_URL",
    "OPENAI_BASE_URL",
    "OPENAI_MODEL",
    "SEARCH_GENERATION_PROVIDERS",
):
    os.environ.pop(_name, None)
os.environ["RAGSITE_DATA_DIR"] = str(checkout_paths(_CHECKOUT, purpose="tests").data)

from ragsite.settings import *  # noqa: E402, F403
from ragsite.settings import DATABASES, PATHS, STATIC_ROOT  # noqa: E402

_WORKER = os.environ.get("PYTEST_XDIST_WORKER", "main")
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # A file, not memory: worker processes and threads of their own look at it too.
    DATABASES["default"]["TEST"] = {"NAME": str(PATHS.data / "test.sqlite3")}
DATABASES["default"]["CONN_MAX_AGE"] = 0
STATIC_ROOT.mkdir(parents=True, exist_ok=True)  # else whitenoise warns
MEDIA_ROOT = str(PATHS.data / f"uploads-{_WORKER}")
OPENSEARCH_URL = REDIS_URL = REDIS_CACHE_URL = ""
OPENSEARCH_INDEX_PREFIX = f"test-{os.getpid()}-{_WORKER}"
INGESTION_LEASE_SECONDS = 2.0
INGESTION_HEARTBEAT_SECONDS = 0.5
INGESTION_SWEEP_SECONDS = 0.5
INGESTION_RETRY_SECONDS = 0.2
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
SEARCH_SEMANTIC_CACHE = False  # what is asked in other words is answered anew, unless a test is about that
SEARCH_RERANKER = None  # what is tested is the order of the engine, unless a test sets one
