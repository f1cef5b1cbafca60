"""OAuth clients: programs that ask for access tokens."""

from collections.abc import Sequence
from typing import ClassVar

from airflow_platform._async.pages import AsyncPage
from airflow_platform._async.session import AsyncResource
from airflow_platform._http import UNSET, Unset, path
from airflow_platform._listing import AsyncListing
from airflow_platform.models import OAuthClient


class AsyncOAuthClientPage(AsyncPage[OAuthClient]):
    """Some OAuth clients."""

    collection: ClassVar = "oauth_clients"
    oauth_clients: list[OAuthClient]


class AsyncOAuthClients(AsyncResource):
    """``client.oauth_clients``."""

    async def create(
        self,
        name: str,
        *,
        scopes: Sequence[str] | None,
        redirect_uris: Sequence[str] = (),
        grant_types: Sequence[str] | Unset = UNSET,
        public: bool = False,
        acting_user: str | None = None,
    ) -> OAuthClient:
        """Register a client; the answer alone holds its ``client_secret``.

        Args:
            name: What users see when they are asked to let it in.
            scopes: What it may ask for at most, such as ``["dags:read"]``; None is everything.
            redirect_uris: Where the browser may be sent back to, exactly.
            grant_types: By default ``["authorization_code", "refresh_token"]``.
            public: Whether it runs where it cannot keep a secret, and so has none.
            acting_user: As whom it acts with ``client_credentials``, where no user takes part.
        """
        body = {
            "name": name,
            "scopes": scopes,
            "redirect_uris": redirect_uris,
            "grant_types": grant_types,
            "public": public,
            "acting_user": acting_user,
        }
        url = path("platform", "oauth-clients")
        return await self._session.fetch(OAuthClient, "POST", url, json=body, nulls=True)

    def list(
        self, *, limit: int | None = None, offset: int | None = None
    ) -> AsyncListing[AsyncOAuthClientPage]:
        """The clients."""
        params = {"limit": limit, "offset": offset}
        url = path("platform", "oauth-clients")
        return self._session.list(AsyncOAuthClientPage, url, params)

    async def get(self, client_id: str) -> OAuthClient:
        """One client, without its secret."""
        return await self._session.fetch(OAuthClient, "GET", path("platform", "oauth-clients", client_id))

    async def update(
        self,
        client_id: str,
        *,
        name: str | Unset = UNSET,
        redirect_uris: Sequence[str] | Unset = UNSET,
        scopes: Sequence[str] | Unset | None = UNSET,
        grant_types: Sequence[str] | Unset = UNSET,
        acting_user: str | Unset | None = UNSET,
    ) -> OAuthClient:
        """Change a client; None removes a value, and what is not given stays as it is."""
        body = {
            "name": name,
            "redirect_uris": redirect_uris,
            "scopes": scopes,
            "grant_types": grant_types,
            "acting_user": acting_user,
        }
        url = path("platform", "oauth-clients", client_id)
        return await self._session.fetch(OAuthClient, "PATCH", url, json=body, nulls=True)

    async def rotate_secret(self, client_id: str) -> OAuthClient:
        """Give a client a new secret, which the answer alone holds."""
        url = path("platform", "oauth-clients", client_id, "rotate-secret")
        return await self._session.fetch(OAuthClient, "POST", url, json={})

    async def delete(self, client_id: str) -> None:
        """Delete a client, and with it every token that it was given."""
        await self._session.request("DELETE", path("platform", "oauth-clients", client_id))
