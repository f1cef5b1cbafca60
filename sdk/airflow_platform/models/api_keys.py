"""API keys."""

from pydantic import Field

from airflow_platform.models.base import Model, Timestamp


class ApiKey(Model):
    """A key and its limits, None for no limit; ``key`` is there only when it was just made or rotated."""

    id: str
    name: str
    owner: str | None = None
    tenant_id: str | None = None
    scopes: list[str] | None = None
    allowed_dags: dict[str, list[str]] | None = None
    allowed_networks: list[str] | None = None
    key: str | None = Field(default=None, repr=False)
    created_at: Timestamp | None = None
    created_by: str | None = None
    parent: str | None = None
    expires_at: Timestamp | None = None
    last_used_at: Timestamp | None = None
    previous_expires_at: Timestamp | None = None
    revoked_at: Timestamp | None = None
