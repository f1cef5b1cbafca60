"""What the service of webhooks takes."""

from dataclasses import dataclass, field
from typing import TypedDict


class Filters(TypedDict, total=False):
    """Which DAGs' events a webhook wants; each list that is given must have a match.

    Attributes:
        dag_ids: shell patterns of DAG ids.
        tags: tags of DAGs.
    """

    dag_ids: list[str]
    tags: list[str]


class RetryPolicy(TypedDict):
    """When a failed delivery is attempted again.

    Attributes:
        max_attempts: how many attempts there are in all.
        backoff_seconds: the seconds before each further attempt; the last one repeats.
    """

    max_attempts: int
    backoff_seconds: list[int]


@dataclass(frozen=True, kw_only=True)
class NewWebhook:
    """A webhook to create.

    Attributes:
        name: for people.
        url: where deliveries are sent.
        events: the types of events that it wants.
        filters: which DAGs' events it wants; all if empty.
        headers: headers to send with each delivery, by name.
        retry_policy: when a failed delivery is attempted again.
        tenant_id: the tenant that owns it; None for the caller's only one, or for no tenant.
    """

    name: str
    url: str
    events: list[str]
    filters: Filters = field(default_factory=Filters)
    headers: dict[str, str] = field(default_factory=dict)
    retry_policy: RetryPolicy
    tenant_id: str | None = None


class WebhookChanges(TypedDict, total=False):
    """What to change of a webhook; a field replaces the stored one. The fields are ``NewWebhook``'s."""

    webhook_id: str
    name: str
    url: str
    events: list[str]
    filters: Filters
    headers: dict[str, str]
    retry_policy: RetryPolicy
