"""OAuth clients."""

from pydantic import Field

from airflow_platform.models.base import Model, Timestamp


class OAuthClient(Model):
    """An OAuth client: a program that gets access tokens.

    Attributes:
        client_id: Id of the client.
        name: Name that users see on the consent page.
        redirect_uris: URIs that the browser may return to.
        scopes: Scopes that the client may request; None for all.
        grant_types: OAuth grant types.
        public: Whether the client has no secret.
        acting_user: User that the client acts as with ``client_credentials``.
        client_secret: The secret. Only the responses that create or replace it contain it.
        created_at: When the client was registered.
        created_by: User who registered the client.
        parent: Key or token that registered the client; None if a person did.
        expires_at: When the client expires; None for never.
    """

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
