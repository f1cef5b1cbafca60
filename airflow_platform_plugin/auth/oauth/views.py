"""``/oauth/…``: a page where a user agrees, and endpoints that programs call.

The page belongs to Airflow's own session: its login, its form token. The others know no session; a
client authenticates itself there.
"""

from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from authlib.oauth2 import OAuth2Error
from flask import Blueprint, Response, jsonify, redirect, request

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.auth import rejections
from airflow_platform_plugin.auth.oauth import server
from airflow_platform_plugin.auth.oauth.server import Server
from airflow_platform_plugin.core import db, scopes
from airflow_platform_plugin.http.error_mapping import to_public_error

# What RFC 6749 calls a client's wrong secret, and a wrong code or refresh token.
_WRONG = ("invalid_client", "invalid_grant")
View = Callable[..., Response]

# Under Airflow's protection against forged forms.
browser_pages = Blueprint("platform_oauth_pages", "airflow_platform_plugin", template_folder="templates")
# Without it.
token_endpoints = Blueprint("platform_oauth", __name__)


def _page(view: View) -> View:
    """A view for whoever is logged in, with a server on the request's transaction."""

    @wraps(view)
    def page() -> Response:
        user = airflow_compat.users.request_user()
        if user is None:
            # Before anything else is looked at: a stranger's browser is sent nowhere but to the login.
            return redirect(airflow_compat.web.login_url(request.script_root + request.full_path))  # type: ignore[return-value]
        try:
            with db.transaction() as session:
                return view(Server(session, request.args), user)
        except OAuth2Error as error:
            return _refusal(error)
        except Exception as error:  # noqa: BLE001 - every failure has an answer
            public = to_public_error(error)
            return _error_page(public.message, public.status)

    return page


@browser_pages.get("/oauth/authorize")
@_page
def authorize_form(oauth: Server, user: Any) -> Response:  # noqa: ANN401 - FAB's user
    """Show who wants to do what (RFC 6749 §4.1.1)."""
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
@_page
def authorize_submit(oauth: Server, user: Any) -> Response:  # noqa: ANN401 - FAB's user
    """Send the browser back to the client, with a code or with a refusal (RFC 6749 §4.1.2)."""
    grant = oauth.get_consent_grant(end_user=user)
    allowed = request.form.get("decision") == "allow"
    response: Response = oauth.create_authorization_response(
        request=grant.request, grant_user=user if allowed else None, grant=grant
    )
    return response


@browser_pages.after_request
def _protect(response: Response) -> Response:
    """Keep the page out of caches and of other sites' frames (RFC 6749 §10.13)."""
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Frame-Options"] = "DENY"
    response.headers["Content-Security-Policy"] = "frame-ancestors 'none'"
    return response


def _refusal(error: OAuth2Error) -> Response:
    """Tell the client, where its redirect URI is known to be its own, and otherwise the user alone."""
    if not error.redirect_uri:
        return _error_page(error.get_error_description() or error.error, HTTPStatus.BAD_REQUEST)
    status, body, headers = error()
    response = Response(body, status, headers)
    server.Issuer().add_issuer_parameter(None, response)
    return response


def _error_page(message: str, status: int) -> Response:
    return Response(airflow_compat.web.render_page("platform/oauth/error.html", message=message), status)


def _destination(redirect_uri: str) -> str:
    """Where the browser goes, as far as a person can judge it."""
    parts = urlsplit(redirect_uri)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else f"{parts.scheme}:"


def _program(view: View) -> View:
    """A view for clients, with a server on the request's transaction."""

    @wraps(view)
    def for_program() -> Response:
        try:
            with db.transaction() as session:
                # An error that authlib answers is committed: a stolen code or token has revoked others.
                return _noted(view(Server(session, request.form)))
        except OAuth2Error as error:
            status, body, headers = error()
            return _json(body, status, dict(headers))
        except Exception as error:  # noqa: BLE001 - every failure has an answer
            public = to_public_error(error)
            name = "server_error" if public.status >= HTTPStatus.INTERNAL_SERVER_ERROR else "invalid_request"
            if public.status == HTTPStatus.SERVICE_UNAVAILABLE:
                name = "temporarily_unavailable"
            return _json({"error": name, "error_description": public.message}, public.status)

    return for_program


def _noted(response: Response) -> Response:
    """The answer; if it refuses a client, the log knows."""
    if (response.get_json(silent=True) or {}).get("error") in _WRONG:
        basic = request.authorization.username if request.authorization else None
        rejections.log_client(basic or request.form.get("client_id", ""))
    return response


def _json(body: Any, status: int, headers: dict[str, str] | None = None) -> Response:  # noqa: ANN401 - any JSON
    response = jsonify(body)
    response.status_code = status
    response.headers.update({"Cache-Control": "no-store"} | (headers or {}))
    return response


@token_endpoints.post("/oauth/token")
@_program
def token(oauth: Server) -> Response:
    """Change a code, a refresh token or a client's own credentials for tokens (RFC 6749 §3.2)."""
    return oauth.create_token_response()  # type: ignore[no-any-return]


@token_endpoints.post("/oauth/revoke")
@_program
def revoke(oauth: Server) -> Response:
    """End a token (RFC 7009)."""
    return oauth.create_endpoint_response(server.Revocation.ENDPOINT_NAME)  # type: ignore[no-any-return]


@token_endpoints.post("/oauth/introspect")
@_program
def introspect(oauth: Server) -> Response:
    """Tell a client about a token of its own (RFC 7662)."""
    return oauth.create_endpoint_response(server.Introspection.ENDPOINT_NAME)  # type: ignore[no-any-return]


@token_endpoints.get("/.well-known/oauth-authorization-server")
def metadata() -> Response:
    """Tell clients where everything is (RFC 8414)."""
    return jsonify(
        server.metadata(
            authorize=server.url_of("platform_oauth_pages.authorize_form"),
            token=server.url_of("platform_oauth.token"),
            revoke=server.url_of("platform_oauth.revoke"),
            introspect=server.url_of("platform_oauth.introspect"),
        )
    )
