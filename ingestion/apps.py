"""The write side as a Django app."""

from django.apps import AppConfig


class IngestionConfig(AppConfig):
    name = "ingestion"
