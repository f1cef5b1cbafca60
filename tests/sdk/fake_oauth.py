"""An OAuth 2.0 server in a FakePlatform.

It follows RFC 6749 (client credentials, authorization code, refresh), RFC 7636 (PKCE, S256 only) and RFC 7009
(revocation). Refresh tokens work once; a second use ends the whole login (RFC 9700, section 4.14.2).
"""

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from threading import Lock
from typing import Any
from urllib.parse import unquote_plus, urlencode

from fake_platform import FakePlatform, Request

Response = tuple[int, dict[str, str], Any]


@dataclass
class Grant:
    """The tokens of one login, or of one client."""

    client_id: str
    scope: str
    access: set[str] = field(default_factory=set)
    refresh: list[str] = field(default_factory=list)


class FakeOAuth:
    """The clients, their tokens, and the three endpoints.

    Attributes:
        clients: The secret of each client, by id; None for a public client.
        lifetime: Lifetime of access tokens, in seconds.
        denial: Error code that the browser brings back; None if the user agrees.
    """

    def __init__(self, platform: FakePlatform) -> None:
        self.clients: dict[str, str | None] = {"program": "sesame", "airflow-cli": None}
        self.lifetime = 3600
        self.denial: str | None = None
        self.grants: list[Grant] = []
        self._codes: dict[str, dict[str, str]] = {}
        self._numbers = count(1)
        self._lock = Lock()
        self._platform = platform
        platform.routes |= {
            ("GET", "/oauth/authorize"): self._authorize,
            ("POST", "/oauth/token"): self._token,
            ("POST", "/oauth/revoke"): self._revoke,
        }

    @property
    def token_requests(self) -> list[Any]:
        """The forms that the token endpoint received."""
        return [request.body for request in self._platform.requests if request.path == "/oauth/token"]

    def log_in(self) -> dict[str, Any]:
        """Return the tokens of a new login with the client airflow-cli."""
        self.grants.append(Grant("airflow-cli", "dags:read"))
        return self.renew()

    def renew(self) -> dict[str, Any]:
        """Return new tokens of the latest login, which uses up its refresh token."""
        body: dict[str, Any] = self._issue_tokens(self.grants[-1], refresh=True)[2]
        return body

    def protect(self, answer: Any) -> Callable[[Request], Any]:
        """Return a route that gives the answer only to requests with a valid access token."""

        def respond(request: Request) -> Any:
            token = request.headers.get("authorization", "").removeprefix("Bearer ")
            if any(token in grant.access for grant in self.grants):
                return answer
            return 401, {}, {"error": {"code": "AUTHENTICATION_FAILED", "message": "Invalid credentials."}}

        return respond

    def _authorize(self, request: Request) -> Response:
        query = {name: values[0] for name, values in request.query.items()}
        assert query["response_type"] == "code"
        assert query["client_id"] in self.clients
        assert query["code_challenge_method"] == "S256"
        back = {"state": query["state"]}
        if self.denial:
            back |= {"error": self.denial, "error_description": "The user said no"}
        else:
            code = f"code-{next(self._numbers)}"
            self._codes[code] = query
            back["code"] = code
        return 302, {"Location": f"{query['redirect_uri']}?{urlencode(back)}"}, None

    def _token(self, request: Request) -> Response:
        form = request.body
        with self._lock:
            match form["grant_type"]:
                case "client_credentials":
                    client = self._authenticate(request)
                    if client is None:
                        return self._error(401, "invalid_client")
                    self.grants.append(Grant(client, "dags:read"))
                    return self._issue_tokens(self.grants[-1], refresh=False)
                case "authorization_code":
                    return self._exchange(form)
                case "refresh_token":
                    return self._refresh(form)
        return self._error(400, "unsupported_grant_type")

    def _authenticate(self, request: Request) -> str | None:
        scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
        if scheme != "Basic":
            return None
        client_id, _, secret = base64.b64decode(encoded).decode().partition(":")
        client_id, secret = unquote_plus(client_id), unquote_plus(secret)
        return client_id if secret and self.clients.get(client_id) == secret else None

    def _exchange(self, form: dict[str, str]) -> Response:
        request = self._codes.pop(form["code"], None)
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if request is None or request["code_challenge"] != challenge:
            return self._error(400, "invalid_grant")
        if (request["client_id"], request["redirect_uri"]) != (form["client_id"], form["redirect_uri"]):
            return self._error(400, "invalid_grant")
        self.grants.append(Grant(form["client_id"], request.get("scope", "dags:read dags:write")))
        return self._issue_tokens(self.grants[-1], refresh=True)

    def _refresh(self, form: dict[str, str]) -> Response:
        for grant in self.grants:
            if grant.client_id == form["client_id"] and form["refresh_token"] in grant.refresh:
                if form["refresh_token"] == grant.refresh[-1]:
                    return self._issue_tokens(grant, refresh=True)
                self.grants.remove(grant)
                break
        return self._error(400, "invalid_grant")

    def _issue_tokens(self, grant: Grant, *, refresh: bool) -> Response:
        number = next(self._numbers)
        grant.access.add(f"access-{number}")
        answer = {
            "access_token": f"access-{number}",
            "token_type": "Bearer",
            "expires_in": self.lifetime,
            "scope": grant.scope,
        }
        if refresh:
            grant.refresh.append(f"refresh-{number}")
            answer["refresh_token"] = f"refresh-{number}"
        return 200, {"Cache-Control": "no-store"}, answer

    def _revoke(self, request: Request) -> Response:
        self.grants = [grant for grant in self.grants if request.body["token"] not in grant.refresh]
        return 200, {}, {}

    @staticmethod
    def _error(status: int, code: str) -> Response:
        return status, {}, {"error": code, "error_description": f"That is {code}"}
