"""What the search and ask endpoints take. Unknown fields are refused, so that a misspelt one is not
silently ignored."""

from typing import Any

from django.conf import settings
from rest_framework import serializers

from search.types import AskRequest, Message, Mode, SearchRequest


class StrictSerializer(serializers.Serializer[Any]):
    """Refuses fields that it does not have."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict) and (unknown := set(data) - set(self.fields)):
            raise serializers.ValidationError(
                {str(name): ["Unknown field."] for name in sorted(unknown, key=str)}
            )
        return super().to_internal_value(data)


class QueryTextField(serializers.CharField):
    """Text that a person typed: not blank, bounded."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=settings.SEARCH_MAX_QUERY_CHARACTERS, trim_whitespace=True, **options)


class SearchSerializer(StrictSerializer):
    query = QueryTextField()
    mode = serializers.ChoiceField(choices=[mode.value for mode in Mode], default=Mode.HYBRID.value)
    filters = serializers.JSONField(required=False, allow_null=True)
    top_k = serializers.IntegerField(min_value=1, max_value=100, default=10)
    page = serializers.IntegerField(min_value=1, max_value=1000, default=1)
    group_by = serializers.ChoiceField(choices=["document", "chunk"], default="document")
    rerank = serializers.BooleanField(required=False, allow_null=True, default=None)
    profile = serializers.CharField(required=False, allow_null=True, max_length=50, default=None)
    facets = serializers.ListField(child=serializers.CharField(max_length=100), max_length=20, default=list)
    highlight = serializers.BooleanField(default=True)
    explain = serializers.BooleanField(default=False)

    def request(self) -> SearchRequest:
        """The validated request."""
        fields = dict(self.validated_data)
        return SearchRequest(
            **fields
            | {
                "mode": Mode(fields["mode"]),
                "facets": tuple(fields["facets"]),
                "filters": fields.get("filters"),
            }
        )


class MessageSerializer(StrictSerializer):
    role = serializers.ChoiceField(choices=["user", "assistant"])
    content = serializers.CharField(max_length=20_000)


class AskSerializer(StrictSerializer):
    question = QueryTextField()
    filters = serializers.JSONField(required=False, allow_null=True)
    top_k = serializers.IntegerField(min_value=1, max_value=50, default=8)
    profile = serializers.CharField(required=False, allow_null=True, max_length=50, default=None)
    history = MessageSerializer(many=True, default=list)
    stream = serializers.BooleanField(default=False)

    def request(self) -> AskRequest:
        """The validated request."""
        fields = {name: value for name, value in self.validated_data.items() if name != "stream"}
        history = tuple(Message(**message) for message in fields["history"])
        return AskRequest(**fields | {"history": history, "filters": fields.get("filters")})
