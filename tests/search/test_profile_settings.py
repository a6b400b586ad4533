"""The schema of retrieval settings: what is taken, what is refused, and what is made from it."""

import math
from typing import Any

import pytest

from search import profile_settings
from search.exceptions import InvalidRequest
from search.profile_settings import DEFAULTS, GROUPS, SETTINGS, checked
from search.types import Fusion, RetrievalSettings


def refused(raw: Any, **options: Any) -> dict[str, list[str]]:
    with pytest.raises(InvalidRequest) as caught:
        checked(raw, **options)
    return caught.value.fields or {}


def test_every_setting_is_a_field_with_a_default_that_it_allows_itself() -> None:
    assert set(SETTINGS) <= set(RetrievalSettings.__dataclass_fields__)
    assert checked({name: DEFAULTS[name] for name in SETTINGS}) == {name: DEFAULTS[name] for name in SETTINGS}


def test_no_setting_stands_in_two_groups_and_each_has_its_help() -> None:
    assert sum(len(group) for group in GROUPS.values()) == len(SETTINGS)
    assert all(setting.label and setting.help for setting in SETTINGS.values())


def test_settings_come_back_typed() -> None:
    typed = checked({"fusion": "rrf", "vector_weight": 1, "k": 100})
    assert typed == {"fusion": Fusion.RRF, "vector_weight": 1.0, "k": 100}
    assert isinstance(typed["vector_weight"], float)


def test_none_is_automatic_where_the_default_is() -> None:
    assert checked({"vector_weight": None}) == {"vector_weight": None}
    assert refused({"k": None}) == {"settings.k": ["It is a whole number from 10 to 1000."]}


@pytest.mark.parametrize(
    "raw",
    [
        {"vector_weight": 1.01},
        {"vector_weight": -0.1},
        {"vector_weight": "0.5"},
        {"vector_weight": True},
        {"vector_weight": math.nan},
        {"k": 100.5},
        {"k": 9},
        {"k": [100]},
        {"fusion": "best"},
        {"fusion": ["rrf"]},
        {"fusion": {}},
        {"weight": 0.5},
        {"name": "x"},
        {"version": 3},
    ],
    ids=str,
)
def test_what_does_not_fit_is_refused_by_name(raw: dict[str, Any]) -> None:
    [name] = raw
    assert list(refused(raw)) == [f"settings.{name}"]


@pytest.mark.parametrize("raw", [None, [], "k", 3])
def test_settings_that_are_no_object_are_refused(raw: Any) -> None:
    assert list(refused(raw)) == ["settings"]


def test_all_that_is_wrong_is_said_at_once() -> None:
    assert set(refused({"k": 1, "fusion": "best", "rank_constant": 60})) == {"settings.k", "settings.fusion"}


def test_a_request_may_set_less_than_a_profile() -> None:
    assert checked({"k": 1000}) == {"k": 1000}
    assert refused({"k": 1000}, is_override=True) == {"settings.k": ["It is a whole number from 10 to 500."]}


def test_a_setting_without_overrides_is_refused_in_a_request(monkeypatch: pytest.MonkeyPatch) -> None:
    fixed = profile_settings.Setting(profile_settings.Kind.TEXT, "language", "Help.", (0, 8))
    monkeypatch.setattr(profile_settings, "SETTINGS", {"language": fixed})
    assert checked({"language": "de"}) == {"language": "de"}
    assert refused({"language": "de"}, is_override=True) == {
        "settings.language": ["A request may not set it."]
    }
    assert profile_settings.json_schema(is_override=True)["properties"] == {}


def test_the_schema_of_the_api_has_the_bounds_of_overrides() -> None:
    properties = profile_settings.json_schema(is_override=True)["properties"]
    assert (properties["k"]["minimum"], properties["k"]["maximum"]) == (10, 500)
    assert properties["fusion"]["enum"] == ["min_max", "z_score", "rrf"]
    assert properties["vector_weight"]["nullable"]
