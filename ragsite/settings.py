"""Every setting, and the only reader of the environment. `.env` beside manage.py is read first, if it is there.

Names: customary ones (DATABASE_URL, REDIS_URL, OPENAI_API_KEY …) as everywhere; ours begin with OPENSEARCH_, SEARCH_ or
INGESTION_ and carry their unit. `NAME_FILE` gives a secret by a file's path.
"""

from pathlib import Path
from typing import Any

import environ
import structlog
from corsheaders.defaults import default_headers

from embedded.paths import checkout_paths
from embedded.services import running_services
from ragsite import admin_theme

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.FileAwareEnv()
environ.Env.read_env(BASE_DIR / ".env")

PATHS = checkout_paths(BASE_DIR)
PATHS.data.mkdir(parents=True, exist_ok=True)
_running = running_services(PATHS)


def _url(name: str, embedded_url: str | None) -> str:
    """The environment's URL, else that of a running `make up`; "" when a command must start its own."""
    return str(env.str(name, default="")) or embedded_url or ""


def _secret_key() -> str:
    """The environment's key, else one made at first start and kept in the data folder."""
    if given := env.str("SECRET_KEY", default=""):
        return str(given)
    path = PATHS.data / "secret_key"
    if not path.exists():
        from django.core.management.utils import get_random_secret_key

        path.write_text(get_random_secret_key())
        path.chmod(0o600)
    return path.read_text()


# Django
SECRET_KEY = _secret_key()
DEBUG = env.bool("DEBUG", default=False)
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "search",
    "ingestion",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "corsheaders",
    "csp",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_htmx",
    "django_rq",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "ragsite.middleware.StaticFilesMiddleware",
    "csp.middleware.CSPMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]
ROOT_URLCONF = "ragsite.urls"
WSGI_APPLICATION = "ragsite.wsgi.application"
AUTH_USER_MODEL = "search.User"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
APPEND_SLASH = False
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
STATIC_URL = "/static/"
STATIC_ROOT = PATHS.data / "static"
STATICFILES_DIRS = [BASE_DIR / "templates" / "static"]
WHITENOISE_USE_FINDERS = True
MEDIA_ROOT = env.str("MEDIA_ROOT", default=str(PATHS.data / "uploads"))
DATA_UPLOAD_MAX_MEMORY_SIZE = 110 * 1024 * 1024  # twice a document of INGESTION_MAX_DOCUMENT_BYTES, as JSON
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", default=False)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = env.bool("SECURE_COOKIES", default=False)
SECURE_CONTENT_TYPE_NOSNIFF = True
X_FRAME_OPTIONS = "DENY"

# Database: SQLite takes writers one at a time, so each says at once that it will write (IMMEDIATE)
DATABASES: dict[str, Any] = {
    "default": env.db_url("DATABASE_URL", default=f"sqlite:///{PATHS.data}/db.sqlite3")
}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["OPTIONS"] = {
        "timeout": 20,
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA busy_timeout=20000;",
    }
DATABASES["default"]["CONN_MAX_AGE"] = env.int("DATABASE_CONN_MAX_AGE_SECONDS", default=600)
ATOMIC_REQUESTS = False

# Redis: a durable queue and a cache that may forget
REDIS_URL = _url("REDIS_URL", _running.redis_url if _running else None)
REDIS_CACHE_URL = _url("REDIS_CACHE_URL", _running.redis_cache_url if _running else None)
RQ_QUEUES = {
    "default": {"URL": REDIS_URL or "redis://127.0.0.1:6379/0", "SERIALIZER": "rq.serializers.JSONSerializer"}
}
RQ_SHOW_ADMIN_LINK = False

# OpenSearch
OPENSEARCH_URL = _url("OPENSEARCH_URL", _running.opensearch_url if _running else None)
OPENSEARCH_USER = env.str("OPENSEARCH_USER", default="")
OPENSEARCH_PASSWORD = env.str("OPENSEARCH_PASSWORD", default="")
OPENSEARCH_CA_CERTS = env.str("OPENSEARCH_CA_CERTS", default="")
OPENSEARCH_INDEX_PREFIX = env.str("OPENSEARCH_INDEX_PREFIX", default="ragsite")
OPENSEARCH_CONNECT_TIMEOUT_SECONDS = env.float("OPENSEARCH_CONNECT_TIMEOUT_SECONDS", default=0.5)
OPENSEARCH_SEARCH_TIMEOUT_SECONDS = env.float("OPENSEARCH_SEARCH_TIMEOUT_SECONDS", default=5.0)
OPENSEARCH_BULK_TIMEOUT_SECONDS = env.float("OPENSEARCH_BULK_TIMEOUT_SECONDS", default=60.0)
OPENSEARCH_POOL_CONNECTIONS = env.int("OPENSEARCH_POOL_CONNECTIONS", default=32)
OPENSEARCH_KNN_ENGINE = env.str("OPENSEARCH_KNN_ENGINE", default="lucene")
OPENSEARCH_HAS_FAISS = env.bool("OPENSEARCH_HAS_FAISS", default=False)
OPENSEARCH_KNN_MODE = env.str("OPENSEARCH_KNN_MODE", default="in_memory")
OPENSEARCH_KNN_COMPRESSION = env.str("OPENSEARCH_KNN_COMPRESSION", default="1x")
OPENSEARCH_SHARDS = env.int("OPENSEARCH_SHARDS", default=1)
OPENSEARCH_REPLICAS = env.int("OPENSEARCH_REPLICAS", default=0)

