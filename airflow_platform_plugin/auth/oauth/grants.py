"""How a client gets tokens: authlib's grants, on our tables.

RFC 6749 §4.1 (authorization code) with RFC 7636 (PKCE), §4.4 (client credentials), §6 (refresh token).
"""

import logging
from typing import Any

from authlib.oauth2.rfc6749 import (
    InvalidRequestError,
    InvalidScopeError,
    OAuth2Request,
    UnauthorizedClientError,
    grants,
)
from authlib.oauth2.rfc7636 import CodeChallenge

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.auth.oauth import tokens
from airflow_platform_plugin.auth.oauth.models import ACCESS, AuthorizationCode, Client, Token

# At DEBUG it writes tokens into the log.
logging.getLogger("authlib.oauth2.rfc6749.grants").setLevel(logging.INFO)

SECRET_METHODS = ["client_secret_basic", "client_secret_post"]
AUTH_METHODS = [*SECRET_METHODS, "none"]


class _Grant(grants.BaseGrant):
    """What our grants have in common."""

    TOKEN_ENDPOINT_AUTH_METHODS = AUTH_METHODS

    def validate_requested_scope(self) -> None:
        """Refuse, by name, scopes that are unknown or not the client's.

        Raises:
            InvalidScopeError: there are such.
        """
        refused = self.client.refused((self.request.payload.scope or "").split())
        if refused:
            raise InvalidScopeError(f"Unknown, or not for this client: {' '.join(refused)}")


class AuthorizationCodeGrant(_Grant, grants.AuthorizationCodeGrant):
    """RFC 6749 §4.1: a user agrees in the browser, the client gets a code and changes it for tokens."""

    def save_authorization_code(self, code: str, request: OAuth2Request) -> None:
        """Asked by authlib after the consent."""
        tokens.issue_code(
            self.server.session,
            code,
            tokens.Granted(
                request.client, airflow_compat.users.account_of(request.user), request.scope.split()
            ),
            redirect_uri=request.payload.redirect_uri,
            code_challenge=request.payload.data.get("code_challenge"),
        )

    def query_authorization_code(self, code: str, client: Client) -> AuthorizationCode | None:
        """Asked by authlib for a live code."""
        return tokens.find_code(self.server.session, code, client=client)

    def delete_authorization_code(self, authorization_code: AuthorizationCode) -> None:
        """Asked by authlib once the tokens are made; ``Server.save_token`` has used it up."""

    def authenticate_user(self, authorization_code: AuthorizationCode) -> Any:  # noqa: ANN401 - FAB's user
        """Asked by authlib: the user who agreed, if still active."""
        return airflow_compat.users.active_user(authorization_code.account)


class RefreshTokenGrant(_Grant, grants.RefreshTokenGrant):
    """RFC 6749 §6, with a new refresh token each time (RFC 9700 §4.14.2)."""

    INCLUDE_NEW_REFRESH_TOKEN = True

    def authenticate_refresh_token(self, refresh_token: str) -> Token | None:
        """Asked by authlib for a live token; one that was used before revokes its whole family."""
        token = tokens.find_text(self.server.session, refresh_token)
        if token is None or token.kind == ACCESS or not token.check_client(self.client):
            return None
        if token.is_revoked():
            tokens.revoke_family(self.server.session, str(token.family))
            return None
        return (
            None if token.is_expired() or airflow_compat.users.active_user(token.account) is None else token
        )

    def authenticate_user(self, refresh_token: Token) -> Any:  # noqa: ANN401 - FAB's user
        """Asked by authlib: the user who agreed."""
        return airflow_compat.users.active_user(refresh_token.account)

    def revoke_old_credential(self, refresh_token: Token) -> None:
        """Asked by authlib once the new tokens are made; ``Server.save_token`` has used it up."""


class ClientCredentialsGrant(_Grant, grants.ClientCredentialsGrant):
    """RFC 6749 §4.4: a confidential client acts as the user whom its maker has named."""

    TOKEN_ENDPOINT_AUTH_METHODS = SECRET_METHODS

    def validate_token_request(self) -> None:
        """Asked by authlib.

        Raises:
            UnauthorizedClientError: the acting user is gone or not active.
        """
        super().validate_token_request()
        self.request.user = airflow_compat.users.active_user(self.client.account)
        if self.request.user is None:
            raise UnauthorizedClientError("The client's acting user is not active.")


class Pkce(CodeChallenge):
    """RFC 7636: public clients must, confidential ones may; S256 alone, for plain hides nothing."""

    SUPPORTED_CODE_CHALLENGE_METHOD = ["S256"]  # noqa: RUF012 - authlib's own convention

    def validate_code_challenge(self, grant: AuthorizationCodeGrant, redirect_uri: str | None) -> None:
        """Asked by authlib before the user is.

        Raises:
            InvalidRequestError: there is no challenge, or one of another kind.
        """
        given = grant.request.payload.data
        if given.get("code_challenge"):
            if given.get("code_challenge_method") != "S256":
                raise InvalidRequestError("The 'code_challenge_method' must be S256.")
        elif grant.client.public:
            raise InvalidRequestError("A public client must send a 'code_challenge' (RFC 7636).")
        super().validate_code_challenge(grant, redirect_uri)

    def get_authorization_code_challenge_method(self, _code: AuthorizationCode) -> str:
        """Asked by authlib: no other gets past ``validate_code_challenge``."""
        return "S256"
