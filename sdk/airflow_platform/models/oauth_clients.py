"""OAuth clients."""

from pydantic import Field

from airflow_platform.models.base import Model, Timestamp


class OAuthClient(Model):
    """A program that asks for access tokens; ``client_secret`` is there only when it was just made."""

    client_id: str
    name: str
    redirect_uris: list[str] = []
    scopes: list[str] | None = None
    grant_types: list[str] = []
    public: bool | None = None
    acting_user: str | None = None
    client_secret: str | None = Field(default=None, repr=False)
    created_at: Timestamp | None = None
    created_by: str | None = None
    parent: str | None = None
    expires_at: Timestamp | None = None