# The read side
_DEFAULT_EMBEDDER = {
    "BACKEND": env.str("SEARCH_EMBEDDER_BACKEND", default="search.embeddings.onnx.OnnxEmbedder"),
    "OPTIONS": env.json("SEARCH_EMBEDDER_OPTIONS", default={}),
}
# Aliases: `default` fills and asks new indexes; a rebuild may name another for the next version.
SEARCH_EMBEDDERS: dict[str, Any] = {"default": _DEFAULT_EMBEDDER, **env.json("SEARCH_EMBEDDERS", default={})}
SEARCH_MODEL_CACHE_DIR = env.str("SEARCH_MODEL_CACHE_DIR", default=str(PATHS.models))
SEARCH_MODEL_THREADS = env.int("SEARCH_MODEL_THREADS", default=1)
# "none"; "general": what comes with the platform; else the hub name or folder of a cross-encoder
_rerank_model = env.str("SEARCH_RERANK_MODEL", default="none")
SEARCH_RERANKER: dict[str, Any] | None = {
    "BACKEND": env.str("SEARCH_RERANKER_BACKEND", default="search.reranking.onnx.OnnxReranker"),
    "OPTIONS": {"model": _rerank_model, **env.json("SEARCH_RERANKER_OPTIONS", default={})},
}
if _rerank_model == "none":
    SEARCH_RERANKER = None
elif _rerank_model == "general":
    SEARCH_RERANKER = {"BACKEND": "search.reranking.learned.general_reranker", "OPTIONS": {}}
SEARCH_RERANK_DEADLINE_SECONDS = env.float("SEARCH_RERANK_DEADLINE_SECONDS", default=1.0)
SEARCH_REWRITE_TIMEOUT_SECONDS = env.float("SEARCH_REWRITE_TIMEOUT_SECONDS", default=2.0)
SEARCH_VECTOR_WEIGHT = env.float("SEARCH_VECTOR_WEIGHT", default=0.45)
# The cosine of passages that have nothing in common, by the default embedder: the vector leg's zero
SEARCH_UNRELATED_COSINE = env.float("SEARCH_UNRELATED_COSINE", default=0.1)
SEARCH_MAX_QUERY_CHARACTERS = env.int("SEARCH_MAX_QUERY_CHARACTERS", default=2000)
SEARCH_STREAM_POOL_SIZE = env.int("SEARCH_STREAM_POOL_SIZE", default=300)
# How long a stream goes on without its reader, who may come back with `Last-Event-ID`
SEARCH_STREAM_RESUME_SECONDS = env.float("SEARCH_STREAM_RESUME_SECONDS", default=3.0)
SEARCH_STREAM_THREADS = env.int("SEARCH_STREAM_THREADS", default=8)  # for the query flow of all streams
SEARCH_WEB_POOL_SIZE = env.int("SEARCH_WEB_POOL_SIZE", default=16)
SEARCH_WEB_QUEUE_SIZE = env.int("SEARCH_WEB_QUEUE_SIZE", default=64)
SEARCH_CACHE_TIMEOUT_SECONDS = env.float("SEARCH_CACHE_TIMEOUT_SECONDS", default=0.2)
SEARCH_RESPONSE_CACHE = env.bool("SEARCH_RESPONSE_CACHE", default=True)
SEARCH_RESPONSE_CACHE_ENTRIES = env.int("SEARCH_RESPONSE_CACHE_ENTRIES", default=2000)  # a tenant, as below
SEARCH_RESPONSE_CACHE_TTL_SECONDS = env.int("SEARCH_RESPONSE_CACHE_TTL_SECONDS", default=300)
SEARCH_LAB_NIGHTLY_HOURS = env.float("SEARCH_LAB_NIGHTLY_HOURS", default=24.0)
SEARCH_WARMED_QUESTIONS = env.int("SEARCH_WARMED_QUESTIONS", default=50)
SEARCH_QUERY_LOG_DAYS = env.int("SEARCH_QUERY_LOG_DAYS", default=90)
SEARCH_FEEDBACK_TTL_SECONDS = env.int("SEARCH_FEEDBACK_TTL_SECONDS", default=3600)
SEARCH_EMBEDDING_CACHE = env.bool("SEARCH_EMBEDDING_CACHE", default=True)
SEARCH_EMBEDDING_CACHE_ENTRIES = env.int("SEARCH_EMBEDDING_CACHE_ENTRIES", default=20_000)
SEARCH_EMBEDDING_CACHE_TTL_SECONDS = env.int("SEARCH_EMBEDDING_CACHE_TTL_SECONDS", default=86400)
SEARCH_SEMANTIC_CACHE = env.bool("SEARCH_SEMANTIC_CACHE", default=True)
SEARCH_SEMANTIC_CACHE_TTL_SECONDS = env.int("SEARCH_SEMANTIC_CACHE_TTL_SECONDS", default=3600)
SEARCH_SEMANTIC_CACHE_ENTRIES = env.int("SEARCH_SEMANTIC_CACHE_ENTRIES", default=5000)
SEARCH_SEMANTIC_CACHE_TIMEOUT_SECONDS = env.float("SEARCH_SEMANTIC_CACHE_TIMEOUT_SECONDS", default=0.5)
# Fitted for the default embedder by evaluate_semantic_cache: of two questions, and of the words that only one has
SEARCH_SEMANTIC_CACHE_COSINE = env.float("SEARCH_SEMANTIC_CACHE_COSINE", default=0.7)
SEARCH_SEMANTIC_CACHE_WORD_COSINE = env.float("SEARCH_SEMANTIC_CACHE_WORD_COSINE", default=1.0)

