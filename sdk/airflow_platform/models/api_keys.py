"""API keys."""

from pydantic import Field

from airflow_platform.models.base import Model, Timestamp


class ApiKey(Model):
    """An API key and its limits. A limit that is None does not exist.

    Attributes:
        id: Id of the key. It is public.
        name: Name of the key.
        owner: User that the key acts as.
        tenant_id: Tenant that the key is limited to.
        scopes: Scopes that the key is limited to.
        allowed_dags: DAGs that the key is limited to, as ``{"dag_ids": […], "tags": […]}``.
        allowed_networks: Networks that the key works from, in CIDR notation.
        key: The secret text. Only the responses that create or rotate the key contain it.
        created_at: When the key was created.
        created_by: User who created the key.
        parent: Key or token that created this one: ``api_key:…`` or ``token:…``; None if a person did.
        expires_at: When the key expires.
        last_used_at: When the key was last used, to the minute.
        previous_expires_at: Until when the former secret text works.
        revoked_at: When the key was revoked.
    """

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
