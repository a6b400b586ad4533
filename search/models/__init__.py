"""The records of the read side: tenants, who may ask, documents and their editions, index versions, the lab's.

The database is the record; OpenSearch holds a copy that can be rebuilt. Every record belongs to one tenant.
"""

from search.models.collections import Collection
from search.models.curation import CuratedDocument, CurationRule
from search.models.documents import DisabledPassage, Document, Edition
from search.models.expectations import Expectation
from search.models.feedback import Feedback
from search.models.indexes import MetadataField, SearchIndex
from search.models.judging import JudgedQuery, Judgement, QuerySet
from search.models.lab_jobs import LabJob
from search.models.profiles import Profile
from search.models.query_log import QueryLog
from search.models.rerankers import TrainedReranker
from search.models.runs import EvaluationRun, RunRow
from search.models.spending import LedgerCursor, Spending
from search.models.synonyms import SynonymSet
from search.models.tenants import ApiKey, Membership, Tenant, User

__all__ = [
    "ApiKey",
    "Collection",
    "CuratedDocument",
    "CurationRule",
    "DisabledPassage",
    "Document",
    "Edition",
    "EvaluationRun",
    "Expectation",
    "Feedback",
    "JudgedQuery",
    "Judgement",
    "LabJob",
    "LedgerCursor",
    "Membership",
    "MetadataField",
    "Profile",
    "QueryLog",
    "QuerySet",
    "RunRow",
    "SearchIndex",
    "Spending",
    "SynonymSet",
    "Tenant",
    "TrainedReranker",
    "User",
]