# Answers. No OPENAI_MODEL: answers are extracted from the passages, and say so
OPENAI_BASE_URL = env.str("OPENAI_BASE_URL", default="")
OPENAI_API_KEY = env.str("OPENAI_API_KEY", default="")
OPENAI_MODEL = env.str("OPENAI_MODEL", default="")
# Or several providers in an order of preference, each a JSON object: see docs/operations.md
SEARCH_GENERATION_PROVIDERS: list[dict[str, Any]] = env.json("SEARCH_GENERATION_PROVIDERS", default=[])
if SEARCH_GENERATION_PROVIDERS:
    _generator: tuple[str, Any] = ("ProvidersGenerator", {"providers": SEARCH_GENERATION_PROVIDERS})
elif OPENAI_MODEL:
    _openai_options = {"model": OPENAI_MODEL, "base_url": OPENAI_BASE_URL, "api_key": OPENAI_API_KEY}
    _generator = ("OpenAIGenerator", _openai_options)
else:
    _generator = ("ExtractiveGenerator", {})
SEARCH_GENERATOR: dict[str, Any] = {
    "BACKEND": env.str("SEARCH_GENERATOR_BACKEND", default=f"search.generation.{_generator[0]}"),
    "OPTIONS": _generator[1],
}
# {model: {"prompt": …, "completion": …}}, of a million tokens, in whatever currency the budgets are in
SEARCH_MODEL_PRICES: dict[str, dict[str, float]] = env.json("SEARCH_MODEL_PRICES", default={})
SEARCH_GENERATION_TIMEOUT_SECONDS = env.float("SEARCH_GENERATION_TIMEOUT_SECONDS", default=60.0)
SEARCH_FOLLOW_UP_TIMEOUT_SECONDS = env.float("SEARCH_FOLLOW_UP_TIMEOUT_SECONDS", default=5.0)
SEARCH_CONTEXT_TOKENS = env.int("SEARCH_CONTEXT_TOKENS", default=2000)
# The relevance under which a question is refused (search/relevance.py); for the default embedder (decision 33)
SEARCH_REFUSAL_COSINE = env.float("SEARCH_REFUSAL_COSINE", default=0.43)

