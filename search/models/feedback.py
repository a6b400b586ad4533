"""What readers say about results and answers, and which results they open."""

from typing import ClassVar

from django.db import models

from search.models.tenants import Tenant


class Feedback(models.Model):
    """One reader's rating of a response, or of one document in it; a second one takes the place of the first.

    A click is the weakest: that a document was opened from the results, with no word on whether it helped.

    `query` is kept only where the tenant says so, and only while the request is remembered.
    """

    class Kind(models.TextChoices):
        SEARCH = "search"
        ASK = "ask"

    class Rating(models.IntegerChoices):
        DOWN = -1
        CLICK = 0
        UP = 1

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="feedback")
    request_id = models.UUIDField()
    kind = models.CharField(max_length=8, choices=Kind, blank=True, help_text="Empty: not remembered.")
    query = models.TextField(blank=True)
    document = models.CharField(
        max_length=512, blank=True, help_text="Its public id; empty: the whole response."
    )
    rating = models.SmallIntegerField(choices=Rating)
    comment = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name_plural = "feedback"
        ordering: ClassVar = ["-pk"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["tenant", "request_id", "document"], name="one_feedback_per_request_and_document"
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_rating_display()} {self.document or self.request_id}"
