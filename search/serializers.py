"""What the search and ask endpoints take. Unknown fields are refused, so that a misspelt one is not
silently ignored."""

from functools import cache
from typing import Any, ClassVar, TypeVar

from django.conf import settings
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.fields import empty

from search import profile_settings
from search.facets import INTERVALS, MAX_SELECTED
from search.feedback import Rating
from search.models import Feedback
from search.ordering import RELEVANCE
from search.types import AskRequest, FacetRequest, Message, Mode, SearchRequest

T = TypeVar("T")


class StrictSerializer(serializers.Serializer[Any]):
    """Refuses fields that it does not have."""

    @classmethod
    def validated(cls, data: Any) -> dict[str, Any]:
        """The validated fields. Raises ValidationError."""
        return dict(_serializer(cls).run_validation(data))

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict) and (unknown := set(data) - set(self.fields)):
            raise serializers.ValidationError(
                {str(name): ["Unknown field."] for name in sorted(unknown, key=str)}
            )
        return super().to_internal_value(data)


@cache
def _serializer(kind: type[StrictSerializer]) -> StrictSerializer:
    """One for all requests, none of which changes it: DRF takes a millisecond to copy the fields for a new one."""
    return kind()


class QueryTextField(serializers.CharField):
    """Text that a person typed: not blank, bounded."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=settings.SEARCH_MAX_QUERY_CHARACTERS, trim_whitespace=True, **options)


@extend_schema_field(profile_settings.json_schema(is_override=True))
class OverridesField(serializers.Field[Any, Any, Any, Any]):
    """A request's own retrieval settings, within what it may override."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        return profile_settings.checked(data, is_override=True)

    def to_representation(self, value: Any) -> Any:
        return value


@extend_schema_field(profile_settings.json_schema(is_override=False))
class SettingsField(OverridesField):
    """The settings of a profile's version; those left out are the platform's."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        return profile_settings.checked(data)


class VersionSerializer(StrictSerializer):
    settings = SettingsField()
    note = serializers.CharField(max_length=200, allow_blank=True, default="")


class RangeSerializer(StrictSerializer):
    def get_fields(self) -> dict[str, Any]:
        """`from` is no name for an attribute."""
        return {name: serializers.JSONField(required=False, allow_null=True) for name in ("from", "to")}


class FacetSerializer(StrictSerializer):
    """A facet: its field alone, or with what is counted of it."""

    field = serializers.CharField(max_length=100)
    size = serializers.IntegerField(min_value=1, max_value=1000, default=50)
    interval = serializers.ChoiceField(choices=INTERVALS, required=False, allow_null=True, default=None)
    ranges = serializers.ListField(child=RangeSerializer(), max_length=50, default=list)

    def run_validation(self, data: Any = empty) -> FacetRequest:
        """Raises ValidationError."""
        fields = dict(super().run_validation({"field": data} if isinstance(data, str) else data))
        ranges = tuple((bounds.get("from"), bounds.get("to")) for bounds in fields["ranges"])
        return FacetRequest(**fields | {"ranges": ranges})


class CollectionField(serializers.CharField):
    """The name of a collection, or null for everything."""

    def __init__(self) -> None:
        super().__init__(
            required=False,
            allow_null=True,
            max_length=50,
            default=None,
            help_text="Look only in this part of the documents: see /api/v1/collections. It gives access to nothing.",
        )


class SearchSerializer(StrictSerializer):
    query = QueryTextField()
    mode = serializers.ChoiceField(choices=[mode.value for mode in Mode], default=Mode.HYBRID.value)
    filters = serializers.JSONField(required=False, allow_null=True)
    top_k = serializers.IntegerField(min_value=1, max_value=100, default=10)
    page = serializers.IntegerField(min_value=1, max_value=1000, default=1)
    sort = serializers.CharField(max_length=101, default=RELEVANCE)
    cursor = serializers.CharField(required=False, allow_null=True, max_length=2000, default=None)
    group_by = serializers.ChoiceField(choices=["document", "chunk"], default="document")
    passages = serializers.IntegerField(min_value=1, max_value=5, default=1)
    neighbours = serializers.IntegerField(
        min_value=0, max_value=5, required=False, allow_null=True, default=None
    )
    rerank = serializers.BooleanField(required=False, allow_null=True, default=None)
    profile = serializers.CharField(required=False, allow_null=True, max_length=61, default=None)
    collection = CollectionField()
    settings = OverridesField(default=dict)
    facets = serializers.ListField(child=FacetSerializer(), max_length=20, default=list)
    facet_filters = serializers.DictField(
        child=serializers.ListField(child=serializers.JSONField(), min_length=1, max_length=MAX_SELECTED),
        required=False,
        allow_null=True,
        default=None,
    )
    highlight = serializers.BooleanField(default=True)
    explain = serializers.BooleanField(default=False)

    @classmethod
    def request(cls, data: Any) -> SearchRequest:
        """The validated request. Raises ValidationError."""
        return cls.search_request(cls.validated(data))

    @staticmethod
    def search_request(fields: dict[str, Any]) -> SearchRequest:
        return SearchRequest(
            **fields
            | {
                "mode": Mode(fields["mode"]),
                "facets": tuple(fields["facets"]),
                "filters": fields.get("filters"),
            }
        )


class ExplainSerializer(SearchSerializer):
    """A search, and the document that is or is not among its results."""

    document = serializers.CharField(max_length=512)
    passage = serializers.IntegerField(
        required=False,
        allow_null=True,
        default=None,
        min_value=0,
        help_text="One passage of it, by its ordinal.",
    )
    groups = serializers.ListField(
        child=serializers.CharField(max_length=200),
        required=False,
        allow_null=True,
        default=None,
        max_length=100,
        help_text="Look as someone with these groups. Without it: the key's own.",
    )
    ask = serializers.BooleanField(default=False, help_text="As evidence of an answer rather than a result.")

    @classmethod
    def sought(cls, data: Any) -> tuple[SearchRequest, dict[str, Any]]:
        """The validated search, and which document is sought in it, by whom. Raises ValidationError."""
        fields = cls.validated(data)
        sought = {name: fields.pop(name) for name in ("document", "passage", "groups", "ask")}
        return cls.search_request(fields), sought


class SuggestSerializer(StrictSerializer):
    q = serializers.CharField(max_length=200, allow_blank=True)
    size = serializers.IntegerField(min_value=1, max_value=20, default=8)
    collection = CollectionField()


class RatingField(serializers.Field):  # type: ignore[type-arg]
    """`up` or `down`, or 1 and -1; `click`: the document was opened."""

    _VALUES: ClassVar[dict[str | int, Feedback.Rating]] = {
        "up": Feedback.Rating.UP,
        "down": Feedback.Rating.DOWN,
        "click": Feedback.Rating.CLICK,
        1: Feedback.Rating.UP,
        -1: Feedback.Rating.DOWN,
    }

    def to_internal_value(self, data: Any) -> Feedback.Rating:
        if isinstance(data, bool) or not isinstance(data, str | int) or data not in self._VALUES:
            raise serializers.ValidationError('Send "up", "down" or "click".')
        return self._VALUES[data]


class FeedbackSerializer(StrictSerializer):
    request_id = serializers.UUIDField()
    document = serializers.CharField(required=False, allow_null=True, max_length=512, default=None)
    rating = RatingField()
    comment = serializers.CharField(required=False, allow_blank=True, max_length=2000, default="")

    @classmethod
    def rating_of(cls, data: Any) -> Rating:
        """The validated rating. Raises ValidationError."""
        fields = cls.validated(data)
        return Rating(fields["request_id"], fields["rating"], fields["document"] or "", fields["comment"])


class MessageSerializer(StrictSerializer):
    role = serializers.ChoiceField(choices=["user", "assistant"])
    content = serializers.CharField(max_length=20_000)


class AskSerializer(StrictSerializer):
    question = QueryTextField()
    filters = serializers.JSONField(required=False, allow_null=True)
    top_k = serializers.IntegerField(min_value=1, max_value=50, default=8)
    profile = serializers.CharField(required=False, allow_null=True, max_length=61, default=None)
    collection = CollectionField()
    settings = OverridesField(default=dict)
    history = MessageSerializer(many=True, default=list)
    stream = serializers.BooleanField(default=False)

    @classmethod
    def request(cls, data: Any) -> tuple[AskRequest, bool]:
        """The validated request, and whether its answer is to be streamed. Raises ValidationError."""
        fields = cls.validated(data)
        streams = fields.pop("stream")
        history = tuple(Message(**message) for message in fields["history"])
        return AskRequest(**fields | {"history": history, "filters": fields.get("filters")}), streams


class ChatTextField(serializers.Field[Any, Any, Any, Any]):
    """A chat message's content: a string, or parts that are all text."""

    def to_internal_value(self, data: Any) -> str:
        parts = [{"type": "text", "text": data}] if isinstance(data, str) else data
        if not isinstance(parts, list) or not all(map(_is_text_part, parts)):
            raise serializers.ValidationError("Only text can be read.")
        return "\n".join(part["text"] for part in parts)


