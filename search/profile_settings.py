"""Pure: the one schema of retrieval settings: what each may be, in which words, and what a request may override.

The admin's form, the API and its documentation are made from it. A new setting is a field of `types.RetrievalSettings`,
whose default is the platform's, and its line in `GROUPS`, once it has an effect.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

from search.exceptions import InvalidRequest
from search.types import Fusion, RetrievalSettings, Rewrite, Unsupported

DEFAULTS: Mapping[str, Any] = {field.name: field.default for field in fields(RetrievalSettings)}


class Kind(StrEnum):
    NUMBER = "number"
    WHOLE = "integer"
    TEXT = "string"
    CHOICE = "choice"


@dataclass(frozen=True, slots=True)
class Setting:
    """What a setting may be. `bounds` are those of a number, or of the characters of a text.

    `overrides`: whether a request may set it, or the narrower bounds within which it may.
    """

    kind: Kind
    label: str
    help: str
    bounds: tuple[float, float] = (0, 0)
    choices: type[StrEnum] | None = None
    overrides: bool | tuple[float, float] = False

    def problem(self, value: Any, *, is_override: bool) -> str | None:
        """What is wrong with a value, as a sentence; None when nothing is."""
        if is_override and not self.overrides:
            return "A request may not set it."
        if self.choices is not None:
            allowed = [choice.value for choice in self.choices]
            return None if value in allowed else f"It is one of {', '.join(allowed)}."
        least, most = self.bounds_for(is_override=is_override)
        if self.kind is Kind.TEXT:
            is_fitting = isinstance(value, str) and least <= len(value) <= most
            return None if is_fitting else f"It is a text of {least:g} to {most:g} characters."
        kinds, name = ((int,), "a whole number") if self.kind is Kind.WHOLE else ((int, float), "a number")
        is_fitting = isinstance(value, kinds) and not isinstance(value, bool) and least <= value <= most
        return None if is_fitting else f"It is {name} from {least:g} to {most:g}."

    def bounds_for(self, *, is_override: bool) -> tuple[float, float]:
        return self.overrides if is_override and isinstance(self.overrides, tuple) else self.bounds

    def typed(self, value: Any) -> Any:
        """A value without a problem, as RetrievalSettings has it."""
        if value is None:
            return None
        if self.choices is not None:
            return self.choices(value)
        return float(value) if self.kind is Kind.NUMBER else value


GROUPS: Mapping[str, Mapping[str, Setting]] = {
    "Question": {
        "rewrite": Setting(
            Kind.CHOICE,
            "rewriting",
            "model: a language model puts what was typed into other words before it is searched; it costs a call. "
            "What was typed with operators or codes is never rewritten.",
            choices=Rewrite,
        ),
    },
    "Fusion": {
        "fusion": Setting(
            Kind.CHOICE,
            "fusion",
            "How the scores by words and by meaning become one. min_max: each scaled to its best hit; "
            "z_score: by their spread; rrf: ranks alone.",
            choices=Fusion,
            overrides=True,
        ),
        "vector_weight": Setting(
            Kind.NUMBER,
            "weight of meaning",
            "0: only the words count; 1: only the meaning. Empty: by language and model.",
            (0, 1),
            overrides=True,
        ),
        "language": Setting(
            Kind.TEXT,
            "language of the questions",
            "As en or de: whose automatic weight holds. Empty: those of the languages in the question's script.",
            (0, 8),
            overrides=True,
        ),
        "rank_constant": Setting(
            Kind.WHOLE,
            "rank constant",
            "For rrf: the larger, the less the first ranks stand out.",
            (1, 1000),
            overrides=True,
        ),
        "k": Setting(
            Kind.WHOLE,
            "passages each way",
            "How many passages matching by words, and matching by meaning, look at: more finds more and takes longer.",
            (10, 1000),
            overrides=(10, 500),
        ),
    },
    "Reranking": {
        "rerank_model": Setting(
            Kind.TEXT,
            "reranker",
            "Empty: the platform's. none: the fused order stands. NAME@VERSION: one that was trained for this tenant.",
            (0, 60),
        ),
        "rerank_window": Setting(
            Kind.WHOLE,
            "hits to rerank",
            "How many hits the reranker orders anew. More than 50 rarely help, and cost time.",
            (1, 100),
            overrides=(1, 50),
        ),
        "rerank_blend": Setting(
            Kind.NUMBER,
            "weight of the reranker",
            "Its part in the order, beside the fused score. 0: none; 1: it alone.",
            (0, 1),
            overrides=True,
        ),
    },
    "Order": {
        "recency_weight": Setting(
            Kind.NUMBER,
            "weight of recency",
            "How much a new document is lifted: at .2 by a fifth, halved with each half-life. 0: not at all.",
            (0, 0.5),
            overrides=True,
        ),
        "recency_half_life_days": Setting(
            Kind.WHOLE,
            "half-life, days",
            "After so many days a document is lifted half as much. Those without a date are not lifted.",
            (1, 36_500),
            overrides=True,
        ),
        "popularity_weight": Setting(
            Kind.NUMBER,
            "weight of popularity",
            "How much a document is lifted by the number in its popularity field, at most. 0: not at all.",
            (0, 0.5),
            overrides=True,
        ),
        "popularity_field": Setting(
            Kind.TEXT,
            "popularity field",
            "A metadata field with numbers, such as views. 9 lift by half of the weight, 99 by two thirds.",
            (0, 100),
        ),
        "diversity": Setting(
            Kind.NUMBER,
            "diversity",
            "0: the best first; towards 1: what repeats the hits above it falls behind (the first 50).",
            (0, 1),
            overrides=True,
        ),
    },
    "Answers": {
        "neighbours": Setting(
            Kind.WHOLE,
            "neighbours",
            "How many passages before and after a hit go with it; into answers too, where the context has room.",
            (0, 5),
            overrides=True,
        ),
        "threshold": Setting(
            Kind.NUMBER,
            "threshold",
            "A question whose best passage has a lower cosine is not answered. Empty: the platform's.",
            (-1, 1),
            overrides=True,
        ),
        "unsupported": Setting(
            Kind.CHOICE,
            "sentences without support",
            "What becomes of a sentence that its sources do not say. mark: shown, and said to be without support; "
            "remove: left out, and answers come sentence by sentence.",
            choices=Unsupported,
            overrides=True,
        ),
        "instructions": Setting(
            Kind.TEXT,
            "instructions for the language model",
            "Tone, form, terms of the house. They are put behind the platform's own rules, which stay. "
            "See the prompt that they make by Preview prompt.",
            (0, 2000),
        ),
    },
}
SETTINGS: Mapping[str, Setting] = {
    name: setting for group in GROUPS.values() for name, setting in group.items()
}


def checked(raw: Any, *, is_override: bool = False) -> dict[str, Any]:
    """Settings as RetrievalSettings has them, from their JSON. None is allowed where it is the default: automatic.

    Raises InvalidRequest that names each field as `settings.NAME`.
    """
    if not isinstance(raw, Mapping):
        raise InvalidRequest("Settings are an object.", fields={"settings": ["It is an object."]})
    typed: dict[str, Any] = {}
    problems: dict[str, list[str]] = {}
    for name, value in raw.items():
        if problem := _problem(name, value, is_override=is_override):
            problems[f"settings.{name}"] = [problem]
        else:
            typed[name] = SETTINGS[name].typed(value)
    if problems:
        name, [first, *_] = next(iter(problems.items()))
        raise InvalidRequest(f"{name}: {first}", fields=problems)
    return typed


def version_settings(name: str, version: int, stored: Mapping[str, Any]) -> RetrievalSettings:
    """The settings of a profile's version, as they were stored; what was added to the schema since has its default."""
    typed = {key: setting.typed(stored[key]) for key, setting in SETTINGS.items() if key in stored}
    return RetrievalSettings(name, version, **typed)


def _problem(name: Any, value: Any, *, is_override: bool) -> str | None:
    setting = SETTINGS.get(name)
    if setting is None:
        return "There is no such setting."
    if value is None and DEFAULTS[name] is None and (setting.overrides or not is_override):
        return None
    return setting.problem(value, is_override=is_override)


def json_schema(*, is_override: bool) -> dict[str, Any]:
    """The same as a JSON schema: bounds, choices, defaults and help of each."""
    offered = {name: one for name, one in SETTINGS.items() if one.overrides or not is_override}
    properties = {name: _property(name, one, is_override=is_override) for name, one in offered.items()}
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _property(name: str, setting: Setting, *, is_override: bool) -> dict[str, Any]:
    schema: dict[str, Any] = {"description": setting.help, "default": DEFAULTS[name]}
    if DEFAULTS[name] is None:
        schema["nullable"] = True
    if setting.choices is not None:
        return schema | {"type": "string", "enum": [choice.value for choice in setting.choices]}
    least, most = setting.bounds_for(is_override=is_override)
    names = ("minLength", "maxLength") if setting.kind is Kind.TEXT else ("minimum", "maximum")
    return schema | {"type": setting.kind.value, names[0]: least, names[1]: most}
