"""The records of the read side: tenants, who may ask, documents and their editions, index versions.

The database is the record; OpenSearch holds a copy that can be rebuilt. Every record belongs to one tenant.
"""

from search.models.documents import Document, Edition
from search.models.indexes import MetadataField, SearchIndex
from search.models.profiles import Profile
from search.models.tenants import ApiKey, Membership, Tenant, User

__all__ = [
    "ApiKey",
    "Document",
    "Edition",
    "Membership",
    "MetadataField",
    "Profile",
    "SearchIndex",
    "Tenant",
    "User",
]