def _is_text_part(part: Any) -> bool:
    return isinstance(part, dict) and part.get("type") == "text" and isinstance(part.get("text"), str)


class ChatMessageSerializer(serializers.Serializer[Any]):
    role = serializers.ChoiceField(choices=["system", "developer", "user", "assistant"])
    content = ChatTextField(required=False, allow_null=True, default="")


class StreamOptionsSerializer(serializers.Serializer[Any]):
    include_usage = serializers.BooleanField(default=False)


class ChatSerializer(serializers.Serializer[Any]):
    """OpenAI's chat request. Fields that are not here, sampling parameters for one, are left unread, as clients
    send many; those that would have to change the shape of the answer are refused."""

    model = serializers.CharField(max_length=100)
    messages = ChatMessageSerializer(many=True)
    filters = serializers.JSONField(required=False, allow_null=True, default=None)
    stream = serializers.BooleanField(required=False, allow_null=True, default=False)
    stream_options = StreamOptionsSerializer(required=False, allow_null=True, default=None)
    n = serializers.IntegerField(required=False, allow_null=True, default=None)
    tools = serializers.JSONField(required=False, allow_null=True, default=None)
    functions = serializers.JSONField(required=False, allow_null=True, default=None)
    response_format = serializers.JSONField(required=False, allow_null=True, default=None)

    @classmethod
    def validated(cls, data: Any) -> dict[str, Any]:
        """The validated fields. Raises ValidationError."""
        return dict(cls().run_validation(data))

    def validate_n(self, n: int | None) -> int | None:
        return _refused_unless(n in (None, 1), n, "One answer is given to a question.")

    def validate_tools(self, tools: Any) -> Any:
        return _refused_unless(not tools, tools, "Tools are not called.")

    def validate_functions(self, functions: Any) -> Any:
        return _refused_unless(not functions, functions, "Functions are not called.")

    def validate_response_format(self, wanted: Any) -> Any:
        return _refused_unless(wanted in (None, {"type": "text"}), wanted, "Answers are text.")


def _refused_unless(holds: bool, value: T, message: str) -> T:
    if not holds:
        raise serializers.ValidationError(message)
    return value