# The write side
INGESTION_LEASE_SECONDS = env.float("INGESTION_LEASE_SECONDS", default=15.0)
INGESTION_HEARTBEAT_SECONDS = env.float("INGESTION_HEARTBEAT_SECONDS", default=5.0)
INGESTION_SWEEP_SECONDS = env.float("INGESTION_SWEEP_SECONDS", default=5.0)
INGESTION_TASK_DEADLINE_SECONDS = env.float("INGESTION_TASK_DEADLINE_SECONDS", default=900.0)
INGESTION_RETRY_SECONDS = env.float("INGESTION_RETRY_SECONDS", default=5.0)
INGESTION_MAX_ATTEMPTS = env.int("INGESTION_MAX_ATTEMPTS", default=3)
INGESTION_CLAIM_TASKS = env.int("INGESTION_CLAIM_TASKS", default=64)
INGESTION_CLAIM_BYTES = env.int("INGESTION_CLAIM_BYTES", default=16 * 1024 * 1024)
INGESTION_BULK_CHUNKS = env.int("INGESTION_BULK_CHUNKS", default=500)
INGESTION_CHUNK_TOKENS = env.int("INGESTION_CHUNK_TOKENS", default=256)
INGESTION_OVERLAP_TOKENS = env.int("INGESTION_OVERLAP_TOKENS", default=32)
INGESTION_MAX_DOCUMENT_BYTES = env.int("INGESTION_MAX_DOCUMENT_BYTES", default=50 * 1024 * 1024)
# What documents were made from before a change, kept to be put back: so many, so long, so much of each document
INGESTION_FORMER_EDITIONS = env.int("INGESTION_FORMER_EDITIONS", default=3)
INGESTION_FORMER_DAYS = env.int("INGESTION_FORMER_DAYS", default=90)
INGESTION_FORMER_BYTES = env.int("INGESTION_FORMER_BYTES", default=32 * 1024 * 1024)
INGESTION_PARSER_MEMORY_BYTES = env.int("INGESTION_PARSER_MEMORY_BYTES", default=2 * 1024**3)
INGESTION_PARSER_TIMEOUT_SECONDS = env.float("INGESTION_PARSER_TIMEOUT_SECONDS", default=120.0)
INGESTION_PARSER_OUTPUT_BYTES = env.int("INGESTION_PARSER_OUTPUT_BYTES", default=50 * 1024 * 1024)
# Folders that a folder source may name; empty: any that the process can read
INGESTION_FOLDER_ROOTS = env.list("INGESTION_FOLDER_ROOTS", default=[])
INGESTION_CONNECTORS = {"folder": "ingestion.connectors.folder.FolderConnector"}
# Where a worker gives its metrics to Prometheus, on a host or in a container of its own; 0: nowhere
INGESTION_METRICS_PORT = env.int("INGESTION_METRICS_PORT", default=0)

# API
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["search.authentication.ApiKeyAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["search.authentication.HasScope"],
    "DEFAULT_RENDERER_CLASSES": ["search.renderers.OrjsonRenderer"],
    "DEFAULT_PARSER_CLASSES": ["search.renderers.OrjsonParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "search.errors.exception_handler",
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Ragsite",
    "DESCRIPTION": "Search and answers over your documents.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_AUTHENTICATION": [],
    "SERVE_PERMISSIONS": [],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
}
CORS_ALLOWED_ORIGINS = env.list("CORS_ALLOWED_ORIGINS", default=[])
CORS_URLS_REGEX = r"^/(api/.*|v1/.*|mcp)$"
_OPENAI_HEADERS = [
    *("arch", "async", "helper-method", "lang", "os", "package-version", "poll-helper", "retry-count"),
    *("runtime", "runtime-version", "timeout"),
]
CORS_ALLOW_HEADERS = [
    *default_headers,
    "last-event-id",
    "mcp-protocol-version",
    *(f"x-stainless-{name}" for name in _OPENAI_HEADERS),
]
_SELF = "'self'"
CONTENT_SECURITY_POLICY = {
    "EXCLUDE_URL_PREFIXES": ("/admin/", "/api/docs/"),
    "DIRECTIVES": {
        "default-src": [_SELF],
        "img-src": [_SELF, "data:"],
        "object-src": ["'none'"],
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
        "form-action": [_SELF],
    },
}

UNFOLD = admin_theme.UNFOLD

# Logs: one structured event a line, without query text or content (so no local variables in tracebacks)
_EVENT_PROCESSORS: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
]
structlog.configure(
    processors=[*_EVENT_PROCESSORS, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
    logger_factory=structlog.stdlib.LoggerFactory(),
    wrapper_class=structlog.stdlib.BoundLogger,
    cache_logger_on_first_use=True,
)
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "json": {
            "()": "structlog.stdlib.ProcessorFormatter",
            "processors": [
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
            "foreign_pre_chain": _EVENT_PROCESSORS,
        }
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
    "root": {"handlers": ["stderr"], "level": env.str("LOG_LEVEL", default="INFO")},
    "loggers": {
        "opensearch": {"level": "ERROR"},
        "opensearchpy.trace": {"level": "ERROR"},
        "httpx": {"level": "WARNING"},
        "httpx2": {"level": "WARNING"},
        "rq.worker": {"level": "WARNING"},
    },
}

# Set by whoever starts several processes, before Python starts: prometheus-client itself reads it at import
PROMETHEUS_MULTIPROC_DIR = env.str("PROMETHEUS_MULTIPROC_DIR", default="")
