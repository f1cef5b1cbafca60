"""The OAuth 2.0 protocol: authlib's authorization server on the platform's tables.

RFC 6749 (requests), 7009 (revocation), 7662 (introspection), 8414 (metadata), 9207 (issuer); grants are in
``grants``. Each request has its own server object, on the request's transaction.
"""

import re
from typing import Any
from urllib.parse import urlsplit

import flask
from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.integrations.flask_oauth2.requests import FlaskOAuth2Payload, FlaskOAuth2Request
from authlib.oauth2.base import invalid_error_characters
from authlib.oauth2.rfc6749 import (
    BaseGrant,
    InvalidClientError,
    InvalidGrantError,
    InvalidRequestError,
    InvalidScopeError,
    OAuth2Request,
    UnsupportedResponseTypeError,
)
from authlib.oauth2.rfc6750 import BearerTokenGenerator
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7662 import IntrospectionEndpoint
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata
from authlib.oauth2.rfc9207 import IssuerParameter
from sqlalchemy.orm import Session
from werkzeug.datastructures import MultiDict

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.auth import credentials, key_format
from airflow_platform_plugin.auth.oauth import grants, tokens
from airflow_platform_plugin.auth.oauth.models import ACCESS, GRANT_TYPES, Client, Token
from airflow_platform_plugin.core import db
from airflow_platform_plugin.core import scopes as all_scopes
from airflow_platform_plugin.core.types import Option

Parameters = MultiDict[str, str]

_CLIENT_ID = re.compile(r"[A-Za-z0-9_-]{1,32}")
# Parameters that authlib repeats in error descriptions. RFC 6749 §5.2 forbids some characters there.
_PLAIN = (
    "client_id", "code", "code_challenge", "code_challenge_method", "code_verifier", "grant_type",
    "redirect_uri", "refresh_token", "response_type", "scope", "token", "token_type_hint",
)  # fmt: skip


def issuer() -> str:
    """Return this server's name: ``[webserver] base_url``, or the request's own URL if that is not set.

    Set ``base_url``: clients trust this name, and a caller may send any ``Host``.
    """
    return airflow_compat.config.public_url() or flask.request.url_root.rstrip("/")


def url_of(endpoint: str) -> str:
    """Return the URL of an endpoint for clients."""
    path = flask.url_for(endpoint).removeprefix(flask.request.script_root)
    return issuer() + path


class RequestParameters(FlaskOAuth2Payload):
    """The parameters of a request, from the query or from the form, as the endpoint defines."""

    def __init__(self, given: Parameters) -> None:
        self._given = given

    @property
    def data(self) -> Parameters:
        """The parameters."""
        return self._given


class OAuthRequest(FlaskOAuth2Request):
    """A request, as authlib reads it.

    Raises:
        InvalidRequestError: a parameter is repeated (RFC 6749 §3.1, §3.2), or has forbidden characters.
    """

    def __init__(self, request: flask.Request, parameters: Parameters) -> None:
        # authlib refuses http, but TLS may end at a proxy.
        uri = urlsplit(request.url)._replace(scheme="https").geturl()
        OAuth2Request.__init__(self, request.method, uri, headers=request.headers)
        self._request = request
        self._resolved = ""
        self.payload = RequestParameters(parameters)
        if any(len(values) > 1 for _, values in parameters.lists()):
            raise InvalidRequestError("A parameter is repeated.")
        for name in _PLAIN:
            if invalid_error_characters(parameters.get(name, "")):
                raise InvalidRequestError(f"The parameter '{name}' has forbidden characters.")

    @property
    def scope(self) -> str:
        """The scopes to grant: the requested ones, or the client's default (RFC 6749 §3.3).

        authlib resolves the default from version 1.7 on.
        """
        asked = self._resolved or self.payload.scope or ""
        return asked if self.client is None else self.client.get_allowed_scope(asked) or ""

    @scope.setter
    def scope(self, resolved: str) -> None:
        self._resolved = resolved


