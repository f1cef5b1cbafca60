"""OAuth clients: programs that get access tokens."""

from collections.abc import Sequence
from typing import ClassVar

from airflow_platform._async.pages import AsyncPage
from airflow_platform._async.session import AsyncResource
from airflow_platform._http import UNSET, Unset, build_path
from airflow_platform._listing import AsyncListing
from airflow_platform.models import OAuthClient


class AsyncOAuthClientPage(AsyncPage[OAuthClient]):
    """One page of OAuth clients."""

    collection: ClassVar = "oauth_clients"
    oauth_clients: list[OAuthClient]


class AsyncOAuthClients(AsyncResource):
    """OAuth clients, as ``client.oauth_clients``."""

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
        """Register an OAuth client.

        Args:
            name: Name that users see on the consent page.
            scopes: Scopes that the client may request, such as ``["dags:read"]``; None allows all scopes.
            redirect_uris: URIs that the browser may return to, compared exactly; by default none.
            grant_types: OAuth grant types; by default ``["authorization_code", "refresh_token"]``.
            public: Whether the client runs where it cannot keep a secret, so that it gets none; by default
                false.
            acting_user: User that the client acts as with the grant type ``client_credentials``.

        Returns:
            The new client. Only this response contains its ``client_secret``.

        Raises:
            PermissionDeniedError: You may not register clients, or not with this user or these scopes.
            ValidationError: A value is invalid.

        Example:
            bot = await client.oauth_clients.create(
                "Nightly", scopes=["dags:read"], grant_types=["client_credentials"], acting_user="bot"
            )
            print(bot.client_id, bot.client_secret)
        """
        body = {
            "name": name,
            "scopes": scopes,
            "redirect_uris": redirect_uris,
            "grant_types": grant_types,
            "public": public,
            "acting_user": acting_user,
        }
        path = build_path("platform", "oauth-clients")
        return await self._session.fetch(OAuthClient, "POST", path, json=body, keep_none=True)

    def list(
        self, *, limit: int | None = None, offset: int | None = None
    ) -> AsyncListing[AsyncOAuthClientPage]:
        """List OAuth clients.

        Args:
            limit: Maximum number of clients over all pages; by default all.
            offset: Number of clients to skip; by default 0.

        Returns:
            The first page when awaited; ``async for`` iterates over the clients of all pages.
        """
        params = {"limit": limit, "offset": offset}
        return self._session.list(AsyncOAuthClientPage, build_path("platform", "oauth-clients"), params)

    async def get(self, client_id: str) -> OAuthClient:
        """Return an OAuth client, without its secret.

        Args:
            client_id: Id of the client.

        Raises:
            ResourceNotFoundError: The client does not exist, or you may not see it.
        """
        path = build_path("platform", "oauth-clients", client_id)
        return await self._session.fetch(OAuthClient, "GET", path)

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
        """Change an OAuth client. Arguments that you leave out stay unchanged.

        Args:
            client_id: Id of the client.
            name: New name.
            redirect_uris: New URIs that the browser may return to.
            scopes: New scopes that the client may request; None allows all scopes.
            grant_types: New OAuth grant types.
            acting_user: New user that the client acts as with ``client_credentials``; None for no user.

        Raises:
            PermissionDeniedError: You may not change clients, or not with this user or these scopes.
            ResourceNotFoundError: The client does not exist, or you may not see it.
            ValidationError: A value is invalid.
        """
        body = {
            "name": name,
            "redirect_uris": redirect_uris,
            "scopes": scopes,
            "grant_types": grant_types,
            "acting_user": acting_user,
        }
        path = build_path("platform", "oauth-clients", client_id)
        return await self._session.fetch(OAuthClient, "PATCH", path, json=body, keep_none=True)

    async def rotate_secret(self, client_id: str) -> OAuthClient:
        """Replace the secret of an OAuth client. The old secret stops working at once.

        Args:
            client_id: Id of the client.

        Returns:
            The client. Only this response contains its new ``client_secret``.

        Raises:
            ConflictError: The client is public and has no secret.
            ResourceNotFoundError: The client does not exist, or you may not see it.
        """
        path = build_path("platform", "oauth-clients", client_id, "rotate-secret")
        return await self._session.fetch(OAuthClient, "POST", path, json={})

    async def delete(self, client_id: str) -> None:
        """Delete an OAuth client and revoke all its tokens.

        Args:
            client_id: Id of the client.

        Raises:
            ResourceNotFoundError: The client does not exist, or you may not see it.
        """
        await self._session.request("DELETE", build_path("platform", "oauth-clients", client_id))
