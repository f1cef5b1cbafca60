"""The platform's OAuth 2.0 endpoints, for programs that log users in."""

from airflow_platform import _http
from airflow_platform._async.session import AsyncResource
from airflow_platform.tokens import Token


class AsyncOAuth(AsyncResource):
    """Logins, as ``client.oauth``. These requests do not send the client's own credentials."""

    async def exchange_code(
        self, *, client_id: str, code: str, code_verifier: str, redirect_uri: str
    ) -> Token:
        """Exchange an authorization code for tokens (RFC 6749, section 4.1.3, with PKCE, RFC 7636).

        Args:
            client_id: Id of the public OAuth client.
            code: Authorization code that the browser brought back.
            code_verifier: The PKCE code verifier that belongs to the request's ``code_challenge``.
            redirect_uri: Redirect URI of the authorization request.

        Raises:
            AuthenticationError: The platform rejects the code; ``code`` of the error is OAuth's.

        Example:
            token = await client.oauth.exchange_code(
                client_id="your-public-client",
                code=code,
                code_verifier=verifier,
                redirect_uri="http://127.0.0.1:8765/callback",
            )
        """
        form = {
            "grant_type": "authorization_code",
            "client_id": client_id,
            "code": code,
            "code_verifier": code_verifier,
            "redirect_uri": redirect_uri,
        }
        response = await self._session.send("POST", _http.TOKEN_PATH, retryable=False, data=form)
        return _http.parse_body(Token, response)

    async def revoke(self, *, client_id: str, token: str) -> None:
        """Revoke a token (RFC 7009).

        Args:
            client_id: Id of the public OAuth client.
            token: A refresh token, which ends the whole login, or an access token, which ends only itself.

        Raises:
            AuthenticationError: The platform rejects the client.
        """
        form = {"client_id": client_id, "token": token}
        await self._session.send("POST", _http.REVOKE_PATH, retryable=True, data=form)
