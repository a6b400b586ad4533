# One image for web, streams, workers and the scheduler; docker-compose.yml says which is which.
# Not yet built: the project's own machines have no Docker engine. tests/test_deploy.py checks what can be checked without.
FROM python:3.11-slim AS packages

# torch is needed to export the embedding model below, and by models and rerankers chosen by a setting. The lock's torch is
# the one with CUDA libraries. Give the index of PyTorch's own CPU builds to leave those out; they carry another
# hash than the lock knows, so that this one package is then pinned by its version alone.
ARG TORCH_INDEX_URL=""

WORKDIR /build
COPY requirements.txt .
RUN python -m venv /venv
RUN if [ -n "$TORCH_INDEX_URL" ]; then \
        torch="$(sed -n 's/^\(torch==[^ ]*\).*/\1/p' requirements.txt)" && \
        awk '/^[^ #]/ {keep = !/^(torch|triton|nvidia-|cuda-)/} keep' requirements.txt > rest.txt && \
        /venv/bin/pip install --no-cache-dir --no-deps --index-url "$TORCH_INDEX_URL" "$torch" && \
        /venv/bin/pip install --no-cache-dir --no-deps --require-hashes -r rest.txt; \
    else \
        /venv/bin/pip install --no-cache-dir --no-deps --require-hashes -r requirements.txt; \
    fi

FROM python:3.11-slim

RUN useradd --system --uid 10001 --home-dir /var/lib/ragsite --create-home ragsite \
    && mkdir -p /var/lib/ragsite/uploads /var/lib/ragsite/models /app \
    && chown -R ragsite:ragsite /var/lib/ragsite

ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    RAGSITE_DATA_DIR=/var/lib/ragsite \
    SEARCH_MODEL_CACHE_DIR=/var/lib/ragsite/models

COPY --from=packages /venv /venv
WORKDIR /app
COPY . .
USER ragsite

# The model is exported and compared here, so that no container does it at its start. SECRET_KEY is for these commands
# only: without one, a key would be made and stay in the image.
RUN SECRET_KEY=build python manage.py prepare_models
RUN SECRET_KEY=build python manage.py collectstatic --no-input

EXPOSE 8000
CMD ["gunicorn", "ragsite.wsgi", "--bind", "0.0.0.0:8000", "--worker-class", "gthread", "--threads", "16"]