class OAuthServer(AuthorizationServer):
    """The authorization server of one request.

    Attributes:
        session: the request's transaction.
        parameters: the query at the authorization endpoint, the form at all others.
    """

    def __init__(self, session: Session, parameters: Parameters) -> None:
        super().__init__()
        self.session = session
        self.parameters = parameters
        self.register_token_generator(
            "default",
            BearerTokenGenerator(
                lambda **_: str(key_format.generate(key_format.ACCESS_TOKEN)),
                lambda **_: str(key_format.generate(key_format.REFRESH_TOKEN)),
                lambda client, *_: int(tokens.lifetime(ACCESS, client).total_seconds()),
            ),
        )
        self.register_grant(grants.AuthorizationCodeGrant, [grants.Pkce()])
        self.register_grant(grants.RefreshTokenGrant)
        self.register_grant(grants.ClientCredentialsGrant)
        self.register_endpoint(Revocation)
        self.register_endpoint(Introspection)
        self.register_extension(IssuerExtension())

    def create_oauth2_request(self, _request: object) -> OAuthRequest:
        """Return the current request; authlib calls this."""
        return OAuthRequest(flask.request, self.parameters)

    def authenticate_client(
        self, request: OAuthRequest, methods: list[str], endpoint: str = "token"
    ) -> Client:
        """Authenticate the client; authlib itself fails on credentials that are not UTF-8."""
        try:
            return super().authenticate_client(request, methods, endpoint)  # type: ignore[no-any-return]
        except UnicodeDecodeError as error:
            raise InvalidClientError(status_code=401) from error

    def query_client(self, client_id: str) -> Client | None:
        """Return the valid client with that id, which any caller may send, or None; authlib calls this."""
        client = self.session.get(Client, client_id) if _CLIENT_ID.fullmatch(client_id) else None
        return client if client is not None and credentials.is_client_valid(self.session, client) else None

    def generate_token(self, grant_type: str, client: Client, **options: Option) -> dict[str, Any]:
        """Generate a token; without requested scopes, with the client's default (RFC 6749 §3.3).

        Raises:
            InvalidScopeError: the client has lost every scope that was granted before.
        """
        options["scope"] = client.get_allowed_scope(options.get("scope") or "")
        if options["scope"] is None:
            raise InvalidScopeError
        return super().generate_token(grant_type=grant_type, client=client, **options)  # type: ignore[no-any-return]

    def get_authorization_grant(self, request: OAuthRequest) -> BaseGrant:
        """Return the grant of a request to the authorization endpoint.

        Raises:
            UnsupportedResponseTypeError: with a redirect URI only if it is the client's. authlib before 1.7
                would send the browser to any URI.
        """
        try:
            return super().get_authorization_grant(request)
        except UnsupportedResponseTypeError as error:
            error.redirect_uri = _known_redirect_uri(self, request)
            raise

    def save_token(self, token: dict[str, Any], request: OAuthRequest) -> None:
        """Store new tokens, and use up the code or refresh token; authlib calls this.

        Raises:
            InvalidGrantError: another request has used the same code or refresh token at this moment.
        """
        source = request.authorization_code or request.refresh_token
        if source is not None and not tokens.use_up(self.session, source):
            raise InvalidGrantError
        family = db.new_id("oaf") if source is None else str(source.family)
        granted = tokens.TokenGrant(
            request.client, airflow_compat.users.account_of(request.user), token["scope"].split()
        )
        for text in (token["access_token"], token.get("refresh_token")):
            if text is not None:
                tokens.issue(self.session, text, granted, family=family)


def _known_redirect_uri(server: OAuthServer, request: OAuthRequest) -> str | None:
    """Return the client's own URI that an error may be sent to, or None."""
    client = server.query_client(request.payload.client_id or "")
    if client is None:
        return None
    asked = request.payload.redirect_uri
    if not asked:
        return client.get_default_redirect_uri()
    return asked if client.check_redirect_uri(asked) else None


class Revocation(RevocationEndpoint):
    """RFC 7009: a client revokes its own tokens."""

    CLIENT_AUTH_METHODS = grants.AUTH_METHODS

    def query_token(self, text: str, _hint: str | None) -> Token | None:
        """Return the token with that text; the hint is not needed. authlib calls this."""
        return tokens.find_text(self.server.session, text)

    def revoke_token(self, token: Token, _request: OAuthRequest) -> None:
        """Revoke a token; authlib calls this."""
        tokens.revoke(self.server.session, token)


class Introspection(IntrospectionEndpoint):
    """RFC 7662: a confidential client reads the state of its own tokens."""

    CLIENT_AUTH_METHODS = grants.SECRET_METHODS

    def query_token(self, text: str, _hint: str | None) -> Token | None:
        """Return the token with that text; the hint is not needed. authlib calls this."""
        return tokens.find_text(self.server.session, text)

    def check_permission(self, token: Token, client: Client, request: OAuthRequest) -> bool:
        """Return whether the token is the client's and its user is active; authlib calls this."""
        request.user = airflow_compat.users.active_user(token.account)
        return token.check_client(client) and request.user is not None

    def introspect_token(self, token: Token) -> dict[str, Any]:
        """Return the description of a valid token; authlib calls this."""
        user = airflow_compat.users.active_user(token.account)
        description = {
            "client_id": token.client_id,
            "username": user.username,
            "sub": str(token.user_id),
            "scope": token.get_scope(),
            "iat": int(token.created_at.timestamp()),
            "exp": int(token.expires_at.timestamp()),
            "iss": issuer(),
        }
        return description | {"token_type": "Bearer"} if token.kind == ACCESS else description


class IssuerExtension(IssuerParameter):
    """RFC 9207: a response to the browser names the server that it comes from."""

    def get_issuer(self) -> str:
        """Return this server's name; authlib calls this."""
        return issuer()


def metadata(*, authorize: str, token: str, revoke: str, introspect: str) -> AuthorizationServerMetadata:
    """Return the metadata of RFC 8414, with the URLs of the endpoints."""
    return AuthorizationServerMetadata(
        issuer=issuer(),
        authorization_endpoint=authorize,
        token_endpoint=token,
        revocation_endpoint=revoke,
        introspection_endpoint=introspect,
        scopes_supported=list(all_scopes.known()),
        response_types_supported=["code"],
        grant_types_supported=list(GRANT_TYPES),
        code_challenge_methods_supported=["S256"],
        token_endpoint_auth_methods_supported=grants.AUTH_METHODS,
        revocation_endpoint_auth_methods_supported=grants.AUTH_METHODS,
        introspection_endpoint_auth_methods_supported=grants.SECRET_METHODS,
        authorization_response_iss_parameter_supported=True,
    )
