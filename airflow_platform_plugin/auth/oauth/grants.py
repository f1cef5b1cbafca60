"""The grants by which a client gets tokens: authlib's, on the platform's tables.

RFC 6749 §4.1 (authorization code) with RFC 7636 (PKCE), §4.4 (client credentials), §6 (refresh token).
"""

import logging

from authlib.oauth2.rfc6749 import (
    InvalidRequestError,
    InvalidScopeError,
    OAuth2Request,
    UnauthorizedClientError,
    grants,
)
from authlib.oauth2.rfc7636 import CodeChallenge

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.airflow_compat.types import User
from airflow_platform_plugin.auth.oauth import tokens
from airflow_platform_plugin.auth.oauth.models import ACCESS, AuthorizationCode, Client, Token

# At DEBUG it logs tokens.
logging.getLogger("authlib.oauth2.rfc6749.grants").setLevel(logging.INFO)

SECRET_METHODS = ["client_secret_basic", "client_secret_post"]
AUTH_METHODS = [*SECRET_METHODS, "none"]


class _Grant(grants.BaseGrant):
    """What all grants share."""

    TOKEN_ENDPOINT_AUTH_METHODS = AUTH_METHODS

    def validate_requested_scope(self) -> None:
        """Check that the client has the requested scopes; authlib calls this.

        Raises:
            InvalidScopeError: some are unknown, or not the client's; they are named.
        """
        refused = self.client.refused((self.request.payload.scope or "").split())
        if refused:
            raise InvalidScopeError(f"Unknown, or not for this client: {' '.join(refused)}")


class AuthorizationCodeGrant(_Grant, grants.AuthorizationCodeGrant):
    """RFC 6749 §4.1: a user agrees in the browser; the client gets a code and exchanges it for tokens."""

    def save_authorization_code(self, code: str, request: OAuth2Request) -> None:
        """Store the code of a consent; authlib calls this."""
        tokens.issue_code(
            self.server.session,
            code,
            tokens.TokenGrant(
                request.client, airflow_compat.users.account_of(request.user), request.scope.split()
            ),
            redirect_uri=request.payload.redirect_uri,
            code_challenge=request.payload.data.get("code_challenge"),
        )

    def query_authorization_code(self, code: str, client: Client) -> AuthorizationCode | None:
        """Return a valid code; authlib calls this."""
        return tokens.find_code(self.server.session, code, client=client)

    def delete_authorization_code(self, authorization_code: AuthorizationCode) -> None:
        """Do nothing; authlib calls this after ``OAuthServer.save_token`` has used the code up."""

    def authenticate_user(self, authorization_code: AuthorizationCode) -> User:
        """Return the user who agreed, if active; authlib calls this."""
        return airflow_compat.users.active_user(authorization_code.account)


class RefreshTokenGrant(_Grant, grants.RefreshTokenGrant):
    """RFC 6749 §6, with a new refresh token each time (RFC 9700 §4.14.2)."""

    INCLUDE_NEW_REFRESH_TOKEN = True

    def authenticate_refresh_token(self, refresh_token: str) -> Token | None:
        """Return a valid token; one that was used before revokes its family. authlib calls this."""
        token = tokens.find_text(self.server.session, refresh_token)
        if token is None or token.kind == ACCESS or not token.check_client(self.client):
            return None
        if token.is_revoked():
            tokens.revoke_family(self.server.session, str(token.family))
            return None
        return (
            None if token.is_expired() or airflow_compat.users.active_user(token.account) is None else token
        )

    def authenticate_user(self, refresh_token: Token) -> User:
        """Return the user who agreed, if active; authlib calls this."""
        return airflow_compat.users.active_user(refresh_token.account)

    def revoke_old_credential(self, refresh_token: Token) -> None:
        """Do nothing; authlib calls this after ``OAuthServer.save_token`` has used the token up."""


class ClientCredentialsGrant(_Grant, grants.ClientCredentialsGrant):
    """RFC 6749 §4.4: a confidential client acts as its acting user."""

    TOKEN_ENDPOINT_AUTH_METHODS = SECRET_METHODS

    def validate_token_request(self) -> None:
        """Check the request; authlib calls this.

        Raises:
            UnauthorizedClientError: the acting user was deleted or is not active.
        """
        super().validate_token_request()
        self.request.user = airflow_compat.users.active_user(self.client.account)
        if self.request.user is None:
            raise UnauthorizedClientError("The client's acting user is not active.")


class Pkce(CodeChallenge):
    """RFC 7636: required for public clients, optional for others; only S256, since plain hides nothing."""

    SUPPORTED_CODE_CHALLENGE_METHOD = ["S256"]  # noqa: RUF012 - authlib's own convention

    def validate_code_challenge(self, grant: AuthorizationCodeGrant, redirect_uri: str | None) -> None:
        """Check the challenge before the user is asked; authlib calls this.

        Raises:
            InvalidRequestError: the challenge is missing, or is not S256.
        """
        given = grant.request.payload.data
        if given.get("code_challenge"):
            if given.get("code_challenge_method") != "S256":
                raise InvalidRequestError("The 'code_challenge_method' must be S256.")
        elif grant.client.public:
            raise InvalidRequestError("A public client must send a 'code_challenge' (RFC 7636).")
        super().validate_code_challenge(grant, redirect_uri)

    def get_authorization_code_challenge_method(self, _code: AuthorizationCode) -> str:
        """Return the only method that ``validate_code_challenge`` accepts; authlib calls this."""
        return "S256"
