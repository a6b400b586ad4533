"""What holds between the records of both sides: the read side never points at the write side."""

from django.apps import apps
from django.conf import settings
from django.db import models

from search.models import Tenant, User


def relations() -> list[tuple[type[models.Model], type[models.Model]]]:
    """(from, to) of every key and every many-to-many field of our own models, in their own tables."""
    return [
        (model, field.related_model)
        for app in ("search", "ingestion")
        for model in apps.get_app_config(app).get_models(include_auto_created=True)
        for field in model._meta.get_fields()
        if field.is_relation and not field.auto_created and isinstance(field.related_model, type)
    ]


def test_no_record_of_search_points_at_one_of_ingestion() -> None:
    from_search = [(one, other) for one, other in relations() if one._meta.app_label == "search"]
    assert from_search
    assert [
        (one.__name__, other.__name__) for one, other in from_search if other._meta.app_label == "ingestion"
    ] == []


def test_ingestion_does_point_at_search() -> None:
    """So that the test above can fail: it would see such a key."""
    found = {(one._meta.app_label, other._meta.app_label) for one, other in relations()}
    assert ("ingestion", "search") in found


def test_the_user_model_is_ours() -> None:
    assert settings.AUTH_USER_MODEL == "search.User"
    assert issubclass(User, models.Model)


def test_every_record_leads_to_a_tenant() -> None:
    """By keys that are always set, or over another record of ours that does."""
    without: set[type[models.Model]] = {User, Tenant}
    own = {one for one, _ in relations()} | without
    known: set[type[models.Model]] = {Tenant}
    while reached := {one for one, other in relations() if other in known and one not in known}:
        known |= reached
    own_tables = {model for model in own if model._meta.app_label in ("search", "ingestion")}
    automatic = {model for model in own_tables if model._meta.auto_created}
    assert own_tables - known - without - automatic == set()
