"""Admin pages of the write side. Their actions only call services and the outbox; no row is written or deleted past them."""

from ingestion.admin import documents, sources, tasks

__all__ = ["documents", "sources", "tasks"]
