"""``/oauth/…``: the consent page, and the endpoints that programs call.

The page uses Airflow's session: its login and its form token. At the endpoints, a client authenticates itself
without a session.
"""

from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from urllib.parse import urlsplit

from authlib.oauth2 import OAuth2Error
from flask import Blueprint, Response, jsonify, redirect, request

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.airflow_compat.types import User
from airflow_platform_plugin.auth import rejections
from airflow_platform_plugin.auth.oauth import server
from airflow_platform_plugin.auth.oauth.server import OAuthServer
from airflow_platform_plugin.core import db, scopes
from airflow_platform_plugin.core.types import Json
from airflow_platform_plugin.http.error_mapping import to_public_error

# RFC 6749's errors for a wrong secret of a client, and for a wrong code or refresh token.
_WRONG_SECRETS = ("invalid_client", "invalid_grant")
View = Callable[..., Response]

# With Airflow's CSRF protection.
browser_pages = Blueprint("platform_oauth_pages", "airflow_platform_plugin", template_folder="templates")
# Without CSRF protection.
token_endpoints = Blueprint("platform_oauth", __name__)


def _browser_page(view: View) -> View:
    """Make a view for users who are logged in, with a server on the request's transaction."""

    @wraps(view)
    def page() -> Response:
        user = airflow_compat.users.request_user()
        if user is None:
            # Before anything else is checked: without a login, the browser is sent to no other place.
            return redirect(airflow_compat.web.login_url(request.script_root + request.full_path))  # type: ignore[return-value]
        try:
            with db.transaction() as session:
                return view(OAuthServer(session, request.args), user)
        except OAuth2Error as error:
            return _refusal(error)
        except Exception as error:  # noqa: BLE001 - every failure becomes a response
            public = to_public_error(error)
            return _error_page(public.message, public.status)

    return page


@browser_pages.get("/oauth/authorize")
@_browser_page
def authorize_form(oauth: OAuthServer, user: User) -> Response:
    """Show which client asks for which rights (RFC 6749 §4.1.1)."""
    grant = oauth.get_consent_grant(end_user=user)
    return Response(
        airflow_compat.web.render_page(
            "platform/oauth/authorize.html",
            client=grant.client,
            user=user,
            sentences=scopes.describe(grant.request.scope.split()),
            destination=_destination(grant.redirect_uri),
        )
    )


@browser_pages.post("/oauth/authorize")
@_browser_page
def authorize_submit(oauth: OAuthServer, user: User) -> Response:
    """Send the browser back to the client with a code or an error (RFC 6749 §4.1.2)."""
    grant = oauth.get_consent_grant(end_user=user)
    allowed = request.form.get("decision") == "allow"
    response: Response = oauth.create_authorization_response(
        request=grant.request, grant_user=user if allowed else None, grant=grant
    )
    return response


@browser_pages.after_request
def _protect(response: Response) -> Response:
    """Keep the page out of caches and out of other sites' frames (RFC 6749 §10.13)."""
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Frame-Options"] = "DENY"
    response.headers["Content-Security-Policy"] = "frame-ancestors 'none'"
    return response


def _refusal(error: OAuth2Error) -> Response:
    """Send the error to the client if the redirect URI is its own; otherwise show it to the user only."""
    if not error.redirect_uri:
        return _error_page(error.get_error_description() or error.error, HTTPStatus.BAD_REQUEST)
    status, body, headers = error()
    response = Response(body, status, headers)
    server.IssuerExtension().add_issuer_parameter(None, response)
    return response


def _error_page(message: str, status: int) -> Response:
    is_refused = status < HTTPStatus.INTERNAL_SERVER_ERROR
    page = airflow_compat.web.render_page("platform/oauth/error.html", message=message, is_refused=is_refused)
    return Response(page, status)


def _destination(redirect_uri: str) -> str:
    """Return the part of the redirect URI that a user can judge."""
    parts = urlsplit(redirect_uri)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else f"{parts.scheme}:"


def _token_endpoint(view: View) -> View:
    """Make a view for clients, with a server on the request's transaction."""

    @wraps(view)
    def endpoint() -> Response:
        try:
            with db.transaction() as session:
                # authlib's error responses are committed: a stolen code or token has revoked others.
                return _log_refusal(view(OAuthServer(session, request.form)))
        except OAuth2Error as error:
            status, body, headers = error()
            return _json(body, status, dict(headers))
        except Exception as error:  # noqa: BLE001 - every failure becomes a response
            public = to_public_error(error)
            name = "server_error" if public.status >= HTTPStatus.INTERNAL_SERVER_ERROR else "invalid_request"
            if public.status == HTTPStatus.SERVICE_UNAVAILABLE:
                name = "temporarily_unavailable"
            return _json({"error": name, "error_description": public.message}, public.status)

    return endpoint


def _log_refusal(response: Response) -> Response:
    """Log the response if it refuses a client, and return it."""
    if (response.get_json(silent=True) or {}).get("error") in _WRONG_SECRETS:
        basic = request.authorization.username if request.authorization else None
        rejections.log_client(basic or request.form.get("client_id", ""))
    return response


def _json(body: Json, status: int, headers: dict[str, str] | None = None) -> Response:
    response = jsonify(body)
    response.status_code = status
    response.headers.update({"Cache-Control": "no-store"} | (headers or {}))
    return response


@token_endpoints.post("/oauth/token")
@_token_endpoint
def token(oauth: OAuthServer) -> Response:
    """Exchange a code, a refresh token or the client's credentials for tokens (RFC 6749 §3.2)."""
    return oauth.create_token_response()  # type: ignore[no-any-return]


@token_endpoints.post("/oauth/revoke")
@_token_endpoint
def revoke(oauth: OAuthServer) -> Response:
    """Revoke a token (RFC 7009)."""
    return oauth.create_endpoint_response(server.Revocation.ENDPOINT_NAME)  # type: ignore[no-any-return]


@token_endpoints.post("/oauth/introspect")
@_token_endpoint
def introspect(oauth: OAuthServer) -> Response:
    """Describe a token of the client (RFC 7662)."""
    return oauth.create_endpoint_response(server.Introspection.ENDPOINT_NAME)  # type: ignore[no-any-return]


@token_endpoints.get("/.well-known/oauth-authorization-server")
def metadata() -> Response:
    """Return the URLs of the endpoints (RFC 8414)."""
    return jsonify(
        server.metadata(
            authorize=server.url_of("platform_oauth_pages.authorize_form"),
            token=server.url_of("platform_oauth.token"),
            revoke=server.url_of("platform_oauth.revoke"),
            introspect=server.url_of("platform_oauth.introspect"),
        )
    )
